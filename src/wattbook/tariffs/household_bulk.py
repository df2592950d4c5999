"""The bills of many houses at once: the pieces of a compiled schedule, evaluated in integers over arrays.

Every piece has an exact rational factor, so the sum of a charge is `integers @ quantities / denominator` with one
denominator for all houses, and the named rounding is one integer division. 64-bit integers are used when the largest
value that can occur fits, Python's unlimited ones otherwise; nothing is ever a float. The result is that of
`rate_household` for each house, to the coin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.tariffs.household import POWER_W_MAX, WATTS_PER_KW
from wattbook.tariffs.household_data import LEVIES, Line, Minimum
from wattbook.tariffs.rounding import Rounding
from wattbook.tariffs.schedule import EnergyPiece, FixedPiece, PercentPiece, Piece, Schedule, Step, TierPiece

Integers = NDArray[Any]
"""One whole number a house: int64, or Python integers where that could overflow."""

EXACT_MAX: Final = 2**62
ENERGY_MWH_MAX: Final = 10**15
"""In one slot: a terawatt-hour."""


@dataclass(frozen=True, slots=True)
class Bills:
    """The bills of many houses: each amount of `HouseholdBill.amounts`, and of `by_line`, as an int64 array."""

    amounts: dict[str, Integers]
    by_line: dict[Line, Integers]


class _Term(NamedTuple):
    """A quantity of every house in 1/`scale`, its largest value, and what one whole unit of it costs."""

    quantity: Integers
    scale: int
    largest: int
    factor: Fraction


def rate_many(
    schedule: Schedule,
    energies_mwh: Integers,
    *,
    contract_w: Integers | None = None,
    peak_w: Integers | None = None,
) -> Bills:
    """The bills of houses that share a schedule.

    Args:
        energies_mwh: int64, a row a house, a column for each slot of the schedule.
        contract_w: watts, one a house, where the tariff charges by contract; likewise `peak_w`.

    Raises:
        InvalidInput: what `rate_household` refuses for one of the houses; the shape does not fit the slots.
    """
    return _Rating(
        schedule, _checked(schedule, energies_mwh), _powers(schedule, energies_mwh, contract_w, peak_w)
    ).bills()


def _checked(schedule: Schedule, energies_mwh: Integers) -> Integers:
    if energies_mwh.ndim != 2 or energies_mwh.shape[1] != len(schedule.slots) or energies_mwh.dtype != np.int64:
        raise InvalidInput(f"{schedule.tariff.name} needs int64 energies in {len(schedule.slots)} columns")
    if energies_mwh.size and int(energies_mwh.min()) < 0:
        raise InvalidInput("consumption cannot be negative")
    if energies_mwh.size and int(energies_mwh.max()) > ENERGY_MWH_MAX:
        raise InvalidInput(f"a house has at most {ENERGY_MWH_MAX} mWh in a slot")
    return energies_mwh


def _powers(
    schedule: Schedule, energies_mwh: Integers, contract_w: Integers | None, peak_w: Integers | None
) -> Mapping[str, Integers]:
    powers: dict[str, Integers] = {}
    for basis, watts in (("contract", contract_w), ("peak", peak_w)):
        if basis in schedule.tariff.power_basis:
            if watts is None or watts.shape != energies_mwh.shape[:1]:
                raise InvalidInput(f"{schedule.tariff.name} charges by {basis} power, which every house needs")
            if watts.size and not 0 <= int(watts.min()) <= int(watts.max()) <= POWER_W_MAX:
                raise InvalidInput(f"{basis} power is 0 to {POWER_W_MAX} W")
            powers[basis] = watts.astype(np.int64)
    return powers


class _Rating:
    def __init__(self, schedule: Schedule, energies_mwh: Integers, powers: Mapping[str, Integers]) -> None:
        self.schedule = schedule
        self.powers = powers
        self.houses = len(energies_mwh)
        rounding = schedule.tariff.rounding["kwh"]
        self.slot_kwh = [_divided(column, MWH_PER_KWH, rounding) for column in energies_mwh.T]
        self.amounts: dict[str, Integers] = {"kwh": self._kwh(range(len(self.slot_kwh)))}

    def bills(self) -> Bills:
        rounding = self.schedule.tariff.rounding
        by_line: dict[Line, Integers] = {}
        for step in self.schedule.steps:
            line, name = step.charge.line, step.charge.name
            if line in LEVIES and "subtotal" not in self.amounts:
                self._close_subtotal()
            self.amounts[name] = self._rounded(step)
            by_line[line] = by_line[line] + self.amounts[name] if line in by_line else self.amounts[name]
        if "subtotal" not in self.amounts:
            self._close_subtotal()
        self.amounts["total"] = _divided(sum(by_line.values(), self._zeros()), 1, rounding["total"])
        return Bills(self.amounts, by_line)

    def _close_subtotal(self) -> None:
        self.amounts["subtotal"] = sum((self.amounts[name] for name in self.schedule.subtotal_of), self._zeros())

    def _rounded(self, step: Step) -> Integers:
        base = sum((self.amounts[name] for name in step.of), self._zeros())
        terms = [self._term(piece, base) for piece in step.pieces]
        exact, denominator = _summed(terms, self.houses)
        if isinstance(step.charge, Minimum):
            exact = np.maximum(exact - base.astype(exact.dtype) * denominator, 0)
        return _divided(exact, denominator, self.schedule.tariff.rounding[step.charge.name]).astype(np.int64)

    def _term(self, piece: Piece, base: Integers) -> _Term:
        coins = self.schedule.tariff.coins_per_unit
        match piece:
            case EnergyPiece():
                scale = lcm(piece.lower.denominator, 1 if piece.upper is None else piece.upper.denominator)
                below = self._kwh(piece.below)
                both = below + self._kwh(piece.slots)
                quantity = _clip(both * scale, piece, scale) - _clip(below * scale, piece, scale)
                return _term(quantity, scale, piece.price * piece.share * coins)
            case TierPiece():
                return self._tier_term(piece, coins)
            case FixedPiece(basis=""):
                return _term(np.ones(self.houses, np.int64), 1, piece.price * piece.share * coins)
            case FixedPiece():
                return _term(self.powers[piece.basis], WATTS_PER_KW, piece.price * piece.share * coins)
            case PercentPiece():
                return _term(base, 1, piece.rate * piece.share)

    def _tier_term(self, piece: TierPiece, coins: int) -> _Term:
        """The amounts over one denominator, looked up by the tier reached."""
        denominator = lcm(*(amount.denominator for amount in piece.amounts))
        scale = lcm(1, *(limit.denominator for limit in piece.limits))
        limits = np.array([int(limit * scale) for limit in piece.limits], np.int64)
        # A tier is reached when the kWh are more than its limit.
        reached = np.searchsorted(limits, self._kwh(piece.slots) * scale, side="left")
        amounts = np.array([int(amount * denominator) for amount in piece.amounts], np.int64)
        return _term(amounts[reached], 1, piece.share * coins / denominator)

    def _kwh(self, slots: Sequence[int]) -> Integers:
        return sum((self.slot_kwh[slot] for slot in slots), self._zeros())

    def _zeros(self) -> Integers:
        return np.zeros(self.houses, np.int64)


def _term(quantity: Integers, scale: int, factor: Fraction) -> _Term:
    largest = max(abs(int(quantity.min())), abs(int(quantity.max()))) if quantity.size else 0
    return _Term(quantity, scale, largest, factor)


def _clip(scaled_kwh: Integers, piece: EnergyPiece, scale: int) -> Integers:
    upper = None if piece.upper is None else int(piece.upper * scale)
    return np.clip(scaled_kwh, int(piece.lower * scale), upper)


def _summed(terms: Sequence[_Term], houses: int) -> tuple[Integers, int]:
    """Σ quantity / scale × factor of every house, as numerators over one denominator."""
    factors = [term.factor / term.scale for term in terms]
    denominator = lcm(1, *(factor.denominator for factor in factors))
    integers = [int(factor * denominator) for factor in factors]
    # The rounding doubles a numerator and adds a denominator, in units that may be larger than one.
    largest = sum(abs(factor) * term.largest for factor, term in zip(integers, terms, strict=True))
    fits = 2 * largest + 1_000 * denominator < EXACT_MAX
    kind: Any = np.int64 if fits else object
    total = np.zeros(houses, kind)
    for factor, term in zip(integers, terms, strict=True):
        total = total + term.quantity.astype(kind) * factor
    return total, denominator


def _divided(numerator: Integers, denominator: int, rounding: Rounding) -> Integers:
    """To a whole multiple of the rounding's unit, by its rule: the divisions of `kernel.units`, over arrays."""
    by = denominator * rounding.unit
    match rounding.rule:
        case "floor":
            quotient = numerator // by
        case "ceil":
            quotient = -(-numerator // by)
        case "half_up":
            quotient = (2 * abs(numerator) + by) // (2 * by)
            quotient = np.where(numerator < 0, -quotient, quotient)
    return quotient * rounding.unit
