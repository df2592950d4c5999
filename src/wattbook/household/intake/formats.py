"""The formats by name."""

from functools import partial
from importlib import import_module
from typing import Any, Final

from wattbook.household.intake.csv_layout import CsvLayout
from wattbook.household.intake.items import Reader
from wattbook.kernel.errors import InvalidInput

_READERS: Final = {
    "csv": ("csv_rows", "read_csv"),
    "espi": ("espi", "read_espi"),
    "nem12": ("nem12", "read_nem12"),
    "dlms": ("dlms", "read_dlms"),
    "mscons": ("mscons", "read_mscons"),
    "json": ("push", "read_push"),
}
FORMATS: Final = tuple(_READERS)


def reader_of(name: str, layout: CsvLayout | None = None) -> Reader:
    """The reader of a format; its module and the library behind it are loaded now, and only now.

    Raises:
        InvalidInput: an unknown format, or CSV without a layout.
    """
    if name not in _READERS:
        raise InvalidInput(f"no format {name[:20]!r} of readings: one of {', '.join(FORMATS)}")
    module, function = _READERS[name]
    reader: Any = getattr(import_module(f"{__package__}.{module}"), function)
    if name == "csv" and layout is None:
        raise InvalidInput("a CSV file needs a layout that says what its columns hold")
    found: Reader = partial(reader, layout=layout) if name == "csv" else reader
    return found
