"""The SQL of the book: every function takes a batch and uses one statement."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import PURPOSES, Account
from wattbook.db.engine import driver_of


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


class AccountRow(Struct, gc=False):
    """An account that this transaction has locked."""

    id: int
    key: Account
    floor: int | None
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    version: int

    @property
    def available(self) -> int:
        """On the account's own side, everything pending against it counted as gone."""
        if PURPOSES[self.key.purpose].side == "debit":
            return self.debits_posted - self.credits_posted - self.credits_pending
        return self.credits_posted - self.debits_posted - self.debits_pending


class HoldRow(Struct, gc=False):
    id: str
    debit: int
    credit: int
    amount: int
    expires_at: datetime
    state: str = "open"


class TransferRow(Struct, kw_only=True, gc=False):
    """A transfer as stored; versions and balances are set when it is applied."""

    id: str
    fact: str
    kind: Kind
    group_id: str
    group_size: int
    debit: int
    credit: int
    amount: int
    hold_id: str | None
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


async def accounts_of_holds(connection: AsyncConnection, holds: Sequence[str]) -> set[Account]:
    if not holds:
        return set()
    found = await connection.execute(
        text("""
            SELECT DISTINCT account.owner, account.purpose, account.commodity
            FROM book.holds AS hold
            JOIN book.accounts AS account ON account.id IN (hold.debit_account, hold.credit_account)
            WHERE hold.id = ANY(CAST(string_to_array(:holds, ',') AS uuid[]))
        """),
        {"holds": ",".join(holds)},
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
                SELECT owner, purpose, commodity, nullif(floor, '')::bigint
                FROM unnest(string_to_array(:owners, chr(31)), string_to_array(:purposes, chr(31)),
                            string_to_array(:commodities, chr(31)), string_to_array(:floors, chr(31)))
                     AS wanted(owner, purpose, commodity, floor)
                ON CONFLICT (owner, purpose, commodity) DO NOTHING
            """),
            _columns(missing)
            | {"floors": _joined("" if (floor := PURPOSES[key.purpose].floor) is None else floor for key in missing)},
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
            JOIN unnest(string_to_array(:owners, chr(31)), string_to_array(:purposes, chr(31)),
                        string_to_array(:commodities, chr(31))) AS wanted(owner, purpose, commodity)
                 ON (account.owner, account.purpose, account.commodity)
                  = (wanted.owner, wanted.purpose, wanted.commodity)
            ORDER BY id FOR UPDATE OF account
        """),
        _columns(keys),
    )
    rows = [AccountRow(row[0], Account(row[1], row[2], row[3]), *row[4:]) for row in found]
    return {row.key: row for row in rows}


def _columns(keys: Sequence[Account]) -> dict[str, str]:
    return {
        "owners": _joined(key.owner for key in keys),
        "purposes": _joined(key.purpose for key in keys),
        "commodities": _joined(key.commodity for key in keys),
    }


def _joined(values: Iterable[object]) -> str:
    """A column of a batch as one text, cut again by `string_to_array(…, chr(31))`.

    The driver dumps an array element by element; a joined text costs it nothing, and no value can hold a unit separator
    because owners and facts are printable.
    """
    return "\x1f".join(map(str, values))


async def load_holds(connection: AsyncConnection, holds: Sequence[str]) -> list[HoldRow]:
    """Their state cannot change while the caller has their accounts locked."""
    if not holds:
        return []
    found = await connection.execute(
        text("""
            SELECT id, debit_account, credit_account, amount, expires_at, state
            FROM book.holds WHERE id = ANY(CAST(string_to_array(:holds, ',') AS uuid[]))
        """),
        {"holds": ",".join(holds)},
    )
    return [HoldRow(row[0].hex, *row[1:]) for row in found]


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


async def load_transfers(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, TransferRow]:
    found = await connection.execute(
        text("""
            SELECT id, fact, kind, group_id, group_size, debit_account, credit_account, amount, hold_id, event_at,
                   booked_at, period, corrects, span_start, span_end, memo
            FROM book.transfers WHERE id = ANY(CAST(string_to_array(:ids, ',') AS uuid[]))
        """),
        {"ids": ",".join(ids)},
    )
    return {
        row.id.hex: TransferRow(
            id=row.id.hex,
            fact=row.fact,
            kind=Kind(row.kind),
            group_id=row.group_id.hex,
            group_size=row.group_size,
            debit=row.debit_account,
            credit=row.credit_account,
            amount=row.amount,
            hold_id=row.hold_id.hex if row.hold_id else None,
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


@asynccontextmanager
async def writing_transfers(
    connection: AsyncConnection,
) -> AsyncIterator[Callable[[Sequence[TransferRow]], Awaitable[None]]]:
    """Gives a function that sends rows on their way at once, so that the database works while the caller plays on.

    By COPY in text form: the fastest way in.
    """
    async with (
        driver_of(connection).cursor() as cursor,
        cursor.copy("""
            COPY book.transfers (id, fact, kind, group_id, group_size, debit_account, credit_account, amount, hold_id,
                                 event_at, booked_at, period, corrects, span_start, span_end, debit_version,
                                 debit_balance, credit_version, credit_balance, memo) FROM STDIN
        """) as copy,
    ):

        async def send(rows: Sequence[TransferRow]) -> None:
            await copy.write("".join(map(_copy_line, rows)))

        yield send


def _copy_line(row: TransferRow) -> str:
    hold_id = row.hold_id or "\\N"
    corrects = row.corrects or "\\N"
    span_start, span_end = row.span_start or "\\N", row.span_end or "\\N"
    fact = row.fact.replace("\\", "\\\\")  # the only escape that printable text can need
    return (
        f"{row.id}\t{fact}\t{row.kind:d}\t{row.group_id}\t{row.group_size}\t{row.debit}\t{row.credit}\t"
        f"{row.amount}\t{hold_id}\t{_text(row.event_at)}\t{_text(row.booked_at)}\t{row.period}\t"
        f"{corrects}\t{span_start}\t{span_end}\t{row.debit_version}\t"
        f"{row.debit_balance}\t{row.credit_version}\t{row.credit_balance}\t{_escaped(row.memo)}\n"
    )


@lru_cache(maxsize=4096)
def _text(moment: datetime) -> str:
    """Most transfers of a batch share their times."""
    return str(moment)


def _escaped(value: str) -> str:
    if not value:
        return value
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
            FROM unnest(CAST(string_to_array(:ids, chr(31)) AS bigint[]),
                        CAST(string_to_array(:debits_posted, chr(31)) AS bigint[]),
                        CAST(string_to_array(:credits_posted, chr(31)) AS bigint[]),
                        CAST(string_to_array(:debits_pending, chr(31)) AS bigint[]),
                        CAST(string_to_array(:credits_pending, chr(31)) AS bigint[]),
                        CAST(string_to_array(:versions, chr(31)) AS bigint[]))
                 AS now(id, debits_posted, credits_posted, debits_pending, credits_pending, version)
            WHERE account.id = now.id
        """),
        {
            "ids": _joined(row.id for row in rows),
            "debits_posted": _joined(row.debits_posted for row in rows),
            "credits_posted": _joined(row.credits_posted for row in rows),
            "debits_pending": _joined(row.debits_pending for row in rows),
            "credits_pending": _joined(row.credits_pending for row in rows),
            "versions": _joined(row.version for row in rows),
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
            JOIN unnest(string_to_array(:owners, chr(31)), string_to_array(:purposes, chr(31)),
                        string_to_array(:commodities, chr(31))) AS wanted(owner, purpose, commodity)
                 USING (owner, purpose, commodity)
        """),
        _columns(keys),
    )
    return {Account(*row[:3]): row[3:] for row in found}
