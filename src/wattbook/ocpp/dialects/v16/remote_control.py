"""Block F, remote control."""

from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import place, without_none
from wattbook.ocpp.dialects.v16.parts import COMMAND_ANSWER, read_number_id, write_number_id
from wattbook.ocpp.messages import CommandAnswer, IdToken, RemoteStart, RemoteStop, UnlockConnector
from wattbook.ocpp.wire.frames import JsonObject


def _remote_start(payload: JsonObject) -> RemoteStart:
    return RemoteStart(IdToken(payload["idTag"]), place(payload, "connectorId") if "connectorId" in payload else None)


def _write_remote_start(start: RemoteStart) -> JsonObject:
    return without_none(idTag=start.token.value, connectorId=start.evse)


def _remote_stop(payload: JsonObject) -> RemoteStop:
    return RemoteStop(read_number_id(payload, "transactionId"))


def _write_remote_stop(stop: RemoteStop) -> JsonObject:
    return {"transactionId": write_number_id(stop.transaction_id)}


def _unlock(payload: JsonObject) -> UnlockConnector:
    return UnlockConnector(place(payload, "connectorId"))


def _write_unlock(unlock: UnlockConnector) -> JsonObject:
    return {"connectorId": unlock.evse}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("RemoteStartTransaction", MANAGEMENT, RemoteStart, CommandAnswer,
             _remote_start, _write_remote_start, *COMMAND_ANSWER),
    Exchange("RemoteStopTransaction", MANAGEMENT, RemoteStop, CommandAnswer,
             _remote_stop, _write_remote_stop, *COMMAND_ANSWER),
    Exchange("UnlockConnector", MANAGEMENT, UnlockConnector, CommandAnswer,
             _unlock, _write_unlock, *COMMAND_ANSWER),
)
# fmt: on
