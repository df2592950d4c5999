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
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.book.accounts import PURPOSES, Account
from wattbook.book.periods import first_of_month, next_month
from wattbook.book.store import AccountRow, HoldRow, Kind, TransferRow
from wattbook.book.transfers import GROUP_MAX, Capture, Entry, Hold, Transfer, Void, fact_id, validate
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError
from wattbook.kernel.units import AMOUNT_MAX

BATCH_MAX: Final = 20_000
"""Transfers in one call."""


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
    batch = await _Batch.load(connection, sound, utc(booked_at))
    played = iter([batch.play(group) for group in sound])
    await batch.write(connection)
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
        holds: dict[UUID, HoldRow],
        known: dict[UUID, TransferRow],
    ) -> None:
        self._booked_at = booked_at
        self._closed_through = closed_through
        self._open_period = next_month(closed_through)
        self._accounts = accounts
        self._by_id = {account.id: account for account in accounts.values()}
        self._holds = holds
        self._known = known
        self._new: list[TransferRow] = []
        self._touched_accounts: set[int] = set()
        self._touched_holds: set[UUID] = set()
        self._new_holds: list[HoldRow] = []

    @classmethod
    async def load(
        cls, connection: AsyncConnection, groups: Sequence[Sequence[Entry]], booked_at: datetime
    ) -> "_Batch":
        entries = [entry for group in groups for entry in group]
        resolved = [fact_id(entry.hold) for entry in entries if isinstance(entry, Capture | Void)]
        keys = {key for entry in entries if isinstance(entry, Transfer | Hold) for key in (entry.debit, entry.credit)}
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
        known = await store.load_transfers(connection, [fact_id(entry.fact) for entry in entries])
        return cls(booked_at, closed_through, accounts, holds, known)

    async def write(self, connection: AsyncConnection) -> None:
        await store.insert_transfers(connection, self._new)
        await store.insert_holds(connection, self._new_holds)
        await store.update_holds(connection, [self._holds[hold] for hold in self._touched_holds])
        await store.update_accounts(connection, [self._by_id[account] for account in self._touched_accounts])

    def play(self, group: Sequence[Entry]) -> Posted | WattbookError:
        """One group on the state that the groups before it left."""
        try:
            rows = self._rows(group)
            if rows is None:
                return Posted.KNOWN
            self._apply(rows)
        except WattbookError as error:
            return error
        return Posted.NEW

    def _rows(self, group: Sequence[Entry]) -> list[TransferRow] | None:
        """The rows the group asks for, not yet applied; None when all of them are there already."""
        ids = [fact_id(entry.fact) for entry in group]
        if len(set(ids)) < len(ids):
            raise InvalidInput(f"{group[0].fact}: a fact stands twice in one group")
        rows = [self._row(entry, ids[0], len(ids)) for entry in group]
        found = [self._known.get(row.id) for row in rows]
        for row, before in zip(rows, found, strict=True):
            if before is not None and before.content != row.content:
                raise Conflict(
                    f"{row.fact} was posted before with another content: {before.difference(row)}",
                    fact=row.fact,
                )
        if all(before is not None for before in found):
            return None
        if any(before is not None for before in found):
            raise Conflict(f"{group[0].fact}: part of this group was posted before in another group", fact=rows[0].fact)
        return rows

    def _row(self, entry: Entry, group_id: UUID, group_size: int) -> TransferRow:
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
        period = first_of_month(event_at)
        late = period <= self._closed_through
        return TransferRow(
            id=fact_id(entry.fact),
            fact=entry.fact,
            kind=kind,
            group_id=group_id,
            group_size=group_size,
            debit=debit,
            credit=credit,
            amount=amount,
            hold_id=hold_id,
            event_at=event_at,
            booked_at=self._booked_at,
            period=self._open_period if late else period,
            corrects=period if late else None,
            span_start=utc(span.start) if span else None,
            span_end=utc(span.end) if span else None,
            expires_at=utc(entry.expires_at) if isinstance(entry, Hold) else None,
            memo=entry.memo,
        )

    def _apply(self, rows: list[TransferRow]) -> None:
        """Move the numbers; put every one of them back when a floor breaks or a hold is not open."""
        touched = {account for row in rows for account in (row.debit, row.credit)}
        before = {account: self._by_id[account].numbers() for account in touched}
        states = {row.hold_id: self._holds[row.hold_id].state for row in rows if row.hold_id in self._holds}
        try:
            for row in rows:
                self._move(row)
            for account in touched:
                self._check_floor(self._by_id[account], before[account], rows[0])
        except WattbookError:
            for account, numbers in before.items():
                self._by_id[account].restore(numbers)
            for row in rows:
                if row.kind == Kind.HOLD:
                    self._holds.pop(row.id, None)
            for hold_id, state in states.items():
                if hold_id is not None:
                    self._holds[hold_id].state = state
            raise
        for row in rows:
            self._known[row.id] = row
            if row.kind == Kind.HOLD:
                self._new_holds.append(self._holds[row.id])
            elif row.hold_id is not None:
                self._touched_holds.add(row.hold_id)
        self._new += rows
        self._touched_accounts |= touched

    def _move(self, row: TransferRow) -> None:
        debit, credit, amount = self._by_id[row.debit], self._by_id[row.credit], row.amount
        if row.kind == Kind.TRANSFER:
            debit.debits_posted += amount
            credit.credits_posted += amount
        elif row.kind == Kind.HOLD:
            debit.debits_pending += amount
            credit.credits_pending += amount
            assert row.expires_at is not None
            self._holds[row.id] = HoldRow(row.id, row.debit, row.credit, amount, row.expires_at)
        else:
            hold = self._resolve(row)
            debit.debits_pending -= hold.amount
            credit.credits_pending -= hold.amount
            if row.kind == Kind.CAPTURE:
                debit.debits_posted += amount
                credit.credits_posted += amount
        debit.version += 1
        credit.version += 1
        row.debit_version, row.debit_balance = debit.version, debit.debits_posted - debit.credits_posted
        row.credit_version, row.credit_balance = credit.version, credit.debits_posted - credit.credits_posted

    def _resolve(self, row: TransferRow) -> HoldRow:
        assert row.hold_id is not None
        hold = self._holds[row.hold_id]
        if hold.state != "open":
            raise Conflict(f"{row.fact}: the hold is {hold.state} already", fact=row.fact, state=hold.state)
        hold.state = row.kind.resolution
        return hold

    def _check_floor(self, account: AccountRow, before: tuple[int, ...], cause: TransferRow) -> None:
        if max(account.numbers()[:4]) > AMOUNT_MAX:
            raise Refused(f"{cause.fact}: {account.key} would overflow", reason="overflow")
        if account.floor is None:
            return
        side = PURPOSES[account.key.purpose].side
        now, then = _available(side, account.numbers()), _available(side, before)
        if now < account.floor and now < then:
            raise Refused(
                f"{cause.fact}: {account.key} has {then - account.floor} left and would fall by {then - now}",
                reason="floor",
                account=str(account.key),
                available=then - account.floor,
            )


def _available(side: str, numbers: tuple[int, ...]) -> int:
    """On the account's own side, everything pending against it counted as gone."""
    debits_posted, credits_posted, debits_pending, credits_pending = numbers[:4]
    if side == "debit":
        return debits_posted - credits_posted - credits_pending
    return credits_posted - debits_posted - debits_pending
