"""A household bill as rows that a customer can follow with a pocket calculator."""

from collections.abc import Iterator
from fractions import Fraction

from wattbook.kernel.units import div_half_up
from wattbook.tariffs.household import BillLine, HouseholdBill
from wattbook.tariffs.rounding import RoundingStep

Row = tuple[str, str, str]
"""What, how, and how much; a row that sums up others has a `how` that names its rounding."""


def explain_household(bill: HouseholdBill) -> Iterator[Row]:
    """The rows of a bill in its order: the products of each charge, then its rounded amount."""
    for step in bill.steps:
        if step.name == "vat":
            yield "subtotal", "base + energy + climate + fuel", f"{bill.subtotal:,}"
        yield from (_product(line, bill) for line in bill.lines if line.charge == step.name)
        yield step.name, _working(step), f"{step.result:,}"


def _product(line: BillLine, bill: HouseholdBill) -> Row:
    what = "" if line.tier is None else f"tier {line.tier}"
    if line.share != 1:
        what = f"{what} {line.first:%m-%d}..{line.last:%m-%d}".strip()
    days = "" if line.share == 1 else f" × {(line.last - line.first).days + 1}/{bill.period.day_count} days"
    match line.charge:
        case "base":
            working = _shown(line.price)
        case "vat" | "fund":
            working = f"{line.quantity:,} × {_shown(line.price * 100)} %"
        case _:
            working = f"{line.quantity:,} kWh × {_shown(line.price)}"
    return f"  {what}", working + days, _shown(line.exact)


def _working(step: RoundingStep) -> str:
    if step.name == "total":
        return f"subtotal + vat + fund, {_rule(step)}"
    return f"{_shown(step.exact)}, {_rule(step)}"


def _rule(step: RoundingStep) -> str:
    return f"{step.rule.replace('_', ' ')} to {step.unit}"


def _shown(exact: Fraction) -> str:
    """At most three decimals, for reading only."""
    thousandths = div_half_up(exact.numerator * 1_000, exact.denominator)
    sign, (whole, rest) = "-" if thousandths < 0 else "", divmod(abs(thousandths), 1_000)
    return f"{sign}{whole:,}.{rest:03d}".rstrip("0").rstrip(".")
