"""Household tariffs: what the consumption of a house costs over a billing period.

Many tariffs are progressive: the first kilowatt-hours of a month are cheap, the next dearer, and the base charge is
that of the highest tier reached. So one more kilowatt-hour can cost thousands of won, the price of a part depends on
the rest, and a period is always priced as a whole. A house whose EV was paid elsewhere owes `rate(total - ev)`; what
was charged twice is `rate(total) - rate(total - ev)` and nothing simpler.

Every bill has this order; a data file says which charges there are (`household_data`):

    kwh       what was measured, rounded once to whole kilowatt-hours (each zone of the day by itself)
    charges   in the order of the data file, each rounded by the step of its name
    subtotal  the sum of the charges above the first levy
    levies    taxes and levies, percentages of the subtotal or of charges above them
    total     subtotal and levies

Where a price or the season changes inside the period, either the energy of each stretch of days is known, or each
stretch is priced as if it were the whole period and weighs by its share of the days, in exact fractions (`schedule`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, Currency, Energy, Money
from wattbook.tariffs.household_data import LEVIES, HouseholdTariff, Line, Minimum
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.rounding import Rounding, RoundingStep
from wattbook.tariffs.schedule import (
    EnergyPiece,
    FixedPiece,
    PercentPiece,
    Piece,
    Schedule,
    Step,
    TierPiece,
    compile_household,
)

__all__ = ["BillLine", "HouseholdBill", "HouseholdTariff", "Usage", "add_levies", "rate_household"]

WATTS_PER_KW: Final = 1_000
POWER_W_MAX: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What was measured of a house in a period.

    Attributes:
        energies: one for each slot of the tariff's schedule for the period, in that order.
        contract_w: contracted power in watts, where the tariff charges for it.
        peak_w: highest power measured in the period, where the tariff charges for it.
    """

    energies: tuple[Energy, ...]
    contract_w: int | None = None
    peak_w: int | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One product of the bill: quantity × price × share, before any rounding, in units of the currency.

    Attributes:
        tier: counts from 1 where prices rise by tier, else None; the super-user part is the tier after the last.
        zone: of the day, where prices depend on it.
        quantity: in `unit`: kWh, kW, or '' for amounts (1) and for percentages (what they are of; the price is the
            rate as a fraction).
        share: of the days, or the days themselves for an amount per day.
    """

    charge: str
    tier: int | None
    zone: str
    first: date
    last: date
    quantity: Fraction
    unit: str
    price: Fraction
    share: Fraction

    @property
    def exact(self) -> Fraction:
        return self.quantity * self.price * self.share


@dataclass(frozen=True, slots=True)
class HouseholdBill:
    """A rated period. `kwh` is in whole kWh; amounts count the smallest coin of `currency` (won, cents).

    Attributes:
        amounts: every line by name, in the order of the bill: kwh, charges, subtotal, levies, total. Each is an
            attribute of the bill too: `bill.vat`.
        by_line: the same amounts summed by the line of a bill document to which the tariff's charges belong.
        lines: with `steps`, the explanation of every amount.
        notes: what about this very bill is not verified.
    """

    tariff: str
    currency: str
    period: BillingPeriod
    amounts: dict[str, int]
    by_line: dict[Line, int]
    lines: tuple[BillLine, ...]
    steps: tuple[RoundingStep, ...]
    notes: tuple[str, ...]

    def __getattr__(self, name: str) -> int:
        if name not in HouseholdBill.__slots__ and name in self.amounts:
            return self.amounts[name]
        raise AttributeError(name)

    @property
    def kwh(self) -> int:
        return self.amounts["kwh"]

    @property
    def total(self) -> int:
        return self.amounts["total"]

    @property
    def subtotal(self) -> int:
        return self.amounts["subtotal"]

    def total_money(self) -> Money:
        return coins(self.total, self.currency)


def coins(count: int, currency: str) -> Money:
    """So many of the smallest coins, as money."""
    unit = Currency.of(currency)
    return Money(count * unit.coin, unit)


def rate_household(
    tariff: HouseholdTariff, consumption: Energy | Usage, period: BillingPeriod, *, month_days: int | None = None
) -> HouseholdBill:
    """The bill of a period, as one month unless `month_days` says that it is a part of one.

    A pure function. Consumption is rounded here, once; so subtract energy paid elsewhere before, in milliwatt-hours.
    A period shorter than a month is billed with full tiers and a full base charge, and its notes say so; with
    `month_days` limits and monthly amounts are scaled to days / month_days.

    Args:
        consumption: the energy of the period, or what was measured of each slot of `compile_household(...)`.

    Raises:
        InvalidInput: negative consumption, energies that do not fit the slots, a power that the tariff needs and the
            usage lacks, a period longer than the tariff bills at once, or days before the data begin.
    """
    schedule = compile_household(tariff, period, month_days)
    usage = consumption if isinstance(consumption, Usage) else Usage((consumption,))
    return _Rating(schedule, _checked(schedule, usage)).bill()


def add_levies(rounding: Mapping[str, Rounding], subtotal: int, **levies: Fraction) -> dict[str, RoundingStep]:
    """The last steps of a bill, by name: the exact levies on a subtotal in coins, and `total`."""
    steps = {name: rounding[name].step(name, exact) for name, exact in levies.items()}
    total = Fraction(subtotal + sum(step.result for step in steps.values()))
    return steps | {"total": rounding["total"].step("total", total)}


def _checked(schedule: Schedule, usage: Usage) -> Usage:
    if len(usage.energies) != len(schedule.slots):
        zones = ", ".join(dict.fromkeys(slot.zone for slot in schedule.slots if slot.zone)) or "one stretch of days"
        raise InvalidInput(
            f"{schedule.tariff.name} needs {len(schedule.slots)} energies for {schedule.period}"
            f" ({zones}), not {len(usage.energies)}"
        )
    if negative := [energy for energy in usage.energies if energy.mwh < 0]:
        raise InvalidInput(f"consumption cannot be negative: {negative[0]}")
    for basis in schedule.tariff.power_basis:
        watts = usage.contract_w if basis == "contract" else usage.peak_w
        if watts is None or not 0 <= watts <= POWER_W_MAX:
            raise InvalidInput(f"{schedule.tariff.name} charges by {basis} power: 0 to {POWER_W_MAX // 1000} kW needed")
    return usage


class _Rating:
    """One bill being added up, charge after charge."""

    def __init__(self, schedule: Schedule, usage: Usage) -> None:
        self.schedule = schedule
        self.usage = usage
        tariff = schedule.tariff
        parts = [tariff.rounding["kwh"].step("kwh", Fraction(each.mwh, MWH_PER_KWH)) for each in usage.energies]
        self.slot_kwh = [part.result for part in parts]
        kwh = sum(self.slot_kwh)
        exact = sum((part.exact for part in parts), Fraction())
        self.steps = [RoundingStep("kwh", exact, parts[0].rule, parts[0].unit, kwh)]
        self.amounts = {"kwh": kwh}
        self.lines: list[BillLine] = []

    def bill(self) -> HouseholdBill:
        tariff = self.schedule.tariff
        for step in self.schedule.steps:
            if step.charge.line in LEVIES and "subtotal" not in self.amounts:
                self._close_subtotal()
            self._charge(step)
        if "subtotal" not in self.amounts:
            self._close_subtotal()
        by_line: dict[Line, int] = {}
        for step in self.schedule.steps:
            by_line[step.charge.line] = by_line.get(step.charge.line, 0) + self.amounts[step.charge.name]
        total = tariff.rounding["total"].step("total", Fraction(sum(by_line.values())))
        self.steps.append(total)
        return HouseholdBill(
            tariff=tariff.name,
            currency=tariff.currency,
            period=self.schedule.period,
            amounts=self.amounts | {"total": total.result},
            by_line=by_line,
            lines=tuple(self.lines),
            steps=tuple(self.steps),
            notes=tuple(notes(self.schedule, self.amounts["kwh"])),
        )

    def _close_subtotal(self) -> None:
        self.amounts["subtotal"] = sum(self.amounts[name] for name in self.schedule.subtotal_of)

    def _charge(self, step: Step) -> None:
        name = step.charge.name
        base = sum(self.amounts[other] for other in step.of)
        lines = [line for piece in step.pieces for line in self._lines(name, piece, base)]
        exact = sum((line.exact for line in lines), Fraction())
        if not isinstance(step.charge, Minimum):
            exact *= 1 if isinstance(step.pieces[0], PercentPiece) else self.schedule.tariff.coins_per_unit
        else:
            exact = max(exact * self.schedule.tariff.coins_per_unit - base, Fraction())
        rounded = self.schedule.tariff.rounding[name].step(name, exact)
        self.steps.append(rounded)
        self.amounts[name] = rounded.result
        self.lines += lines

    def _lines(self, name: str, piece: Piece, base: int) -> Iterator[BillLine]:
        one = Fraction(1)
        match piece:
            case EnergyPiece():
                quantity = self._quantity(piece)
                tier = int(piece.label) if piece.label.isdigit() else None
                if quantity or tier in (None, 1):
                    zone = "" if tier else piece.label
                    yield BillLine(name, tier, zone, piece.first, piece.last, quantity, "kWh", piece.price, piece.share)
            case TierPiece():
                reached = sum(self._kwh(piece.slots) > limit for limit in piece.limits)
                amount = piece.amounts[reached]
                yield BillLine(name, reached + 1, "", piece.first, piece.last, one, "", amount, piece.share)
            case FixedPiece():
                watts = {"": None, "contract": self.usage.contract_w, "peak": self.usage.peak_w}[piece.basis]
                quantity = one if watts is None else Fraction(watts, WATTS_PER_KW)
                unit = "" if watts is None else "kW"
                yield BillLine(name, None, "", piece.first, piece.last, quantity, unit, piece.price, piece.share)
            case PercentPiece():
                of = Fraction(base)
                yield BillLine(name, None, "", piece.first, piece.last, of, "", piece.rate, piece.share)

    def _kwh(self, slots: tuple[int, ...]) -> int:
        return sum(self.slot_kwh[slot] for slot in slots)

    def _quantity(self, piece: EnergyPiece) -> Fraction:
        below = self._kwh(piece.below)
        return _clip(below + self._kwh(piece.slots), piece) - _clip(below, piece)


def _clip(kwh: int, piece: EnergyPiece) -> Fraction:
    clipped = max(Fraction(kwh), piece.lower)
    return clipped if piece.upper is None else min(clipped, piece.upper)


def notes(schedule: Schedule, kwh: int) -> Iterator[str]:
    """What a bill of so many kWh must say about itself."""
    tariff, period = schedule.tariff, schedule.period
    if schedule.part != 1:
        yield f"A part of a month: monthly limits and amounts are scaled to {schedule.part} of it."
    elif period.day_count < tariff.length.days_min:
        yield f"{period.day_count} days are billed as a whole month: tiers and base charge are not scaled."
    yield from (note.text for note in tariff.notes if note.concerns(kwh, period.first, period.last))


def amount_in_units(count: int, currency: str) -> Decimal:
    """Coins as a decimal in units of the currency, with all its digits: 12.50, or 12500 won."""
    return Decimal(count).scaleb(-Currency.of(currency).display_digits)
