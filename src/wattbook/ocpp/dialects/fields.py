"""What the payloads of all versions write alike: times, whole numbers, places."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from wattbook.kernel.clock import parse_rfc3339, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.wire.frames import JsonObject

# Values that fit every integer column and every station's firmware.
INT32_MAX = 2**31 - 1
PLACE_MAX = 2**15 - 1
"""No station has more connectors; numbers beyond are no places."""


def without_none(**fields: Any) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def nothing(_: object) -> JsonObject:
    """The payload of a message that says no more than its action."""
    return {}


def time(payload: JsonObject, name: str) -> datetime | None:
    text = payload.get(name)
    return None if text is None else parse_rfc3339(text)


def write_time(moment: datetime | None) -> str | None:
    """Milliseconds: more digits than three are refused by many stations."""
    return None if moment is None else utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole(payload: JsonObject, name: str) -> int:
    """An integer of 32 bits, also when written with a point, as JSON allows (5.0).

    Raises:
        InvalidInput: it does not fit.
    """
    return bounded(payload[name], name)


def whole_or_none(payload: JsonObject, name: str) -> int | None:
    return whole(payload, name) if name in payload else None


def bounded(number: int | Decimal, name: str) -> int:
    """See `whole`."""
    if not -INT32_MAX <= number <= INT32_MAX:
        raise InvalidInput(f"{name}: {number} does not fit 32 bits")
    return int(number)


def place(payload: JsonObject, name: str) -> int:
    """The number of an EVSE or a connector.

    Raises:
        InvalidInput: no such number is possible.
    """
    number = payload[name]
    if not 0 <= number <= PLACE_MAX:
        raise InvalidInput(f"{name}: {number} is no number of a place")
    return int(number)
