"""Protection of equipment against solids and water: what stands outdoors needs more of it than what stands indoors."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from wattbook.kernel.errors import InvalidInput, Refused


class Placement(StrEnum):
    OUTDOOR = "outdoor"
    INDOOR = "indoor"


# First digit 0 to 6, second 0 to 9, each X when not stated; then an additional letter and supplementary letters
# (IEC 60529, clause 4). 9K is how ISO 20653 writes the highest degree for vehicles.
_FORM = re.compile(r"IP ?([0-6X])([0-9X])K?[ABCD]?[HMSW]*")


@dataclass(frozen=True, slots=True)
class IpCode:
    """A degree of protection of IEC 60529.

    Attributes:
        text: in upper case, without space.
        solids: the first digit, 0 to 6; None when it is X, not stated.
        water: the second digit, 0 to 9; None when it is X, not stated.
    """

    text: str
    solids: int | None
    water: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code, in upper case and without space.

        Raises:
            InvalidInput: not an IP code.
        """
        match = _FORM.fullmatch(text.strip().upper())
        if match is None:
            raise InvalidInput(f"not an IP code: {text!r}; IP and two digits are needed, such as IP54")
        solids, water = (None if digit == "X" else int(digit) for digit in match.groups())
        return cls(match[0].replace(" ", ""), solids, water)


MINIMUM = {Placement.OUTDOOR: (5, 4), Placement.INDOOR: (3, 2)}
"""Digits of the lowest protection allowed: IP54 outdoors, IP32 indoors (charging station application scheme, (3))."""


def require_protection(equipment: str, placement: Placement, code: IpCode) -> None:
    """Both digits must reach the minimum of the place; a digit that is not stated reaches nothing.

    Raises:
        Refused: protected too little, or it is not known how well; `details` has `reason`, `placement`, `ip_code`
            and `minimum`.
    """
    solids, water = MINIMUM[placement]
    minimum = f"IP{solids}{water}"
    facts = {"reason": "protection", "placement": placement.value, "ip_code": code.text, "minimum": minimum}
    rule = f"{equipment} is {code.text}, and {placement.value} equipment needs at least {minimum}"
    for against, digit, needed in (("solids", code.solids, solids), ("water", code.water, water)):
        if digit is None:
            raise Refused(f"{rule}: its protection against {against} is not stated", **facts)
        if digit < needed:
            raise Refused(f"{rule}: its protection against {against} is {digit}, below {needed}", **facts)
