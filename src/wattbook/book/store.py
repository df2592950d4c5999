"""The SQL of the book: every function takes a batch and uses one statement."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final

from msgspec import Struct
from psycopg import AsyncCursor
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.locks import ID_LENGTH, AccountRow, columns, lock_accounts
from wattbook.book.transfers import Span
from wattbook.db.arrays import Bigints, Uuids, bigints, moments, uuids
from wattbook.db.engine import fetch


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


HOLDS: Final = """
    SELECT id, debit_account, credit_account, amount, expires_at, state, state
    FROM book.holds WHERE id = ANY(%s::uuid[])
"""
"""Holds of these `uuids`. Their state cannot change while the caller has their accounts locked."""


async def hold_rows(holding: AsyncCursor[Any]) -> list[HoldRow]:
    """What `HOLDS` found."""
    return [HoldRow(own_id.bytes, *row) for own_id, *row in await holding.fetchall()]


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


async def closed_through(connection: AsyncConnection) -> date:
    """The last closed month, which cannot move before this transaction ends. Whoever locks accounts is told it too."""
    ((closed,),) = await fetch(connection, "SELECT closed_through FROM book.closing FOR SHARE", ())
    found: date = closed
    return found


KNOWN: Final = """
    SELECT id, kind, debit_account, credit_account, amount, hold_id, event_at, span_start, span_end
    FROM unnest(%s::uuid[]) AS wanted(own_id)
    CROSS JOIN LATERAL (SELECT * FROM book.transfers WHERE id = own_id OFFSET 0) AS found
"""
"""What was posted under these `uuids`."""


async def known_rows(looking: Sequence[AsyncCursor[Any]]) -> dict[bytes, Content]:
    """What each `KNOWN` found, all in one."""
    known = {}
    for cursor in looking:
        for own_id, kind, debit, credit, amount, hold_id, event_at, start, end in await cursor.fetchall():
            span = None if start is None else Span(start, end)
            resolved = None if hold_id is None else hold_id.bytes
            known[own_id.bytes] = Content(Kind(kind), debit, credit, amount, resolved, event_at, span)
    return known


async def write_holds(connection: AsyncConnection, holds: Sequence[HoldRow]) -> None:
    """New ones and those with a new state."""
    await fetch(
        connection,
        """
        INSERT INTO book.holds (id, debit_account, credit_account, amount, expires_at, state)
        SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[])
        ON CONFLICT (id) DO UPDATE SET state = excluded.state
        """,
        (
            uuids([hold.id for hold in holds]),
            bigints([hold.debit for hold in holds]),
            bigints([hold.credit for hold in holds]),
            bigints([hold.amount for hold in holds]),
            moments([hold.expires_at for hold in holds]),
            [hold.state for hold in holds],
        ),
    )


def account_values(accounts: Sequence[AccountRow]) -> list[Bigints | Uuids]:
    """The accounts as `update_accounts` takes them; each was touched by a transfer."""
    if not accounts:
        return []
    rows = [
        (row.id, row.debits_posted, row.credits_posted, row.version, row.debits_pending, row.credits_pending)
        for row in accounts
    ]
    return [uuids([row.before[len(ID_LENGTH) :] for row in accounts]), *map(bigints, zip(*rows, strict=True))]


async def update_accounts(connection: AsyncConnection, values: Sequence[Bigints | Uuids], *, pending: bool) -> None:
    """Write the accounts of a batch; without `pending` no hold was made or resolved by it."""
    if pending:
        await fetch(
            connection,
            """
            UPDATE book.accounts AS account
            SET last_transfer = now.last_transfer, debits_posted = now.debits_posted,
                credits_posted = now.credits_posted, version = now.version,
                debits_pending = now.debits_pending, credits_pending = now.credits_pending
            FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
                 AS now(last_transfer, id, debits_posted, credits_posted, version, debits_pending, credits_pending)
            WHERE account.id = now.id
            """,
            values,
        )
    else:
        await fetch(
            connection,
            """
            UPDATE book.accounts AS account
            SET last_transfer = now.last_transfer, debits_posted = now.debits_posted,
                credits_posted = now.credits_posted, version = now.version
            FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
                 AS now(last_transfer, id, debits_posted, credits_posted, version)
            WHERE account.id = now.id
            """,
            values[:5],
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
        dict(zip(("owners", "purposes", "commodities"), columns(keys), strict=True)),
    )
    return {Account(*row[:3]): row[3:] for row in found}
