"""A rounding step that has a name: the rule, the unit it rounds to, and the two numbers it stood between."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import msgspec

from wattbook.kernel.units import div_ceil, div_floor, div_half_up

Rule = Literal["floor", "half_up", "ceil"]

_DIVISIONS: dict[Rule, Callable[[int, int], int]] = {"floor": div_floor, "half_up": div_half_up, "ceil": div_ceil}


@dataclass(frozen=True, slots=True)
class RoundingStep:
    """One rounding that was done, for the explanation of a price."""

    name: str
    exact: Fraction
    rule: Rule
    unit: int
    result: int


class Rounding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To a whole multiple of `unit`, by the division that `rule` names."""

    rule: Rule
    unit: int = 1

    def __post_init__(self) -> None:
        if self.unit < 1:
            raise ValueError(f"a rounding unit is at least 1, not {self.unit}")

    def step(self, name: str, exact: Fraction) -> RoundingStep:
        result = _DIVISIONS[self.rule](exact.numerator, exact.denominator * self.unit) * self.unit
        return RoundingStep(name, exact, self.rule, self.unit, result)
