"""Posting: thousands of transfers in one transaction with a fixed number of statements.

All accounts of a batch are locked first, in the order of their ids, so two posters never wait in a circle. From then on
nobody else can change them, and the batch is played in memory exactly as it would be one group after the other: facts
that are known already, floors, holds. What stands is written at once: the transfers by COPY, each account by one
update.

A refusal is a value in its place, never an exception: the other groups of the batch post.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from itertools import chain
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.book.accounts import Account
from wattbook.book.periods import first_of_month, next_month
from wattbook.book.store import AccountRow, HoldRow, Kind, TransferRow
from wattbook.book.transfers import GROUP_MAX, Capture, Entry, Hold, Transfer, Void, fact_id, validate
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError
from wattbook.kernel.units import AMOUNT_MAX

BATCH_MAX: Final = 20_000
"""Transfers in one call."""

STRETCH: Final = 200
"""Groups played while the database takes in the ones before."""


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
    if sum(len(group) for group in groups) > BATCH_MAX:
        raise InvalidInput(f"a batch holds at most {BATCH_MAX} transfers")
    invalid = [_group_error(group) for group in groups]
    sound = [group for group, error in zip(groups, invalid, strict=True) if error is None]
    if not sound:
        return [error for error in invalid if error is not None]
    ids = [[fact_id(entry.fact) for entry in group] for group in sound]
    batch = await _Batch.load(connection, sound, ids, utc(booked_at))
    played = iter(await batch.play(connection, sound, ids))
    return [next(played) if error is None else error for error in invalid]


async def expire_holds(connection: AsyncConnection, *, now: datetime, limit: int = 1000) -> int:
    """Free what open holds past their time still hold; the number that expired."""
    due = await store.due_holds(connection, utc(now), limit)
    outcomes = await post(
        connection,
        [[_Expiry(fact=f"expire:{hold_fact}"[:200], hold=hold_fact, event_at=now)] for hold_fact in due],
        booked_at=now,
    )
    return outcomes.count(Posted.NEW)


class _Expiry(Void, frozen=True, kw_only=True):
    """A void that the clock asks for."""


def _group_error(group: Sequence[Entry]) -> WattbookError | None:
    if not 0 < len(group) <= GROUP_MAX:
        return InvalidInput(f"a group holds 1 to {GROUP_MAX} transfers, not {len(group)}")
    try:
        for entry in group:
            validate(entry)
    except WattbookError as error:
        return error
    return None


class _Batch:
    """The locked accounts and known facts of a batch, and what playing it will write."""

    def __init__(
        self,
        booked_at: datetime,
        closed_through: date,
        accounts: dict[Account, AccountRow],
        holds: dict[str, HoldRow],
        known: dict[str, TransferRow],
    ) -> None:
        self._booked_at = booked_at
        self._closed_through = closed_through
        self._accounts = accounts
        self._by_id = {account.id: account for account in accounts.values()}
        self._holds = holds
        self._known = known
        self._new: list[TransferRow] = []
        self._periods: dict[datetime, tuple[date, date | None]] = {}

    @classmethod
    async def load(
        cls, connection: AsyncConnection, groups: Sequence[Sequence[Entry]], ids: Sequence[Sequence[str]], at: datetime
    ) -> "_Batch":
        """Lock every account the groups name, then read what is known of their facts and holds."""
        entries = [entry for group in groups for entry in group]
        resolved = [fact_id(entry.hold) for entry in entries if isinstance(entry, Capture | Void)]
        keys = {entry.debit for entry in entries if isinstance(entry, Transfer | Hold)}
        keys |= {entry.credit for entry in entries if isinstance(entry, Transfer | Hold)}
        closed_through = await store.lock_closing(connection)
        keys |= await store.accounts_of_holds(connection, resolved)
        accounts = await store.lock_accounts(connection, keys)
        locked = {account.id for account in accounts.values()}
        # A hold that another poster committed since its accounts were looked up is not ours to resolve yet.
        holds = {
            hold.id: hold
            for hold in await store.load_holds(connection, resolved)
            if hold.debit in locked and hold.credit in locked
        }
        known = await store.load_transfers(connection, list(chain.from_iterable(ids)))
        return cls(at, closed_through, accounts, holds, known)

    async def play(
        self, connection: AsyncConnection, groups: Sequence[Sequence[Entry]], ids: Sequence[Sequence[str]]
    ) -> list[Posted | WattbookError]:
        """Play every group in order and write what stands; the database takes in a stretch while the next is played."""
        outcomes: list[Posted | WattbookError] = []
        async with store.writing_transfers(connection) as send:
            for start in range(0, len(groups), STRETCH):
                already = len(self._new)
                for group, own in zip(groups[start : start + STRETCH], ids[start : start + STRETCH], strict=True):
                    outcomes.append(self._play_one(group, own))
                await send(self._new[already:])
        touched = {row.debit for row in self._new} | {row.credit for row in self._new}
        made = [self._holds[row.id] for row in self._new if row.kind == Kind.HOLD]
        resolved = [self._holds[row.hold_id] for row in self._new if row.hold_id is not None]
        await store.insert_holds(connection, made)
        await store.update_holds(connection, resolved)
        await store.update_accounts(connection, [self._by_id[account] for account in touched])
        return outcomes

    def _play_one(self, group: Sequence[Entry], ids: Sequence[str]) -> Posted | WattbookError:
        """One group on the state that the groups before it left."""
        try:
            rows = [self._row(entry, own_id, ids) for entry, own_id in zip(group, ids, strict=True)]
            if self._is_known(rows):
                return Posted.KNOWN
            self._apply(rows)
        except WattbookError as error:
            return error
        return Posted.NEW

    def _is_known(self, rows: list[TransferRow]) -> bool:
        """Whether the whole group was posted before; raises when only part of it was, or with another content."""
        found = [self._known.get(row.id) for row in rows]
        if not any(found):
            if len(rows) > 1 and len({row.id for row in rows}) < len(rows):
                raise InvalidInput(f"{rows[0].fact}: a fact stands twice in one group")
            return False
        for row, before in zip(rows, found, strict=True):
            if before is not None and before.content != row.content:
                raise Conflict(
                    f"{row.fact} was posted before with another content: {before.difference(row)}", fact=row.fact
                )
        if not all(found):
            raise Conflict(f"{rows[0].fact}: part of this group was posted before in another group", fact=rows[0].fact)
        return True

    def _row(self, entry: Entry, own_id: str, ids: Sequence[str]) -> TransferRow:
        """What the entry would write, not yet applied."""
        span = entry.span if isinstance(entry, Transfer) else None
        hold_id = None
        if isinstance(entry, Transfer | Hold):
            kind = Kind.TRANSFER if isinstance(entry, Transfer) else Kind.HOLD
            debit, credit = self._accounts[entry.debit].id, self._accounts[entry.credit].id
            amount = entry.amount
        else:
            hold_id = fact_id(entry.hold)
            hold = self._holds.get(hold_id)
            if hold is None:
                raise NotFound(f"{entry.fact}: there is no hold {entry.hold}", fact=entry.fact, hold=entry.hold)
            debit, credit, amount = hold.debit, hold.credit, hold.amount
            kind = Kind.EXPIRY if isinstance(entry, _Expiry) else Kind.VOID
            if isinstance(entry, Capture):
                if entry.amount > hold.amount:
                    raise Refused(
                        f"{entry.fact}: {entry.amount} is more than the {hold.amount} held", reason="over-capture"
                    )
                kind, amount = Kind.CAPTURE, entry.amount
        event_at = utc(entry.event_at)
        period, corrects = self._period(event_at)
        return TransferRow(
            id=own_id,
            fact=entry.fact,
            kind=kind,
            group_id=ids[0],
            group_size=len(ids),
            debit=debit,
            credit=credit,
            amount=amount,
            hold_id=hold_id,
            event_at=event_at,
            booked_at=self._booked_at,
            period=period,
            corrects=corrects,
            span_start=utc(span.start) if span else None,
            span_end=utc(span.end) if span else None,
            expires_at=utc(entry.expires_at) if isinstance(entry, Hold) else None,
            memo=entry.memo,
        )

    def _period(self, event_at: datetime) -> tuple[date, date | None]:
        """The month it counts in, and the closed one that it corrects if it comes late; most times come again."""
        found = self._periods.get(event_at)
        if found is None:
            month = first_of_month(event_at)
            found = (month, None) if month > self._closed_through else (next_month(self._closed_through), month)
            self._periods[event_at] = found
        return found

    def _apply(self, rows: list[TransferRow]) -> None:
        """Move the numbers row by row; move them back when a floor breaks or a hold is not open."""
        floored: dict[int, tuple[AccountRow, int]] = {}
        for row in rows:
            for account in (self._by_id[row.debit], self._by_id[row.credit]):
                if account.floor is not None:
                    floored[account.id] = account, account.available
        moved = 0
        try:
            for row in rows:
                self._move(row, +1)
                moved += 1
            for account, before in floored.values():
                _check_floor(account, before, rows[0])
        except WattbookError:
            for row in reversed(rows[:moved]):
                self._move(row, -1)
            raise
        for row in rows:
            self._known[row.id] = row
        self._new += rows

    def _move(self, row: TransferRow, step: int) -> None:
        """Apply a row (`step` +1) or take it back (-1)."""
        debit, credit = self._by_id[row.debit], self._by_id[row.credit]
        posted = row.amount if row.kind in (Kind.TRANSFER, Kind.CAPTURE) else 0
        pending = 0
        if max(debit.debits_posted, credit.credits_posted) + posted > AMOUNT_MAX:
            raise Refused(f"{row.fact}: {debit.key} or {credit.key} would overflow", reason="overflow")
        if row.kind == Kind.HOLD:
            pending = row.amount
            if step > 0:
                assert row.expires_at is not None
                self._holds[row.id] = HoldRow(row.id, row.debit, row.credit, row.amount, row.expires_at)
            else:
                del self._holds[row.id]
        elif row.hold_id is not None:
            hold = self._holds[row.hold_id]
            if step > 0 and hold.state != "open":
                raise Conflict(f"{row.fact}: the hold is {hold.state} already", fact=row.fact, state=hold.state)
            hold.state = row.kind.resolution if step > 0 else "open"
            pending = -hold.amount
        debit.debits_posted += step * posted
        credit.credits_posted += step * posted
        debit.debits_pending += step * pending
        credit.credits_pending += step * pending
        debit.version += step
        credit.version += step
        row.debit_version, row.debit_balance = debit.version, debit.debits_posted - debit.credits_posted
        row.credit_version, row.credit_balance = credit.version, credit.debits_posted - credit.credits_posted


def _check_floor(account: AccountRow, before: int, cause: TransferRow) -> None:
    """What is below its floor already may rise, not fall."""
    assert account.floor is not None
    now = account.available
    if now < account.floor and now < before:
        raise Refused(
            f"{cause.fact}: {account.key} has {before - account.floor} left and would fall by {before - now}",
            reason="floor",
            account=str(account.key),
            available=before - account.floor,
        )
