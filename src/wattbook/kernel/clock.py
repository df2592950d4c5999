"""Time as an argument: a room is given a clock and never asks the machine itself."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from wattbook.kernel.errors import InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Clock = Callable[[], datetime]
"""Answers the present moment, aware and in UTC."""

# RFC 3339, 5.6, with the offset optional; `datetime.fromisoformat` alone also takes dates, weeks and basic forms.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def system_clock() -> datetime:
    return datetime.now(UTC)


def microseconds(clock: Clock) -> Callable[[], int]:
    """The same clock, as whole microseconds since 1970: the machine's own costs a third so, for what is timed by the
    thousand."""
    if clock is system_clock:
        return lambda: time.time_ns() // 1_000
    return lambda: (clock() - _EPOCH) // _MICROSECOND


def from_microseconds(since_1970: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + since_1970 * _MICROSECOND


class ManualClock:
    """A clock that stands until it is moved: for tests and for simulations faster than life."""

    def __init__(self, start: datetime) -> None:
        self.now = utc(start)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, step: timedelta) -> datetime:
        self.now += step
        return self.now


def utc(moment: datetime) -> datetime:
    """The same moment in UTC.

    Raises:
        InvalidInput: the moment has no time zone, so it names no moment.
    """
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise InvalidInput(f"a time without a zone: {moment.isoformat()}")
    return moment.astimezone(UTC)


def parse_rfc3339(text: str) -> datetime:
    """A moment in UTC; a text without offset is read as UTC, as OCPP and OCPI both say.

    Raises:
        InvalidInput: not a date and time of RFC 3339.
    """
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else utc(moment)
    except (ValueError, OverflowError):
        raise InvalidInput(f"not a time of RFC 3339: {text[:64]!r}") from None


def format_rfc3339(moment: datetime) -> str:
    """UTC with `Z`; fractions only when there are any."""
    return utc(moment).isoformat().replace("+00:00", "Z")


def readable(moment: datetime) -> str:
    """For a person, to the minute: `2026-11-21 21:30 UTC`."""
    return f"{utc(moment):%Y-%m-%d %H:%M} UTC"
