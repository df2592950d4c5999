"""What every format is turned into."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, MWH_PER_WH, div_half_up

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
CONTENT_SHOWN_MAX: Final = 200
MINUTES_PER_HOUR: Final = 60

IMPORT: Final = "import"
"""In place of an OBIS code: the register of the meter that counts what is drawn from the network."""
EXPORT: Final = "export"
"""The same for what is fed in."""


class IntervalReading(NamedTuple):
    """Energy that passed a meter in [start, start + minutes).

    Attributes:
        line: of the file, counted from 1, or of what stands for lines in the format.
        meter: the number of the meter, or of its metering or market location.
        register: an OBIS code, `IMPORT` or `EXPORT`.
        quality: as in an `Interval`; `method` too.
        version: by the sender, when it numbers or dates them; None: what comes later counts.
    """

    line: int
    meter: str
    register: str
    start: datetime
    minutes: int
    energy_mwh: int
    quality: str = "valid"
    method: str = ""
    version: int | None = None


class RegisterReading(NamedTuple):
    """What a counting register showed at a moment. The meter's multiplier is not in it yet."""

    line: int
    meter: str
    register: str
    at: datetime
    value_mwh: int
    quality: str = "valid"
    method: str = ""


class Complaint(NamedTuple):
    """Why a line cannot be taken in.

    Attributes:
        line: 0 for the file as a whole.
        code: a word for programs: `format`, `truncated`, `unit`, `time`, `value`, `meter`, `register`, `future`,
            `version`, `overlap` or `count`.
        content: the line, as far as it helps.
    """

    line: int
    code: str
    reason: str
    content: str = ""


Item = IntervalReading | RegisterReading | Complaint
Reader = Callable[[bytes], Iterator[Item]]
"""Of one format. Never raises for what the bytes hold; a file that is none of its kind is one complaint."""


class BadLine(InvalidInput):
    """Raised within a format for the line at hand, with the code of its complaint."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.complaint_code = code

    def at(self, line: int, content: str = "") -> Complaint:
        return Complaint(line, self.complaint_code, self.message, content[:CONTENT_SHOWN_MAX])


_MWH: Final = {"mWh": 1, "Wh": MWH_PER_WH, "kWh": MWH_PER_KWH, "MWh": MWH_PER_KWH * 1_000}
_MILLIWATTS: Final = {"W": 1_000, "kW": 1_000_000, "MW": 1_000_000_000}
UNITS: Final = (*_MWH, *_MILLIWATTS)
"""Of energy, and of mean power in an interval. As they are written, but for their case where that leaves no doubt."""


def unit(text: str) -> str:
    """A unit in its own spelling; `KWH` and `kwh` are kWh, but `mwh` is refused: milli or mega?

    Raises:
        BadLine: not a unit of energy or power.
    """
    if text in UNITS:
        return text
    alike = [known for known in UNITS if known.lower() == text.lower()]
    if len(alike) == 1:
        return alike[0]
    words = "may be milli or mega" if alike else "measures no active energy"
    raise BadLine("unit", f"the unit {text[:20]!r} {words}: one of {', '.join(UNITS)} is needed")


def energy(value: Decimal, its_unit: str, minutes: int, multiplier: Fraction | int = 1) -> int:
    """In mWh; of a mean power, the energy of so many minutes, half up to a whole mWh.

    Raises:
        BadLine: energy finer than 1 mWh.
    """
    if its_unit in _MWH:
        exact = Fraction(value) * _MWH[its_unit] * multiplier
        if exact.denominator != 1:
            raise BadLine("value", f"{value} {its_unit} is finer than 1 mWh")
        return exact.numerator
    exact = Fraction(value) * _MILLIWATTS[its_unit] * multiplier * Fraction(minutes, MINUTES_PER_HOUR)
    return div_half_up(exact.numerator, exact.denominator)


def decimal(text: str, sign: str = ".") -> Decimal:
    """An exact number of a text.

    Args:
        sign: of the decimals.

    Raises:
        BadLine: not a finite number, or more than 18 digits.
    """
    plain = text.strip()
    plain = plain if sign == "." else plain.replace(".", "_").replace(sign, ".")
    digits = plain.lstrip("+-")
    if not digits.isascii() or digits.count(".") > 1 or not digits.replace(".", "").isdecimal() or len(digits) > 19:
        raise BadLine("value", f"not a number: {text[:40]!r}")
    return Decimal(plain)


def text_of(content: bytes, encoding: str = "utf-8-sig") -> str:
    """The file as text.

    Raises:
        BadLine: too large, or not in this encoding.
    """
    if len(content) > FILE_BYTES_MAX:
        raise BadLine("format", f"the file has {len(content)} bytes: at most {FILE_BYTES_MAX} are read")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadLine("format", f"not a text in {encoding}: byte {error.start}") from None
