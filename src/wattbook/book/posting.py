"""Posting: thousands of transfers in one transaction with a fixed number of statements.

All accounts of a batch are locked first, in the order of their ids, so two posters never wait in a circle. From then
on nobody else can change them, and the batch is played in memory exactly as it would be one group after the other:
facts that are known already, floors, holds. What stands is written at once: the transfers by COPY, each account by one
update.

Facts come again seldom, and each has its entry in the primary key to be made. So a large batch does not look up what is
known of its facts: the key itself says so when one was posted before. Then everything since a savepoint is taken back,
and the batch is posted after a look at its facts, as the next ones are, because a sender that repeats repeats more.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

from psycopg import AsyncCursor
from psycopg.errors import UniqueViolation
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.book.accounts import Account
from wattbook.book.batch import Batch, Expiry, Outcome, Posted, group_error, keys_of
from wattbook.book.journal import Journal
from wattbook.book.locks import LOCK, find_accounts, in_order, lock_accounts, locked_rows, make_accounts
from wattbook.book.transfers import Capture, Entry, Hold, Transfer, Void, fact_key, pair_error
from wattbook.db.arrays import uuids
from wattbook.db.engine import execute, fetch, pipeline
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput

__all__ = ["BATCH_MAX", "Posted", "expire_holds", "post"]

BATCH_MAX: Final = 20_000
"""Transfers in one call."""

LOOKED_UP: Final = 500
"""Groups whose facts are looked up while the ids of the next are made."""

TRUSTED_MIN: Final = 200
"""Groups from which a batch is written without a look at its facts: to look up fewer costs less than a savepoint."""

WARY: Final = 20
"""Batches that look first after one that met a known fact: a stream of repeats pays for one batch twice in so many."""

_WARY: Final = "batches to look first"
_SAVE: Final = "SAVEPOINT posting"
_KEEP: Final = "RELEASE SAVEPOINT posting"
_TAKE_BACK: Final = "ROLLBACK TO SAVEPOINT posting"


async def post(connection: AsyncConnection, groups: Sequence[Sequence[Entry]], *, booked_at: datetime) -> list[Outcome]:
    """Post each group whole or not at all, in order, inside the caller's transaction.

    Returns, one a group:
        Posted.NEW or Posted.KNOWN;
        InvalidInput: an entry is out of form; Refused: no route, or a floor would break (`reason` `floor`);
        Conflict: a fact came before with another content, or a hold is resolved already;
        NotFound: a capture or void of a hold that never was.

    Raises:
        InvalidInput: the batch as a whole is too large or has no booking time.
    """
    entries = list(chain.from_iterable(groups))
    if len(entries) > BATCH_MAX:
        raise InvalidInput(f"a batch holds at most {BATCH_MAX} transfers")
    booked_at = utc(booked_at)
    wary = connection.info.get(_WARY, 0)
    if len(groups) >= TRUSTED_MIN and not wary:
        outcomes = await _post_unseen(connection, groups, entries, booked_at)
        if outcomes is not None:
            return outcomes
        wary = WARY
    batch = await _load(connection, groups, entries, booked_at, look=True)
    connection.info[_WARY] = WARY if batch.met_known else max(wary - 1, 0)
    outcomes = await batch.play(connection)
    await batch.write_state(connection)
    return outcomes


async def expire_holds(connection: AsyncConnection, *, now: datetime, limit: int = 1000) -> int:
    """Free what open holds past their time still hold; the number that expired."""
    due = await store.due_holds(connection, utc(now), limit)
    outcomes = await post(
        connection,
        [[Expiry(fact=f"expire:{hold_fact}"[:200], hold=hold_fact, event_at=now)] for hold_fact in due],
        booked_at=now,
    )
    return outcomes.count(Posted.NEW)


async def _post_unseen(
    connection: AsyncConnection, groups: Sequence[Sequence[Entry]], entries: Sequence[Entry], booked_at: datetime
) -> list[Outcome] | None:
    """Post as if no fact had come before; None, and nothing is done, when one had.

    A known fact that would post again meets its own entry in the primary key. One that is refused meets nothing, so
    what was refused is looked up: perhaps it was posted long ago, and its wallet is empty because of that.
    """
    batch = await _load(connection, groups, entries, booked_at, look=False)
    try:
        outcomes = await batch.play(connection)
        unsure = batch.unsure(outcomes)
        known = bool(unsure and await store.known_rows([await execute(connection, store.KNOWN, (uuids(unsure),))]))
    except UniqueViolation:
        known = True
    if known:
        await fetch(connection, _TAKE_BACK, ())
        return None
    # Before the accounts are written: who locks a row outside a savepoint and changes it inside makes two lockers.
    await batch.write_state(connection, before=_KEEP)
    return outcomes


async def _load(
    connection: AsyncConnection,
    groups: Sequence[Sequence[Entry]],
    entries: Sequence[Entry],
    booked_at: datetime,
    *,
    look: bool,
) -> Batch:
    """Lock every account the groups name, then read what is known of their holds and, with `look`, of their facts.

    Without, a savepoint is made instead. The first ids of the facts are made while the accounts are being locked.
    """
    keys = _accounts(entries)
    resolved = [
        fact_key(entry.hold)
        for entry in entries
        if type(entry) is not Transfer and isinstance(entry, (Capture, Void))  # the first is quick to say
    ]
    if resolved:
        keys |= await store.accounts_of_holds(connection, resolved)
    account_ids = await find_accounts(connection, keys)
    if len(account_ids) < len(keys):
        sound = chain.from_iterable(group for group in groups if group_error(group) is None)
        if missing := _accounts(sound) - account_ids.keys():
            account_ids |= await make_accounts(connection, missing)
    looking: list[AsyncCursor[Any]] = []
    async with pipeline(connection):
        locking = await execute(connection, LOCK, (in_order(account_ids),))
        holding = await execute(connection, store.HOLDS, (uuids(resolved),)) if resolved else None
        if look:
            ids, looking = await _look_up(connection, groups)
        else:
            await execute(connection, _SAVE, ())
            ids = keys_of(groups[:LOOKED_UP])
    found = await locking.fetchall()
    accounts = locked_rows(connection, account_ids, found)
    if forgotten := account_ids.keys() - accounts.keys():
        accounts |= await lock_accounts(connection, forgotten)
        if look:
            ids, looking = await _look_up(connection, groups)  # perhaps somebody posted to them meanwhile
        holding = await execute(connection, store.HOLDS, (uuids(resolved),)) if resolved else None
    closed_through = found[0][-1] if found else await store.closed_through(connection)
    known = await store.known_rows(looking)
    locked = {account.id for account in accounts.values()}
    # A hold that another poster committed since its accounts were looked up is not ours to resolve yet.
    holds = {
        hold.id: hold
        for hold in (await store.hold_rows(holding) if holding else ())
        if hold.debit in locked and hold.credit in locked
    }
    return Batch(groups, ids, accounts, holds, known, Journal(booked_at, closed_through))


def _accounts(entries: Iterable[Entry]) -> set[Account]:
    """The accounts between which something may move."""
    pairs = {
        (entry.debit, entry.credit)
        for entry in entries
        if type(entry) is Transfer or isinstance(entry, (Transfer, Hold))  # the first is quick to say
    }
    return {account for pair in pairs if pair_error(*pair) is None for account in pair}


async def _look_up(
    connection: AsyncConnection, groups: Sequence[Sequence[Entry]]
) -> tuple[list[list[bytes]], list[AsyncCursor[Any]]]:
    """The ids of the facts, and what is known of them; the database looks some up while the next are made."""
    ids: list[list[bytes]] = []
    looking = []
    for start in range(0, len(groups), LOOKED_UP):
        part = keys_of(groups[start : start + LOOKED_UP])
        looking.append(await execute(connection, store.KNOWN, (uuids(list(chain.from_iterable(part))),)))
        ids += part
    return ids, looking
