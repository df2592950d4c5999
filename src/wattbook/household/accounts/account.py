"""The account of a house: its use by day and by tier, what its vehicle took, what was paid elsewhere, what it owes.

It decides nothing. Energy comes from the readings that count, money from the engine that bills, and for a period that
was billed the bill and its credit notes stand beside it as they were issued. While a period runs it shows what it comes
to so far and, where days are known that the others can be like, what it will come to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.accounts import account_rows
from wattbook.household.accounts.account_rows import PaidCharge
from wattbook.household.accounts.day_parts import Asked, Use, spread, use_of_houses
from wattbook.household.accounts.forecast import LIKE_DAYS_WITHIN, Forecast, forecast
from wattbook.household.accounts.tiers import TierUse, use_by_tier
from wattbook.household.bills import documents
from wattbook.household.bills.documents import Bill, CreditNote, corrected
from wattbook.household.bills.dues import Due, due_of_day, due_of_month
from wattbook.household.paid.assessment import PER_INTERVAL, RE_RATED, Assessment, Lines, assess
from wattbook.household.paid.charges import charges_in_time
from wattbook.household.readings.demand import peaks_of_schedules
from wattbook.household.readings.estimation import Estimate
from wattbook.household.readings.interval_schema import Interval
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.spans import meter_spans, within
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.contracts import contracts_of_households
from wattbook.registry.households import Household, find_households
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds, slot_at
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household

BILLS_SHOWN_MAX: Final = 36
READINGS_LATE: Final = timedelta(days=1)
"""Readings that are not there a day after their time are missing."""


class DayUse(NamedTuple):
    """A day of the house, in mWh.

    Attributes:
        paid_mwh: of the charging that was paid elsewhere.
        estimated_mwh: of what was metered.
        missing_minutes: in which a meter is on record, which are over for a day, and of which there is no reading.
    """

    day: date
    metered_mwh: int
    paid_mwh: int
    estimated_mwh: int
    missing_minutes: int

    @property
    def own_mwh(self) -> int:
        return max(self.metered_mwh - self.paid_mwh, 0)


@dataclass(frozen=True, slots=True)
class Billed:
    """A bill, its credit notes in the order of their issue, and what of it was an estimate."""

    bill: Bill
    notes: tuple[CreditNote, ...]
    estimates: tuple[Estimate, ...]

    @property
    def owed(self) -> Lines:
        return corrected(self.bill, self.notes)


@dataclass(frozen=True, slots=True)
class Account:
    """A house and one of its billing periods.

    Attributes:
        starts_at: with `ends_at`, the period in UTC.
        days: that have begun.
        charges: that touch the period; of a withdrawn one nothing counts.
        assessed: what the readings and payments known now come to, whether the period is over or not.
        by_tier: how the house's own energy divides into tiers, or into zones of the day.
        bills: of the house, the newest first, at most 36; those of this period are in `billed`.
        forecast: of a running period; None where it is over, or no day is known that others could be like.
    """

    household: Household
    schedule: Schedule
    taken_at: datetime
    starts_at: datetime
    ends_at: datetime
    days: tuple[DayUse, ...]
    charges: tuple[PaidCharge, ...]
    assessed: Assessment
    by_tier: tuple[TierUse, ...]
    bills: tuple[Billed, ...]
    forecast: Forecast | None

    @property
    def period(self) -> BillingPeriod:
        return self.schedule.period

    @property
    def currency(self) -> str:
        return self.schedule.tariff.currency

    @property
    def is_running(self) -> bool:
        return self.taken_at < self.ends_at

    @property
    def billed(self) -> tuple[Billed, ...]:
        """Bills that share a day with the period."""
        return tuple(each for each in self.bills if each.bill.covers(self.household.id, self.starts_at, self.ends_at))

    @property
    def estimated_mwh(self) -> int:
        return sum(day.estimated_mwh for day in self.days)

    @property
    def missing_minutes(self) -> int:
        return sum(day.missing_minutes for day in self.days)


class ReadingUse(NamedTuple):
    """An interval of a meter of the house, and what of it was paid elsewhere."""

    interval: Interval
    paid_mwh: int
    zone: str


@dataclass(frozen=True, slots=True)
class DayAccount:
    """A day of a house, reading by reading: 96 quarters, 92 or 100 where the clock changes.

    Attributes:
        wanted_minutes: of the day that are over and in which a meter is on record; fewer are read where some are
            missing.
        charges: that touch the day.
    """

    household: Household
    schedule: Schedule
    day: date
    readings: tuple[ReadingUse, ...]
    wanted_minutes: int
    charges: tuple[PaidCharge, ...]

    @property
    def metered_mwh(self) -> int:
        return sum(each.interval.energy_mwh for each in self.readings)

    @property
    def paid_mwh(self) -> int:
        return sum(each.paid_mwh for each in self.readings)

    @property
    def period_times(self) -> tuple[datetime, datetime]:
        """Of the billing period that holds the day."""
        return bounds(self.schedule)

    @property
    def read_minutes(self) -> int:
        return sum(each.interval.minutes for each in self.readings)


async def account_of(
    connection: AsyncConnection, intervals: IntervalStore, household: str, month: str | None = None, *, now: datetime
) -> Account:
    """The account of a house for the billing period that begins in a month such as `2026-10`; None: the running one.

    Where people moved or the tariff changed within the period, it is the last part that has begun; or, for a day such
    as `2026-10-03`, the part that holds the day. The bills are those of who lives there in that part.

    Raises:
        NotFound: the house or its tariff is not known.
        InvalidInput: not a month, or one that has not begun; or the tariff cannot rate it.
    """
    now = utc(now)
    house = await house_of(connection, household)
    due = await _due(connection, house, month, now)
    house, schedule = replace(house, tariff=due.tariff, contract_w=due.contract_w), due.schedule
    starts_at, ends_at = bounds(schedule)
    if now < starts_at:
        raise InvalidInput(f"{schedule.period} has not begun")
    is_running = now < ends_at
    first = schedule.period.first - LIKE_DAYS_WITHIN if is_running else schedule.period.first
    asked = Asked(house.id, schedule.tariff, first, schedule.period)
    (use,) = await use_of_houses(connection, intervals, [asked], now=now)
    inside = [each for each in use.uses if each.part.day >= schedule.period.first]
    bills = await _billed(connection, due)
    named = [(each.bill.policy, each.bill.basis) for each in bills if each.bill.period == schedule.period]
    policy, basis = named[0] if named else (RE_RATED, PER_INTERVAL)
    (charges,) = await charges_in_time(connection, intervals, [(house.id, starts_at, ends_at)], [schedule], [basis])
    metered = metered_by_slot(schedule, inside)
    (peak_w,) = await peaks_of_schedules(connection, intervals, [(house.id, schedule)], now=now)
    assessed = assess(
        schedule.tariff,
        schedule.period,
        metered,
        charges,
        house.contract_w,
        policy=policy,
        month_days=schedule.month_days,
        peak_w=peak_w,
    )
    return Account(
        household=replace(house, customer=due.customer or house.customer),
        schedule=schedule,
        taken_at=now,
        starts_at=starts_at,
        ends_at=ends_at,
        days=tuple(days_of(inside, now)),
        charges=tuple(each for each in use.charges if each.ended_at > starts_at),
        assessed=assessed,
        by_tier=tuple(use_by_tier(schedule, assessed.bill)),
        bills=tuple(bills),
        forecast=forecast(schedule, use.uses, charges, now, house.contract_w, peak_w) if is_running else None,
    )


async def day_of(
    connection: AsyncConnection, intervals: IntervalStore, household: str, day: date, *, now: datetime
) -> DayAccount:
    """One day of a house, reading by reading.

    Raises:
        NotFound: the house or its tariff is not known.
        InvalidInput: the day has not begun where the tariff holds, or its tariff begins later.
    """
    house = await house_of(connection, household)
    contracts = (await contracts_of_households(connection, [house.id])).get(house.id, ())
    schedule = due_of_day(house, contracts, day).schedule
    since, until = bounds(compile_household(schedule.tariff, BillingPeriod(day, day)))
    if now < since:
        raise InvalidInput(f"{day} has not begun")
    times = [(house.id, *bounds(schedule))]
    (spans,) = await meter_spans(connection, times)
    of_day = [cut for span in spans if (cut := within(span, since, min(until, now))) is not None]
    found = await intervals.intervals_of(connection, of_day)
    read = sorted((each for of_span in found for each in of_span), key=lambda each: (each.start, each.meter_no))
    (charges,) = await account_rows.charges(connection, times)
    paid = _paid_of_readings(schedule, charges, read, since, until)
    return DayAccount(
        household=house,
        schedule=schedule,
        day=day,
        readings=tuple(
            ReadingUse(each, mwh, schedule.slots[slot_at(schedule, each.start)].zone)
            for each, mwh in zip(read, paid, strict=True)
        ),
        wanted_minutes=sum((span.until - span.since) // timedelta(minutes=1) for span in of_day),
        charges=tuple(each for each in charges if each.ended_at > since and each.started_at < until),
    )


def metered_by_slot(schedule: Schedule, inside: Sequence[Use]) -> list[int]:
    """What was measured of each slot of the period."""
    metered = [0] * len(schedule.slots)
    for use in inside:
        metered[slot_at(schedule, use.part.since)] += use.metered_mwh
    return metered


def days_of(inside: Sequence[Use], now: datetime) -> Iterator[DayUse]:
    """The days that have begun, from their parts."""
    for day, group in groupby(inside, key=lambda use: use.part.day):
        uses = list(group)
        if uses[0].part.since <= now:
            yield DayUse(
                day,
                sum(use.metered_mwh for use in uses),
                sum(use.paid_mwh for use in uses),
                sum(use.estimated_mwh for use in uses),
                sum(use.wanted_minutes - use.minutes for use in uses if use.part.until <= now - READINGS_LATE),
            )


async def house_of(connection: AsyncConnection, household: str) -> Household:
    """Raises:
    NotFound: no house has this id.
    """
    (found,) = await find_households(connection, [household]) if household.isprintable() else [None]
    if found is None:
        raise NotFound(f"household {household[:64]!r} is not registered")
    return found


async def _due(connection: AsyncConnection, house: Household, month: str | None, now: datetime) -> Due:
    """Raises:
    InvalidInput: not a month, nor a day.
    """
    contracts = (await contracts_of_households(connection, [house.id])).get(house.id, ())
    today = now.astimezone(ZoneInfo(household_tariff(house.tariff).time_zone)).date()
    if month is None:
        return due_of_day(house, contracts, today)
    if len(month) == len("2026-10-03"):
        return due_of_day(house, contracts, BillingPeriod.parse(month, month).first)
    return due_of_month(house, contracts, month, today)


async def _billed(connection: AsyncConnection, due: Due) -> list[Billed]:
    """The bills of the house; of one with contracts, those of who lives there."""
    of_house = await documents.bills_of_households(connection, [due.household])
    bills = [bill for bill in of_house if due.customer in (None, bill.customer)][-BILLS_SHOWN_MAX:]
    ids = [bill.id for bill in bills]
    notes = await documents.credit_notes_of_bills(connection, ids)
    estimates = await documents.estimates_of_bills(connection, ids)
    return [Billed(bill, tuple(notes[bill.id]), tuple(estimates[bill.id])) for bill in reversed(bills)]


def _paid_of_readings(
    schedule: Schedule, charges: Sequence[PaidCharge], read: Sequence[Interval], since: datetime, until: datetime
) -> list[int]:
    """What of each reading was paid elsewhere; the rest of the period takes what was charged outside of the day."""
    period_start, period_end = bounds(schedule)
    starts = sorted({each.start for each in read})
    borders = sorted({period_start, since, *starts, *(_end(each) for each in read), until, period_end})
    stretches = list(pairwise(borders))
    paid = dict(zip(borders, spread(charges, stretches, period_start), strict=False))
    first_at: dict[datetime, int] = {}
    for place, each in enumerate(read):
        first_at.setdefault(each.start, place)
    return [paid[each.start] if first_at[each.start] == place else 0 for place, each in enumerate(read)]


def _end(interval: Interval) -> datetime:
    return interval.start + timedelta(minutes=interval.minutes)
