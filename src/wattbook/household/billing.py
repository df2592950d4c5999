"""The bill of a house for a period: what its meters measured, less what was paid elsewhere, rated once.

Houses are billed in batches: a fixed number of statements and one pass over the interval files for all of them. What is
wrong with one house is a value in its place and does not hold up the others. A bill is issued once: asked for again, it
is returned as it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import BATCH_MAX, post
from wattbook.book.transfers import GROUP_MAX, Span, Transfer, fact_id
from wattbook.household import documents, store
from wattbook.household.assessment import PER_INTERVAL, RE_RATED, Assessment, assess
from wattbook.household.charges import MOMENT, charges_in_time
from wattbook.household.closing import is_closed
from wattbook.household.documents import Bill
from wattbook.household.estimation import Estimate
from wattbook.household.exceptions import note_exceptions
from wattbook.household.intervals import IntervalStore, MeterEnergy, MeterSpan
from wattbook.household.postings import Delivery, Ledger, deliveries, paid_elsewhere, sale
from wattbook.household.reading_rows import lock_meters
from wattbook.household.vee import complete, estimated
from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError
from wattbook.registry.households import Household, find_households, meters_of_households
from wattbook.registry.meters import MeterPlace, allocate_meters, find_meters, places_of_meters
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.validity import Ambiguous, Missing
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds, stretches
from wattbook.tariffs.household import HouseholdTariff
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household

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


async def bill_period(
    connection: AsyncConnection,
    intervals: IntervalStore,
    households: Sequence[str],
    period: BillingPeriod,
    utility: Utility,
    *,
    now: datetime,
    run: int | None = None,
) -> list[Bill | WattbookError]:
    """Issue the bill of each house for the period, and post it.

    Args:
        run: number of the bill run that asks for it.

    Returns, for each house:
        its bill, the one issued before if there is one;
        NotFound: the house or its tariff is not known;
        InvalidInput: the period is not over, or the tariff cannot rate it;
        Conflict: another bill of the house covers part of the period;
        Refused: no meter measures the house (`reason` `no-meter`), a meter is not allocated to just one house and
            network operator (`allocation`), readings are missing and cannot be estimated (`incomplete`), or the
            period is closed (`closed`).

    Raises:
        InvalidInput: more than `HOUSEHOLDS_MAX` houses.
    """
    if len(households) > HOUSEHOLDS_MAX:
        raise InvalidInput(f"at most {HOUSEHOLDS_MAX} households are billed in one call, not {len(households)}")
    billing = _Run(period, utility, utc(now), run)
    await billing.open(connection, list(dict.fromkeys(households)))
    await lock(connection, billing.times())
    await billing.keep_what_was_issued(connection)
    await billing.match_meters(connection)
    await billing.sum_up(connection, intervals)
    await billing.assess(connection, intervals)
    await note_exceptions(connection, intervals, billing.times(), now=now)
    await billing.issue(connection)
    return [billing.results[household] for household in households]


async def lock(connection: AsyncConnection, times: store.Asked) -> None:
    """Nobody else bills these houses, or changes what their meters measured; meters first, as who takes readings in."""
    places = await meters_of_households(connection, times)
    found = {place.meter for each in places if not isinstance(each, Missing) for place in each}
    await lock_meters(connection, found)
    await store.lock_houses(connection, [household for household, _, _ in times])


class Measured(NamedTuple):
    """What the meters of a house measured in a billed period, as known now."""

    slots_mwh: tuple[int, ...]
    deliveries: tuple[Delivery, ...]
    estimates: tuple[Estimate, ...]


async def measure_again(
    connection: AsyncConnection, intervals: IntervalStore, bills: Sequence[Bill], *, now: datetime
) -> dict[str, Measured | WattbookError]:
    """Sum up what bills were made of from the readings as they are now; by bill."""
    found: dict[str, Measured | WattbookError] = {}
    for period, utility in sorted({(bill.period, bill.utility) for bill in bills}, key=str):
        run = _Run(period, Utility(utility, ""), utc(now), None)
        asked = [bill for bill in bills if (bill.period, bill.utility) == (period, utility)]
        for bill in asked:
            schedule = compile_household(household_tariff(bill.tariff), period)
            slots_mwh = [0] * len(schedule.slots)
            run.drafts[bill.household] = _Draft(
                schedule, bill.contract_w, bill.starts_at, bill.ends_at, slots_mwh=slots_mwh
            )
        await run.match_meters(connection)
        await run.sum_up(connection, intervals)
        for bill in asked:
            draft, error = run.drafts.get(bill.household), run.results.get(bill.household)
            if draft is not None:
                found[bill.id] = Measured(tuple(draft.slots_mwh), tuple(draft.deliveries), tuple(draft.estimates))
            elif isinstance(error, WattbookError):
                found[bill.id] = error
    return found


def period_in_utc(tariff: HouseholdTariff, period: BillingPeriod) -> tuple[datetime, datetime]:
    """The first moment of the period, and the first after it: days begin at midnight where the tariff holds."""
    return bounds(compile_household(tariff, period))


@dataclass(slots=True)
class _Draft:
    """What is known of a house's bill so far."""

    schedule: Schedule
    contract_w: int | None
    starts_at: datetime
    ends_at: datetime
    spans: list[MeterSpan] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    slots_mwh: list[int] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)

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


class _Run:
    """One call of `bill_period`: a house moves from `drafts` to `results` with its bill or its error."""

    def __init__(self, period: BillingPeriod, utility: Utility, now: datetime, number: int | None) -> None:
        self.number = number
        self.period = period
        self.utility = utility
        self.now = now
        self.drafts: dict[str, _Draft] = {}
        self.results: dict[str, Bill | WattbookError] = {}
        self._assessments: dict[str, Assessment] = {}

    async def open(self, connection: AsyncConnection, households: Sequence[str]) -> None:
        for household, record in zip(households, await find_households(connection, households), strict=True):
            try:
                self.drafts[household] = self._draft(household, record)
            except WattbookError as error:
                self.results[household] = error

    async def keep_what_was_issued(self, connection: AsyncConnection) -> None:
        for bill in await documents.bills_in_time(connection, self.times()):
            if bill.period == self.period:
                self._finish(bill.household, bill)
            else:
                words = f"household {bill.household} has a bill for {bill.period}, which overlaps {self.period}"
                self._finish(bill.household, Conflict(words, bill=bill.id))
        if self.drafts and await is_closed(connection, self.utility.party, [self.period]) == [True]:
            for household in list(self.drafts):
                self._refuse(household, "closed", f"{self.utility.party} has closed the period")

    async def match_meters(self, connection: AsyncConnection) -> None:
        times = self.times()
        matched: list[tuple[str, MeterPlace]] = []
        for (household, _, _), places in zip(times, await meters_of_households(connection, times), strict=True):
            matched += [] if isinstance(places, Missing) else [(household, place) for place in places]
        meters = await find_meters(connection, [place.meter for _, place in matched])
        spans = [_clipped(place, self.drafts[household]) for household, place in matched]
        starts = [(place.meter, since) for (_, place), (since, _) in zip(matched, spans, strict=True)]
        measured = await places_of_meters(connection, starts)
        for (household, place), meter, span, found in zip(matched, meters, spans, measured, strict=True):
            if isinstance(found, Missing | Ambiguous):
                self._refuse(household, "allocation", found.reason)
            elif meter is not None and meter.obis_import is not None and household in self.drafts:
                self.drafts[household].spans.append(MeterSpan(place.meter, meter.obis_import, *span))
        for household in [household for household, draft in self.drafts.items() if not draft.spans]:
            self._refuse(household, "no-meter", "no meter measures what it draws in this period")

    async def sum_up(self, connection: AsyncConnection, intervals: IntervalStore) -> None:
        """Sum every span; what is missing of one is estimated first, if anything is known to estimate it from."""
        wanted = [(household, span) for household, draft in self.drafts.items() for span in draft.spans]
        await lock_meters(connection, {span.meter_no for _, span in wanted})
        sums = await self._sums(connection, intervals, wanted)
        lacking = [place for place, (_, span) in enumerate(wanted) if not sums[place].total.covers(span)]
        whole = await self._completed(connection, intervals, [wanted[place] for place in lacking])
        again = await self._sums(connection, intervals, [wanted[place] for place in lacking])
        for place, energy in zip(lacking, again, strict=True):
            sums[place] = energy
        is_whole = dict(zip(lacking, whole, strict=True))
        networks = await self._networks(connection, [span for _, span in wanted])
        for place, ((household, span), energy, network) in enumerate(zip(wanted, sums, networks, strict=True)):
            if isinstance(network, str):
                self._refuse(household, "allocation", network)
            elif not is_whole.get(place, True):
                self._refuse(household, "incomplete", _gap(span, energy.total))
            elif household in self.drafts:
                draft = self.drafts[household]
                draft.slots_mwh = [had + mwh for had, mwh in zip(draft.slots_mwh, energy.slots_mwh, strict=True)]
                delivery = Delivery(span.meter_no, network.id, energy.total.energy_mwh, Span(span.since, span.until))
                draft.deliveries.append(delivery)
        partly = [place for place, energy in enumerate(sums) if energy.total.estimated_mwh]
        listed = await estimated(connection, intervals, [wanted[place][1] for place in partly])
        for place, estimates in zip(partly, listed, strict=True):
            if wanted[place][0] in self.drafts:
                self.drafts[wanted[place][0]].estimates += estimates

    async def _sums(
        self, connection: AsyncConnection, intervals: IntervalStore, wanted: Sequence[tuple[str, MeterSpan]]
    ) -> list[_Sum]:
        """The energy of each span, and of each slot of its tariff."""
        parts = [
            (place, *part) for place, (house, span) in enumerate(wanted) for part in self.drafts[house].parts(span)
        ]
        sums = [_Sum(MeterEnergy(), [0] * len(self.drafts[house].slots_mwh)) for house, _ in wanted]
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
        for place, (house, _) in enumerate(lacking):
            by_zone.setdefault(self.drafts[house].tariff.time_zone, []).append(place)
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
        schedules = [draft.schedule for draft in self.drafts.values()]
        charged = await charges_in_time(connection, intervals, times, schedules, [self.utility.basis] * len(times))
        for (household, _, _), charges in zip(times, charged, strict=True):
            draft = self.drafts[household]
            try:
                self._assessments[household] = assess(
                    draft.tariff, self.period, draft.slots_mwh, charges, draft.contract_w, policy=self.utility.policy
                )
            except WattbookError as error:
                self._finish(household, error)

    async def issue(self, connection: AsyncConnection) -> None:
        drafted = [self._document(household) for household in self.drafts]
        estimates = {household: draft.estimates for household, draft in self.drafts.items()}
        outcomes = await post(connection, [entries for _, entries in drafted], booked_at=self.now)
        for (bill, _), outcome in zip(drafted, outcomes, strict=True):
            self._finish(bill.household, outcome if isinstance(outcome, WattbookError) else bill)
        issued = {bill.household: bill for bill, _ in drafted}
        accepted = [bill for bill in issued.values() if self.results[bill.household] is bill]
        await documents.add_bills(connection, accepted)
        await documents.add_estimates(connection, [(bill.id, estimates[bill.household]) for bill in accepted])

    def _draft(self, household: str, record: Household | None) -> _Draft:
        if record is None:
            raise NotFound(f"household {household} is not registered", household=household)
        schedule = compile_household(household_tariff(record.tariff), self.period)
        starts_at, ends_at = bounds(schedule)
        if ends_at > self.now:
            raise InvalidInput(f"{self.period} is not over before {format_rfc3339(ends_at)}")
        return _Draft(schedule, record.contract_w, starts_at, ends_at, slots_mwh=[0] * len(schedule.slots))

    def _document(self, household: str) -> tuple[Bill, list[Transfer]]:
        draft, assessed = self.drafts[household], self._assessments[household]
        bill_id = f"{household}:{self.period.first}"
        ledger = Ledger(f"bill:{bill_id}", household, self.utility.party, draft.tariff.currency, draft.ends_at)
        entries = [
            *deliveries(ledger, self.utility.balance_group, draft.deliveries),
            *paid_elsewhere(ledger, assessed.shares),
            *sale(ledger, assessed.lines),
        ]
        bill = Bill(
            id=bill_id,
            household=household,
            period=self.period,
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
            contract_w=draft.contract_w,
            run=self.number,
            estimated_mwh=sum(estimate.energy_mwh for estimate in draft.estimates),
        )
        return bill, entries

    def times(self) -> list[tuple[str, datetime, datetime]]:
        return [(household, draft.starts_at, draft.ends_at) for household, draft in self.drafts.items()]

    def _refuse(self, household: str, reason: str, words: str) -> None:
        self._finish(household, Refused(f"household {household}, {self.period}: {words}", reason=reason))

    def _finish(self, household: str, result: Bill | WattbookError) -> None:
        self.results[household] = result
        self.drafts.pop(household, None)


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
