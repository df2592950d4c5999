"""Household tariffs: what a month's consumption of a house costs.

The tariff is progressive: the first kilowatt-hours of a month are cheap, the next dearer, and the base charge is that
of the highest tier reached. So one more kilowatt-hour can cost thousands of won, the price of a part depends on the
rest, and a period is always priced as a whole. A house whose EV was paid elsewhere owes `rate(total - ev)`; what was
charged twice is `rate(total) - rate(total - ev)` and nothing simpler.

Order of the bill (KEPCO's calculator, confirmed on two published bills; the rules stand in the data file):

    kwh       the period's milliwatt-hours, rounded once to whole kilowatt-hours
    base      per month, by the highest tier reached
    energy    by tier
    climate   per kilowatt-hour
    fuel      per kilowatt-hour, at the price of the period's first day
    subtotal  the sum of the four
    vat       percent of the subtotal
    fund      percent of the subtotal
    total     subtotal + vat + fund

Where a price or the season changes inside the period, each stretch of days with the same terms is priced as if it were
the whole period and weighs by its share of the days, in exact fractions; the sum is rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import chain, groupby, pairwise
from typing import Protocol, TypeVar

import msgspec

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, Energy, Money
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.rounding import Rounding, RoundingStep

# ---------------------------------------------------------------------------------------------------- the tariff


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers that hold from `valid_from` until the next version; who said so, and when that was looked at."""

    valid_from: date
    source: str
    checked_on: date


class BaseCharge(Version, frozen=True, kw_only=True):
    by_tier: tuple[Decimal, ...]
    """Per month, for the highest tier reached."""


class EnergyPrice(Version, frozen=True, kw_only=True):
    by_tier: tuple[Decimal, ...]
    """Per kWh."""
    super_user: Decimal
    """Per kWh, for the part above the super-user limit in its months."""


class Surcharge(Version, frozen=True, kw_only=True):
    per_kwh: Decimal


class Levy(Version, frozen=True, kw_only=True):
    percent: Decimal


class Season(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    months: tuple[int, ...]
    tier_limits_kwh: tuple[int, ...]
    """The last kWh of each tier but the last, which has no end."""


class SuperUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    months: tuple[int, ...]
    above_kwh: int


class Length(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days may be billed as one month."""

    days_min: int
    days_max: int


class BillRounding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The named rounding steps of a bill, in their order."""

    kwh: Rounding
    base: Rounding
    energy: Rounding
    climate: Rounding
    fuel: Rounding
    vat: Rounding
    fund: Rounding
    total: Rounding


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bill must say about itself when its days and its kWh fall in these bounds (all inclusive)."""

    text: str
    first: date = date.min
    last: date = date.max
    kwh_min: int = 0
    kwh_max: int | None = None

    def concerns(self, kwh: int, period: BillingPeriod) -> bool:
        in_days = self.first <= period.last and period.first <= self.last
        return in_days and self.kwh_min <= kwh and (self.kwh_max is None or kwh <= self.kwh_max)


class HouseholdTariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A progressive month's tariff with its whole known history; prices in units of `currency`."""

    name: str
    title: str
    country: str
    currency: str
    time_zone: str
    length: Length
    seasons: tuple[Season, ...]
    super_user: SuperUser
    base: tuple[BaseCharge, ...]
    energy: tuple[EnergyPrice, ...]
    climate: tuple[Surcharge, ...]
    fuel: tuple[Surcharge, ...]
    vat: tuple[Levy, ...]
    fund: tuple[Levy, ...]
    rounding: BillRounding
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        """The contradictions a data file can hold; ValueError becomes an error of the loader that names the file."""
        if sorted(month for season in self.seasons for month in season.months) != list(range(1, 13)):
            raise ValueError("the seasons must hold each of the twelve months once")
        tier_counts = {len(season.tier_limits_kwh) + 1 for season in self.seasons}
        tier_counts |= {len(charge.by_tier) for charge in self.base} | {len(price.by_tier) for price in self.energy}
        if len(tier_counts) != 1:
            raise ValueError(f"seasons and prices differ in their number of tiers: {sorted(tier_counts)}")
        for versions in (self.base, self.energy, self.climate, self.fuel, self.vat, self.fund):
            days = [version.valid_from for version in versions]
            if not days or sorted(set(days)) != days:
                raise ValueError("versions must be there, in the order of valid_from, and no two on one day")


# ------------------------------------------------------------------------------------------------------ the bill


@dataclass(frozen=True, slots=True)
class BillLine:
    """One product of the bill: quantity × price × share of the days, before any rounding.

    `quantity` is in kWh, or 1 for the base charge, or the subtotal for a levy (whose price is the rate as a fraction).
    `tier` counts from 1 and is None where tiers do not matter; the super-user part is the tier after the last.
    """

    charge: str
    tier: int | None
    first: date
    last: date
    quantity: int
    price: Fraction
    share: Fraction

    @property
    def exact(self) -> Fraction:
        return self.quantity * self.price * self.share


@dataclass(frozen=True, slots=True)
class HouseholdBill:
    """A rated period. `kwh` is in whole kWh; amounts are whole units of `currency` (won).

    `subtotal = base + energy + climate + fuel`; `total` is the sum of subtotal, vat and fund after its own step.
    `lines` and `steps` explain every amount; `notes` say what about this very bill is not verified.
    """

    tariff: str
    currency: str
    period: BillingPeriod
    kwh: int
    base: int
    energy: int
    climate: int
    fuel: int
    subtotal: int
    vat: int
    fund: int
    total: int
    lines: tuple[BillLine, ...]
    steps: tuple[RoundingStep, ...]
    notes: tuple[str, ...]

    @property
    def amounts(self) -> dict[str, int]:
        """The bill's lines by name, in their order; kWh first."""
        names = ("kwh", "base", "energy", "climate", "fuel", "subtotal", "vat", "fund", "total")
        return {name: getattr(self, name) for name in names}

    def total_money(self) -> Money:
        return Money.of(self.total, self.currency)


@dataclass(frozen=True, slots=True)
class Levies:
    """What is added to a subtotal, and the sum."""

    vat: RoundingStep
    fund: RoundingStep
    total: RoundingStep


def rate_household(tariff: HouseholdTariff, consumption: Energy, period: BillingPeriod) -> HouseholdBill:
    """The bill of a period as one month, whatever its number of days within `tariff.length.days_max`.

    A pure function. Consumption is rounded here, once; so subtract energy paid elsewhere before, in milliwatt-hours.
    A period shorter than a month is billed with full tiers and a full base charge, and its notes say so.

    Raises:
        InvalidInput: negative consumption, a period longer than a month can be, or days before the data begin.
    """
    if consumption.mwh < 0:
        raise InvalidInput(f"consumption cannot be negative: {consumption}")
    if period.day_count > tariff.length.days_max:
        raise InvalidInput(
            f"{period} has {period.day_count} days; {tariff.name} bills at most {tariff.length.days_max} as one month"
        )
    rounding = tariff.rounding
    kwh = rounding.kwh.step("kwh", Fraction(consumption.mwh, MWH_PER_KWH))
    stretches = tuple(_stretches(tariff, kwh.result, period))
    fuel_per_kwh = Fraction(_at(tariff.fuel, period.first).per_kwh)
    charges = {
        "base": tuple(_base_line(stretch, kwh.result) for stretch in stretches),
        "energy": tuple(chain.from_iterable(_energy_lines(stretch, kwh.result) for stretch in stretches)),
        "climate": tuple(_climate_line(stretch, kwh.result) for stretch in stretches),
        "fuel": (BillLine("fuel", None, period.first, period.last, kwh.result, fuel_per_kwh, Fraction(1)),),
    }
    steps = {name: getattr(rounding, name).step(name, _sum(lines)) for name, lines in charges.items()}
    subtotal: int = sum(step.result for step in steps.values())
    vat_lines = tuple(_levy_lines("vat", tariff.vat, subtotal, period))
    fund_lines = tuple(_levy_lines("fund", tariff.fund, subtotal, period))
    levies = add_levies(rounding, subtotal, vat=_sum(vat_lines), fund=_sum(fund_lines))
    return HouseholdBill(
        tariff=tariff.name,
        currency=tariff.currency,
        period=period,
        kwh=kwh.result,
        base=steps["base"].result,
        energy=steps["energy"].result,
        climate=steps["climate"].result,
        fuel=steps["fuel"].result,
        subtotal=subtotal,
        vat=levies.vat.result,
        fund=levies.fund.result,
        total=levies.total.result,
        lines=(*chain.from_iterable(charges.values()), *vat_lines, *fund_lines),
        steps=(kwh, *steps.values(), levies.vat, levies.fund, levies.total),
        notes=tuple(_notes(tariff, kwh.result, period)),
    )


def add_levies(rounding: BillRounding, subtotal: int, vat: Fraction, fund: Fraction) -> Levies:
    """The last three steps of a bill, from the subtotal and the exact levies on it, in whole units of the currency."""
    vat_step = rounding.vat.step("vat", vat)
    fund_step = rounding.fund.step("fund", fund)
    total = rounding.total.step("total", Fraction(subtotal + vat_step.result + fund_step.result))
    return Levies(vat_step, fund_step, total)


# ---------------------------------------------------------------------------------- stretches of days, and tiers


@dataclass(frozen=True, slots=True)
class _Terms:
    """All that the price of a day's energy depends on."""

    tier_limits_kwh: tuple[int, ...]
    base: BaseCharge
    energy: EnergyPrice
    climate: Surcharge
    super_user_above_kwh: int | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive days of a period under the same terms."""

    terms: _Terms
    first: date
    last: date
    share: Fraction

    def line(self, charge: str, tier: int | None, quantity: int, price: Decimal) -> BillLine:
        return BillLine(charge, tier, self.first, self.last, quantity, Fraction(price), self.share)


def _stretches(tariff: HouseholdTariff, kwh: int, period: BillingPeriod) -> Iterator[_Stretch]:
    for terms, group in groupby(period.days(), key=lambda day: _terms(tariff, kwh, day)):
        days = list(group)
        yield _Stretch(terms, days[0], days[-1], Fraction(len(days), period.day_count))


def _terms(tariff: HouseholdTariff, kwh: int, day: date) -> _Terms:
    season = next(season for season in tariff.seasons if day.month in season.months)
    above_kwh = tariff.super_user.above_kwh
    is_super_user = kwh > above_kwh and day.month in tariff.super_user.months
    return _Terms(
        tier_limits_kwh=season.tier_limits_kwh,
        base=_at(tariff.base, day),
        energy=_at(tariff.energy, day),
        climate=_at(tariff.climate, day),
        super_user_above_kwh=above_kwh if is_super_user else None,
    )


def _base_line(stretch: _Stretch, kwh: int) -> BillLine:
    tier = sum(kwh > limit for limit in stretch.terms.tier_limits_kwh)
    return stretch.line("base", tier + 1, 1, stretch.terms.base.by_tier[tier])


def _energy_lines(stretch: _Stretch, kwh: int) -> Iterator[BillLine]:
    terms = stretch.terms
    limits, prices = terms.tier_limits_kwh, terms.energy.by_tier
    if terms.super_user_above_kwh is not None:
        limits, prices = (*limits, terms.super_user_above_kwh), (*prices, terms.energy.super_user)
    borders = (0, *(min(limit, kwh) for limit in limits), kwh)
    for tier, ((lower, upper), price) in enumerate(zip(pairwise(borders), prices, strict=True), start=1):
        if upper > lower or tier == 1:
            yield stretch.line("energy", tier, upper - lower, price)


def _climate_line(stretch: _Stretch, kwh: int) -> BillLine:
    return stretch.line("climate", None, kwh, stretch.terms.climate.per_kwh)


def _levy_lines(name: str, rates: tuple[Levy, ...], subtotal: int, period: BillingPeriod) -> Iterator[BillLine]:
    for rate, group in groupby(period.days(), key=lambda day: _at(rates, day)):
        days = list(group)
        share = Fraction(len(days), period.day_count)
        yield BillLine(name, None, days[0], days[-1], subtotal, Fraction(rate.percent) / 100, share)


def _notes(tariff: HouseholdTariff, kwh: int, period: BillingPeriod) -> Iterator[str]:
    if period.day_count < tariff.length.days_min:
        yield f"{period.day_count} days are billed as a whole month: tiers and base charge are not scaled."
    yield from (note.text for note in tariff.notes if note.concerns(kwh, period))


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...


DatedT = TypeVar("DatedT", bound=_Dated)


def _at(versions: tuple[DatedT, ...], day: date) -> DatedT:
    """The version that holds on the day.

    Raises:
        InvalidInput: the day is before the first version.
    """
    for version in reversed(versions):
        if version.valid_from <= day:
            return version
    raise InvalidInput(f"no prices known for {day}: the data begin on {versions[0].valid_from}")


def _sum(lines: tuple[BillLine, ...]) -> Fraction:
    return sum((line.exact for line in lines), Fraction())
