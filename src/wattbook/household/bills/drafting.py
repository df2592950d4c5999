"""Bills being drafted: from the meters of houses to assessed periods, posted together.

A bill that is due moves from `drafts` to `results` with its bill or its error; what is wrong with one house does not
hold up the others. Everything is asked for in batches, whatever the number of houses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import BATCH_MAX, post
from wattbook.book.transfers import GROUP_MAX, Span, Transfer, fact_id
from wattbook.household.bills import documents
from wattbook.household.bills.closing import is_closed
from wattbook.household.bills.documents import Bill
from wattbook.household.bills.dues import Due
from wattbook.household.bills.postings import Delivery, Ledger, deliveries, paid_elsewhere, sale
from wattbook.household.paid.assessment import PER_INTERVAL, RE_RATED, Assessment, assess
from wattbook.household.paid.charges import MOMENT, charges_in_time
from wattbook.household.readings.demand import demands
from wattbook.household.readings.estimation import Estimate
from wattbook.household.readings.intervals import IntervalStore, MeterEnergy, MeterSpan
from wattbook.household.readings.reading_rows import lock_meters
from wattbook.household.readings.vee import complete, estimated
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import Conflict, InvalidInput, Refused, WattbookError
from wattbook.registry.households import meters_of_households
from wattbook.registry.meters import MeterPlace, allocate_meters, find_meters, places_of_meters
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.validity import Ambiguous, Missing
from wattbook.tariffs.hours import bounds, stretches
from wattbook.tariffs.household import HouseholdTariff
from wattbook.tariffs.schedule import Schedule

HOUSEHOLDS_MAX: Final = BATCH_MAX // GROUP_MAX
"""In one call, so that the postings of all of them fit into one batch of the book."""


@dataclass(frozen=True, slots=True)
class Utility:
    """Who bills houses.

    Attributes:
        party: of the registry.
        balance_group: from which it supplies them.
        policy: how it finds a duplicate charge, one of `assessment.POLICIES`.
        basis: on which it holds paid energy against what was measured, one of `assessment.BASES`.
    """

    party: str
    balance_group: str
    policy: str = RE_RATED
    basis: str = PER_INTERVAL


@dataclass(slots=True)
class _Draft:
    """What is known of a bill so far."""

    due: Due
    schedule: Schedule
    starts_at: datetime
    ends_at: datetime
    spans: list[MeterSpan] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    slots_mwh: list[int] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    peak_w: int | None = None

    @property
    def tariff(self) -> HouseholdTariff:
        return self.schedule.tariff

    def parts(self, span: MeterSpan) -> Iterator[tuple[int, MeterSpan]]:
        """The span cut where the tariff's slot changes."""
        for stretch in stretches(self.schedule):
            since, until = max(span.since, stretch.since), min(span.until, stretch.until)
            if since < until:
                yield stretch.slot, span._replace(since=since, until=until)


class _Sum(NamedTuple):
    """What a span has, in all and of each slot of the tariff."""

    total: MeterEnergy
    slots_mwh: list[int]


class Drafting:
    """One call of `bill_dues`: a bill moves from `drafts` to `results`, by its id.

    Attributes:
        utility: who bills; None where nothing is issued.
        run: number of the bill run that asks.
    """

    def __init__(self, utility: Utility | None, now: datetime, run: int | None) -> None:
        self.run = run
        self._utility = utility
        self.now = now
        self.drafts: dict[str, _Draft] = {}
        self.results: dict[str, Bill | WattbookError] = {}
        self._assessments: dict[str, Assessment] = {}

    @property
    def utility(self) -> Utility:
        assert self._utility is not None, "somebody issues the bill"
        return self._utility

    def open(self, asked: Sequence[Due]) -> None:
        """Begin the bills that are due, of periods that are over."""
        for due in asked:
            try:
                draft = _drafted(due)
            except WattbookError as error:
                self.results[due.id] = error
                continue
            if draft.ends_at > self.now:
                words = f"{due.period} is not over before {format_rfc3339(draft.ends_at)}"
                self.results[due.id] = InvalidInput(words)
            else:
                self.drafts[due.id] = draft

    def reopen(self, asked: Sequence[Due]) -> None:
        """Take up again what was billed."""
        self.drafts = {due.id: _drafted(due) for due in asked}

    async def keep_what_was_issued(self, connection: AsyncConnection) -> None:
        for bill in await documents.bills_in_time(connection, self.times()):
            known = self.drafts.get(bill.id)
            if known is not None and bill.period == known.due.period:
                self._finish(bill.id, bill)
            for draft in list(self.drafts.values()):
                if bill.covers(draft.due.household, draft.starts_at, draft.ends_at):
                    words = (
                        f"household {bill.household} has a bill for {bill.period}, which overlaps {draft.due.period}"
                    )
                    self._finish(draft.due.id, Conflict(words, bill=bill.id))
        if not self.drafts:
            return
        cycles = list(dict.fromkeys(draft.due.cycle for draft in self.drafts.values()))
        closed = await is_closed(connection, self.utility.party, cycles)
        gone = {cycle for cycle, is_gone in zip(cycles, closed, strict=True) if is_gone}
        for draft in [each for each in self.drafts.values() if each.due.cycle in gone]:
            self._refuse(draft.due.id, "closed", f"{self.utility.party} has closed the period")

    async def match_meters(self, connection: AsyncConnection) -> None:
        matched: list[tuple[str, MeterPlace]] = []
        found_places = await meters_of_households(connection, self.times())
        for bill_id, places in zip(self.drafts, found_places, strict=True):
            matched += [] if isinstance(places, Missing) else [(bill_id, place) for place in places]
        meters = await find_meters(connection, [place.meter for _, place in matched])
        spans = [_clipped(place, self.drafts[bill_id]) for bill_id, place in matched]
        starts = [(place.meter, since) for (_, place), (since, _) in zip(matched, spans, strict=True)]
        measured = await places_of_meters(connection, starts)
        for (bill_id, place), meter, span, found in zip(matched, meters, spans, measured, strict=True):
            if isinstance(found, Missing | Ambiguous):
                self._refuse(bill_id, "allocation", found.reason)
            elif meter is not None and meter.obis_import is not None and bill_id in self.drafts:
                self.drafts[bill_id].spans.append(MeterSpan(place.meter, meter.obis_import, *span))
        for bill_id in [bill_id for bill_id, draft in self.drafts.items() if not draft.spans]:
            self._refuse(bill_id, "no-meter", "no meter measures what it draws in this period")

    async def sum_up(self, connection: AsyncConnection, intervals: IntervalStore) -> None:
        """Sum every span; what is missing of one is estimated first, if anything is known to estimate it from."""
        wanted = [(bill_id, span) for bill_id, draft in self.drafts.items() for span in draft.spans]
        await lock_meters(connection, {span.meter_no for _, span in wanted})
        sums = await self._sums(connection, intervals, wanted)
        lacking = [place for place, (_, span) in enumerate(wanted) if not sums[place].total.covers(span)]
        whole = await self._completed(connection, intervals, [wanted[place] for place in lacking])
        again = await self._sums(connection, intervals, [wanted[place] for place in lacking])
        for place, energy in zip(lacking, again, strict=True):
            sums[place] = energy
        is_whole = dict(zip(lacking, whole, strict=True))
        networks = await self._networks(connection, [span for _, span in wanted])
        for place, ((bill_id, span), energy, network) in enumerate(zip(wanted, sums, networks, strict=True)):
            if isinstance(network, str):
                self._refuse(bill_id, "allocation", network)
            elif not is_whole.get(place, True):
                self._refuse(bill_id, "incomplete", _gap(span, energy.total))
            elif bill_id in self.drafts:
                draft = self.drafts[bill_id]
                draft.slots_mwh = [had + mwh for had, mwh in zip(draft.slots_mwh, energy.slots_mwh, strict=True)]
                delivery = Delivery(span.meter_no, network.id, energy.total.energy_mwh, Span(span.since, span.until))
                draft.deliveries.append(delivery)
        partly = [place for place, energy in enumerate(sums) if energy.total.estimated_mwh]
        listed = await estimated(connection, intervals, [wanted[place][1] for place in partly])
        for place, estimates in zip(partly, listed, strict=True):
            if wanted[place][0] in self.drafts:
                self.drafts[wanted[place][0]].estimates += estimates
        await self._find_peaks(connection, intervals)

    async def _find_peaks(self, connection: AsyncConnection, intervals: IntervalStore) -> None:
        """The highest power of each house whose tariff charges for it."""
        asked = [draft for draft in self.drafts.values() if draft.tariff.demand_minutes is not None]
        for minutes in sorted({draft.tariff.demand_minutes or 0 for draft in asked}):
            alike = [draft for draft in asked if draft.tariff.demand_minutes == minutes]
            found = await demands(connection, intervals, [draft.spans for draft in alike], minutes)
            for draft, measured in zip(alike, found, strict=True):
                try:
                    draft.peak_w = measured.watts(minutes)
                except WattbookError as error:
                    self._finish(draft.due.id, error)

    async def _sums(
        self, connection: AsyncConnection, intervals: IntervalStore, wanted: Sequence[tuple[str, MeterSpan]]
    ) -> list[_Sum]:
        """The energy of each span, and of each slot of its tariff."""
        parts = [
            (place, *part) for place, (bill_id, span) in enumerate(wanted) for part in self.drafts[bill_id].parts(span)
        ]
        sums = [_Sum(MeterEnergy(), [0] * len(self.drafts[bill_id].slots_mwh)) for bill_id, _ in wanted]
        found = await intervals.energy(connection, [span for _, _, span in parts])
        for (place, slot, _), energy in zip(parts, found, strict=True):
            total, slots_mwh = sums[place]
            slots_mwh[slot] += energy.energy_mwh
            sums[place] = _Sum(total.plus(energy), slots_mwh)
        return sums

    async def _completed(
        self, connection: AsyncConnection, intervals: IntervalStore, lacking: Sequence[tuple[str, MeterSpan]]
    ) -> list[bool]:
        """Whether each span is whole once what is missing was estimated."""
        by_zone: dict[str, list[int]] = {}
        for place, (bill_id, _) in enumerate(lacking):
            by_zone.setdefault(self.drafts[bill_id].tariff.time_zone, []).append(place)
        whole = [False] * len(lacking)
        for zone, places in by_zone.items():
            spans = [lacking[place][1] for place in places]
            for place, completed in zip(
                places, await complete(connection, intervals, spans, zone, now=self.now), strict=True
            ):
                whole[place] = completed.is_whole
        return whole

    async def _networks(self, connection: AsyncConnection, spans: Sequence[MeterSpan]) -> list[NetworkOperator | str]:
        """By whose network each span was fed, or why that is not one network operator."""
        first = await allocate_meters(connection, [(span.meter_no, span.since) for span in spans])
        last = await allocate_meters(connection, [(span.meter_no, span.until - MOMENT) for span in spans])
        networks: list[NetworkOperator | str] = []
        for span, network, network_then in zip(spans, first, last, strict=True):
            if isinstance(network, Missing | Ambiguous):
                networks.append(network.reason)
            elif network != network_then:
                networks.append(f"the network of meter {span.meter_no} changes within the period")
            else:
                networks.append(network)
        return networks

    async def assess(self, connection: AsyncConnection, intervals: IntervalStore) -> None:
        times = self.times()
        drafts = list(self.drafts.values())
        schedules = [draft.schedule for draft in drafts]
        charged = await charges_in_time(connection, intervals, times, schedules, [self.utility.basis] * len(times))
        for draft, charges in zip(drafts, charged, strict=True):
            try:
                self._assessments[draft.due.id] = assess(
                    draft.tariff,
                    draft.due.period,
                    draft.slots_mwh,
                    charges,
                    draft.due.contract_w,
                    policy=self.utility.policy,
                    month_days=draft.schedule.month_days,
                    peak_w=draft.peak_w,
                )
            except WattbookError as error:
                self._finish(draft.due.id, error)

    async def issue(self, connection: AsyncConnection) -> None:
        drafted = [self._document(draft) for draft in self.drafts.values()]
        estimates = {bill_id: draft.estimates for bill_id, draft in self.drafts.items()}
        for start in range(0, len(drafted), HOUSEHOLDS_MAX):
            batch = drafted[start : start + HOUSEHOLDS_MAX]
            outcomes = await post(connection, [entries for _, entries in batch], booked_at=self.now)
            for (bill, _), outcome in zip(batch, outcomes, strict=True):
                self._finish(bill.id, outcome if isinstance(outcome, WattbookError) else bill)
        accepted = [bill for bill, _ in drafted if self.results[bill.id] is bill]
        await documents.add_bills(connection, accepted)
        await documents.add_estimates(connection, [(bill.id, estimates[bill.id]) for bill in accepted])

    def _document(self, draft: _Draft) -> tuple[Bill, list[Transfer]]:
        due, assessed = draft.due, self._assessments[draft.due.id]
        ledger = Ledger(
            f"bill:{due.id}", due.household, due.debtor, self.utility.party, draft.tariff.currency, draft.ends_at
        )
        entries = [
            *deliveries(ledger, self.utility.balance_group, draft.deliveries),
            *paid_elsewhere(ledger, assessed.shares),
            *sale(ledger, assessed.lines),
        ]
        bill = Bill(
            id=due.id,
            household=due.household,
            period=due.period,
            starts_at=draft.starts_at,
            ends_at=draft.ends_at,
            issued_at=self.now,
            utility=self.utility.party,
            tariff=draft.tariff.name,
            policy=self.utility.policy,
            basis=self.utility.basis,
            currency=draft.tariff.currency,
            metered_mwh=assessed.metered_mwh,
            paid_mwh=assessed.paid_mwh,
            exception_mwh=assessed.exception_mwh,
            household_mwh=assessed.household_mwh,
            lines=assessed.lines,
            gross_total=assessed.gross_total,
            posting=UUID(fact_id(entries[0].fact)),
            slots_mwh=tuple(draft.slots_mwh) if len(draft.slots_mwh) > 1 else None,
            contract_w=due.contract_w,
            run=self.run,
            estimated_mwh=sum(estimate.energy_mwh for estimate in draft.estimates),
            customer=due.customer,
            cycle=None if due.cycle == due.period else due.cycle,
            peak_w=draft.peak_w,
        )
        return bill, entries

    def times(self) -> list[tuple[str, datetime, datetime]]:
        """Of each draft in order: its house, from when, to when."""
        return [(draft.due.household, draft.starts_at, draft.ends_at) for draft in self.drafts.values()]

    def _refuse(self, bill_id: str, reason: str, words: str) -> None:
        draft = self.drafts.get(bill_id)
        if draft is not None:
            due = draft.due
            self._finish(bill_id, Refused(f"household {due.household}, {due.period}: {words}", reason=reason))

    def _finish(self, bill_id: str, result: Bill | WattbookError) -> None:
        self.results[bill_id] = result
        self.drafts.pop(bill_id, None)


def _drafted(due: Due) -> _Draft:
    schedule = due.schedule
    return _Draft(due, schedule, *bounds(schedule), slots_mwh=[0] * len(schedule.slots))


def _clipped(place: MeterPlace, draft: _Draft) -> tuple[datetime, datetime]:
    """The part of the period in which the meter measured the house."""
    ends = [draft.ends_at] if place.valid_to is None else [draft.ends_at, utc(place.valid_to)]
    return max(draft.starts_at, utc(place.valid_from)), min(ends)


def _gap(span: MeterSpan, energy: MeterEnergy) -> str:
    words = f"meter {span.meter_no}, register {span.register}, from {format_rfc3339(span.since)}"
    if energy.lengths > 1:
        return f"{words} has intervals of {energy.lengths} different lengths"
    wanted = int((span.until - span.since) / timedelta(minutes=1))
    return f"{words} has readings for {energy.minutes} of {wanted} minutes"
