"""A session as its meter saw it, cut into charging periods wherever another price component becomes active.

OCPI wants a new period at every such moment, also at one that nobody measured (2.2.1, class ChargingPeriod). Between
two readings energy is taken to flow evenly. Time is charging time until the meter stands still for good: what follows
is parking, for the vehicle wants no more. A pause that ends is charging time, whoever made it, and so is a wait before
the first energy.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, Energy, div_ceil
from wattbook.tariffs.pricer import US_PER_HOUR, Pricer
from wattbook.tariffs.restrictions import SECONDS_PER_DAY
from wattbook.tariffs.session_price import Price
from wattbook.tariffs.station import SessionPeriod

DAYS_MAX: Final = 1_000
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


class Knot(NamedTuple):
    """What the meter had counted since the session began: drawn and fed in."""

    at: datetime
    drawn_mwh: int = 0
    fed_in_mwh: int = 0


@dataclass(frozen=True)
class Course:
    """A session from its first knot to its last; later ones never count less.

    Raises:
        InvalidInput: no knot, or knots that go back.
    """

    knots: tuple[Knot, ...]

    def __post_init__(self) -> None:
        if not self.knots:
            raise InvalidInput("a session has a beginning")
        object.__setattr__(self, "knots", tuple(knot._replace(at=utc(knot.at)) for knot in self.knots))
        if any(b.at <= a.at or b.drawn_mwh < a.drawn_mwh or b.fed_in_mwh < a.fed_in_mwh for a, b in self.stretches()):
            raise InvalidInput("a session goes forward, and so does its meter")

    @property
    def start(self) -> datetime:
        return self.knots[0].at

    @property
    def end(self) -> datetime:
        return self.knots[-1].at

    def stretches(self) -> Iterator[tuple[Knot, Knot]]:
        return pairwise(self.knots)

    def counted(self, at: datetime) -> Knot:
        """What was counted at a moment within the session, to the milliwatt-hour below."""
        place = bisect_right(self.knots, at, key=lambda knot: knot.at) - 1
        first = self.knots[max(place, 0)]
        if at <= first.at or place + 1 == len(self.knots):
            return Knot(at, first.drawn_mwh, first.fed_in_mwh)
        last = self.knots[place + 1]
        passed, whole = (at - first.at) // _MICROSECOND, (last.at - first.at) // _MICROSECOND
        drawn = first.drawn_mwh + (last.drawn_mwh - first.drawn_mwh) * passed // whole
        return Knot(at, drawn, first.fed_in_mwh + (last.fed_in_mwh - first.fed_in_mwh) * passed // whole)

    def when_drawn(self, mwh: int) -> datetime | None:
        """The first moment at which so much was drawn, to the microsecond above."""
        for first, last in self.stretches():
            if first.drawn_mwh < mwh <= last.drawn_mwh:
                whole = (last.at - first.at) // _MICROSECOND
                passed = div_ceil(whole * (mwh - first.drawn_mwh), last.drawn_mwh - first.drawn_mwh)
                return first.at + timedelta(microseconds=passed)
        return None

    def parked_from(self) -> datetime:
        """When the meter stood still for good; the end where it did not."""
        last = self.knots[-1]
        if last.drawn_mwh == last.fed_in_mwh == 0:
            return last.at
        return next(each.at for each in self.knots if (each.drawn_mwh, each.fed_in_mwh) == last[1:])


def price_course(pricer: Pricer, course: Course) -> tuple[list[SessionPeriod], Price]:
    """The periods of a session by this tariff, and their price."""
    periods = cut(pricer, course)
    return periods, pricer.price(periods)


def cut(pricer: Pricer, course: Course) -> list[SessionPeriod]:
    """The periods: in each of them, nothing changes which component prices what.

    Raises:
        InvalidInput: a session of more than a thousand days.
    """
    if course.end - course.start > DAYS_MAX * _DAY:
        raise InvalidInput(f"a session lasts at most {DAYS_MAX} days")
    parked_from = course.parked_from()
    moments = sorted({course.start, parked_from, *_moments(pricer, course)})
    inside = [moment for moment in moments if course.start <= moment < course.end] or [course.start]
    periods: list[SessionPeriod] = []
    before: tuple[object, ...] | None = None
    for start, end in pairwise((*inside, course.end)):
        period = _period(pricer, course, start, end, parked=start >= parked_from)
        key = _key(pricer, course, period)
        if key == before:
            periods[-1] = _joined(periods[-1], period)
        else:
            periods.append(period)
        before = key
    return periods


def _moments(pricer: Pricer, course: Course) -> Iterator[datetime]:
    """Where something may change: at most, for neighbours that are priced alike are joined again."""
    if not pricer.by_course:
        return
    if pricer.by_power:
        yield from (knot.at for knot in course.knots)
    for mwh in {side for each in pricer.restrictions for side in each.drawn_mwh if side}:
        moment = course.when_drawn(mwh)
        if moment is not None:
            yield moment
    for us in {side for each in pricer.restrictions for side in each.elapsed_us if side}:
        if us <= (course.end - course.start) // _MICROSECOND:
            yield course.start + timedelta(microseconds=us)
    if pricer.zone is not None:
        seconds = {side for each in pricer.restrictions for side in each.clock or ()}
        yield from clock_moments(pricer.zone, {0, *seconds}, course.start, course.end)


def clock_moments(zone: tzinfo, seconds: set[int], start: datetime, end: datetime) -> Iterator[datetime]:
    """When a clock there shows one of these seconds of the day, and when it is put forward or back."""
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for second in seconds:
            whole_days, rest = divmod(second, SECONDS_PER_DAY)
            shown = datetime.combine(day + whole_days * _DAY, time()) + timedelta(seconds=rest)
            for fold in (0, 1):  # an hour that is shown twice has it twice
                yield shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        yield from _changes(zone, day)
        day += _DAY


def _changes(zone: tzinfo, day: date) -> Iterator[datetime]:
    """The moment of the local day at which the offset to UTC changes, if it does."""
    first = datetime.combine(day, time(), zone).astimezone(UTC)
    last = datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
    before = first.astimezone(zone).utcoffset()
    if last.astimezone(zone).utcoffset() == before:
        return
    low, high = 0, int((last - first).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        same = (first + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    yield first + timedelta(seconds=high)


def _period(pricer: Pricer, course: Course, start: datetime, end: datetime, *, parked: bool) -> SessionPeriod:
    first = course.counted(start)
    last = course.counted(end) if end < course.end else course.knots[-1]
    lasted, nothing = end - start, timedelta(0)
    power = None
    if pricer.by_power and lasted:
        mean_mw = (last.drawn_mwh - first.drawn_mwh) * US_PER_HOUR // (lasted // _MICROSECOND)
        power = Decimal(mean_mw) / MWH_PER_KWH
    return SessionPeriod(
        start=start,
        energy=Energy(last.drawn_mwh - first.drawn_mwh),
        time=nothing if parked else lasted,
        fed_in=Energy(last.fed_in_mwh - first.fed_in_mwh),
        parking=lasted if parked else nothing,
        power_kw=None if power is None else (power, power),
    )


def _key(pricer: Pricer, course: Course, period: SessionPeriod) -> tuple[object, ...]:
    """What makes a period one of its own."""
    drawn = course.counted(period.start).drawn_mwh
    at = pricer.moment(period.start, drawn, (period.start - course.start) // _MICROSECOND, period)
    limits = {side for each in pricer.restrictions for side in each.power_mw if side is not None}
    power = at.power_mw[0] if at.power_mw else 0
    return bool(period.parking), pricer.active(at), *(power >= limit for limit in sorted(limits))


def _joined(first: SessionPeriod, second: SessionPeriod) -> SessionPeriod:
    power = [kw for each in (first, second) for kw in each.power_kw or ()]
    return SessionPeriod(
        start=first.start,
        energy=first.energy + second.energy,
        time=first.time + second.time,
        fed_in=first.fed_in + second.fed_in,
        parking=first.parking + second.parking,
        power_kw=(min(power), max(power)) if power else None,
    )


def knots_between(start: datetime, end: datetime, readings: Sequence[Knot], drawn_mwh: int, fed_in_mwh: int) -> Course:
    """The course of a session of which only readings are known, some of them late, odd, or beyond its end.

    What counted last is what was settled; a reading that contradicts the ones before it is passed over.
    """
    start, end = utc(start), utc(end)
    knots = [Knot(start)]
    for each in sorted(readings):
        last = knots[-1]
        grows = last.drawn_mwh <= each.drawn_mwh <= drawn_mwh and last.fed_in_mwh <= each.fed_in_mwh <= fed_in_mwh
        if last.at < each.at < end and grows:
            knots.append(each)
    if end > start:
        knots.append(Knot(end, drawn_mwh, fed_in_mwh))
    else:
        knots = [Knot(start, drawn_mwh, fed_in_mwh)]
    return Course(tuple(knots))
