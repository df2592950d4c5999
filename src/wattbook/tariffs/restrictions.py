"""When an element of a station tariff holds (OCPI 2.2.1 and 2.3.0, class TariffRestrictions).

All restrictions of an element must hold, at the start of a period. Where OCPI is silent, or says it in several ways:

- times, days and dates are those on a clock at the location. An hour that the clock shows twice (the end of summer
  time) holds twice; an hour that it leaves out holds never;
- `start_time` is within, `end_time` without; an end at or before the start is reached on the next day; equal times mean
  the whole day, and so does an end of 00:00 or 24:00 with a start of 00:00;
- `day_of_week` is that of the moment: a night tariff of Friday ends at midnight if it names Friday alone;
- `min_kwh` and `max_kwh` count what was drawn before the period; `min_duration` and `max_duration` the time since the
  session began, for a reservation since that began;
- `min_current` and `min_power` hold when the highest value of the period reaches them, `max_current` and `max_power`
  when the lowest value is below: a period that was cut where it must be is on one side of both. What nobody stated
  excludes nothing; power that nobody stated is the mean of energy over time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, NamedTuple

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, div_ceil

SECONDS_PER_DAY: Final = 86_400
MICROSECONDS: Final = 1_000_000
RESERVATION: Final = "RESERVATION"
RESERVATION_EXPIRES: Final = "RESERVATION_EXPIRES"
DAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_RANGES: Final = ("kwh", "current", "power", "duration")
KNOWN: Final = frozenset(
    {"start_time", "end_time", "start_date", "end_date", "day_of_week", "reservation"}
    | {f"{side}_{name}" for side in ("min", "max") for name in _RANGES}
)


class Range(NamedTuple):
    """From `low` on, below `high`; None is no limit."""

    low: int | None = None
    high: int | None = None

    def holds(self, value: int) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)

    @property
    def is_empty(self) -> bool:
        return self.low is not None and self.high is not None and self.low >= self.high


ANY: Final = Range()


class Moment(NamedTuple):
    """What restrictions are held against; thousandths of A and W, None where not known."""

    day: int
    second: int
    drawn_mwh: int
    elapsed_us: int
    current_ma: tuple[int, int] | None = None
    power_mw: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Restrictions in whole units: proleptic days, seconds of the local day, mWh, µs, mA and mW.

    Attributes:
        clock: [from, until) on the local clock, wrapping over midnight when `until` is not later; None for all day.
        days: of the week, Monday 0; None for all.
        unknown: names of restrictions that nobody here can test.
    """

    clock: tuple[int, int] | None = None
    days: frozenset[int] | None = None
    dates: Range = ANY
    drawn_mwh: Range = ANY
    elapsed_us: Range = ANY
    current_ma: Range = ANY
    power_mw: Range = ANY
    reservation: str | None = None
    unknown: tuple[str, ...] = ()

    @property
    def by_calendar(self) -> bool:
        """Whether the local time matters."""
        return self.clock is not None or self.days is not None or self.dates != ANY

    @property
    def by_course(self) -> bool:
        """Whether anything but what is reserved matters: the element may hold at one moment and not at another."""
        ranges = self.drawn_mwh, self.elapsed_us, self.current_ma, self.power_mw
        return self.by_calendar or any(each != ANY for each in ranges)

    def hold(self, at: Moment) -> bool:
        return (
            self.clock_holds(at.second)
            and (self.days is None or (at.day - 1) % 7 in self.days)
            and self.dates.holds(at.day)
            and self.drawn_mwh.holds(at.drawn_mwh)
            and self.elapsed_us.holds(at.elapsed_us)
            and _reaches(self.current_ma, at.current_ma)
            and _reaches(self.power_mw, at.power_mw)
        )

    def clock_holds(self, second: int) -> bool:
        if self.clock is None:
            return True
        start, end = self.clock
        return start <= second < end if start < end else second >= start or second < end


def _reaches(limits: Range, known: tuple[int, int] | None) -> bool:
    if known is None:
        return True
    lowest, highest = known
    return (limits.low is None or highest >= limits.low) and (limits.high is None or lowest < limits.high)


def local_moment(at: datetime, zone: tzinfo) -> tuple[int, int]:
    """The proleptic day and the second of it that a clock there shows."""
    local = at.astimezone(zone)
    return local.toordinal(), local.hour * 3_600 + local.minute * 60 + local.second


# ------------------------------------------------------------------------------------------------------------ reading


def read_restrictions(content: Mapping[str, Any], place: str) -> Restrictions:
    """Restrictions from a decoded JSON object.

    Raises:
        InvalidInput: a known restriction that cannot be read; the message names its place.
    """
    reservation = content.get("reservation")
    if reservation not in (None, RESERVATION, RESERVATION_EXPIRES):
        raise InvalidInput(f"{place}.reservation: must be RESERVATION or RESERVATION_EXPIRES, not {reservation!r}")
    return Restrictions(
        clock=_clock(content, place),
        days=_days(content.get("day_of_week"), f"{place}.day_of_week"),
        dates=Range(_date(content, "start_date", place), _date(content, "end_date", place)),
        drawn_mwh=_range(content, "kwh", MWH_PER_KWH, place),
        elapsed_us=_range(content, "duration", MICROSECONDS, place),
        current_ma=_range(content, "current", 1_000, place),
        power_mw=_range(content, "power", MWH_PER_KWH, place),
        reservation=reservation,
        unknown=tuple(sorted(name for name, value in content.items() if name not in KNOWN and value is not None)),
    )


def _clock(content: Mapping[str, Any], place: str) -> tuple[int, int] | None:
    start, end = (_time(content.get(name), f"{place}.{name}") for name in ("start_time", "end_time"))
    if start is None and end is None:
        return None
    start, end = start or 0, (end or 0) % SECONDS_PER_DAY
    if start == end:
        return None
    return start, end or SECONDS_PER_DAY


def _time(value: object, place: str) -> int | None:
    if value is None:
        return None
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) in (2, 3) and all(part.isascii() and part.isdigit() and len(part) == 2 for part in parts):
        hours, minutes, seconds = (*map(int, parts), 0)[:3]
        if minutes < 60 and seconds < 60 and hours * 3_600 + minutes * 60 + seconds <= SECONDS_PER_DAY:
            return hours * 3_600 + minutes * 60 + seconds
    raise InvalidInput(f"{place}: must be a time such as 17:30, not {value!r}")


def _days(value: object, place: str) -> frozenset[int] | None:
    if value is None or value == []:
        return None
    names = [name.upper() if isinstance(name, str) else name for name in value] if isinstance(value, list) else [value]
    if strange := [name for name in names if name not in DAYS]:
        raise InvalidInput(f"{place}: must be a list of days such as MONDAY, not {strange[0]!r}")
    return frozenset(DAYS.index(name) for name in names)


def _date(content: Mapping[str, Any], name: str, place: str) -> int | None:
    value = content.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).toordinal()
    except ValueError:
        raise InvalidInput(f"{place}.{name}: must be a day such as 2026-03-29, not {value!r}") from None


def _range(content: Mapping[str, Any], name: str, per_unit: int, place: str) -> Range:
    low, high = (_whole(content.get(side), per_unit, f"{place}.{side}") for side in (f"min_{name}", f"max_{name}"))
    return Range(low, high)


def _whole(value: object, per_unit: int, place: str) -> int | None:
    """The least whole number that is not below: whole numbers compare with it as with the exact one."""
    if value is None:
        return None
    exact = Fraction(number(value, place)) * per_unit
    return div_ceil(exact.numerator, exact.denominator)


def number(value: object, place: str) -> Decimal:
    """Exact; a float is read by its shortest text, which is what stood in the JSON up to 15 digits.

    Raises:
        InvalidInput: not a number, or one with more digits than any price has.
    """
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        read = Decimal("NaN")
    if isinstance(value, bool) or not read.is_finite():
        raise InvalidInput(f"{place}: must be a number, not {value!r}")
    if read.adjusted() > 18 or int(read.as_tuple().exponent) < -30:
        raise InvalidInput(f"{place}: is out of range: {value!r}")
    return read
