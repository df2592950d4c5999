"""Block G, availability."""

from typing import Any

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, place, time, without_none, write_time
from wattbook.ocpp.dialects.v2.parts import COMMAND_ANSWER, read_evse, write_evse
from wattbook.ocpp.messages import ChangeAvailability, CommandAnswer, ConnectorStatus, StatusAnswer, StatusNotification
from wattbook.ocpp.wire.frames import JsonObject

USED = frozenset(
    {
        ConnectorStatus.PREPARING,
        ConnectorStatus.CHARGING,
        ConnectorStatus.SUSPENDED_EV,
        ConnectorStatus.SUSPENDED_EVSE,
        ConnectorStatus.FINISHING,
    }
)
"""Statuses of 1.6 that are one here: `Occupied`."""


def _status(payload: JsonObject) -> StatusNotification:
    return StatusNotification(
        evse=place(payload, "evseId"),
        connector=place(payload, "connectorId"),
        status=ConnectorStatus(payload["connectorStatus"]),
        occurred_at=time(payload, "timestamp"),
    )


def _write_status(status: StatusNotification) -> JsonObject:
    """
    Raises:
        InvalidInput: a status without its time, which these versions ask for.
    """
    if status.occurred_at is None:
        raise InvalidInput("a status has its time here")
    said = ConnectorStatus.OCCUPIED if status.status in USED else status.status
    # A connector that is not numbered is the EVSE's first; the station itself has 0 and 0.
    connector = status.connector if status.connector is not None else min(status.evse, 1)
    return {
        "timestamp": write_time(status.occurred_at),
        "connectorStatus": said.value,
        "evseId": status.evse,
        "connectorId": connector,
    }


def _change_availability(payload: JsonObject) -> ChangeAvailability:
    evse, _ = read_evse(payload)
    return ChangeAvailability(evse or 0, payload["operationalStatus"] == "Operative")


def _write_change_availability(change: ChangeAvailability) -> JsonObject:
    return without_none(
        operationalStatus="Operative" if change.operative else "Inoperative",
        evse=write_evse(change.evse or None, None),
    )


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("StatusNotification", STATION, StatusNotification, StatusAnswer,
             _status, _write_status, lambda _: StatusAnswer(), nothing),
    Exchange("ChangeAvailability", MANAGEMENT, ChangeAvailability, CommandAnswer,
             _change_availability, _write_change_availability, *COMMAND_ANSWER),
)
# fmt: on
