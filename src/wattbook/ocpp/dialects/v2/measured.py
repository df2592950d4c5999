"""Measured values: numbers with a unit and a power of ten (2.0.1 Part 2, 2.51).

A signed value comes beside the number it signs; it is kept as a reading of its own.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from wattbook.kernel.errors import InvalidInput
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

DIGITS_MAX = 40
"""Of a measured value, before or behind the point; one beyond measures nothing and is kept as text."""

INTEGER_MAX: int = 10**DIGITS_MAX


def read_samples(meter_values: Sequence[JsonObject]) -> tuple[Sample, ...]:
    return measurands.samples(meter_values, _gather)


def _gather(value: JsonObject, totals: dict[str, Any], readings: list[Reading]) -> None:
    """Put a value in the field of `Sample` it belongs to, the first of its kind; else among the readings."""
    get = value.get
    number, measurand, scale = value["value"], get("measurand", DEFAULT_MEASURAND), get("unitOfMeasure")
    phase, location, signed = get("phase"), get("location"), get("signedMeterValue")
    unit = None
    if scale is not None:
        unit = scale.get("unit")
        if scale.get("multiplier"):
            number = _scaled(number, scale["multiplier"])
    if signed is not None:
        text = msgspec.json.encode(signed).decode()
        readings.append(Reading(measurand, text=text, unit=unit, phase=phase, location=location, signed=True))
    if not is_measured(number):
        readings.append(Reading(measurand, None, str(number), unit, phase, location))
        return
    measurands.put(measurand, Decimal(number), unit, phase, location, totals, readings)


def _scaled(number: Decimal | int, multiplier: int) -> Decimal | int:
    """The number times this power of ten, exactly; NaN when no meter means it."""
    if abs(multiplier) > DIGITS_MAX or not is_measured(number):
        return Decimal("NaN")
    sign, digits, exponent = Decimal(number).as_tuple()
    assert isinstance(exponent, int), "JSON has finite numbers"
    return Decimal((sign, digits, exponent + int(multiplier)))


def is_measured(number: Decimal | int) -> bool:
    """Whether a meter can mean it."""
    if isinstance(number, int):
        return abs(number) < INTEGER_MAX
    return number.is_finite() and -DIGITS_MAX <= number.adjusted() <= DIGITS_MAX


def write_samples(samples: Sequence[Sample]) -> list[JsonObject]:
    return [{"timestamp": write_time(sample.taken_at), "sampledValue": _write_sample(sample)} for sample in samples]


def _write_sample(sample: Sample) -> list[JsonObject]:
    values = [
        _value(Decimal(mwh) / MWH_PER_WH, sample.context, measurand, "Wh")
        for measurand, field in ENERGY_FIELDS.items()
        if (mwh := getattr(sample, field)) is not None
    ]
    values += [
        _value(watts, sample.context, measurand, "W")
        for measurand, field in POWER_FIELDS.items()
        if (watts := getattr(sample, field)) is not None
    ]
    if sample.soc_percent is not None:
        values.append(_value(sample.soc_percent, sample.context, SOC, "Percent") | {"location": "EV"})
    return values + [_write_reading(reading, sample.context) for reading in sample.readings]


def _value(number: Decimal, context: str, measurand: str, unit: str) -> JsonObject:
    return {"value": number, "context": context, "measurand": measurand, "unitOfMeasure": {"unit": unit}}


def _write_reading(reading: Reading, context: str) -> JsonObject:
    """
    Raises:
        InvalidInput: a reading that is no number, which these versions have no place for.
    """
    signed = None
    if reading.signed and reading.text is not None:
        try:
            signed = msgspec.json.decode(reading.text)
        except msgspec.DecodeError:
            raise InvalidInput(f"a signed {reading.measurand} is an object here, not {reading.text[:20]!r}") from None
    elif reading.value is None:
        raise InvalidInput(f"{reading.measurand} is a number here, not {reading.text!r}")
    return without_none(
        value=0 if reading.value is None else reading.value,
        context=context,
        measurand=reading.measurand,
        phase=reading.phase,
        location=reading.location,
        signedMeterValue=signed,
        unitOfMeasure={"unit": reading.unit} if reading.unit else None,
    )
