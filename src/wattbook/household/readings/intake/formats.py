"""The formats by name."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from wattbook.household.readings.intake.csv_layout import csv_layout, declared_in
from wattbook.household.readings.intake.items import Reader
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


def reader_of(name: str, layout: str | Path | None = None) -> Reader:
    """The reader of a format; its module and the library behind it are loaded now, and only now.

    Args:
        layout: of a CSV file, by name or path; of DLMS telegrams, by the path of a TOML file with the fields of
            `PushLayout`.

    Raises:
        InvalidInput: an unknown format, CSV without a layout, or a layout for a format that has none.
    """
    if name not in _READERS:
        raise InvalidInput(f"no format {name[:20]!r} of readings: one of {', '.join(FORMATS)}")
    module, function = _READERS[name]
    found = import_module(f"{__package__}.{module}")
    reader: Any = getattr(found, function)
    declared: Any = None
    if name == "csv":
        if layout is None:
            raise InvalidInput("a CSV file needs a layout that says what its columns hold")
        declared = csv_layout(layout)
    elif name == "dlms" and layout is not None:
        declared = declared_in(Path(layout), found.PushLayout)
    elif layout is not None:
        raise InvalidInput(f"{name} says by itself what it holds: no layout is needed")
    bound: Reader = reader if declared is None else partial(reader, layout=declared)
    return bound
