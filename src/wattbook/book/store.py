"""The SQL of the book: every function takes a batch and uses one statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection as DriverConnection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import PURPOSES, Account


class Kind(IntEnum):
    """What a transfer does."""

    TRANSFER = 0
    HOLD = 1
    CAPTURE = 2
    VOID = 3
    EXPIRY = 4

    @property
    def resolution(self) -> str:
        """The state in which it leaves its hold."""
        return {Kind.CAPTURE: "captured", Kind.VOID: "voided", Kind.EXPIRY: "expired"}[self]


@dataclass(slots=True)
class AccountRow:
    """An account that this transaction has locked."""

    id: int
    key: Account
    floor: int | None
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    version: int

    def numbers(self) -> tuple[int, int, int, int, int]:
        return self.debits_posted, self.credits_posted, self.debits_pending, self.credits_pending, self.version

    def restore(self, numbers: tuple[int, ...]) -> None:
        self.debits_posted, self.credits_posted, self.debits_pending, self.credits_pending, self.version = numbers


@dataclass(slots=True)
class HoldRow:
    id: UUID
    debit: int
    credit: int
    amount: int
    expires_at: datetime
    state: str = "open"


@dataclass(slots=True, kw_only=True)
class TransferRow:
    """A transfer as stored; versions and balances are set when it is applied."""

    id: UUID
    fact: str
    kind: Kind
    group_id: UUID
    group_size: int
    debit: int
    credit: int
    amount: int
    hold_id: UUID | None
    event_at: datetime
    booked_at: datetime
    period: date
    corrects: date | None
    span_start: datetime | None
    span_end: datetime | None
    memo: str
    expires_at: datetime | None = None
    debit_version: int = 0
    debit_balance: int = 0
    credit_version: int = 0
    credit_balance: int = 0

    @property
    def content(self) -> dict[str, Any]:
        """What must be the same when the fact comes again. When it was booked and the memo may differ."""
        return {
            "kind": self.kind,
            "debit account": self.debit,
            "credit account": self.credit,
            "amount": self.amount,
            "hold": self.hold_id,
            "event time": self.event_at,
            "span": (self.span_start, self.span_end),
        }

    def difference(self, other: "TransferRow") -> str:
        mine, theirs = self.content, other.content
        return ", ".join(f"{name} {mine[name]} against {theirs[name]}" for name in mine if mine[name] != theirs[name])


async def lock_closing(connection: AsyncConnection, *, exclusive: bool = False) -> date:
    """The last closed month, which cannot move before this transaction ends."""
    mode = "UPDATE" if exclusive else "SHARE"
    found = await connection.execute(text(f"SELECT closed_through FROM book.closing FOR {mode}"))
    closed: date = found.scalar_one()
    return closed


async def close_through(connection: AsyncConnection, period: date, now: datetime) -> None:
    """Write the control totals of each month up to this one, then move the border."""
    await connection.execute(
        text("""
            INSERT INTO book.closed_periods (period, closed_at, transfers, amount)
            SELECT period, :now, count(*), sum(amount % 4611686018427387904) % 4611686018427387904
            FROM book.transfers WHERE period <= :period AND period > (SELECT closed_through FROM book.closing)
            GROUP BY period
        """),
        {"period": period, "now": now},
    )
    await connection.execute(text("UPDATE book.closing SET closed_through = :period"), {"period": period})


async def accounts_of_holds(connection: AsyncConnection, holds: Sequence[UUID]) -> set[Account]:
    if not holds:
        return set()
    found = await connection.execute(
        text("""
            SELECT DISTINCT account.owner, account.purpose, account.commodity
            FROM book.holds AS hold
            JOIN book.accounts AS account ON account.id IN (hold.debit_account, hold.credit_account)
            WHERE hold.id = ANY(CAST(:holds AS uuid[]))
        """),
        {"holds": holds},
    )
    return {Account(*row) for row in found}


async def lock_accounts(connection: AsyncConnection, keys: Iterable[Account]) -> dict[Account, AccountRow]:
    """Every account, made when it is missing, locked in the order of ids."""
    wanted = sorted(keys)
    locked = await _lock_existing(connection, wanted)
    missing = [key for key in wanted if key not in locked]
    if missing:
        await connection.execute(
            text("""
                INSERT INTO book.accounts (owner, purpose, commodity, floor)
                SELECT * FROM unnest(CAST(:owners AS text[]), CAST(:purposes AS text[]), CAST(:commodities AS text[]),
                                     CAST(:floors AS bigint[]))
                ON CONFLICT (owner, purpose, commodity) DO NOTHING
            """),
            _columns(missing) | {"floors": [PURPOSES[key.purpose].floor for key in missing]},
        )
        locked |= await _lock_existing(connection, missing)
    assert len(locked) == len(wanted), "each account exists once it was asked for"
    return locked


async def _lock_existing(connection: AsyncConnection, keys: Sequence[Account]) -> dict[Account, AccountRow]:
    found = await connection.execute(
        text("""
            SELECT id, account.owner, account.purpose, account.commodity, floor,
                   debits_posted, credits_posted, debits_pending, credits_pending, version
            FROM book.accounts AS account
            JOIN unnest(CAST(:owners AS text[]), CAST(:purposes AS text[]), CAST(:commodities AS text[]))
                 AS wanted(owner, purpose, commodity)
                 ON (account.owner, account.purpose, account.commodity)
                  = (wanted.owner, wanted.purpose, wanted.commodity)
            ORDER BY id FOR UPDATE OF account
        """),
        _columns(keys),
    )
    rows = [AccountRow(row[0], Account(row[1], row[2], row[3]), *row[4:]) for row in found]
    return {row.key: row for row in rows}


def _columns(keys: Sequence[Account]) -> dict[str, list[Any]]:
    return {
        "owners": [key.owner for key in keys],
        "purposes": [key.purpose for key in keys],
        "commodities": [key.commodity for key in keys],
    }


async def load_holds(connection: AsyncConnection, holds: Sequence[UUID]) -> list[HoldRow]:
    """Their state cannot change while the caller has their accounts locked."""
    if not holds:
        return []
    found = await connection.execute(
        text("""
            SELECT id, debit_account, credit_account, amount, expires_at, state
            FROM book.holds WHERE id = ANY(CAST(:holds AS uuid[]))
        """),
        {"holds": holds},
    )
    return [HoldRow(*row) for row in found]


async def due_holds(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Facts of open holds past their time."""
    found = await connection.execute(
        text("""
            SELECT transfer.fact FROM book.holds AS hold JOIN book.transfers AS transfer USING (id)
            WHERE hold.state = 'open' AND hold.expires_at <= :now ORDER BY hold.expires_at LIMIT :limit
        """),
        {"now": now, "limit": limit},
    )
    return list(found.scalars())


async def load_transfers(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, TransferRow]:
    found = await connection.execute(
        text("""
            SELECT id, fact, kind, group_id, group_size, debit_account, credit_account, amount, hold_id, event_at,
                   booked_at, period, corrects, span_start, span_end, memo
            FROM book.transfers WHERE id = ANY(CAST(:ids AS uuid[]))
        """),
        {"ids": ids},
    )
    return {
        row.id: TransferRow(
            id=row.id,
            fact=row.fact,
            kind=Kind(row.kind),
            group_id=row.group_id,
            group_size=row.group_size,
            debit=row.debit_account,
            credit=row.credit_account,
            amount=row.amount,
            hold_id=row.hold_id,
            event_at=row.event_at,
            booked_at=row.booked_at,
            period=row.period,
            corrects=row.corrects,
            span_start=row.span_start,
            span_end=row.span_end,
            memo=row.memo,
        )
        for row in found
    }


async def insert_transfers(connection: AsyncConnection, rows: Sequence[TransferRow]) -> None:
    """By COPY in text form: the fastest way in, and the only escapes a fact or memo can need are the four below."""
    if not rows:
        return
    driver: DriverConnection[Any] = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
    lines = "".join(_copy_line(row) for row in rows)
    async with (
        driver.cursor() as cursor,
        cursor.copy("""
            COPY book.transfers (id, fact, kind, group_id, group_size, debit_account, credit_account, amount, hold_id,
                                 event_at, booked_at, period, corrects, span_start, span_end, debit_version,
                                 debit_balance, credit_version, credit_balance, memo) FROM STDIN
        """) as copy,
    ):
        await copy.write(lines)


def _copy_line(row: TransferRow) -> str:
    return (
        f"{row.id}\t{_escaped(row.fact)}\t{row.kind:d}\t{row.group_id}\t{row.group_size}\t{row.debit}\t{row.credit}\t"
        f"{row.amount}\t{_or_null(row.hold_id)}\t{row.event_at}\t{row.booked_at}\t{row.period}\t"
        f"{_or_null(row.corrects)}\t{_or_null(row.span_start)}\t{_or_null(row.span_end)}\t{row.debit_version}\t"
        f"{row.debit_balance}\t{row.credit_version}\t{row.credit_balance}\t{_escaped(row.memo)}\n"
    )


def _or_null(value: object) -> object:
    return "\\N" if value is None else value


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


async def insert_holds(connection: AsyncConnection, rows: Sequence[HoldRow]) -> None:
    if not rows:
        return
    await connection.execute(
        text("""
            INSERT INTO book.holds (id, debit_account, credit_account, amount, expires_at, state)
            SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[]),
                                 CAST(:amounts AS bigint[]), CAST(:expiries AS timestamptz[]), CAST(:states AS text[]))
        """),
        {
            "ids": [row.id for row in rows],
            "debits": [row.debit for row in rows],
            "credits": [row.credit for row in rows],
            "amounts": [row.amount for row in rows],
            "expiries": [row.expires_at for row in rows],
            "states": [row.state for row in rows],
        },
    )


async def update_holds(connection: AsyncConnection, rows: Sequence[HoldRow]) -> None:
    if not rows:
        return
    await connection.execute(
        text("""
            UPDATE book.holds AS hold SET state = now.state
            FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[])) AS now(id, state) WHERE hold.id = now.id
        """),
        {"ids": [row.id for row in rows], "states": [row.state for row in rows]},
    )


async def update_accounts(connection: AsyncConnection, rows: Sequence[AccountRow]) -> None:
    if not rows:
        return
    await connection.execute(
        text("""
            UPDATE book.accounts AS account
            SET debits_posted = now.debits_posted, credits_posted = now.credits_posted,
                debits_pending = now.debits_pending, credits_pending = now.credits_pending, version = now.version
            FROM unnest(CAST(:ids AS bigint[]), CAST(:debits_posted AS bigint[]), CAST(:credits_posted AS bigint[]),
                        CAST(:debits_pending AS bigint[]), CAST(:credits_pending AS bigint[]),
                        CAST(:versions AS bigint[]))
                 AS now(id, debits_posted, credits_posted, debits_pending, credits_pending, version)
            WHERE account.id = now.id
        """),
        {
            "ids": [row.id for row in rows],
            "debits_posted": [row.debits_posted for row in rows],
            "credits_posted": [row.credits_posted for row in rows],
            "debits_pending": [row.debits_pending for row in rows],
            "credits_pending": [row.credits_pending for row in rows],
            "versions": [row.version for row in rows],
        },
    )


async def set_floor(connection: AsyncConnection, account: Account, floor: int | None) -> None:
    await lock_accounts(connection, [account])
    await connection.execute(
        text("""
            UPDATE book.accounts SET floor = :floor
            WHERE (owner, purpose, commodity) = (:owner, :purpose, :commodity)
        """),
        account._asdict() | {"floor": floor},
    )


async def balances(connection: AsyncConnection, keys: Sequence[Account]) -> dict[Account, tuple[int, int, int, int]]:
    found = await connection.execute(
        text("""
            SELECT account.owner, account.purpose, account.commodity,
                   debits_posted, credits_posted, debits_pending, credits_pending
            FROM book.accounts AS account
            JOIN unnest(CAST(:owners AS text[]), CAST(:purposes AS text[]), CAST(:commodities AS text[]))
                 AS wanted(owner, purpose, commodity) USING (owner, purpose, commodity)
        """),
        _columns(keys),
    )
    return {Account(*row[:3]): row[3:] for row in found}
