"""How far a prepaid session has come and how long it will still take (charging across operators, formulas 1 to 3).

    N  = Mc / Mp × 100 %
    ts = ((Mp − Mc) / Mc) × T + b × tf
    tf = ∫₀ᵀ (Pc − P(t)) / Pc dt

T is the time charged so far, Mc the cost so far, Mp the prepaid amount, Pc the rated and P(t) the actual power, b a
weight. The method leaves the edges open; here

- without any cost yet nothing can be told: N and ts are None;
- N stops at 100, and when the prepaid amount is used up no time remains, whatever was lost before;
- power above the rated one counts as rated and feeding in counts as no power, so each moment loses between nothing and
  itself, and tf lies between 0 and T.

The integral of Pc − P(t) is kept as a whole number of watt-milliseconds that grows sample by sample. Between two
samples the register tells the mean power exactly; where there is no register, the power is taken as a straight line.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from wattbook.kernel.units import div_ceil, div_floor

WMS_PER_MWH = 3_600
"""One milliwatt-hour is 3,600 watt-milliseconds."""


@dataclass(frozen=True, slots=True)
class Progress:
    """N and ts, ready to show: N cut to 0.01 %, so that 100 means reached; ts raised to a whole second."""

    percent: Decimal | None
    remaining_s: int | None


UNDEFINED = Progress(None, None)


def progress(*, prepaid: int, cost: int, charged_ms: int, lost_ms: Fraction, weight: Decimal) -> Progress:
    """N and ts.

    Args:
        prepaid, cost: Mp and Mc, in the same unit.
        charged_ms: T.
        lost_ms: tf, from `lost_time_ms`.
        weight: b.
    """
    if prepaid <= 0 or cost <= 0:
        return UNDEFINED
    if cost >= prepaid:
        return Progress(Decimal(100), 0)
    hundredths = div_floor(cost * 10_000, prepaid)
    remaining = Fraction((prepaid - cost) * charged_ms, cost) + Fraction(weight) * lost_ms
    return Progress(Decimal(hundredths) / 100, div_ceil(remaining.numerator, remaining.denominator * 1_000))


def lost_time_ms(shortfall_wms: int, rated_w: int) -> Fraction:
    """tf, from the integral of Pc − P(t) in watt-milliseconds; 0 while the rated power is not known."""
    return Fraction(shortfall_wms, rated_w) if rated_w > 0 else Fraction(0)


def shortfall_by_register(rated_w: int, elapsed_ms: int, drawn_mwh: int) -> int:
    """What a stretch of time adds to the integral, when a register tells the energy drawn in it."""
    return min(max(rated_w * elapsed_ms - drawn_mwh * WMS_PER_MWH, 0), rated_w * elapsed_ms)


def shortfall_by_power(rated_w: int, elapsed_ms: int, first_w: int, last_w: int) -> int:
    """What a stretch of time adds to the integral, when only the power at both its ends is known."""
    lost_at_ends_w = sum(rated_w - min(max(power_w, 0), rated_w) for power_w in (first_w, last_w))
    return lost_at_ends_w * elapsed_ms // 2
