"""Posting: thousands of transfers in one transaction with a fixed number of statements.

All accounts of a batch are locked first, in the order of their ids, so two posters never wait in a circle. From then
on nobody else can change them, and the batch is played in memory exactly as it would be one group after the other:
facts that are known already, floors, holds. What stands is written at once: the transfers by COPY, each account by one
update.

A refusal is a value in its place, never an exception: the other groups of the batch post.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import chain
from typing import Any, Final

from psycopg import AsyncCursor
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.book.accounts import Account
from wattbook.book.journal import Journal, shape, writing
from wattbook.book.locks import (
    LOCK,
    AccountRow,
    find_accounts,
    in_order,
    lock_accounts,
    locked_rows,
    make_accounts,
)
from wattbook.book.store import Content, HoldRow, Kind
from wattbook.book.transfers import GROUP_MAX, Capture, Entry, Hold, Transfer, Void, fact_key, pair_error, validate
from wattbook.db.arrays import uuids
from wattbook.db.engine import execute, pipeline
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError
from wattbook.kernel.units import AMOUNT_MAX

BATCH_MAX: Final = 20_000
"""Transfers in one call."""

STRETCH: Final = 200
"""Groups played while the database takes in the ones before."""

LOOKED_UP: Final = 500
"""Groups whose facts are looked up while the ids of the next are made."""


class Posted(Enum):
    """What became of a group that was not refused."""

    NEW = "new"
    KNOWN = "known"
    """Every fact of it was posted before, with the same content; nothing was done."""


async def post(
    connection: AsyncConnection, groups: Sequence[Sequence[Entry]], *, booked_at: datetime
) -> list[Posted | WattbookError]:
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
    batch = await _Batch.load(connection, groups, entries, utc(booked_at))
    return await batch.play(connection)


async def expire_holds(connection: AsyncConnection, *, now: datetime, limit: int = 1000) -> int:
    """Free what open holds past their time still hold; the number that expired."""
    due = await store.due_holds(connection, utc(now), limit)
    outcomes = await post(
        connection,
        [[_Expiry(fact=f"expire:{hold_fact}"[:200], hold=hold_fact, event_at=now)] for hold_fact in due],
        booked_at=now,
    )
    return outcomes.count(Posted.NEW)


Move = tuple[Content, AccountRow, AccountRow]
"""What an entry does, to the account it debits and the one it credits."""


class _Expiry(Void, frozen=True, kw_only=True):
    """A void that the clock asks for."""


_TRANSFER: Final = Kind.TRANSFER
_CAPTURE: Final = Kind.CAPTURE
_ALONE: Final = shape(1, _TRANSFER)


def _group_error(group: Sequence[Entry]) -> WattbookError | None:
    if not 0 < len(group) <= GROUP_MAX:
        return InvalidInput(f"a group holds 1 to {GROUP_MAX} transfers, not {len(group)}")
    try:
        for entry in group:
            validate(entry)
    except WattbookError as error:
        return error
    return None


def _accounts(entries: Iterable[Entry]) -> set[Account]:
    """The accounts between which something may move."""
    pairs = {
        (entry.debit, entry.credit)
        for entry in entries
        if type(entry) is Transfer or isinstance(entry, (Transfer, Hold))  # the first is quick to say
    }
    return {account for pair in pairs if pair_error(*pair) is None for account in pair}


def _stretches(groups: int) -> Iterator[slice]:
    """The first is short: until it comes the database has nothing to do."""
    starts = [0, *range(STRETCH // 4, groups, STRETCH), groups]
    return map(slice, starts, starts[1:])


async def _look_up(
    connection: AsyncConnection, groups: Sequence[Sequence[Entry]]
) -> tuple[list[list[bytes]], list[AsyncCursor[Any]]]:
    """The ids of the facts, and what is known of them; the database looks some up while the next are made."""
    ids: list[list[bytes]] = []
    looking = []
    for start in range(0, max(len(groups), 1), LOOKED_UP):
        part = [[fact_key(entry.fact) for entry in group] for group in groups[start : start + LOOKED_UP]]
        looking.append(await execute(connection, store.KNOWN, (uuids(list(chain.from_iterable(part))),)))
        ids += part
    return ids, looking


class _Batch:
    """The locked accounts and known facts of a batch, and what playing it will write."""

    def __init__(
        self,
        groups: Sequence[Sequence[Entry]],
        ids: Sequence[Sequence[bytes]],
        accounts: dict[Account, AccountRow],
        holds: dict[bytes, HoldRow],
        known: dict[bytes, Content],
        journal: Journal,
    ) -> None:
        self._groups = groups
        self._ids = ids
        self._accounts = accounts
        self._by_id = {account.id: account for account in accounts.values()}
        self._holds = holds
        self._known: dict[bytes, Content | Transfer] = {**known}
        self._journal = journal
        self._lines: list[bytes] = []

    @classmethod
    async def load(
        cls,
        connection: AsyncConnection,
        groups: Sequence[Sequence[Entry]],
        entries: Sequence[Entry],
        booked_at: datetime,
    ) -> "_Batch":
        """Lock every account the groups name, then read what is known of their facts and holds.

        The ids of the facts are made while the accounts are being locked.
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
            sound = chain.from_iterable(group for group in groups if _group_error(group) is None)
            if missing := _accounts(sound) - account_ids.keys():
                account_ids |= await make_accounts(connection, missing)
        async with pipeline(connection):
            locking = await execute(connection, LOCK, (in_order(account_ids),))
            ids, looking = await _look_up(connection, groups)
        accounts = locked_rows(connection, account_ids, await locking.fetchall())
        if forgotten := account_ids.keys() - accounts.keys():
            accounts |= await lock_accounts(connection, forgotten)
            ids, looking = await _look_up(connection, groups)  # perhaps somebody posted to them meanwhile
        closed_through, known = await store.known_rows(looking)
        locked = {account.id for account in accounts.values()}
        # A hold that another poster committed since its accounts were looked up is not ours to resolve yet.
        holds = {
            hold.id: hold
            for hold in (await store.load_holds(connection, resolved) if resolved else ())
            if hold.debit in locked and hold.credit in locked
        }
        return cls(groups, ids, accounts, holds, known, Journal(booked_at, closed_through))

    async def play(self, connection: AsyncConnection) -> list[Posted | WattbookError]:
        """Play every group in order and write what stands; the database takes in a stretch while the next is played."""
        outcomes: list[Posted | WattbookError] = []
        async with writing(connection) as send:
            for stretch in _stretches(len(self._groups)):
                outcomes += map(self._play_group, self._groups[stretch], self._ids[stretch])
                self._lines.sort()  # they begin with their ids: one place of the index after the other
                await send(self._lines)
                self._lines.clear()
            changed = [account for account in self._by_id.values() if account.version != account.stored_version]
            numbers = store.account_numbers(changed)
        if holds := [hold for hold in self._holds.values() if hold.state != hold.stored]:
            await store.write_holds(connection, holds)
        if changed:
            await store.update_accounts(connection, numbers)
        return outcomes

    def _play_group(self, group: Sequence[Entry], ids: Sequence[bytes]) -> Posted | WattbookError:
        """One group on the state that the groups before it left."""
        error = _group_error(group)
        if error is not None:
            return error
        if len(ids) == 1 and type(entry := group[0]) is Transfer and self._play_plain(entry, ids[0]):
            return Posted.NEW
        return self._play_one(group, ids)

    def _play_plain(self, entry: Transfer, own_id: bytes) -> bool:
        """Play a transfer that is alone in its group, if there is nothing to say about it; else do nothing.

        Most groups are like this. What `_play_one` would do, in a third of the time.
        """
        if own_id in self._known or entry.memo or entry.span is not None:
            return False
        debit, credit, amount = self._accounts[entry.debit], self._accounts[entry.credit], entry.amount
        debits, credits_ = debit.debits_posted + amount, credit.credits_posted + amount
        if (
            debits > AMOUNT_MAX
            or credits_ > AMOUNT_MAX
            or (
                debit.floor is not None
                and not debit.grows_by_debit
                and debit.credits_posted - debits - debit.debits_pending < debit.floor
            )
            or (
                credit.floor is not None
                and credit.grows_by_debit
                and credit.debits_posted - credits_ - credit.credits_pending < credit.floor
            )
        ):
            return False
        debit.debits_posted, credit.credits_posted = debits, credits_
        debit.version += 1
        credit.version += 1
        journal = self._journal
        end = journal.plain_end(entry.event_at)
        self._lines.append(journal.line(own_id, own_id, _ALONE, entry.fact, amount, debit, credit, end))
        self._known[own_id] = entry
        return True

    def _play_one(self, group: Sequence[Entry], ids: Sequence[bytes]) -> Posted | WattbookError:
        """A group of any kind."""
        try:
            moves = [self._planned(entry) for entry in group]
            if self._is_known(group, ids, moves):
                return Posted.KNOWN
            self._apply(group, ids, moves)
        except WattbookError as error:
            return error
        return Posted.NEW

    def _planned(self, entry: Entry) -> Move:
        """What the entry would move, from the account that is credited to the one that is debited."""
        if isinstance(entry, (Transfer, Hold)):
            debit, credit = self._accounts[entry.debit], self._accounts[entry.credit]
            kind, span = (_TRANSFER, entry.span) if isinstance(entry, Transfer) else (Kind.HOLD, None)
            return Content(kind, debit.id, credit.id, entry.amount, None, utc(entry.event_at), span), debit, credit
        hold = self._holds.get(fact_key(entry.hold))
        if hold is None:
            raise NotFound(f"{entry.fact}: there is no hold {entry.hold}", fact=entry.fact, hold=entry.hold)
        kind, amount = Kind.EXPIRY if isinstance(entry, _Expiry) else Kind.VOID, hold.amount
        if isinstance(entry, Capture):
            if entry.amount > hold.amount:
                raise Refused(
                    f"{entry.fact}: {entry.amount} is more than the {hold.amount} held", reason="over-capture"
                )
            kind, amount = _CAPTURE, entry.amount
        content = Content(kind, hold.debit, hold.credit, amount, hold.id, utc(entry.event_at), None)
        return content, self._by_id[hold.debit], self._by_id[hold.credit]

    def _is_known(self, group: Sequence[Entry], ids: Sequence[bytes], moves: Sequence[Move]) -> bool:
        """Whether the whole group was posted before; raises when only part of it was, or with another content."""
        if self._known.keys().isdisjoint(ids):
            if len(ids) > 1 and len(set(ids)) < len(ids):
                raise InvalidInput(f"{group[0].fact}: a fact stands twice in one group")
            return False
        found = [self._content(own_id) for own_id in ids]
        for entry, (content, _, _), before in zip(group, moves, found, strict=True):
            if before is not None and before != content:
                difference = before.difference(content)
                raise Conflict(f"{entry.fact} was posted before with another content: {difference}", fact=entry.fact)
        if not all(found):
            fact = group[0].fact
            raise Conflict(f"{fact}: part of this group was posted before in another group", fact=fact)
        return True

    def _content(self, own_id: bytes) -> Content | None:
        """What was posted under this id, before this batch or in it."""
        known = self._known.get(own_id)
        return self._planned(known)[0] if isinstance(known, Transfer) else known

    def _apply(self, group: Sequence[Entry], ids: Sequence[bytes], moves: Sequence[Move]) -> None:
        """Move the numbers entry by entry; move them back when a floor breaks or a hold is not open."""
        floored = [(row, row.available) for _, *pair in moves for row in pair if row.floor is not None]
        journal, size, group_id = self._journal, len(ids), ids[0]
        lines = []
        try:
            for entry, own_id, (content, debit, credit) in zip(group, ids, moves):  # noqa: B905 one of each, made from the group
                self._move(entry, own_id, content, debit, credit, +1)
                end = journal.end(content.event_at, content.span, content.hold_id, entry.memo)
                own = shape(size, content.kind)
                lines.append(journal.line(own_id, group_id, own, entry.fact, content.amount, debit, credit, end))
            for account, before in floored:
                _check_floor(account, before, group[0])
        except WattbookError:
            for place in reversed(range(len(lines))):
                self._move(group[place], ids[place], *moves[place], -1)
            raise
        for own_id, move in zip(ids, moves):  # noqa: B905 as above
            self._known[own_id] = move[0]
        self._lines += lines

    def _move(
        self, entry: Entry, own_id: bytes, content: Content, debit: AccountRow, credit: AccountRow, step: int
    ) -> None:
        """Apply an entry (`step` +1) or take it back (-1)."""
        kind = content.kind
        if kind is _TRANSFER or kind is _CAPTURE:
            posted = content.amount
            if debit.debits_posted + posted > AMOUNT_MAX or credit.credits_posted + posted > AMOUNT_MAX:
                raise Refused(f"{entry.fact}: {debit.key} or {credit.key} would overflow", reason="overflow")
            debit.debits_posted += step * posted
            credit.credits_posted += step * posted
        if kind is not _TRANSFER:
            pending = self._set_aside(entry, own_id, content, step)
            debit.debits_pending += step * pending
            credit.credits_pending += step * pending
        debit.version += step
        credit.version += step

    def _set_aside(self, entry: Entry, own_id: bytes, content: Content, step: int) -> int:
        """Make or resolve a hold (`step` +1) or take that back (-1); how much more is pending after it."""
        if isinstance(entry, Hold):
            if step > 0:
                self._holds[own_id] = HoldRow(
                    own_id, content.debit_account, content.credit_account, content.amount, utc(entry.expires_at),
                    "open", None,
                )  # fmt: skip
            else:
                del self._holds[own_id]
            return content.amount
        assert content.hold_id is not None, "what is no transfer and no hold resolves one"
        hold = self._holds[content.hold_id]
        if step > 0 and hold.state != "open":
            raise Conflict(f"{entry.fact}: the hold is {hold.state} already", fact=entry.fact, state=hold.state)
        hold.state = content.kind.resolution if step > 0 else "open"
        return -hold.amount


def _check_floor(account: AccountRow, before: int, cause: Entry) -> None:
    """What is below its floor already may rise, not fall."""
    now = account.available
    if account.floor is not None and before > now < account.floor:
        raise Refused(
            f"{cause.fact}: {account.key} has {before - account.floor} left and would fall by {before - now}",
            reason="floor",
            account=str(account.key),
            available=before - account.floor,
        )
