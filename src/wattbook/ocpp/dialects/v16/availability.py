"""Block G, availability."""

from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, place, time, without_none, write_time
from wattbook.ocpp.dialects.v16.parts import COMMAND_ANSWER
from wattbook.ocpp.messages import ChangeAvailability, CommandAnswer, ConnectorStatus, StatusAnswer, StatusNotification
from wattbook.ocpp.wire.frames import JsonObject


def _status(payload: JsonObject) -> StatusNotification:
    return StatusNotification(
        evse=place(payload, "connectorId"),
        status=ConnectorStatus(payload["status"]),
        error=payload["errorCode"],
        occurred_at=time(payload, "timestamp"),
        info=payload.get("info"),
        vendor=payload.get("vendorId"),
        vendor_error=payload.get("vendorErrorCode"),
    )


def _write_status(status: StatusNotification) -> JsonObject:
    return without_none(
        connectorId=status.evse,
        status=status.status.value,
        errorCode=status.error,
        timestamp=write_time(status.occurred_at),
        info=status.info,
        vendorId=status.vendor,
        vendorErrorCode=status.vendor_error,
    )


def _change_availability(payload: JsonObject) -> ChangeAvailability:
    return ChangeAvailability(place(payload, "connectorId"), payload["type"] == "Operative")


def _write_change_availability(change: ChangeAvailability) -> JsonObject:
    return {"connectorId": change.evse, "type": "Operative" if change.operative else "Inoperative"}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("StatusNotification", STATION, StatusNotification, StatusAnswer,
             _status, _write_status, lambda _: StatusAnswer(), nothing),
    Exchange("ChangeAvailability", MANAGEMENT, ChangeAvailability, CommandAnswer,
             _change_availability, _write_change_availability, *COMMAND_ANSWER),
)
# fmt: on
