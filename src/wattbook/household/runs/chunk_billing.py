"""The bills of a chunk of houses, by one transaction: assessed together, rated together, posted together.

It gives each house the very bill that `bill_period` would. What differs is how it gets there: sums come from one pass
over the readings of many chunks, and all houses are rated by one array computation. Houses that are not plain, because
people moved, the tariff or a meter was changed within the period, their readings have gaps, or some came after that
pass, go through `bill_dues`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import BATCH_MAX, post
from wattbook.book.transfers import Entry, Span, fact_id
from wattbook.household import store
from wattbook.household.bills import documents
from wattbook.household.bills.billing import Utility, bill_dues
from wattbook.household.bills.closing import is_closed
from wattbook.household.bills.documents import Bill
from wattbook.household.bills.dues import Due, dues
from wattbook.household.bills.postings import Delivery, Ledger, deliveries, paid_elsewhere, sale
from wattbook.household.paid.assessment import PER_INTERVAL, RE_RATED, Charge, Lines, Share, set_off
from wattbook.household.paid.charges import MOMENT
from wattbook.household.paid.exceptions import beyond_meters, note_exceptions
from wattbook.household.readings.demand import demands
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.readings.reading_rows import lock_meters
from wattbook.household.readings.slot_sums import Register, SlotSums
from wattbook.household.runs import bill_run_rows
from wattbook.household.runs.bill_run_rows import Chunk, ChunkTotals, Refusal
from wattbook.kernel.errors import Conflict, InvalidInput, WattbookError
from wattbook.kernel.units import Currency
from wattbook.registry.supply_points import SupplyPoint, supply_points
from wattbook.tariffs.hours import bounds, slot_at
from wattbook.tariffs.household_bulk import Bills, rate_many
from wattbook.tariffs.household_data import LINES
from wattbook.tariffs.schedule import Schedule


class Sums(NamedTuple):
    """What the registers of a block of chunks measured, and in which row each stands; `batches` had come by then."""

    rows: dict[Register, int]
    measured: SlotSums
    batches: frozenset[str]


class Timing(NamedTuple):
    """Seconds of rating and of posting."""

    rate_s: float = 0.0
    post_s: float = 0.0

    def plus(self, other: "Timing") -> "Timing":
        return Timing(self.rate_s + other.rate_s, self.post_s + other.post_s)


class _Issued(NamedTuple):
    """Bills there are: whether the one of a house is of this very period, and those of parts of it."""

    houses: dict[str, bool]
    parts: set[str]


@dataclass(frozen=True, slots=True)
class Assessed:
    """Plain houses of one schedule: what each measured, what others paid of it, and its bill; a row a house."""

    households: list[str]
    points: list[SupplyPoint]
    measured: NDArray[np.int64]
    left: NDArray[np.int64]
    shares: dict[int, dict[str, Share]]
    paid_mwh: dict[int, int]
    gross: Bills
    bills: Bills
    peaks_w: list[int] | None


@dataclass(frozen=True, slots=True)
class ChunkBilling:
    """How the chunks of a run are billed; `run` is None for a dry run, which writes nothing."""

    run: int | None
    schedule: Schedule
    utility: Utility
    intervals: IntervalStore
    clock: Callable[[], datetime]

    async def bill(self, connection: AsyncConnection, chunk: Chunk, sums: Sums) -> tuple[ChunkTotals, Timing]:
        """Issue the bills of the chunk, post them, and mark it done. The caller's transaction makes that one step.

        From the locks on, payments for these houses wait; what came before is in the bill, what comes after the commit
        finds the bill and becomes a credit note.
        """
        assert self.run is not None
        now = self.clock()
        started = perf_counter()
        await lock_meters(connection, {register.meter_no for register in sums.rows})
        await store.lock_houses(connection, chunk.households)
        issued, refusals = await self._issued(connection, chunk.households)
        open_houses = [house for house in chunk.households if house not in issued.houses]
        plain, others = await self._sorted(connection, open_houses, sums)
        assessed, unrated = await self.assess(connection, plain, sums)
        refusals += unrated
        rated = perf_counter()
        bills = await self._post(connection, assessed, refusals, now)
        paid = [(assessed.households[place], *bounds(self.schedule)) for place in assessed.shares]
        if paid:
            await note_exceptions(connection, self.intervals, paid, now=now)
        others_billed, others_refused = await self._bill_others(connection, others, now)
        refusals += others_refused
        bills += [bill for bill in others_billed if bill.id not in issued.parts]
        known = sum(issued.houses.values()) + sum(bill.id in issued.parts for bill in others_billed)
        totals = _totals(bills, known=known, refused=len(refusals))
        await bill_run_rows.finish_chunk(connection, self.run, chunk, totals, refusals, now)
        return totals, Timing(rated - started, perf_counter() - rated)

    async def _bill_others(
        self, connection: AsyncConnection, households: Sequence[str], now: datetime
    ) -> tuple[list[Bill], list[Refusal]]:
        """The bills of houses that need a closer look, also those that they had before, under the tariff of the chunk.

        What is due under another tariff is in a chunk of that one.
        """
        tariff = self.schedule.tariff.name
        asked = [
            due
            for due in await dues(connection, households, self.schedule.period)
            if isinstance(due, Due) and due.tariff == tariff
        ]
        outcomes = await bill_dues(connection, self.intervals, asked, self.utility, now=now, run=self.run)
        changed = InvalidInput(f"{tariff} does not hold there any more: the next run bills it")
        gone = sorted(set(households) - {due.household for due in asked})
        refusals = [_refusal(house, changed) for house in gone]
        refusals += [
            _refusal(due.household, outcome)
            for due, outcome in zip(asked, outcomes, strict=True)
            if isinstance(outcome, WattbookError)
        ]
        return [outcome for outcome in outcomes if isinstance(outcome, Bill)], refusals

    async def try_out(self, connection: AsyncConnection, chunk: Chunk, sums: Sums) -> tuple[ChunkTotals, Timing]:
        """What `bill` would do for the plain houses; writes nothing. The others are counted as refused."""
        started = perf_counter()
        issued, refusals = await self._issued(connection, chunk.households)
        open_houses = [house for house in chunk.households if house not in issued.houses]
        plain, others = await self._sorted(connection, open_houses, sums)
        assessed, unrated = await self.assess(connection, plain, sums)
        coin = Currency.of(self.schedule.tariff.currency).coin
        totals = ChunkTotals(
            billed=len(assessed.households),
            known=sum(issued.houses.values()),
            refused=len(refusals) + len(unrated) + len(others),
            metered_mwh=int(assessed.measured.sum()),
            household_mwh=int(assessed.left.sum()),
            total=int(assessed.bills.amounts["total"].sum()) * coin,
        )
        return totals, Timing(perf_counter() - started, 0.0)

    async def assess(
        self, connection: AsyncConnection, plain: Sequence[tuple[str, SupplyPoint]], sums: Sums
    ) -> tuple[Assessed, list[Refusal]]:
        """One joint assessment a house, as `assessment.assess` makes it, for all of them at once."""
        schedule = self.schedule
        refusals = [
            _refusal(house, InvalidInput(f"{schedule.tariff.name} needs the contracted power of household {house}"))
            for house, point in plain
            if "contract" in schedule.tariff.power_basis and point.contract_w is None
        ]
        peaks_w, untold = await self._peaks(connection, plain)
        refusals += untold
        unrated = {refusal.household for refusal in refusals}
        kept = [(house, point) for house, point in plain if house not in unrated]
        rows = [sums.rows[Register(point.meter, point.register)] for _, point in kept]
        measured = sums.measured.energies_mwh[rows]
        left = measured.copy()
        since, until = bounds(schedule)
        charged: dict[int, list[Charge]] = {}
        parts = await bill_run_rows.paid_parts(connection, [house for house, _ in kept], since, until)
        for place, ended_at, server, payment, energy_mwh in parts:
            slot = slot_at(schedule, ended_at - MOMENT)
            charged.setdefault(place, []).append(Charge(ended_at, server, payment, energy_mwh, slot))
        await self._held_against_intervals(connection, charged, [house for house, _ in kept])
        shares: dict[int, dict[str, Share]] = {}
        paid_mwh: dict[int, int] = {}
        for place, charges in charged.items():
            shares[place], left[place] = _set_off(measured[place], charges)
            paid_mwh[place] = sum(charge.energy_mwh for charge in charges)
        contract_w = np.array([point.contract_w or 0 for _, point in kept], np.int64)
        peak_w = None if peaks_w is None else np.array([peaks_w[house] for house, _ in kept], np.int64)
        gross = rate_many(schedule, measured, contract_w=contract_w, peak_w=peak_w)
        bills = rate_many(schedule, left, contract_w=contract_w, peak_w=peak_w) if shares else gross
        houses, points = [house for house, _ in kept], [point for _, point in kept]
        peaks = None if peak_w is None else peak_w.tolist()
        return Assessed(houses, points, measured, left, shares, paid_mwh, gross, bills, peaks), refusals

    async def _peaks(
        self, connection: AsyncConnection, plain: Sequence[tuple[str, SupplyPoint]]
    ) -> tuple[dict[str, int] | None, list[Refusal]]:
        """The highest power of each house, if the tariff charges for it; a refusal where readings do not tell it."""
        minutes = self.schedule.tariff.demand_minutes
        if minutes is None:
            return None, []
        times = bounds(self.schedule)
        spans = [[MeterSpan(point.meter, point.register, *times)] for _, point in plain]
        peaks: dict[str, int] = {}
        refusals = []
        found = await demands(connection, self.intervals, spans, minutes)
        for (house, _), measured in zip(plain, found, strict=True):
            try:
                peaks[house] = measured.watts(minutes)
            except InvalidInput as error:
                refusals.append(_refusal(house, error))
        return peaks, refusals

    async def _held_against_intervals(
        self, connection: AsyncConnection, charged: dict[int, list[Charge]], households: Sequence[str]
    ) -> None:
        """Say of each charge what of it is beyond the intervals of its house."""
        if not charged or self.utility.basis != PER_INTERVAL:
            return
        asked = [(households[place], *bounds(self.schedule)) for place in charged]
        beyond = await beyond_meters(connection, self.intervals, asked)
        for (place, charges), found in zip(list(charged.items()), beyond, strict=True):
            charged[place] = [
                charge._replace(beyond_mwh=found.get((charge.ended_at, charge.server, charge.payment), 0))
                for charge in charges
            ]

    async def _issued(self, connection: AsyncConnection, households: Sequence[str]) -> tuple[_Issued, list[Refusal]]:
        """What houses have of this time; a refusal where a bill is of another period."""
        since, until = bounds(self.schedule)
        period = self.schedule.period
        known = _Issued({}, set())
        refusals = []
        for house, bill_id, days, cycle in await bill_run_rows.bills_in_time(connection, households, since, until):
            if cycle == period and days != period:
                known.parts.add(bill_id)
                continue
            if days != period and house not in known.houses:
                words = f"it has a bill for {days}, which overlaps {period}"
                refusals.append(_refusal(house, Conflict(words, bill=bill_id)))
            known.houses[house] = days == period
        return known, refusals

    async def _sorted(
        self, connection: AsyncConnection, households: Sequence[str], sums: Sums
    ) -> tuple[list[tuple[str, SupplyPoint]], list[str]]:
        """Plain houses with their supply point; and houses that need a closer look, as for readings to be estimated."""
        since, until = bounds(self.schedule)
        plain: list[tuple[str, SupplyPoint]] = []
        others: list[str] = []
        if self.utility.policy != RE_RATED:  # the others are no bill of what is left
            return plain, list(households)
        if await is_closed(connection, self.utility.party, [self.schedule.period]) == [True]:
            return plain, list(households)  # each is told so
        days = (self.schedule.period.first, self.schedule.period.last)
        points = await supply_points(connection, households, since, until, days)
        read_since = await self.intervals.meters_since(connection, sums.batches, since, until)
        for house, point in zip(households, points, strict=True):
            row = None if point is None else sums.rows.get(Register(point.meter, point.register))
            is_plain = row is not None and sums.measured.is_whole[row] and not sums.measured.has_estimates[row]
            is_plain = is_plain and point is not None and point.tariff == self.schedule.tariff.name
            if point is not None and is_plain and point.meter not in read_since:
                plain.append((house, point))
            else:
                others.append(house)
        return plain, others

    async def _post(
        self, connection: AsyncConnection, assessed: Assessed, refusals: list[Refusal], now: datetime
    ) -> list[Bill]:
        """The bills that the book took in; a refusal for each that it did not."""
        drafted = list(self._drafted(assessed, now))
        bills: list[Bill] = []
        for batch in _batches(drafted):
            outcomes = await post(connection, [entries for _, entries in batch], booked_at=now)
            for (bill, _), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, WattbookError):
                    refusals.append(_refusal(bill.household, outcome))
                else:
                    bills.append(bill)
        await documents.add_bills(connection, bills)
        return bills

    def _drafted(self, assessed: Assessed, now: datetime) -> "list[tuple[Bill, list[Entry]]]":
        tariff, period = self.schedule.tariff, self.schedule.period
        since, until = bounds(self.schedule)
        span = Span(since, until)
        lines = _lines(assessed.bills, tariff.currency)
        gross = [line.total for line in _lines(assessed.gross, tariff.currency)]
        measured, left = assessed.measured.tolist(), assessed.left.tolist()
        drafted: list[tuple[Bill, list[Entry]]] = []
        for place, (house, point) in enumerate(zip(assessed.households, assessed.points, strict=True)):
            bill_id = f"{house}:{period.first}"
            ledger = Ledger(
                f"bill:{bill_id}", house, point.customer or house, self.utility.party, tariff.currency, until
            )
            metered_mwh = sum(measured[place])
            shares = assessed.shares.get(place, {})
            entries: list[Entry] = [
                *deliveries(
                    ledger,
                    self.utility.balance_group,
                    [Delivery(point.meter, point.network_operator, metered_mwh, span)],
                ),
                *paid_elsewhere(ledger, shares),
                *sale(ledger, lines[place]),
            ]
            bill = Bill(
                id=bill_id,
                household=house,
                period=period,
                starts_at=since,
                ends_at=until,
                issued_at=now,
                utility=self.utility.party,
                tariff=tariff.name,
                policy=RE_RATED,
                basis=self.utility.basis,
                currency=tariff.currency,
                metered_mwh=metered_mwh,
                paid_mwh=assessed.paid_mwh.get(place, 0),
                exception_mwh=-sum(share.excess_mwh for share in shares.values()),
                household_mwh=sum(left[place]),
                lines=lines[place],
                gross_total=gross[place],
                posting=UUID(fact_id(entries[0].fact)),
                slots_mwh=tuple(measured[place]) if len(measured[place]) > 1 else None,
                contract_w=point.contract_w,
                run=self.run,
                customer=point.customer,
                peak_w=None if assessed.peaks_w is None else assessed.peaks_w[place],
            )
            drafted.append((bill, entries))
        return drafted


def _set_off(measured: NDArray[np.int64], charges: Sequence[Charge]) -> tuple[dict[str, Share], list[int]]:
    return set_off([int(mwh) for mwh in measured], charges)


def _lines(bills: Bills, currency: str) -> list[Lines]:
    """The lines of documents, in stored units of the currency."""
    coin = Currency.of(currency).coin
    total = bills.amounts["total"]
    nothing = np.zeros_like(total)
    columns = [bills.by_line.get(line, nothing) for line in LINES]
    money = np.stack([*columns, total - sum(columns, nothing), total]) * coin
    return [Lines(*row) for row in zip(bills.amounts["kwh"].tolist(), *money.tolist(), strict=True)]


def _batches(drafted: "list[tuple[Bill, list[Entry]]]") -> "list[list[tuple[Bill, list[Entry]]]]":
    """Bills together as far as the book takes transfers in one call."""
    batches: list[list[tuple[Bill, list[Entry]]]] = [[]]
    count = 0
    for bill, entries in drafted:
        if count + len(entries) > BATCH_MAX:
            batches.append([])
            count = 0
        batches[-1].append((bill, entries))
        count += len(entries)
    return batches


def _totals(bills: Sequence[Bill], *, known: int, refused: int) -> ChunkTotals:
    return ChunkTotals(
        billed=len(bills),
        known=known,
        refused=refused,
        metered_mwh=sum(bill.metered_mwh for bill in bills),
        household_mwh=sum(bill.household_mwh for bill in bills),
        total=sum(bill.lines.total for bill in bills),
    )


def _refusal(household: str, error: WattbookError) -> Refusal:
    return Refusal(household, error.code, error.message)
