"""Station tariffs with the semantics of OCPI 2.2.1 (chapter 11, Tariffs), and the price of a session.

A tariff is a list of elements, an element a list of price components. Each dimension (a flat fee, energy, charging
time) is looked up on its own: the first element that has a component of the dimension prices it, and a dimension that
no element has is free. The step size rounds a session's total of a dimension up, once, and what the step adds is
billed at the price of the last priced period. Tax is per component.

OCPI leaves open, and here is decided:

- a component without `vat` states no tax: its price after tax is its price before, and the price says `tax_stated` is
  false;
- the minimum and the maximum price limit what the driver pays, before tax and after tax each on its own; a side of the
  limit that is not given does not limit;
- nothing is rounded: amounts are exact fractions until `before_tax_money` or `after_tax_money`;
- energy fed into the grid is an extension: its own list of elements, whose price is paid to the driver, so it enters
  the sums with a minus sign, after the limits. Its step rounds up too.

Restrictions, parking and reservation are parsed and kept, and a tariff that holds them is refused here until they are
priced as the specification says. The cost of a running session is the price of its periods so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, MWH_PER_WH, Currency, Energy, Money, div_ceil

SECONDS_PER_HOUR = 3_600
_NO_ENERGY = Energy(0)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_SECOND = 1_000_000


class Dimension(StrEnum):
    """What a component prices; the OCPI names, and the one for feed-in that OCPI has in its CDR dimensions."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    ENERGY_EXPORT = "ENERGY_EXPORT"


PRICED_DIMENSIONS = (Dimension.FLAT, Dimension.ENERGY, Dimension.TIME)

UNITS: dict[Dimension, str] = {
    Dimension.FLAT: "session",
    Dimension.ENERGY: "kWh",
    Dimension.TIME: "h",
    Dimension.PARKING_TIME: "h",
    Dimension.ENERGY_EXPORT: "kWh",
}


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """A price before tax, per session, kWh or hour; `vat` in percent; `step_size` in Wh or s, 0 for no step."""

    dimension: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1

    def __post_init__(self) -> None:
        if not self.price.is_finite() or self.price < 0:
            raise InvalidInput(f"a price cannot be {self.price}; what is paid to the driver is a feed-in price")
        if self.vat is not None and not 0 <= self.vat <= 100:
            raise InvalidInput(f"a VAT of {self.vat} percent is out of range")
        if self.step_size < 0:
            raise InvalidInput(f"a step size cannot be {self.step_size}")


@dataclass(frozen=True, slots=True)
class TariffElement:
    """Components that hold together; `restrictions` as they came, empty when the element always holds."""

    components: tuple[PriceComponent, ...]
    restrictions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The total that is at least or at most paid, in units of the currency."""

    before_tax: Decimal
    after_tax: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StationTariff:
    """A tariff of a party. `extra` keeps the fields of the OCPI object that pricing does not read."""

    country_code: str
    party_id: str
    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    feed_in: tuple[TariffElement, ...] = ()
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Currency.of(self.currency)


@dataclass(frozen=True, slots=True)
class SessionPeriod:
    """What happened from `start` (UTC) until the next period: energy each way, and time charging or feeding in."""

    start: datetime
    energy: Energy = _NO_ENERGY
    time: timedelta = timedelta(0)
    fed_in: Energy = _NO_ENERGY

    def __post_init__(self) -> None:
        if self.energy.mwh < 0 or self.fed_in.mwh < 0 or self.time < timedelta(0):
            raise InvalidInput(f"a period from {self.start} has a negative volume; feed-in is a volume of its own")

    def mwh_or_microseconds(self, dimension: Dimension) -> int:
        """The volume in the smallest whole unit of the dimension."""
        match dimension:
            case Dimension.ENERGY:
                return self.energy.mwh
            case Dimension.ENERGY_EXPORT:
                return self.fed_in.mwh
            case _:
                return self.time // _MICROSECOND


# ----------------------------------------------------------------------------------------------------- the price


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One product of a price, exact. Amounts are what the driver pays, negative for what the driver is paid.

    `reason` is `measured`, `step` (what rounding up to the step size added), `min_price` or `max_price`; a line of a
    limit has no dimension, and its tax is the difference that the two limits leave.
    """

    reason: str
    dimension: Dimension | None
    period: int | None
    element: int | None
    volume: Fraction
    unit: str
    price: Decimal
    vat: Decimal | None
    before_tax: Fraction
    after_tax: Fraction


@dataclass(frozen=True, slots=True)
class Cost:
    """The part of a price that one dimension makes, with the volume that was billed (steps included)."""

    volume: Fraction
    unit: str
    before_tax: Fraction
    after_tax: Fraction


@dataclass(frozen=True, slots=True)
class Price:
    """What a session costs, exact, in units of the currency. The lines sum to the totals, before and after tax.

    `tax_stated` is false when a component that was used states no tax: then the price after tax is not known.
    """

    currency: str
    before_tax: Fraction
    after_tax: Fraction
    tax_stated: bool
    dimensions: Mapping[Dimension, Cost]
    lines: tuple[PriceLine, ...]

    def before_tax_money(self) -> Money:
        """Rounded half up to the stored unit of the currency: the one rounding of a session's price."""
        return Money.half_up(self.before_tax, self.currency)

    def after_tax_money(self) -> Money:
        """Rounded half up to the stored unit of the currency: the one rounding of a session's price."""
        return Money.half_up(self.after_tax, self.currency)


def price_session(tariff: StationTariff, periods: Sequence[SessionPeriod]) -> Price:
    """The price of a session, or of its part so far, from its periods in the order of time.

    A session without any period costs nothing: it has not begun.

    Raises:
        InvalidInput: the tariff uses what is not priced yet, or the periods are not in order.
    """
    refuse_unsupported(tariff)
    if any(later.start < earlier.start for earlier, later in pairwise(periods)):
        raise InvalidInput("the periods of a session must be in the order of time")
    if not periods:
        return _price(tariff.currency, ())
    bought = [line for name in PRICED_DIMENSIONS for line in _dimension_lines(tariff.elements, name, periods)]
    fed_in = [_paid_out(line) for line in _dimension_lines(tariff.feed_in, Dimension.ENERGY_EXPORT, periods)]
    return _price(tariff.currency, (*bought, *_limit_lines(tariff, bought), *fed_in))


def refuse_unsupported(tariff: StationTariff) -> None:
    """Raise InvalidInput that names what of this tariff is not priced yet; better no price than a wrong one."""
    for number, element in enumerate((*tariff.elements, *tariff.feed_in)):
        if element.restrictions:
            found = ", ".join(sorted(element.restrictions))
            raise InvalidInput(f"tariff {tariff.id}: element {number} is restricted ({found}); not supported yet")
    for element in tariff.elements:
        if strange := [part.dimension for part in element.components if part.dimension not in PRICED_DIMENSIONS]:
            raise InvalidInput(f"tariff {tariff.id}: a price of {strange[0]} is not supported yet")
    for element in tariff.feed_in:
        if strange := [c.dimension for c in element.components if c.dimension is not Dimension.ENERGY_EXPORT]:
            raise InvalidInput(f"tariff {tariff.id}: feed-in is priced by ENERGY_EXPORT, not by {strange[0]}")
    if tariff.extra.get("tax_included", "NO") != "NO":
        raise InvalidInput(f"tariff {tariff.id}: prices that include their taxes are not supported yet")


def _dimension_lines(
    elements: Sequence[TariffElement], dimension: Dimension, periods: Sequence[SessionPeriod]
) -> Iterator[PriceLine]:
    """What one dimension of a session costs: each period at its component, then what the step adds."""
    selected = _select(elements, dimension)
    if selected is None:
        return
    element, component = selected
    if dimension is Dimension.FLAT:
        yield _line("measured", component, 0, element, Fraction(1))
        return
    step, per_unit = _scale(component)
    total, last_priced = 0, 0
    for number, period in enumerate(periods):
        volume = period.mwh_or_microseconds(dimension)
        total += volume
        if volume:
            yield _line("measured", component, number, element, Fraction(volume, per_unit))
            last_priced = number
    if step and total % step:
        added = div_ceil(total, step) * step - total
        yield _line("step", component, last_priced, element, Fraction(added, per_unit))


def _select(elements: Sequence[TariffElement], dimension: Dimension) -> tuple[int, PriceComponent] | None:
    """The first element that has the dimension, by its place, and its component."""
    for number, element in enumerate(elements):
        for component in element.components:
            if component.dimension is dimension:
                return number, component
    return None


def _scale(component: PriceComponent) -> tuple[int, int]:
    """The step and the priced unit (kWh or hour) in the smallest unit of the dimension (mWh or µs)."""
    if component.dimension in (Dimension.ENERGY, Dimension.ENERGY_EXPORT):
        return component.step_size * MWH_PER_WH, MWH_PER_KWH
    return component.step_size * _MICROSECONDS_PER_SECOND, SECONDS_PER_HOUR * _MICROSECONDS_PER_SECOND


def _line(reason: str, component: PriceComponent, period: int, element: int, volume: Fraction) -> PriceLine:
    before_tax = volume * Fraction(component.price)
    return PriceLine(
        reason=reason,
        dimension=component.dimension,
        period=period,
        element=element,
        volume=volume,
        unit=UNITS[component.dimension],
        price=component.price,
        vat=component.vat,
        before_tax=before_tax,
        after_tax=before_tax * (1 + Fraction(component.vat or 0) / 100),
    )


def _paid_out(line: PriceLine) -> PriceLine:
    return replace(line, before_tax=-line.before_tax, after_tax=-line.after_tax)


def _limit_lines(tariff: StationTariff, bought: Sequence[PriceLine]) -> Iterator[PriceLine]:
    """The differences that lift what is bought to the minimum price or press it to the maximum price."""
    before_tax, after_tax = _totals(bought)
    for reason, limit, clamp in (("min_price", tariff.min_price, max), ("max_price", tariff.max_price, min)):
        if limit is None:
            continue
        limited_before: Fraction = clamp(before_tax, Fraction(limit.before_tax))
        limited_after: Fraction = after_tax if limit.after_tax is None else clamp(after_tax, Fraction(limit.after_tax))
        if (limited_before, limited_after) != (before_tax, after_tax):
            yield PriceLine(
                reason=reason,
                dimension=None,
                period=None,
                element=None,
                volume=Fraction(1),
                unit="session",
                price=limit.before_tax,
                vat=None,
                before_tax=limited_before - before_tax,
                after_tax=limited_after - after_tax,
            )
        before_tax, after_tax = limited_before, limited_after


def _price(currency: str, lines: Sequence[PriceLine]) -> Price:
    before_tax, after_tax = _totals(lines)
    used = [line for line in lines if line.dimension is not None]
    return Price(
        currency=currency,
        before_tax=before_tax,
        after_tax=after_tax,
        tax_stated=all(line.vat is not None for line in used),
        dimensions={name: _cost(name, [line for line in used if line.dimension is name]) for name in _names(used)},
        lines=tuple(lines),
    )


def _names(lines: Sequence[PriceLine]) -> list[Dimension]:
    return list(dict.fromkeys(line.dimension for line in lines if line.dimension is not None))


def _cost(dimension: Dimension, lines: Sequence[PriceLine]) -> Cost:
    return Cost(sum((line.volume for line in lines), Fraction()), UNITS[dimension], *_totals(lines))


def _totals(lines: Sequence[PriceLine]) -> tuple[Fraction, Fraction]:
    before_tax = sum((line.before_tax for line in lines), Fraction())
    return before_tax, sum((line.after_tax for line in lines), Fraction())
