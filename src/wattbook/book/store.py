"""The SQL of the book: every function takes a batch and uses one statement."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import IntEnum
from struct import Struct as Layout
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import PURPOSES, Account
from wattbook.db.arrays import bigints, uuids
from wattbook.book.transfers import Span
from wattbook.db.engine import fetch

_GROWS_BY_DEBIT: Final = {purpose.name: purpose.side == "debit" for purpose in PURPOSES.values()}
_FIELD: Final = Layout(">iq")


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
    """An account that this transaction has locked. `stored_version` is what the table says until the batch is written.

    `grows_by_debit` is the side of its purpose.
    """

    key: Account
    grows_by_debit: bool
    id: int
    floor: int | None
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    version: int
    stored_version: int
    field: bytes
    """The id as a field of a line of the journal."""

    @property
    def available(self) -> int:
        """On the account's own side, everything pending against it counted as gone."""
        if self.grows_by_debit:
            return self.debits_posted - self.credits_posted - self.credits_pending
        return self.credits_posted - self.debits_posted - self.debits_pending


class HoldRow(Struct, gc=False):
    """A hold; `stored` is its state in the table, None until it is there."""

    id: bytes
    debit: int
    credit: int
    amount: int
    expires_at: datetime
    state: str
    stored: str | None


class Content(Struct, gc=False, frozen=True):
    """What must be the same when a fact comes again. When it was booked and its memo may differ."""

    kind: Kind
    debit_account: int
    credit_account: int
    amount: int
    hold_id: bytes | None
    event_at: datetime
    span: Span | None

    def difference(self, other: "Content") -> str:
        """In words for a person."""
        return ", ".join(
            f"{name.replace('_', ' ')} {mine} against {theirs}"
            for name in self.__struct_fields__
            if (mine := getattr(self, name)) != (theirs := getattr(other, name))
        )


async def lock_closing(connection: AsyncConnection) -> date:
    """The last closed month; no other transaction can post or close until this one ends."""
    found = await connection.execute(text("SELECT closed_through FROM book.closing FOR UPDATE"))
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


async def accounts_of_holds(connection: AsyncConnection, holds: Sequence[bytes]) -> set[Account]:
    found = await fetch(
        connection,
        """
        SELECT DISTINCT account.owner, account.purpose, account.commodity
        FROM book.holds AS hold
        JOIN book.accounts AS account ON account.id IN (hold.debit_account, hold.credit_account)
        WHERE hold.id = ANY(%s::uuid[])
        """,
        (uuids(holds),),
    )
    return {Account(*row) for row in found}


async def lock_accounts(connection: AsyncConnection, keys: Iterable[Account]) -> dict[Account, AccountRow]:
    """Every account, made when it is missing, locked in the order of ids.

    Of ids, because what is made later has a higher one: who locks what he found, then what he made, keeps the order.
    """
    wanted = sorted(keys)
    locked = account_rows(wanted, await fetch(connection, LOCK, account_columns(wanted)))
    missing = [key for key in wanted if key not in locked]
    return locked | await make_accounts(connection, missing) if missing else locked


async def make_accounts(connection: AsyncConnection, keys: Iterable[Account]) -> dict[Account, AccountRow]:
    """Accounts that were missing when the others were locked, locked too; perhaps somebody else has made them since."""
    missing = sorted(keys)
    await fetch(
        connection,
        """
        INSERT INTO book.accounts (owner, purpose, commodity, floor)
        SELECT owner, purpose, commodity, nullif(floor, '')::bigint
        FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31)), string_to_array(%s, chr(31)),
                    string_to_array(%s, chr(31))) AS wanted(owner, purpose, commodity, floor)
        ON CONFLICT (owner, purpose, commodity) DO NOTHING RETURNING id
        """,
        (
            *account_columns(missing),
            _joined("" if (floor := PURPOSES[key.purpose].floor) is None else str(floor) for key in missing),
        ),
    )
    made = account_rows(missing, await fetch(connection, LOCK, account_columns(missing)))
    assert len(made) == len(missing), "each account exists once it was asked for"
    return made


LOCK: Final = """
    SELECT place, id, floor, debits_posted, credits_posted, debits_pending, credits_pending, version
    FROM (
        SELECT place, found.id AS own_id
        FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31)), string_to_array(%s, chr(31)))
             WITH ORDINALITY AS wanted(owner, purpose, commodity, place)
        CROSS JOIN LATERAL (
            SELECT id FROM book.accounts AS account
            WHERE (account.owner, account.purpose, account.commodity)
                = (wanted.owner, wanted.purpose, wanted.commodity) OFFSET 0
        ) AS found ORDER BY found.id
    ) AS wanted
    CROSS JOIN LATERAL (SELECT * FROM book.accounts WHERE id = own_id FOR UPDATE) AS account
"""
"""Locks those of the accounts that exist, in the order of their ids; takes `account_columns`, gives `account_rows`."""


def account_rows(keys: Sequence[Account], found: Iterable[tuple[Any, ...]]) -> dict[Account, AccountRow]:
    """What `LOCK` found of these keys."""
    locked = {}
    for place, own_id, floor, debits, credits_, debits_pending, credits_pending, version in found:
        key = keys[place - 1]
        locked[key] = AccountRow(
            key, _GROWS_BY_DEBIT[key.purpose], own_id, floor, debits, credits_, debits_pending, credits_pending,
            version, version, _FIELD.pack(8, own_id),
        )  # fmt: skip
    return locked


def account_columns(keys: Sequence[Account]) -> tuple[str, ...]:
    """Owners, purposes, commodities."""
    return tuple(map(_joined, zip(*keys, strict=True))) if keys else ("", "", "")


def _joined(values: Iterable[str]) -> str:
    """A column of a batch as one text, cut again by `string_to_array(…, chr(31))`.

    The driver dumps an array element by element; a joined text costs it nothing, and no value can hold a unit separator
    because owners and facts are printable.
    """
    return "\x1f".join(values)


async def load_holds(connection: AsyncConnection, holds: Sequence[bytes]) -> list[HoldRow]:
    """Their state cannot change while the caller has their accounts locked."""
    found = await fetch(
        connection,
        """
        SELECT id, debit_account, credit_account, amount, expires_at, state, state
        FROM book.holds WHERE id = ANY(%s::uuid[])
        """,
        (uuids(holds),),
    )
    return [HoldRow(own_id.bytes, *row) for own_id, *row in found]


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


async def load_known(connection: AsyncConnection, ids: Sequence[bytes]) -> tuple[date, dict[bytes, Content]]:
    """The last closed month, which cannot move before this transaction ends, and what was posted under these ids."""
    found = await fetch(
        connection,
        """
        SELECT closed_through, id, kind, debit_account, credit_account, amount, hold_id, event_at, span_start, span_end
        FROM (SELECT closed_through FROM book.closing FOR SHARE) AS closing
        LEFT JOIN (unnest(%s::uuid[]) AS wanted(own_id)
                   CROSS JOIN LATERAL (SELECT * FROM book.transfers WHERE id = own_id OFFSET 0) AS found) ON true
        """,
        (uuids(ids),),
    )
    known = {}
    for _, own_id, kind, debit, credit, amount, hold_id, event_at, start, end in found:
        if own_id is not None:
            span = None if start is None else Span(start, end)
            resolved = None if hold_id is None else hold_id.bytes
            known[own_id.bytes] = Content(Kind(kind), debit, credit, amount, resolved, event_at, span)
    return found[0][0], known


async def write_holds(connection: AsyncConnection, holds: Sequence[HoldRow]) -> None:
    """New ones and those with a new state."""
    await fetch(
        connection,
        """
        INSERT INTO book.holds (id, debit_account, credit_account, amount, expires_at, state)
        SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[])
        ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING id
        """,
        (
            uuids([hold.id for hold in holds]),
            [hold.debit for hold in holds],
            [hold.credit for hold in holds],
            [hold.amount for hold in holds],
            [hold.expires_at for hold in holds],
            [hold.state for hold in holds],
        ),
    )


async def update_accounts(connection: AsyncConnection, accounts: Sequence[AccountRow]) -> None:
    numbers = [
        (row.id, row.debits_posted, row.credits_posted, row.debits_pending, row.credits_pending, row.version)
        for row in accounts
    ]
    await fetch(
        connection,
        """
        UPDATE book.accounts AS account
        SET debits_posted = now.debits_posted, credits_posted = now.credits_posted,
            debits_pending = now.debits_pending, credits_pending = now.credits_pending, version = now.version
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
             AS now(id, debits_posted, credits_posted, debits_pending, credits_pending, version)
        WHERE account.id = now.id
        """,
        [bigints(column) for column in zip(*numbers, strict=True)],
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
        dict(zip(("owners", "purposes", "commodities"), account_columns(keys), strict=True)),
    )
    return {Account(*row[:3]): row[3:] for row in found}
