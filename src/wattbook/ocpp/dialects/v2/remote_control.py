"""Block F, remote control."""

from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import place, whole, without_none
from wattbook.ocpp.dialects.v2.parts import COMMAND_ANSWER, read_token, write_token
from wattbook.ocpp.messages import CommandAnswer, RemoteStart, RemoteStop, UnlockConnector
from wattbook.ocpp.wire.frames import JsonObject


def _remote_start(payload: JsonObject) -> RemoteStart:
    evse = place(payload, "evseId") if "evseId" in payload else None
    return RemoteStart(read_token(payload["idToken"]), evse, whole(payload, "remoteStartId"))


def _write_remote_start(start: RemoteStart) -> JsonObject:
    return without_none(idToken=write_token(start.token), evseId=start.evse, remoteStartId=start.remote_start_id)


def _remote_stop(payload: JsonObject) -> RemoteStop:
    return RemoteStop(payload["transactionId"])


def _write_remote_stop(stop: RemoteStop) -> JsonObject:
    return {"transactionId": stop.transaction_id}


def _unlock(payload: JsonObject) -> UnlockConnector:
    return UnlockConnector(place(payload, "evseId"), place(payload, "connectorId"))


def _write_unlock(unlock: UnlockConnector) -> JsonObject:
    return {"evseId": unlock.evse, "connectorId": 1 if unlock.connector is None else unlock.connector}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("RequestStartTransaction", MANAGEMENT, RemoteStart, CommandAnswer,
             _remote_start, _write_remote_start, *COMMAND_ANSWER),
    Exchange("RequestStopTransaction", MANAGEMENT, RemoteStop, CommandAnswer,
             _remote_stop, _write_remote_stop, *COMMAND_ANSWER),
    Exchange("UnlockConnector", MANAGEMENT, UnlockConnector, CommandAnswer,
             _unlock, _write_unlock, *COMMAND_ANSWER),
)
# fmt: on
