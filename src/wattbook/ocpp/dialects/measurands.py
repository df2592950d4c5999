"""Measured values: which measurand and unit is which field of a `Sample`, in whichever version.

The versions differ in how they write one value; `samples` gathers the totals a house of charging needs into fields and
keeps the rest as readings.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.units import AMOUNT_MAX, MWH_PER_KWH, MWH_PER_WH, div_floor
from wattbook.ocpp.messages import Reading, Sample
from wattbook.ocpp.wire.frames import JsonObject

DEFAULT_MEASURAND = "Energy.Active.Import.Register"
DEFAULT_CONTEXT = "Sample.Periodic"
AT_OUTLET = (None, "Outlet")
LOCATIONS = (*AT_OUTLET, "Body", "Cable", "EV", "Inlet", "Upstream")

# Measurand → field of Sample; unit → factor into that field's unit, where None stands for the default unit
# (1.6, 7.45; 2.0.1 Part 2, 2.51).
ENERGY_FIELDS = {"Energy.Active.Import.Register": "import_mwh", "Energy.Active.Export.Register": "export_mwh"}
ENERGY_UNITS = {None: MWH_PER_WH, "Wh": MWH_PER_WH, "kWh": MWH_PER_KWH}
POWER_FIELDS = {"Power.Active.Import": "import_w", "Power.Active.Export": "export_w"}
POWER_UNITS = {None: 1, "W": 1, "kW": 1000}
SOC, SOC_FIELD = "SoC", "soc_percent"
ENERGY_TOTALS = frozenset(ENERGY_FIELDS.values())

# The same as one look-up: (measurand, unit) → (field, factor).
TOTALS: dict[tuple[str, str | None], tuple[str, int]] = {
    (measurand, unit): (field, factor)
    for fields, units in ((ENERGY_FIELDS, ENERGY_UNITS), (POWER_FIELDS, POWER_UNITS))
    for measurand, field in fields.items()
    for unit, factor in units.items()
} | {(SOC, None): (SOC_FIELD, 1), (SOC, "Percent"): (SOC_FIELD, 1)}

# The same with phase and location: (measurand, unit, phase, location) → (field, factor). A total is measured at the
# outlet; only the state of charge is known in the vehicle.
PLACES: dict[tuple[str | None, str | None, str | None, str | None], tuple[str | None, int]] = {
    (said, unit, None, location): total
    for (measurand, unit), total in TOTALS.items()
    for said in ((measurand, None) if measurand == DEFAULT_MEASURAND else (measurand,))
    for location in (LOCATIONS if measurand == SOC else AT_OUTLET)
}
NO_TOTAL: tuple[str | None, int] = (None, 0)

Gather = Callable[[JsonObject, dict[str, Any], list[Reading]], None]
"""Puts one value into the fields of a sample, or among its readings."""


def samples(meter_values: Sequence[JsonObject], gather: Gather) -> tuple[Sample, ...]:
    """One sample a moment and context; most meter values have one context only."""
    found = []
    for meter_value in meter_values:
        taken_at = parse_rfc3339(meter_value["timestamp"])
        gathered: dict[str, tuple[dict[str, Any], list[Reading]]] = {}
        last: str | None = None
        totals: dict[str, Any] = {}
        readings: list[Reading] = []
        for value in meter_value["sampledValue"]:
            context = value.get("context", DEFAULT_CONTEXT)
            if context != last:
                last, (totals, readings) = context, gathered.setdefault(context, ({}, []))
            gather(value, totals, readings)
        for context, (totals, readings) in gathered.items():
            found.append(Sample(taken_at, context, readings=tuple(readings), **totals))
    return tuple(found)


def put(
    measurand: str | None,
    number: int | Decimal,
    unit: str | None,
    phase: str | None,
    location: str | None,
    totals: dict[str, Any],
    readings: list[Reading],
) -> None:
    """Put a number in the field of `Sample` it belongs to, the first of its kind; else among the readings."""
    field, factor = PLACES.get((measurand, unit, phase, location), NO_TOTAL)
    if field is not None and field not in totals:
        amount = mwh(number, factor) if field in ENERGY_TOTALS else Decimal(number) * factor
        if amount is not None:
            totals[field] = amount
            return
    readings.append(Reading(measurand or DEFAULT_MEASURAND, Decimal(number), None, unit, phase, location))


def mwh(number: Decimal | int, mwh_per_unit: int) -> int | None:
    """A register's value in whole mWh, cut off downward; None when no register can show it."""
    if isinstance(number, int):
        amount = number * mwh_per_unit
    else:
        numerator, denominator = number.as_integer_ratio()
        amount = div_floor(numerator * mwh_per_unit, denominator)
    return amount if abs(amount) <= AMOUNT_MAX else None
