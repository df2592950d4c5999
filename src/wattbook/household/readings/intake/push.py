"""Readings as JSON, for programs: what the API takes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from wattbook.household.readings.intake.items import (
    IMPORT,
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    RegisterReading,
    decimal,
    energy,
    unit,
)
from wattbook.kernel.clock import utc

READINGS_MAX: Final = 50_000
"""In one document."""

Text = Annotated[str, msgspec.Meta(max_length=64)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class PushedReading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading; fields that are not named here are passed over.

    Attributes:
        meter: its number, or that of its metering or market location.
        register: an OBIS code, `import` or `export`.
        start: of an interval of so many `minutes`; or `at`: when a register showed the value.
        value: a decimal, as a string to keep its digits.
        version: the sender's own; without one, what comes later counts.
    """

    meter: Text
    value: Text
    register: Text = IMPORT
    start: Moment | None = None
    minutes: int | None = None
    at: Moment | None = None
    unit: Text = "kWh"
    quality: Literal["valid", "questionable", "provisional", "estimated"] = "valid"
    method: Text = ""
    version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class _Document(msgspec.Struct):
    readings: list[msgspec.Raw]


def read_push(content: bytes) -> Iterator[Item]:
    """The readings of a JSON document `{"readings": […]}`; a line is the place in the list, from 1."""
    try:
        document = msgspec.json.decode(content, type=_Document)
    except msgspec.MsgspecError as error:
        yield Complaint(0, "truncated" if "truncated" in str(error) else "format", f"not a list of readings: {error}")
        return
    if len(document.readings) > READINGS_MAX:
        yield Complaint(0, "format", f"at most {READINGS_MAX} readings are taken in one document")
        return
    for number, raw in enumerate(document.readings, start=1):
        try:
            yield _item(number, msgspec.json.decode(raw, type=PushedReading))
        except msgspec.MsgspecError as error:
            yield Complaint(number, "format", str(error), _shown(raw))
        except BadLine as bad:
            yield bad.at(number, _shown(raw))


def _item(number: int, reading: PushedReading) -> Item:
    value: Decimal = decimal(reading.value)
    its_unit = unit(reading.unit)
    if reading.at is not None and reading.start is None:
        mwh = energy(value, its_unit, 0)
        return RegisterReading(
            number, reading.meter, reading.register, utc(reading.at), mwh, reading.quality, reading.method
        )
    if reading.start is None or reading.minutes is None or reading.at is not None:
        raise BadLine("time", "a reading has either `start` and `minutes`, or `at`")
    if not 0 < reading.minutes <= timedelta(days=1) // timedelta(minutes=1):
        raise BadLine("time", f"an interval of {reading.minutes} minutes")
    mwh = energy(value, its_unit, reading.minutes)
    return IntervalReading(
        number,
        reading.meter,
        reading.register,
        utc(reading.start),
        reading.minutes,
        mwh,
        reading.quality,
        reading.method,
        reading.version,
    )


def _shown(raw: msgspec.Raw) -> str:
    return bytes(raw)[:200].decode("utf-8", "replace")
