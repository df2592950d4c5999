"""The price of a session: exact amounts, and the lines that explain them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final, NamedTuple

from wattbook.kernel.units import Currency, Money, div_half_up
from wattbook.tariffs.station import UNITS, Dimension, PriceComponent


class Rate(NamedTuple):
    """A component as compiled.

    Attributes:
        dimension: what it prices: RESERVATION_TIME for TIME of a reservation.
        before, after: exact price of one smallest unit (mWh, µs, or the session) as a numerator over the tariff's
            `scale`.
        step: in smallest units, 0 for none.
        per_unit: smallest units of the unit that the price names.
    """

    dimension: Dimension
    component: PriceComponent
    element: int
    tariff_id: str
    reservation: bool
    before: int
    after: int
    scale: int
    step: int
    per_unit: int
    taxed: bool


class Charge(NamedTuple):
    """A volume at a rate; `reason` is `measured`, or `step`: what rounding up to the step size added."""

    reason: str
    rate: Rate
    period: int
    volume: int


class Limit(NamedTuple):
    """What a minimum or maximum price changes; `reason` is `min_price` or `max_price`."""

    reason: str
    tariff_id: str
    price: Decimal
    before_tax: Fraction
    after_tax: Fraction


class Amount(NamedTuple):
    before_tax: Fraction = Fraction()
    after_tax: Fraction = Fraction()


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One product of a price, exact. Amounts are what the driver pays, negative for what the driver is paid.

    A line of a limit has no dimension, and its tax is the difference that the two limits leave.

    Attributes:
        period, element: by their places, from 0.
        step_size: in Wh or s.
        price: as the tariff states it, with or without its tax.
    """

    reason: str
    dimension: Dimension | None
    reservation: bool
    tariff_id: str
    period: int | None
    element: int | None
    volume: Fraction
    unit: str
    step_size: int | None
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
class Tax:
    """What of the price is tax of one percentage; no percentage where only a limit makes the difference."""

    percentage: Decimal | None
    amount: Fraction


@dataclass(frozen=True)
class Price:
    """What a session costs, exact, in units of the currency. The lines sum to the totals, before and after tax.

    Attributes:
        bought: what the driver owes, limits included; `fed_in`: what the driver is owed.
        notes: what the session did not state and the tariff asks for.
    """

    currency: str
    bought: Amount = NOTHING
    fed_in: Amount = NOTHING
    charges: tuple[Charge, ...] = ()
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def before_tax(self) -> Fraction:
        return self.bought.before_tax - self.fed_in.before_tax if self.fed_in.before_tax else self.bought.before_tax

    @property
    def after_tax(self) -> Fraction:
        return self.bought.after_tax - self.fed_in.after_tax if self.fed_in.after_tax else self.bought.after_tax

    @property
    def tax_stated(self) -> bool:
        """False when a component that was used states no tax: then the price after tax is not known."""
        return all(charge.rate.taxed for charge in self.charges)

    def before_tax_money(self) -> Money:
        """Rounded half up to the stored unit of the currency: the one rounding of a session's price."""
        return Money.half_up(self.before_tax, self.currency)

    def after_tax_money(self) -> Money:
        """Rounded half up to the stored unit of the currency: the one rounding of a session's price."""
        return Money.half_up(self.after_tax, self.currency)

    @cached_property
    def lines(self) -> tuple[PriceLine, ...]:
        """What was bought, dimension by dimension, then the limits, then what was fed in."""
        fed_in = [charge for charge in self.charges if charge.rate.dimension is Dimension.ENERGY_EXPORT]
        bought = [charge for charge in self.charges if charge.rate.dimension is not Dimension.ENERGY_EXPORT]
        return (*map(_line, bought), *map(_limit_line, self.limits), *map(_line, fed_in))

    @cached_property
    def dimensions(self) -> Mapping[Dimension, Cost]:
        """The cost of each dimension; a reservation's flat fee is part of RESERVATION_TIME."""
        parts: dict[Dimension, list[PriceLine]] = {}
        for line in self.lines:
            if line.dimension is not None:
                name = Dimension.RESERVATION_TIME if line.reservation else line.dimension
                parts.setdefault(name, []).append(line)
        return {name: _cost(name, lines) for name, lines in parts.items()}

    @cached_property
    def taxes(self) -> tuple[Tax, ...]:
        """The tax by percentage. What a limit changes of it is shared among them in proportion."""
        by_vat: dict[Decimal | None, Fraction] = {}
        for line in self.lines:
            if line.dimension is not None and line.vat is not None:
                vat = line.vat.normalize()
                by_vat[vat] = by_vat.get(vat, Fraction()) + line.after_tax - line.before_tax
        total, stated = self.after_tax - self.before_tax, sum(by_vat.values(), Fraction())
        if not stated:
            return (Tax(None, total),) if total else tuple(Tax(vat, Fraction()) for vat in by_vat)
        return tuple(Tax(vat, amount * total / stated) for vat, amount in by_vat.items())


def shown(amount: Fraction, currency: str) -> str:
    """An amount as a decimal text: half up to the stored unit, with at least the digits of the coin."""
    unit = Currency.of(currency)
    scaled = div_half_up(amount.numerator * 10**unit.stored_digits, amount.denominator)
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(unit.stored_digits + 1, "0")
    whole, rest = digits[: -unit.stored_digits], digits[-unit.stored_digits :].rstrip("0")
    rest = rest.ljust(unit.display_digits, "0")
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def quantity(volume: Fraction) -> str:
    """At most six decimals, for reading only."""
    millionths = div_half_up(volume.numerator * 1_000_000, volume.denominator)
    sign, (whole, rest) = "-" if millionths < 0 else "", divmod(abs(millionths), 1_000_000)
    return f"{sign}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _line(charge: Charge) -> PriceLine:
    rate, component = charge.rate, charge.rate.component
    sign = -1 if rate.dimension is Dimension.ENERGY_EXPORT else 1
    return PriceLine(
        reason=charge.reason,
        dimension=rate.dimension,
        reservation=rate.reservation,
        tariff_id=rate.tariff_id,
        period=charge.period,
        element=rate.element,
        volume=Fraction(charge.volume, rate.per_unit),
        unit=UNITS[rate.dimension],
        step_size=None if rate.dimension is Dimension.FLAT else component.step_size,
        price=component.price,
        vat=component.vat,
        before_tax=Fraction(sign * charge.volume * rate.before, rate.scale),
        after_tax=Fraction(sign * charge.volume * rate.after, rate.scale),
    )


def _limit_line(limit: Limit) -> PriceLine:
    return PriceLine(
        reason=limit.reason,
        dimension=None,
        reservation=False,
        tariff_id=limit.tariff_id,
        period=None,
        element=None,
        volume=Fraction(1),
        unit="session",
        step_size=None,
        price=limit.price,
        vat=None,
        before_tax=limit.before_tax,
        after_tax=limit.after_tax,
    )


def _cost(name: Dimension, lines: Sequence[PriceLine]) -> Cost:
    volume = sum((line.volume for line in lines if line.dimension is name), Fraction())
    return Cost(volume, UNITS[name], *total(lines))


def total(lines: Sequence[PriceLine]) -> Amount:
    """Before and after tax."""
    return Amount(
        sum((line.before_tax for line in lines), Fraction()), sum((line.after_tax for line in lines), Fraction())
    )


def explained(price: Price) -> Iterator[str]:
    """The lines of a price as sentences for a customer."""
    for line in price.lines:
        what = line.reason.replace("_", " ") if line.dimension is None else line.dimension.value
        if line.reservation and line.dimension is Dimension.FLAT:
            what = "FLAT of the reservation"
        if line.reason == "step":
            what = f"{what}, rounded up to the step"
        tax = "" if line.vat is None else f" + {line.vat:f} % tax"
        yield (
            f"{what}: {quantity(line.volume)} {line.unit} × {line.price:f} {price.currency}{tax}"
            f" = {shown(line.after_tax, price.currency)} {price.currency}"
        )
