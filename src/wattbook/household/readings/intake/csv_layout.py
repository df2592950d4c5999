"""The declared form of a CSV file of readings: which column says what, and how it is written.

A layout is data, a TOML file of a few lines, so another head-end system needs no other code. Those that ship with the
program are in `layouts/`.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from wattbook.household.readings.intake.items import BadLine, unit
from wattbook.household.readings.intake.local_time import zone_of
from wattbook.household.readings.interval_schema import MINUTES, QUALITIES
from wattbook.kernel.errors import InvalidInput

LAYOUT_BYTES_MAX: Final = 64 * 1024

LayoutT = TypeVar("LayoutT", bound=msgspec.Struct)


class CsvLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a CSV file of readings is written.

    Columns are named as in the header, or by their number from 1 where there is no header.

    Attributes:
        title: for people.
        form: `reading-rows`: a row holds one value. `day-rows`: a row holds a day's values side by side, as many as the
            local day has.
        counts: `interval`: energy of an interval. `register`: what a counting register showed.
        meter: column of the meter's number, or of its metering or market location; or `meter_is` for all rows.
        register: column of the OBIS code, `import` or `export`; none: every value is of `register_is`.
        register_codes: what the file writes for what register.
        time: the column, or the two columns of date and time, that a row is stamped with; in day rows the date.
        time_format: as `datetime.strptime` reads the columns joined by a blank; `%z` where an offset is written.
        zone: of times without offset, an IANA name such as `UTC` or `Europe/Berlin`.
        stamps: whether the time is the interval's start or its end.
        value: the column; in day rows the first of the value columns, which run on to the right.
        minutes: of an interval.
        unit: of the values; `unit_column` names a column where each row says it.
        multiplier: of a current or voltage transformer; 1 where the file has it in its values already.
        quality: a column, and `quality_codes` what its words mean; a word that is not among them is refused.
        decimal: the sign of the decimals.
        skip: lines before the header, or before the first row where there is no header.
    """

    title: str
    form: Literal["reading-rows", "day-rows"] = "reading-rows"
    counts: Literal["interval", "register"] = "interval"
    meter: str | int | None = None
    meter_is: str = ""
    register: str | int | None = None
    register_is: str = "import"
    register_codes: dict[str, str] = {}
    time: tuple[str | int, ...]
    time_format: str
    zone: str = "UTC"
    stamps: Literal["start", "end"] = "start"
    value: str | int
    minutes: int = 15
    unit: str = "kWh"
    unit_column: str | int | None = None
    multiplier: int = 1
    quality: str | int | None = None
    quality_codes: dict[str, str] = {}
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8-sig"
    has_header: bool = True
    skip: int = 0

    def __post_init__(self) -> None:
        """ValueError becomes an error of the loader that names the file."""
        if self.minutes not in MINUTES:
            raise ValueError(f"minutes is one of {MINUTES}, not {self.minutes}")
        if len(self.delimiter) != 1 or self.decimal not in (".", ",") or self.delimiter == self.decimal:
            raise ValueError("delimiter is one character, decimal a point or a comma, and they differ")
        if not set(self.quality_codes.values()) <= {*QUALITIES, "missing"}:
            raise ValueError(f"quality_codes lead to {', '.join(QUALITIES)} or missing")
        if self.form == "day-rows" and (self.counts == "register" or len(self.time) != 1):
            raise ValueError("day-rows hold intervals and have one column for the date")
        if (self.meter is None) is not bool(self.meter_is):
            raise ValueError("either meter names a column, or meter_is the meter")
        if not self.time or self.multiplier < 1 or self.skip < 0:
            raise ValueError("time names a column, multiplier is 1 or more, skip 0 or more")
        if not self.has_header and not all(isinstance(name, int) and name > 0 for name in self._columns()):
            raise ValueError("without a header, columns are numbers from 1")
        try:
            unit(self.unit)
            zone_of(self.zone)
        except BadLine as bad:
            raise ValueError(bad.message) from None

    def _columns(self) -> Sequence[str | int]:
        named = (self.meter, self.value, *self.time, self.register, self.unit_column, self.quality)
        return [name for name in named if name is not None]


def shipped_layouts() -> tuple[str, ...]:
    """The names of the layouts that come with the program."""
    return tuple(sorted(_shipped()))


def _shipped() -> dict[str, Traversable]:
    folder = files(__package__) / "layouts"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}


def csv_layout(name: str | Path) -> CsvLayout:
    """A layout that ships, by its name, or any other by the path of its TOML file.

    Raises:
        InvalidInput: no such layout, or it contradicts itself.
    """
    known = _shipped()
    entry: Traversable | Path = known.get(str(name), Path(name))
    if not entry.is_file():
        raise InvalidInput(f"no CSV layout {str(name)[:200]!r}: one of {', '.join(sorted(known))}, or a path")
    return declared_in(entry, CsvLayout)


def declared_in(entry: Traversable | Path, kind: type[LayoutT]) -> LayoutT:
    """What a TOML file declares.

    Raises:
        InvalidInput: no such file, no TOML, or a field is missing, unknown or out of form.
    """
    if not entry.is_file():
        raise InvalidInput(f"no layout at {str(entry)[:200]!r}")
    content = entry.read_bytes()
    if len(content) > LAYOUT_BYTES_MAX:
        raise InvalidInput(f"layout {entry.name} has {len(content)} bytes: at most {LAYOUT_BYTES_MAX}")
    try:
        return layout_of(msgspec.toml.decode(content), entry.name, kind)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"layout {entry.name} is no TOML: {error}") from None


def layout_of(declared: Any, name: str, kind: type[LayoutT]) -> LayoutT:
    """Raises:
    InvalidInput: a field is missing, unknown or out of form.
    """
    try:
        return msgspec.convert(declared, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"layout {name}: {error}") from None
