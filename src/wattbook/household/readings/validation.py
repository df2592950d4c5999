"""Checks of interval readings that need more than one of them: pure functions over the readings of a register.

The checks are those of the Californian rules for validating meter data (VEE): interval count, spike, sum check against
the register, high and low use, no use on an active meter, use on an inactive one. Their thresholds as published were
not found; those of `Limits` are in use elsewhere or ours, and each can be set. Time tolerance, meter identity and what
can pass a meter are checked where readings are taken in. A check changes no value: it names what a person should see.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wattbook.household.readings.interval_schema import Interval
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.units import MWH_PER_KWH


class Limits(NamedTuple):
    """When a check speaks up.

    Attributes:
        spike_percent: the highest interval of a day exceeds the third highest by more than this;
        spike_mwh_min: and has at least so much energy: small numbers jump.
        high_percent, low_percent: mean daily use against that of the time before.
        days_min: of the time before, to compare with.
        sum_tolerance_mwh: intervals against the register: two readings cut to whole kWh can be so far off.
    """

    spike_percent: int = 180
    spike_mwh_min: int = MWH_PER_KWH
    high_percent: int = 300
    low_percent: int = 25
    days_min: int = 7
    sum_tolerance_mwh: int = MWH_PER_KWH


DEFAULTS = Limits()


class Gap(NamedTuple):
    """A stretch without readings, [since, until)."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since


def gaps(intervals: Sequence[Interval], since: datetime, until: datetime) -> list[Gap]:
    """Where intervals, by their start, leave [since, until) uncovered."""
    found: list[Gap] = []
    covered_to = since
    for interval in intervals:
        if interval.start > covered_to:
            found.append(Gap(covered_to, min(interval.start, until)))
        covered_to = max(covered_to, interval.start + timedelta(minutes=interval.minutes))
    if covered_to < until:
        found.append(Gap(covered_to, until))
    return [gap for gap in found if gap.since < gap.until]


def covers_once(intervals: Sequence[Interval], since: datetime, until: datetime) -> bool:
    """The intervals, by their start and of whatever lengths, cover [since, until) without gap and overlap."""
    lasting = sum((timedelta(minutes=each.minutes) for each in intervals), timedelta())
    return lasting == until - since and not gaps(intervals, since, until)


def findings(
    intervals: Sequence[Interval], before: Sequence[Interval], zone: ZoneInfo, limits: Limits = DEFAULTS
) -> list[Finding]:
    """What the checks say of intervals of one register.

    Args:
        intervals: by their start.
        before: the readings of the time before, to compare use with.
        zone: whose days count.
    """
    measured = [each for each in intervals if each.quality != "estimated"]
    by_day = _by_day(measured, zone)
    return [
        *(spike for day in by_day.values() if (spike := _spike(day, limits)) is not None),
        *_idle_days(by_day),
        *_use(by_day, _by_day(before, zone), limits),
    ]


def sum_check(
    intervals: Sequence[Interval], since: datetime, until: datetime, counted_mwh: int, limits: Limits = DEFAULTS
) -> Finding | None:
    """Whether the intervals in [since, until), which are whole, sum to what the register counted."""
    inside = [each for each in intervals if since <= each.start < until]
    if not inside:
        return None
    summed_mwh = sum(each.energy_mwh for each in inside)
    if abs(summed_mwh - counted_mwh) <= limits.sum_tolerance_mwh:
        return None
    words = f"the intervals sum to {summed_mwh} mWh, the register counted {counted_mwh}"
    first = inside[0]
    return Finding(
        Kind.SUM_CHECK, first.meter_no, first.register, since, until, words, energy_mwh=summed_mwh - counted_mwh
    )


def use_on_inactive(intervals: Sequence[Interval], active: Sequence[tuple[datetime, datetime | None]]) -> list[Finding]:
    """Energy measured while the meter measured no house."""

    def is_idle(interval: Interval) -> bool:
        return not any(since <= interval.start and (until is None or interval.start < until) for since, until in active)

    return [
        _finding(Kind.USE_ON_INACTIVE, run, "energy was measured while the meter measures no house")
        for idle, group in groupby(intervals, key=lambda each: is_idle(each) and each.energy_mwh > 0)
        if idle and (run := list(group))
    ]


def _spike(day: Sequence[Interval], limits: Limits) -> Finding | None:
    highest = sorted(day, key=lambda each: each.energy_mwh, reverse=True)[:3]
    if len(highest) < 3:
        return None
    peak, third = highest[0], highest[2]
    is_spike = peak.energy_mwh * 100 > third.energy_mwh * (100 + limits.spike_percent)
    if not is_spike or peak.energy_mwh < limits.spike_mwh_min:
        return None
    return _finding(
        Kind.SPIKE, [peak], f"{peak.energy_mwh} mWh, where the third highest of the day is {third.energy_mwh}"
    )


def _idle_days(by_day: dict[date, list[Interval]]) -> Iterator[Finding]:
    """Runs of whole days without any use on a meter that is in use otherwise."""
    if not any(each.energy_mwh for day in by_day.values() for each in day):
        return
    for idle, group in groupby(by_day.values(), key=lambda day: not any(each.energy_mwh for each in day)):
        if idle:
            run = [each for day in group for each in day]
            yield _finding(Kind.ZERO_ON_ACTIVE, run, "nothing was used for whole days")


def _use(by_day: dict[date, list[Interval]], before: dict[date, list[Interval]], limits: Limits) -> Iterator[Finding]:
    """Mean daily use against the time before."""
    if len(before) < limits.days_min or not by_day:
        return
    now_mwh = sum(each.energy_mwh for day in by_day.values() for each in day) // len(by_day)
    then_mwh = sum(each.energy_mwh for day in before.values() for each in day) // len(before)
    words = f"{now_mwh} mWh a day, where it was {then_mwh} before"
    run = [each for day in by_day.values() for each in day]
    if now_mwh * 100 > then_mwh * limits.high_percent:
        yield _finding(Kind.HIGH, run, words)
    elif now_mwh * 100 < then_mwh * limits.low_percent:
        yield _finding(Kind.LOW, run, words)


def _by_day(intervals: Sequence[Interval], zone: ZoneInfo) -> dict[date, list[Interval]]:
    days: dict[date, list[Interval]] = defaultdict(list)
    for interval in intervals:
        days[interval.start.astimezone(zone).date()].append(interval)
    return dict(sorted(days.items()))


def _finding(kind: Kind, run: Sequence[Interval], words: str) -> Finding:
    first, last = run[0], run[-1]
    until = last.start + timedelta(minutes=last.minutes)
    energy_mwh = sum(each.energy_mwh for each in run)
    return Finding(kind, first.meter_no, first.register, first.start, until, words, energy_mwh=energy_mwh)
