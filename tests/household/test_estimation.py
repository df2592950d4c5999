"""Checks and estimates over readings: pure arithmetic, exact and stated."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.household.readings.estimation import Known, estimate, shares
from wattbook.household.readings.interval_schema import Interval
from wattbook.household.readings.validation import Gap, covers_once, findings, gaps, sum_check, use_on_inactive
from wattbook.household.work_list import Kind

KWH = 1_000_000
SEOUL = ZoneInfo("Asia/Seoul")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 10, 4, 15, tzinfo=UTC)
"""Midnight of Monday, 5 October, in Seoul."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hour(start: datetime, mwh: int, quality: str = "valid", method: str = "") -> Interval:
    return Interval("M1", "1-0:1.8.0", start, 60, mwh, quality, 0, method)


def days(first: datetime, count: int, mwh: int = KWH) -> list[Interval]:
    """Hours whose energy tells their hour of the day."""
    return [hour(first + number * HOUR, mwh + number % 24) for number in range(count * 24)]


def without(intervals: list[Interval], gap: Gap) -> list[Interval]:
    return [each for each in intervals if not gap.since <= each.start < gap.until]


# Gaps


def test_gaps_are_what_intervals_of_any_length_leave_open() -> None:
    intervals = [hour(MONDAY + HOUR, 1), hour(MONDAY + 3 * HOUR, 1)._replace(minutes=15)]
    assert gaps(intervals, MONDAY, MONDAY + 4 * HOUR) == [
        Gap(MONDAY, MONDAY + HOUR),
        Gap(MONDAY + 2 * HOUR, MONDAY + 3 * HOUR),
        Gap(MONDAY + 3 * HOUR + timedelta(minutes=15), MONDAY + 4 * HOUR),
    ]
    assert gaps([], MONDAY, MONDAY + HOUR) == [Gap(MONDAY, MONDAY + HOUR)]
    overlapping = [hour(MONDAY, 1), hour(MONDAY + HOUR / 2, 1)._replace(minutes=30)]
    assert gaps(overlapping, MONDAY, MONDAY + HOUR) == []
    assert not covers_once(overlapping, MONDAY, MONDAY + HOUR)


@given(st.sets(st.integers(0, 23)))
def test_a_span_is_whole_when_it_has_no_gap(present: set[int]) -> None:
    intervals = [hour(MONDAY + number * HOUR, 1) for number in sorted(present)]
    found = gaps(intervals, MONDAY, MONDAY + DAY)
    assert sum((gap.length for gap in found), timedelta()) == (24 - len(present)) * HOUR
    assert covers_once(intervals, MONDAY, MONDAY + DAY) == (not found)


# Estimates


def test_a_short_gap_is_bridged_by_a_straight_line() -> None:
    intervals = [hour(MONDAY, 100), hour(MONDAY + 3 * HOUR, 200)]
    filled = estimate(Gap(MONDAY + HOUR, MONDAY + 3 * HOUR), Known(intervals, 60, SEOUL))
    assert [(each.energy_mwh, each.quality, each.method) for each in filled] == [
        (133, "estimated", "linear"),
        (167, "estimated", "linear"),
    ]


@pytest.mark.parametrize("end", [hour(MONDAY, 100, "questionable"), hour(MONDAY, 0, method="MSCONS 220 Z76")])
def test_no_line_begins_at_a_doubtful_reading_or_an_outage(end: Interval) -> None:
    week_before = [hour(MONDAY - 7 * DAY + number * HOUR, 50) for number in range(24)]
    known = Known([*week_before, end, hour(MONDAY + 2 * HOUR, 200)], 60, SEOUL)
    (filled,) = estimate(Gap(MONDAY + HOUR, MONDAY + 2 * HOUR), known)
    assert (filled.energy_mwh, filled.method) == (50, "like-days")


def test_a_long_gap_takes_the_mean_of_the_nearest_days_of_its_type() -> None:
    gap = Gap(MONDAY, MONDAY + 3 * HOUR)
    intervals: list[Interval] = []
    for number in range(-14, 15):
        weekday = (MONDAY + number * DAY).astimezone(SEOUL).weekday()
        intervals += days(MONDAY + number * DAY, 1, {5: 7_000, 6: 9_000}.get(weekday, 1_000 + number))
    filled = estimate(gap, Known(without(intervals, gap), 60, SEOUL))
    # Tuesday after, Wednesday after and the Friday before are the nearest working days: 1, 2 and -3 days away.
    assert [each.energy_mwh for each in filled] == [1_000, 1_001, 1_002]
    assert {each.method for each in filled} == {"like-days"}
    only_sunday = [each for each in intervals if each.start.astimezone(SEOUL).weekday() == 6]
    assert {each.method for each in estimate(gap, Known(only_sunday, 60, SEOUL))} == {"any-days"}


def test_days_are_alike_on_the_local_clock_across_the_change_of_the_clock() -> None:
    """The Sunday before has its evening an hour earlier in UTC than the day on which the clock went back."""
    evening = datetime(2026, 10, 25, 18, tzinfo=BERLIN)
    gap = Gap(evening.astimezone(UTC), evening.astimezone(UTC) + 3 * HOUR)
    week_before = [hour(datetime(2026, 10, 18, clock, tzinfo=BERLIN).astimezone(UTC), clock) for clock in range(24)]
    assert [each.energy_mwh for each in estimate(gap, Known(week_before, 60, BERLIN))] == [18, 19, 20]


def test_estimates_are_scaled_to_what_the_register_counted() -> None:
    gap = Gap(MONDAY + HOUR, MONDAY + 3 * HOUR)
    around = [hour(MONDAY, 100), hour(MONDAY + 3 * HOUR, 200)]
    counted = (MONDAY, MONDAY + 4 * HOUR, 1_300)
    filled = estimate(gap, Known(around, 60, SEOUL, counted))
    assert [each.energy_mwh for each in filled] == [443, 557]
    assert {each.method for each in filled} == {"linear scaled"}
    for useless in ((MONDAY - HOUR, MONDAY + 4 * HOUR, 1_300), (MONDAY, MONDAY + 4 * HOUR, 299)):
        assert [each.energy_mwh for each in estimate(gap, Known(around, 60, SEOUL, useless))] == [133, 167]


def test_nothing_known_is_nothing_estimated() -> None:
    gap = Gap(MONDAY, MONDAY + 3 * HOUR)
    assert estimate(gap, Known([], 60, SEOUL)) == []
    assert estimate(gap, Known([hour(MONDAY + 3 * HOUR, 1)], 60, SEOUL)) == []
    assert estimate(Gap(MONDAY, MONDAY + timedelta(minutes=20)), Known(days(MONDAY + DAY, 2), 60, SEOUL)) == []


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_shares_sum_exactly_and_lean_no_further_than_one(total: int, weights: list[int]) -> None:
    parts = shares(total, weights)
    assert sum(parts) == total
    weighed = weights if sum(weights) else [1] * len(weights)
    for part, weight in zip(parts, weighed, strict=True):
        assert abs(part * sum(weighed) - total * weight) < sum(weighed)


@given(st.integers(1, 24), st.data())
def test_a_scaled_day_sums_to_its_register_whatever_is_missing(length: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, KWH), min_size=72, max_size=72))
    whole = [hour(MONDAY + number * HOUR, mwh) for number, mwh in enumerate(values)]
    first = data.draw(st.integers(24, 48 - length))
    gap = Gap(MONDAY + first * HOUR, MONDAY + (first + length) * HOUR)
    counted = (MONDAY, MONDAY + 72 * HOUR, sum(values))
    filled = estimate(gap, Known(without(whole, gap), 60, SEOUL, counted))
    assert sum(each.energy_mwh for each in [*without(whole, gap), *filled]) == sum(values)
    assert covers_once(sorted([*without(whole, gap), *filled], key=lambda each: each.start), MONDAY, MONDAY + 3 * DAY)


# Checks


def kinds(intervals: list[Interval], before: list[Interval]) -> list[Kind]:
    return [finding.kind for finding in findings(intervals, before, SEOUL)]


def test_usual_use_is_no_finding() -> None:
    assert kinds(days(MONDAY, 7), days(MONDAY - 14 * DAY, 14)) == []


def test_a_spike_is_one_interval_far_above_the_third_highest_of_its_day() -> None:
    intervals = days(MONDAY, 2)
    third = sorted(each.energy_mwh for each in intervals[:24])[-2]  # once there is a higher one
    intervals[5] = intervals[5]._replace(energy_mwh=third * 28 // 10)
    assert kinds(intervals, []) == []
    intervals[5] = intervals[5]._replace(energy_mwh=third * 28 // 10 + 1)
    (spike,) = findings(intervals, [], SEOUL)
    assert (spike.kind, spike.since, spike.until) == (Kind.SPIKE, MONDAY + 5 * HOUR, MONDAY + 6 * HOUR)
    small = [each._replace(energy_mwh=each.energy_mwh // 1_000) for each in intervals]
    assert kinds(small, []) == []


def test_days_without_any_use_on_a_meter_in_use_are_one_finding() -> None:
    intervals = [
        each._replace(energy_mwh=0) if 24 <= number < 72 else each for number, each in enumerate(days(MONDAY, 5))
    ]
    (idle,) = findings(intervals, [], SEOUL)
    assert (idle.kind, idle.since, idle.until) == (Kind.ZERO_ON_ACTIVE, MONDAY + DAY, MONDAY + 3 * DAY)


@pytest.mark.parametrize(("percent", "kind"), [(301, Kind.HIGH), (299, None), (26, None), (24, Kind.LOW)])
def test_use_is_held_against_the_time_before(percent: int, kind: Kind | None) -> None:
    before = [hour(MONDAY - 10 * DAY + number * HOUR, KWH) for number in range(240)]
    now = [hour(MONDAY + number * HOUR, KWH * percent // 100) for number in range(48)]
    assert kinds(now, before) == ([] if kind is None else [kind])
    assert kinds(now, before[-72:]) == []


def test_intervals_are_held_against_the_register() -> None:
    intervals = [hour(MONDAY + number * HOUR, KWH) for number in range(24)]
    assert sum_check(intervals, MONDAY, MONDAY + DAY, 25 * KWH) is None
    finding = sum_check(intervals, MONDAY, MONDAY + DAY, 25 * KWH + 1)
    assert finding is not None
    assert (finding.kind, finding.energy_mwh) == (Kind.SUM_CHECK, -KWH - 1)


def test_use_while_the_meter_measures_no_house_is_a_finding() -> None:
    intervals = [hour(MONDAY + number * HOUR, 0 if number == 5 else 10) for number in range(8)]
    found = use_on_inactive(intervals, [(MONDAY, MONDAY + 2 * HOUR), (MONDAY + 7 * HOUR, None)])
    assert [(each.since, each.until, each.energy_mwh) for each in found] == [
        (MONDAY + 2 * HOUR, MONDAY + 5 * HOUR, 30),
        (MONDAY + 6 * HOUR, MONDAY + 7 * HOUR, 10),
    ]
