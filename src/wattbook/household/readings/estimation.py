"""Estimates for readings that are missing: pure functions over the readings around them.

After the Californian rules for estimating meter data: a gap of at most two hours is bridged by a straight line between
its neighbours, unless one of these is in doubt or belongs to an outage; a longer one takes the mean of days of the same
type at the same time of day. Where the register before and after is known, the estimates are scaled so that everything
between sums to what it counted. Shares are rounded so that the sum is exact.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from wattbook.household.readings.interval_schema import Interval
from wattbook.household.readings.validation import Gap
from wattbook.kernel.units import div_half_up

LINEAR_MAX: Final = timedelta(hours=2)
LIKE_DAYS: Final = 3
"""So many days of the same type are averaged, the nearest ones; at least one is needed."""
LIKE_DAYS_WITHIN: Final = timedelta(days=35)

LINEAR: Final = "linear"
LIKE: Final = "like-days"
ANY: Final = "any-days"
"""The mean of days of any type, where there is none of the same type."""
SCALED: Final = " scaled"

_DOUBTFUL: Final = ("questionable", "estimated")
_OUTAGE: Final = ("Z76", "Z75")
"""MSCONS states of an outage and of failed communication (STS+Z40)."""


class Estimate(NamedTuple):
    """Consecutive estimated intervals of one method, in [since, until)."""

    meter: str
    register: str
    since: datetime
    until: datetime
    energy_mwh: int
    method: str


class Known(NamedTuple):
    """What is known around a gap.

    Attributes:
        intervals: of the register, by their start, from five weeks before to five weeks after as far as there are any.
        minutes: the length of an interval.
        counted: (from, to, mWh) that the register counted around the gap; None if it was not read.
    """

    intervals: Sequence[Interval]
    minutes: int
    zone: ZoneInfo
    counted: tuple[datetime, datetime, int] | None = None


def estimate(gap: Gap, known: Known) -> list[Interval]:
    """The missing intervals; empty if nothing is known to estimate them from."""
    by_start = {each.start: each for each in known.intervals}
    step = timedelta(minutes=known.minutes)
    starts = [gap.since + number * step for number in range(gap.length // step)]
    if not known.intervals or len(starts) * step != gap.length:
        return []
    values = _line(gap, by_start, step, len(starts)) if gap.length <= LINEAR_MAX else None
    method = LINEAR
    if values is None:
        values, method = _like_days(starts, known)
    if values is None:
        return []
    scaled = _scaled(values, gap, known)
    if scaled is not None:
        values, method = scaled, method + SCALED
    sample = known.intervals[0]
    return [
        Interval(sample.meter_no, sample.register, start, known.minutes, mwh, "estimated", 0, method)
        for start, mwh in zip(starts, values, strict=True)
    ]


def shares(total_mwh: int, weights: Sequence[int]) -> list[int]:
    """The total in the proportion of the weights, or evenly if they are all zero; whole numbers that sum to it."""
    weighed = list(weights) if sum(weights) else [1] * len(weights)
    whole = sum(weighed)
    parts = [total_mwh * weight // whole for weight in weighed]
    rests = sorted(range(len(parts)), key=lambda place: (-(total_mwh * weighed[place] % whole), place))
    for place in rests[: total_mwh - sum(parts)]:
        parts[place] += 1
    return parts


def stretches(intervals: Sequence[Interval]) -> list[Estimate]:
    """Intervals by meter and start, those together that follow each other and were made alike."""
    found: list[Estimate] = []
    for meter, register, start, minutes, energy_mwh, _, _, method in intervals:
        end = start + timedelta(minutes=minutes)
        last = found[-1] if found else None
        if last is not None and (last.meter, last.register, last.until, last.method) == (
            meter,
            register,
            start,
            method,
        ):
            found[-1] = last._replace(until=end, energy_mwh=last.energy_mwh + energy_mwh)
        else:
            found.append(Estimate(meter, register, start, end, energy_mwh, method))
    return found


def _line(gap: Gap, by_start: Mapping[datetime, Interval], step: timedelta, count: int) -> list[int] | None:
    """Points on the straight line from the interval before the gap to the one after it."""
    before, after = by_start.get(gap.since - step), by_start.get(gap.until)
    if before is None or after is None or _is_no_end(before) or _is_no_end(after):
        return None
    rise = after.energy_mwh - before.energy_mwh
    return [before.energy_mwh + div_half_up(rise * (place + 1), count + 1) for place in range(count)]


def _is_no_end(interval: Interval) -> bool:
    return interval.quality in _DOUBTFUL or any(state in interval.method for state in _OUTAGE)


def _like_days(starts: Sequence[datetime], known: Known) -> tuple[list[int] | None, str]:
    """The mean of the nearest days of the same type, at the same time on the local clock; else of any days."""
    days: dict[date, dict[time, int]] = defaultdict(dict)
    for interval in known.intervals:
        if interval.quality not in _DOUBTFUL and interval.minutes == known.minutes:
            local = interval.start.astimezone(known.zone)
            days[local.date()].setdefault(local.time(), interval.energy_mwh)
    values: list[int] = []
    method = LIKE
    for start in starts:
        local = start.astimezone(known.zone)
        known_days = [day for day, clock in days.items() if local.time() in clock]
        near = sorted(known_days, key=partial(_distance, local.date()))
        near = [day for day in near if abs(day - local.date()) <= LIKE_DAYS_WITHIN]
        alike = [day for day in near if _type_of(day) == _type_of(local.date())]
        if not alike:
            alike, method = near, ANY
        chosen = [days[day][local.time()] for day in alike[:LIKE_DAYS]]
        if not chosen:
            return None, method
        values.append(div_half_up(sum(chosen), len(chosen)))
    return values, method


def _distance(wanted: date, day: date) -> tuple[timedelta, date]:
    return abs(day - wanted), day


def _type_of(day: date) -> int:
    """Working day, Saturday or Sunday."""
    return max(0, day.weekday() - 4)


def _scaled(values: Sequence[int], gap: Gap, known: Known) -> list[int] | None:
    """So that with the readings around them they sum to what the register counted, if those are whole."""
    if known.counted is None:
        return None
    since, until, counted_mwh = known.counted
    around = [each for each in known.intervals if since <= each.start < until]
    lasting = sum((timedelta(minutes=each.minutes) for each in around), timedelta())
    rest_mwh = counted_mwh - sum(each.energy_mwh for each in around)
    if lasting + gap.length != until - since or rest_mwh < 0:
        return None
    return shares(rest_mwh, values)
