"""Block E, transactions."""

from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import place, whole_or_none, without_none, write_time
from wattbook.ocpp.dialects.v16.measured import read_samples, write_samples
from wattbook.ocpp.dialects.v16.parts import (
    read_number_id,
    read_token_info,
    register_mwh,
    write_number_id,
    write_register,
    write_token_info,
)
from wattbook.ocpp.messages import (
    IdToken,
    StopReason,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)
from wattbook.ocpp.wire.frames import JsonObject


def _started(payload: JsonObject) -> TransactionStarted:
    return TransactionStarted(
        evse=place(payload, "connectorId"),
        token=IdToken(payload["idTag"]),
        meter_mwh=register_mwh(payload, "meterStart"),
        started_at=parse_rfc3339(payload["timestamp"]),
        reservation_id=whole_or_none(payload, "reservationId"),
    )


def _write_started(started: TransactionStarted) -> JsonObject:
    return without_none(
        connectorId=started.evse,
        idTag=started.token.value,
        meterStart=write_register(started.meter_mwh),
        timestamp=write_time(started.started_at),
        reservationId=started.reservation_id,
    )


def _started_answer(payload: JsonObject) -> TransactionStartedAnswer:
    return TransactionStartedAnswer(read_number_id(payload, "transactionId"), read_token_info(payload["idTagInfo"]))


def _write_started_answer(answer: TransactionStartedAnswer) -> JsonObject:
    return {
        "transactionId": write_number_id(answer.transaction_id),
        "idTagInfo": write_token_info(answer.token_info),
    }


def _stopped(payload: JsonObject) -> TransactionStopped:
    return TransactionStopped(
        transaction_id=read_number_id(payload, "transactionId"),
        meter_mwh=register_mwh(payload, "meterStop"),
        stopped_at=parse_rfc3339(payload["timestamp"]),
        # 6.49: a stop without reason is a local one.
        reason=StopReason(payload["reason"]) if "reason" in payload else StopReason.LOCAL,
        token=IdToken(payload["idTag"]) if "idTag" in payload else None,
        samples=read_samples(payload.get("transactionData", ())),
    )


def _write_stopped(stopped: TransactionStopped) -> JsonObject:
    return without_none(
        transactionId=write_number_id(stopped.transaction_id),
        meterStop=write_register(stopped.meter_mwh),
        timestamp=write_time(stopped.stopped_at),
        reason=stopped.reason.value,
        idTag=stopped.token.value if stopped.token else None,
        transactionData=write_samples(stopped.samples) or None,
    )


def _stopped_answer(payload: JsonObject) -> TransactionStoppedAnswer:
    return TransactionStoppedAnswer(read_token_info(payload["idTagInfo"]) if "idTagInfo" in payload else None)


def _write_stopped_answer(answer: TransactionStoppedAnswer) -> JsonObject:
    return {"idTagInfo": write_token_info(answer.token_info)} if answer.token_info else {}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("StartTransaction", STATION, TransactionStarted, TransactionStartedAnswer,
             _started, _write_started, _started_answer, _write_started_answer),
    Exchange("StopTransaction", STATION, TransactionStopped, TransactionStoppedAnswer,
             _stopped, _write_stopped, _stopped_answer, _write_stopped_answer),
)
# fmt: on
