"""What a running period will come to: a pure function of what a house used so far and on days like those to come.

Every part of a day for which there are no readings yet is expected to be like the mean of the same hours of days of the
same type (working day, weekend, holiday) in the five weeks before; of days of any type where none is the same. That
holds for what meters will measure and for what will be paid elsewhere, each by itself. What is expected is then
assessed as a bill is, by the same engine, so a forecast differs from the bill only by what it could not know.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from wattbook.household.accounts.day_parts import MINUTE, Use
from wattbook.household.accounts.tiers import Tier, next_kwh, tier_of, tiers_at
from wattbook.household.paid.assessment import Assessment, Charge, assess, set_off
from wattbook.kernel.units import MWH_PER_KWH, Money, div_half_up
from wattbook.tariffs.hours import day_type, slot_at
from wattbook.tariffs.schedule import Schedule

LIKE_DAYS_WITHIN: Final = timedelta(days=35)


class Expected(NamedTuple):
    """What is expected of a day, or of a part of one, beyond what is known of it."""

    day: date
    metered_mwh: int = 0
    paid_mwh: int = 0

    def plus(self, other: "Expected") -> "Expected":
        return Expected(self.day, self.metered_mwh + other.metered_mwh, self.paid_mwh + other.paid_mwh)


class Reached(NamedTuple):
    """A tier that lies ahead, and the day on which it is expected to begin; None: not in this period."""

    tier: Tier
    on: date | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a period will come to.

    Attributes:
        assessed: of the whole period: what is known and what is expected.
        days: every day of the period.
        like_days: so many whole days the others are expected to be like.
        known_days: so many days of the period are read in full.
        tier: in which the house is; None where prices do not rise by tier.
        ends_in: in which it is expected to end the period.
        ahead: the tiers above the present one.
        next_kwh: what one more kilowatt-hour costs now, with all that the bill adds.
    """

    assessed: Assessment
    days: tuple[Expected, ...]
    like_days: int
    known_days: int
    tier: Tier | None
    ends_in: Tier | None
    ahead: tuple[Reached, ...]
    next_kwh: Money


def forecast(
    schedule: Schedule,
    uses: Sequence[Use],
    charges: Sequence[Charge],
    now: datetime,
    contract_w: int | None,
    peak_w: int | None = None,
) -> Forecast | None:
    """The forecast of a period, at a moment in it; None if there is no whole day to expect others to be like.

    Args:
        uses: parts of days from five weeks before the period up to its end.
        charges: of the period, paid elsewhere, as known now.
        peak_w: the highest power so far, where the tariff charges for it; it is expected to stay.

    Raises:
        InvalidInput: the tariff cannot rate the period.
    """
    tariff, period = schedule.tariff, schedule.period
    alike = _Alike(schedule, uses, now)
    inside = [use for use in uses if period.first <= use.part.day <= period.last]
    more = [alike.expected(use) for use in inside]
    to_come = [each for each in more if each is not None]
    if len(to_come) < len(inside):
        return None
    slots = [slot_at(schedule, use.part.since) for use in inside]
    known, metered, paid = ([0] * len(schedule.slots) for _ in range(3))
    for use, expected, slot in zip(inside, to_come, slots, strict=True):
        known[slot] += use.metered_mwh
        metered[slot] += use.metered_mwh + expected.metered_mwh
        paid[slot] += expected.paid_mwh
    still_paid = [Charge(now, "", "", mwh, slot) for slot, mwh in enumerate(paid) if mwh]
    _, own = set_off(known, charges)
    _, own_then = set_off(metered, [*charges, *still_paid])
    tiers = tiers_at(schedule, slot_at(schedule, now))
    tier = tier_of(schedule, tiers, own)
    course = [(expected, slot) for expected, slot in zip(to_come, slots, strict=True)]
    return Forecast(
        assessed=assess(
            tariff, period, metered, [*charges, *still_paid], contract_w, month_days=schedule.month_days, peak_w=peak_w
        ),
        days=tuple(_by_day(period.days(), to_come)),
        like_days=alike.day_count,
        known_days=_known_days(inside),
        tier=tier,
        ends_in=tier_of(schedule, tiers, own_then),
        ahead=tuple(
            Reached(each, _begins(each, own, course, now.astimezone(ZoneInfo(tariff.time_zone)).date()))
            for each in tiers
            if tier is not None and each.number > tier.number
        ),
        next_kwh=next_kwh(schedule, own, slot_at(schedule, now), contract_w, peak_w),
    )


class _Alike:
    """The whole days that others are expected to be like."""

    def __init__(self, schedule: Schedule, uses: Sequence[Use], now: datetime) -> None:
        self._schedule = schedule
        self._now = now
        self._of_type: dict[tuple[int, str], list[Use]] = defaultdict(list)
        self._of_any: dict[int, list[Use]] = defaultdict(list)
        today = now.astimezone(ZoneInfo(schedule.tariff.time_zone)).date()
        whole = [use for use in uses if use.part.until <= now and use.is_whole]
        days = set()
        for use in whole:
            if use.part.day >= today - LIKE_DAYS_WITHIN:
                days.add(use.part.day)
                self._of_type[use.part.hour, day_type(schedule.tariff, use.part.day)].append(use)
                self._of_any[use.part.hour].append(use)
        self.day_count = len(days)

    def expected(self, use: Use) -> Expected | None:
        """What is to come of a part of a day; None if nothing is known that it could be like."""
        part = use.part
        unread = use.wanted_minutes - use.minutes
        ahead = min(max((part.until - max(self._now, part.since)) // MINUTE, 0), use.wanted_minutes)
        if not unread:
            return Expected(part.day)
        alike = self._of_type[part.hour, day_type(self._schedule.tariff, part.day)] or self._of_any[part.hour]
        minutes = sum(each.minutes for each in alike)
        if not minutes:
            return None
        return Expected(
            part.day,
            div_half_up(sum(each.metered_mwh for each in alike) * unread, minutes),
            div_half_up(sum(each.paid_mwh for each in alike) * ahead, minutes),
        )


def _by_day(days: Iterator[date], expected: Sequence[Expected]) -> Iterator[Expected]:
    sums = {day: Expected(day) for day in days}
    for each in expected:
        sums[each.day] = sums[each.day].plus(each)
    yield from sums.values()


def _known_days(inside: Sequence[Use]) -> int:
    open_days = {use.part.day for use in inside if use.minutes < use.wanted_minutes}
    return len({use.part.day for use in inside if use.wanted_minutes} - open_days)


def _begins(tier: Tier, own: Sequence[int], course: Sequence[tuple[Expected, int]], today: date) -> date | None:
    """The day on which the house's own energy is expected to pass what lies below the tier."""
    energy_mwh = sum(own[slot] for slot in tier.slots)
    for expected, slot in course:
        if slot in tier.slots:
            energy_mwh += max(expected.metered_mwh - expected.paid_mwh, 0)
            if energy_mwh > tier.above_kwh * MWH_PER_KWH:
                return max(expected.day, today)
    return None
