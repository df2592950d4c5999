"""A household bill as rows that a customer can follow with a pocket calculator."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from wattbook.kernel.units import Currency, div_half_up
from wattbook.tariffs.household import BillLine, HouseholdBill, amount_in_units
from wattbook.tariffs.rounding import RoundingStep

Row = tuple[str, str, str]
"""What, how, and how much; a row that sums up others has a `how` that names its rounding."""

PLACES_BELOW_COIN: Final = 3


def explain_household(bill: HouseholdBill) -> Iterator[Row]:
    """The rows of a bill in its order: the products of each charge, then its rounded amount."""
    charges = [name for name in bill.amounts if name not in ("kwh", "subtotal", "total")]
    before = list(bill.amounts)[1 : list(bill.amounts).index("subtotal")]
    steps = {step.name: step for step in bill.steps}
    for name, amount in bill.amounts.items():
        if name == "kwh":
            yield name, f"{_shown(steps[name].exact, PLACES_BELOW_COIN)}, {_rule(steps[name], '1')}", f"{amount:,}"
        elif name == "subtotal":
            yield name, " + ".join(before), _money(amount, bill)
        elif name == "total":
            levies = [each for each in charges if each not in before]
            yield name, f"{' + '.join(['subtotal', *levies])}, {_rounded(steps[name], bill)}", _money(amount, bill)
        else:
            yield from (_product(line, bill) for line in bill.lines if line.charge == name)
            exact = steps[name].exact / 10 ** _digits(bill)
            yield name, f"{_shown(exact, _places(bill))}, {_rounded(steps[name], bill)}", _money(amount, bill)


def _product(line: BillLine, bill: HouseholdBill) -> Row:
    what = line.zone if line.tier is None else f"tier {line.tier}"
    whole = (line.first, line.last) == (bill.period.first, bill.period.last)
    if not whole:
        what = f"{what} {line.first:%m-%d}..{line.last:%m-%d}".strip()
    places = _places(bill)
    is_percentage = not line.unit and line.quantity != 1
    if is_percentage:
        scale = 10 ** _digits(bill)
        working = f"{_shown(line.quantity / scale, places)} × {_shown(line.price * 100, places)} %"
        result = line.exact / scale
    elif line.unit:
        working, result = f"{_shown(line.quantity, places)} {line.unit} × {_shown(line.price, places)}", line.exact
    else:
        working, result = _shown(line.price, places), line.exact
    return f"  {what}", working + _weight(line, bill), _shown(result, places)


def _weight(line: BillLine, bill: HouseholdBill) -> str:
    if line.share == 1:
        return ""
    days = (line.last - line.first).days + 1
    if line.share == days:
        return f" × {days} days"
    if line.share == Fraction(days, bill.period.day_count):
        return f" × {days}/{bill.period.day_count} days"
    return f" × {line.share}"


def _rounded(step: RoundingStep, bill: HouseholdBill) -> str:
    return _rule(step, f"{amount_in_units(step.unit, bill.currency):f}")


def _rule(step: RoundingStep, unit: str) -> str:
    return f"{step.rule.replace('_', ' ')} to {unit}"


def _money(count: int, bill: HouseholdBill) -> str:
    return f"{amount_in_units(count, bill.currency):,f}"


def _digits(bill: HouseholdBill) -> int:
    return Currency.of(bill.currency).display_digits


def _places(bill: HouseholdBill) -> int:
    return _digits(bill) + PLACES_BELOW_COIN


def _shown(exact: Fraction, places: int) -> str:
    """At most so many decimals, for reading only."""
    scale = int(10**places)
    scaled = div_half_up(exact.numerator * scale, exact.denominator)
    sign, (whole, rest) = "-" if scaled < 0 else "", divmod(abs(scaled), scale)
    return f"{sign}{whole:,}.{rest:0{places}d}".rstrip("0").rstrip(".")
