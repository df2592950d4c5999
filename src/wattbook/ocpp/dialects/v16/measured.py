"""Measured values: texts, each with its measurand, unit, phase and place, and with defaults for all of them (7.43).

A value that is no number is kept as the text it was: one garbled temperature must not cost the energy that came with
it.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from wattbook.kernel.units import MWH_PER_WH
from wattbook.ocpp.dialects import measurands
from wattbook.ocpp.dialects.fields import without_none, write_time
from wattbook.ocpp.dialects.measurands import (
    DEFAULT_MEASURAND,
    ENERGY_FIELDS,
    POWER_FIELDS,
    SOC,
)
from wattbook.ocpp.messages import Reading, Sample
from wattbook.ocpp.wire.frames import JsonObject

# Plain decimals, with the exponent that some firmware prints; anything else is no number.
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")


def read_samples(meter_values: Sequence[JsonObject]) -> tuple[Sample, ...]:
    return measurands.samples(meter_values, _gather)


def _gather(value: JsonObject, totals: dict[str, Any], readings: list[Reading]) -> None:
    get = value.get
    text, measurand, unit = value["value"], get("measurand", DEFAULT_MEASURAND), get("unit")
    phase, location, signed = get("phase"), get("location"), get("format") == "SignedData"
    said = number(text) if not signed else None
    if said is None:
        readings.append(Reading(measurand, None, text, unit, phase, location, signed))
    else:
        measurands.put(measurand, said, unit, phase, location, totals, readings)


def number(text: str) -> Decimal | None:
    """Exact; most values are a few digits and need no closer look. None when it is no number."""
    if len(text) <= 18 and text.isascii() and text.isdigit():
        return Decimal(text)
    return Decimal(text) if NUMBER.fullmatch(text) else None


def write_samples(samples: Sequence[Sample]) -> list[JsonObject]:
    return [{"timestamp": write_time(sample.taken_at), "sampledValue": _write_sample(sample)} for sample in samples]


def _write_sample(sample: Sample) -> list[JsonObject]:
    values = [
        {"value": _write_wh(mwh), "context": sample.context, "measurand": measurand, "unit": "Wh"}
        for measurand, field in ENERGY_FIELDS.items()
        if (mwh := getattr(sample, field)) is not None
    ]
    values += [
        {"value": f"{watts:f}", "context": sample.context, "measurand": measurand, "unit": "W"}
        for measurand, field in POWER_FIELDS.items()
        if (watts := getattr(sample, field)) is not None
    ]
    if sample.soc_percent is not None:
        values.append(
            {
                "value": f"{sample.soc_percent:f}",
                "context": sample.context,
                "measurand": SOC,
                "unit": "Percent",
                "location": "EV",
            }
        )
    return values + [_write_reading(reading, sample.context) for reading in sample.readings]


def _write_reading(reading: Reading, context: str) -> JsonObject:
    return without_none(
        value=f"{reading.value:f}" if reading.value is not None else reading.text or "",
        context=context,
        format="SignedData" if reading.signed else None,
        measurand=reading.measurand,
        unit=reading.unit,
        phase=reading.phase,
        location=reading.location,
    )


def _write_wh(mwh: int) -> str:
    watt_hours, rest = divmod(abs(mwh), MWH_PER_WH)
    sign = "-" if mwh < 0 else ""
    return f"{sign}{watt_hours}.{rest:03}" if rest else f"{sign}{watt_hours}"
