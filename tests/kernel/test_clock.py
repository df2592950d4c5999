"""Time: a moment has a zone, is kept in UTC, and comes from the clock that was given."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.clock import ManualClock, format_rfc3339, parse_rfc3339, system_clock, utc
from wattbook.kernel.errors import InvalidInput

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Hypothesis takes its bounds without a zone; a day from either end, every zone has its moment in UTC.
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(datetime(2026, 7, 1, 21, tzinfo=timezone(timedelta(hours=9))))
    assert clock() == clock() == NOON
    assert clock().tzinfo is UTC
    assert clock.advance(timedelta(minutes=15)) == clock() == NOON + timedelta(minutes=15)


def test_the_system_clock_answers_in_utc() -> None:
    assert system_clock().tzinfo is UTC


def test_a_time_without_a_zone_is_no_moment() -> None:
    naive = NOON.replace(tzinfo=None)
    for use in (utc, ManualClock, format_rfc3339):
        with pytest.raises(InvalidInput, match="without a zone"):
            use(naive)


@given(moments)
def test_a_moment_stays_the_same_in_utc(moment: datetime) -> None:
    assert utc(moment) == moment
    assert utc(moment).tzinfo is UTC


@given(moments)
def test_a_moment_that_is_written_reads_back_as_the_same_moment(moment: datetime) -> None:
    written = format_rfc3339(moment)
    assert written.endswith("Z")
    assert parse_rfc3339(written) == moment
    assert parse_rfc3339(moment.isoformat()) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T12:00:00Z",
        "2026-07-01T12:00:00",
        "2026-07-01T12:00:00.000Z",
        "2026-07-01T21:00:00+09:00",
        "2026-07-01T07:30:00-04:30",
    ],
)
def test_every_spelling_of_one_moment_is_read_as_that_moment_in_utc(text: str) -> None:
    assert parse_rfc3339(text) == NOON
    assert parse_rfc3339(text).tzinfo is UTC


def test_fractions_of_a_second_are_written_only_when_there_are_any() -> None:
    assert format_rfc3339(NOON) == "2026-07-01T12:00:00Z"
    assert format_rfc3339(NOON + timedelta(milliseconds=250)) == "2026-07-01T12:00:00.250000Z"


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-07-01T25:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="RFC 3339"):
        parse_rfc3339(text)
