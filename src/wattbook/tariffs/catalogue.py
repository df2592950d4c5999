"""The household tariffs that come with wattbook: one TOML file each, loaded and checked once.

A file may name a `shared` file, whose tables it takes over (add-ons, taxes, rounding); a table of its own goes first.
Charges, rounding steps and notes of both are kept; the file's own charges come first. Numbers with a point are read as
decimals, never as floats.
"""

import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.tariffs.household_data import HouseholdTariff

_DATA = files("wattbook.tariffs") / "data"


def household_tariff_names() -> tuple[str, ...]:
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _DATA.iterdir() if entry.name.endswith(".toml")))


@cache
def household_tariff(name: str) -> HouseholdTariff:
    """The tariff of this name, with all its versions.

    Raises:
        NotFound: no tariff of this name; the message lists the names there are.
    """
    if name not in household_tariff_names():
        known = ", ".join(household_tariff_names())
        raise NotFound(f"unknown household tariff {name!r}; known: {known}", name=name)
    own = _read(f"{name}.toml")
    shared = _read(f"shared/{own.pop('shared')}.toml") if "shared" in own else {}
    both = {
        "notes": [*shared.get("notes", []), *own.get("notes", [])],
        "charges": [*own.get("charges", []), *shared.get("charges", [])],
        "rounding": {**shared.get("rounding", {}), **own.get("rounding", {})},
    }
    return parse_household_tariff({**shared, **own, **both, "name": name})


def parse_household_tariff(content: dict[str, Any]) -> HouseholdTariff:
    """A tariff from the content of a data file.

    Raises:
        InvalidInput: a field is missing, unknown or of the wrong type, or the content contradicts itself.
    """
    try:
        return msgspec.convert(content, HouseholdTariff)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"household tariff {content.get('name')!r}: {error}") from None


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / path).read_text(encoding="utf-8"), parse_float=Decimal)
