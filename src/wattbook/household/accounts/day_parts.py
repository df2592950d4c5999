"""What houses used, day by day: measured, estimated, and paid elsewhere.

A day is cut at the hours of the clock at which any zone of the tariff may begin, whatever the season, so that each part
of a day lies in one slot of any schedule and is like the same part of any other day. A tariff without zones has whole
days.

Readings are summed by the expression that bills use, in one pass over the files that may hold the meters asked for.
What was paid elsewhere is spread evenly over the time in which it was charged; a charge's own intervals, where its
server told them, say that best. A part of a charge that began before the billing period and ended in it belongs to the
period, as in the bill.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.accounts import account_rows
from wattbook.household.accounts.account_rows import PaidCharge
from wattbook.household.readings.estimation import shares
from wattbook.household.readings.intervals import IntervalStore, MeterEnergy, MeterSpan
from wattbook.household.readings.spans import meter_spans, within
from wattbook.tariffs.household_data import HouseholdTariff
from wattbook.tariffs.period import BillingPeriod

MINUTE: Final = timedelta(minutes=1)
ONE_DAY: Final = timedelta(days=1)


class DayPart(NamedTuple):
    """The hours of a local day from `hour` on, in [since, until) of UTC."""

    day: date
    hour: int
    since: datetime
    until: datetime

    @property
    def minutes(self) -> int:
        return (self.until - self.since) // MINUTE


@dataclass(frozen=True, slots=True)
class Use:
    """What a house used in a part of a day.

    Attributes:
        wanted_minutes: in which a meter is on record for the house, past or to come.
        minutes: of these for which there are readings.
        estimated_mwh: of what was metered.
        paid_mwh: paid elsewhere.
    """

    part: DayPart
    wanted_minutes: int = 0
    minutes: int = 0
    metered_mwh: int = 0
    estimated_mwh: int = 0
    paid_mwh: int = 0

    @property
    def is_whole(self) -> bool:
        return self.minutes == self.wanted_minutes == self.part.minutes

    @property
    def own_mwh(self) -> int:
        """What the house answers for."""
        return max(self.metered_mwh - self.paid_mwh, 0)


class Asked(NamedTuple):
    """The use of a house from the first day on up to the end of a billing period."""

    household: str
    tariff: HouseholdTariff
    first: date
    period: BillingPeriod


@dataclass(frozen=True, slots=True)
class HouseUse:
    """Attributes:
    uses: by time, also of what is to come.
    charges: paid elsewhere, withdrawn ones too, that touch these days; by their end.
    """

    uses: tuple[Use, ...]
    charges: tuple[PaidCharge, ...]


def day_parts(tariff: HouseholdTariff, first: date, last: date) -> list[DayPart]:
    """The parts of the days from first to last; a part that a change of the clock leaves out is not there."""
    zone = ZoneInfo(tariff.time_zone)
    hours = sorted({0, *(hour for each in tariff.zones for start, _ in each.hours for hour in [start])})
    starts = [
        (first + number * ONE_DAY, hour, _moment(first + number * ONE_DAY, hour, zone))
        for number in range((last - first).days + 1)
        for hour in hours
    ]
    ends = [since for _, _, since in starts[1:]] + [_moment(last + ONE_DAY, 0, zone)]
    return [
        DayPart(day, hour, since, until)
        for (day, hour, since), until in zip(starts, ends, strict=True)
        if since < until
    ]


async def use_of_houses(
    connection: AsyncConnection, intervals: IntervalStore, asked: Sequence[Asked], *, now: datetime
) -> list[HouseUse]:
    """For each house: its use; one pass over the interval files for all of them."""
    parts = [day_parts(each.tariff, each.first, each.period.last) for each in asked]
    times = [(each.household, of[0].since, of[-1].until) for each, of in zip(asked, parts, strict=True)]
    meters = await meter_spans(connection, times)
    uses = [[Use(part) for part in of] for of in parts]
    places: list[tuple[int, int]] = []
    spans: list[MeterSpan] = []
    for house, (of, spans_of_house) in enumerate(zip(parts, meters, strict=True)):
        for number, part in enumerate(of):
            for span in (within(each, part.since, part.until) for each in spans_of_house):
                if span is None:
                    continue
                use = uses[house][number]
                minutes = (span.until - span.since) // MINUTE
                uses[house][number] = replace(use, wanted_minutes=use.wanted_minutes + minutes)
                if span.since < now:
                    places.append((house, number))
                    spans.append(span)
    for (house, number), energy in zip(places, await intervals.energy(connection, spans), strict=True):
        uses[house][number] = _added(uses[house][number], energy)
    charged = await account_rows.charges(connection, times)
    results = []
    for each, of, house_uses, charges in zip(asked, parts, uses, charged, strict=True):
        paid = spread(charges, [(part.since, part.until) for part in of], _start_of(each))
        with_paid = tuple(replace(use, paid_mwh=mwh) for use, mwh in zip(house_uses, paid, strict=True))
        results.append(HouseUse(with_paid, tuple(charges)))
    return results


def spread(
    charges: Sequence[PaidCharge], stretches: Sequence[tuple[datetime, datetime]], period_start: datetime
) -> list[int]:
    """What was charged and paid elsewhere in each of the stretches, which are in order and do not overlap.

    Energies are whole numbers that sum to those of the parts of charges that lie in the stretches.
    """
    paid = [0] * len(stretches)
    ends = [until for _, until in stretches]
    for charge in charges:
        for part in charge.parts if charge.counts else ():
            if part.ended_at > ends[-1]:
                continue  # it belongs to the next period
            is_of_period = part.ended_at > period_start
            began_at = max(part.began_at, period_start) if is_of_period else part.began_at
            first = bisect_right(ends, began_at)
            weights: list[int] = []
            for since, until in stretches[first:]:
                if since >= part.ended_at:
                    break
                lasts = min(until, part.ended_at) - max(since, began_at)
                weights.append(max(lasts // timedelta(microseconds=1), 0))
            if sum(weights):
                for number, mwh in enumerate(shares(part.energy_mwh, weights), first):
                    paid[number] += mwh
    return paid


def _start_of(asked: Asked) -> datetime:
    return _moment(asked.period.first, 0, ZoneInfo(asked.tariff.time_zone))


def _moment(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _added(use: Use, energy: MeterEnergy) -> Use:
    return replace(
        use,
        minutes=min(use.minutes + energy.minutes, use.wanted_minutes),
        metered_mwh=use.metered_mwh + energy.energy_mwh,
        estimated_mwh=use.estimated_mwh + energy.estimated_mwh,
    )
