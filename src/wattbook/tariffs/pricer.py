"""A station tariff compiled once, and the price of sessions by it (OCPI 2.2.1 and 2.3.0, chapters Tariffs and CDRs).

Each dimension of each period is looked up on its own: the first element whose restrictions hold at the period's start,
and that has a component of the dimension, prices it; where there is none, it is free. A period is never split here:
OCPI begins a new one wherever another component becomes active, and `course` does so for our own sessions.

The rules, and what is decided where the specification leaves it open (docs/decisions says why):

- a flat fee is due once a session, at the first period at which an element with one holds, however many elements or
  tariffs have one; a period that is nothing but a reservation has none, for reservations have their own, once each;
- the step of the last component that priced a dimension rounds the session's priced total of that dimension up, and
  what it adds is billed at that component's price. Steps select nothing: they come after every restriction. Where
  parking was priced, the step applies to parking and not to charging time; a reservation is rounded alone;
- what no component prices is no billable volume, and no step rounds it;
- elements for reservations price reservations only. One that expired, that is one without a session after it, is priced
  by RESERVATION_EXPIRES before RESERVATION; flat fees of both are due;
- a component without `vat` states no tax: its price after tax is its price before. Where prices hold their taxes
  (2.3.0), the price before tax is computed back; where no tax applies, a `vat` is passed over;
- the minimum and the maximum price limit what the driver pays, before and after tax each on its own; a side that is not
  given does not limit, and the price after tax is at least that before. A limit of a tariff holds for what the tariff
  priced. Where minimum and maximum contradict each other, the maximum wins;
- energy fed in is paid to the driver beside that, outside the limits, its step rounded up too.

Nothing is rounded: amounts are integers over the tariff's scale.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, div_ceil
from wattbook.tariffs.restrictions import (
    MICROSECONDS,
    Moment,
    Restrictions,
    local_moment,
)
from wattbook.tariffs.session_price import NOTHING, Amount, Charge, Limit, Price, Rate
from wattbook.tariffs.station import (
    Dimension,
    PriceLimit,
    SessionPeriod,
    StationTariff,
)

US_PER_HOUR: Final = 3_600 * MICROSECONDS
_MICROSECOND: Final = timedelta(microseconds=1)
PERIODS_MAX: Final = 100_000
"""Of one session; a period a second for a day fits."""

FLAT, ENERGY, TIME, PARKING, EXPORT = (
    Dimension.FLAT, Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.ENERGY_EXPORT,
)  # fmt: skip
DRIVING: Final = (FLAT, ENERGY, TIME, PARKING)


class Choice(NamedTuple):
    """A rate and when it holds; None: always."""

    when: Restrictions | None
    rate: Rate


Lane = tuple[Choice, ...]
"""The choices for one dimension in the order of the elements; nothing stands after one that always holds."""


class ScaledLimit(NamedTuple):
    """A minimum or maximum price as numerators over the pricer's scale."""

    reason: str
    limit: PriceLimit
    before: int
    after: int | None


@dataclass(frozen=True)
class Pricer:
    """A compiled tariff: `compiling.compile_tariff` makes it, `price` and the bulk of `bulk` use it.

    Attributes:
        zone: of the location; None when no restriction asks for local time.
        scale: every amount is a whole number of 1/scale of the currency.
        lanes: by dimension, for a session.
        reserved, expired: for a reservation that was used, and for one that was not.
        by_course: whether the price depends on when and how energy flowed, and not on the totals alone.
        by_power, by_current: whether it depends on those.
    """

    tariff: StationTariff
    zone: tzinfo | None
    scale: int
    lanes: dict[Dimension, Lane]
    reserved: dict[str, Lane]
    expired: dict[str, Lane]
    limits: tuple[ScaledLimit, ...]
    restrictions: tuple[Restrictions, ...]
    by_course: bool
    by_power: bool
    by_current: bool

    @property
    def prices_parking(self) -> bool:
        return bool(self.lanes[PARKING])

    def price(self, periods: Sequence[SessionPeriod], *, started_at: datetime | None = None) -> Price:
        """The price of a session, or of its part so far, from its periods in the order of time.

        A session without any period costs nothing: it has not begun.

        Raises:
            InvalidInput: the periods are not in order, or too many.
        """
        return price_periods([self] * len(periods), periods, self.tariff.currency, started_at=started_at)

    def moment(self, start: datetime, drawn_mwh: int, elapsed_us: int, period: SessionPeriod | None = None) -> Moment:
        """What this tariff's restrictions are held against."""
        day, second = local_moment(start, self.zone) if self.zone is not None else (1, 0)
        if period is None:
            return Moment(day, second, drawn_mwh, elapsed_us)
        current = period.current_a and (int(period.current_a[0] * 1_000), int(period.current_a[1] * 1_000))
        return Moment(day, second, drawn_mwh, elapsed_us, current, power_mw(period))

    def active(self, at: Moment) -> tuple[int, ...]:
        """The element that prices each dimension then, -1 for none: what must not change within a period."""
        return tuple(rate.element if (rate := chosen(lane, at)) else -1 for lane in self.lanes.values())


def power_mw(period: SessionPeriod) -> tuple[int, int] | None:
    """Lowest and highest power as stated, else the mean of what the period drew, None when neither is known."""
    if period.power_kw is not None:
        return int(period.power_kw[0] * MWH_PER_KWH), int(period.power_kw[1] * MWH_PER_KWH)
    if period.time and period.energy.mwh:
        mean = period.energy.mwh * US_PER_HOUR // (period.time // _MICROSECOND)
        return mean, mean
    return None


def chosen(lane: Lane, at: Moment | None) -> Rate | None:
    """The first that holds; `at` may be None where nothing is restricted."""
    for choice in lane:
        if choice.when is None or (at is not None and choice.when.hold(at)):
            return choice.rate
    return None


# ------------------------------------------------------------------------------------------------------------ pricing


def price_periods(
    pricers: Sequence[Pricer | None],
    periods: Sequence[SessionPeriod],
    currency: str,
    *,
    started_at: datetime | None = None,
    notes: tuple[str, ...] = (),
) -> Price:
    """The price of a session whose periods are each priced by a tariff of their own; None: by none, it is free.

    Args:
        started_at: when the session began, if that was before its first period.

    Raises:
        InvalidInput: the periods are not in order, or too many, or tariffs of several currencies.
    """
    if any(pricer is not None and pricer.tariff.currency != currency for pricer in pricers):
        raise InvalidInput("a session is priced in one currency")
    if len(periods) > PERIODS_MAX:
        raise InvalidInput(f"a session has at most {PERIODS_MAX} periods")
    if any(later.start < earlier.start for earlier, later in pairwise(periods)):
        raise InvalidInput("the periods of a session must be in the order of time")
    if not periods:
        return Price(currency)
    course = _Course(pricers, periods, started_at)
    charges = [*course.session_charges(), *course.reservation_charges()]
    fed_in = course.timed(EXPORT, [period.fed_in.mwh for period in periods])
    fed_in += _stepped(fed_in)
    bought, limits = _limited(charges, pricers)
    return Price(currency, bought, _total(fed_in), (*charges, *fed_in), limits, notes)


class _Course:
    """The periods of one session, each with its tariff and what its restrictions are held against."""

    def __init__(
        self, pricers: Sequence[Pricer | None], periods: Sequence[SessionPeriod], started_at: datetime | None
    ) -> None:
        self.pricers, self.periods = pricers, periods
        self._moments: list[Moment | None] = [None] * len(periods)
        if any(pricer is not None and pricer.by_course for pricer in pricers):
            self._measure(started_at)

    def _measure(self, started_at: datetime | None) -> None:
        drawn = 0
        begun = next((each.start for each in self.periods if not each.is_reservation), None)
        if begun is not None and started_at is not None and not self.periods[0].is_reservation:
            begun = min(begun, utc(started_at))
        for number, (pricer, period) in enumerate(zip(self.pricers, self.periods, strict=True)):
            since = self.periods[0].start if period.is_reservation or begun is None else begun
            if pricer is not None:
                elapsed_us = (period.start - since) // _MICROSECOND
                self._moments[number] = pricer.moment(period.start, drawn, elapsed_us, period)
            drawn += period.energy.mwh

    def session_charges(self) -> list[Charge]:
        """Flat fee, energy, charging and parking time, with their steps."""
        energy = self.timed(ENERGY, [period.energy.mwh for period in self.periods])
        time = self.timed(TIME, [period.time // _MICROSECOND for period in self.periods])
        parking = self.timed(PARKING, [period.parking // _MICROSECOND for period in self.periods])
        stepped = _stepped(parking) if parking else _stepped(time)
        rounded = (*parking, *stepped) if parking else (*stepped, *parking)
        return [*self._flat(), *energy, *_stepped(energy), *time, *rounded]

    def timed(self, dimension: Dimension, volumes: Sequence[int]) -> list[Charge]:
        """Each period's volume at the rate that holds."""
        charges = []
        for number, volume in enumerate(volumes):
            pricer = self.pricers[number]
            if volume and pricer is not None:
                rate = chosen(pricer.lanes[dimension], self._moments[number])
                if rate is not None:
                    charges.append(Charge("measured", rate, number, volume))
        return charges

    def _flat(self) -> list[Charge]:
        for number, (pricer, period) in enumerate(zip(self.pricers, self.periods, strict=True)):
            if pricer is not None and pricer.lanes[FLAT] and not period.is_reservation:
                rate = chosen(pricer.lanes[FLAT], self._moments[number])
                if rate is not None:
                    return [Charge("measured", rate, number, 1)]
        return []

    def reservation_charges(self) -> list[Charge]:
        """Of a reservation before the session, or of one that expired without."""
        if not any(period.reserved for period in self.periods):
            return []
        expired = all(period.is_reservation for period in self.periods)
        flats: dict[str, Charge] = {}
        time = []
        for number, (pricer, period) in enumerate(zip(self.pricers, self.periods, strict=True)):
            if pricer is None or not period.reserved:
                continue
            lanes = pricer.expired if expired else pricer.reserved
            for name, lane in lanes.items():
                rate = chosen(lane, self._moments[number])
                if rate is None:
                    continue
                if name == "TIME":
                    time.append(Charge("measured", rate, number, period.reserved // _MICROSECOND))
                else:
                    flats.setdefault(name, Charge("measured", rate, number, 1))
        return [*flats.values(), *time, *_stepped(time)]


def _stepped(charges: Sequence[Charge]) -> list[Charge]:
    """What the step of the last of them adds to their total."""
    if not charges:
        return []
    last = charges[-1]
    if not last.rate.step:
        return []
    volume = sum(charge.volume for charge in charges)
    added = div_ceil(volume, last.rate.step) * last.rate.step - volume
    return [Charge("step", last.rate, last.period, added)] if added else []


def _total(charges: Sequence[Charge]) -> Amount:
    by_scale: dict[int, tuple[int, int]] = {}
    for charge in charges:
        rate, volume = charge.rate, charge.volume
        before, after = by_scale.get(rate.scale, (0, 0))
        by_scale[rate.scale] = before + volume * rate.before, after + volume * rate.after
    parts = [Amount(Fraction(before, scale), Fraction(after, scale)) for scale, (before, after) in by_scale.items()]
    total = parts[0] if parts else NOTHING
    for part in parts[1:]:  # of another tariff
        total = Amount(total.before_tax + part.before_tax, total.after_tax + part.after_tax)
    return total


def _limited(charges: Sequence[Charge], pricers: Sequence[Pricer | None]) -> tuple[Amount, tuple[Limit, ...]]:
    """The sum of what is bought, each tariff's part within its limits, and what the limits changed."""
    limiting = {id(pricer): pricer for pricer in pricers if pricer is not None and pricer.limits}
    bought = _total(charges)
    changes: list[Limit] = []
    for pricer in limiting.values():
        part = [charge for charge in charges if charge.rate.tariff_id == pricer.tariff.id]
        changes += _limit_changes(pricer, part)
    for change in changes:
        bought = Amount(bought.before_tax + change.before_tax, bought.after_tax + change.after_tax)
    return bought, tuple(changes)


def _limit_changes(pricer: Pricer, charges: Sequence[Charge]) -> Iterator[Limit]:
    """The differences that lift what is bought to the minimum price or press it to the maximum price."""
    before = sum(charge.volume * charge.rate.before for charge in charges)
    after = sum(charge.volume * charge.rate.after for charge in charges)
    for limit in pricer.limits:
        limited = clamp(limit, before, after)
        if limited != (before, after):
            changed = Fraction(limited[0] - before, pricer.scale), Fraction(limited[1] - after, pricer.scale)
            yield Limit(limit.reason, pricer.tariff.id, limit.limit.before_tax, *changed)
        before, after = limited


def clamp(limit: ScaledLimit, before: int, after: int) -> tuple[int, int]:
    """Both sides within the limit, and no tax below nothing."""
    side = max if limit.reason == "min_price" else min
    limited = side(before, limit.before)
    return limited, max(limited, after if limit.after is None else side(after, limit.after))
