"""Block E, transactions."""

from decimal import Decimal
from typing import Any

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import whole, whole_or_none, without_none, write_time
from wattbook.ocpp.dialects.v2.measured import read_samples, write_samples
from wattbook.ocpp.dialects.v2.parts import (
    read_evse,
    read_token,
    read_token_info,
    write_evse,
    write_token,
    write_token_info,
)
from wattbook.ocpp.messages import Phase, StopReason, TransactionEvent, TransactionEventAnswer
from wattbook.ocpp.wire.frames import JsonObject

PHASES = {phase.value: phase for phase in Phase}

STOP_REASONS = {
    StopReason.HARD_RESET: StopReason.IMMEDIATE_RESET,
    StopReason.SOFT_RESET: StopReason.REBOOT,
    StopReason.UNLOCK_COMMAND: StopReason.OTHER,
}
"""The nearest word for those of 1.6 that 2.x does not have."""


def _event(payload: JsonObject) -> TransactionEvent:
    get, info = payload.get, payload["transactionInfo"]
    token, values, reason = get("idToken"), get("meterValue"), info.get("stoppedReason")
    evse, connector = read_evse(payload)
    return TransactionEvent(
        PHASES[payload["eventType"]],
        info["transactionId"],
        whole(payload, "seqNo"),
        parse_rfc3339(payload["timestamp"]),
        payload["triggerReason"],
        read_samples(values) if values is not None else (),
        evse,
        connector,
        read_token(token) if token is not None else None,
        get("offline", False),
        StopReason(reason) if reason is not None else None,
        info.get("chargingState"),
        whole_or_none(payload, "reservationId"),
        whole_or_none(info, "remoteStartId"),
        get("costDetails"),
    )


def _write_event(event: TransactionEvent) -> JsonObject:
    reason = event.stop_reason
    info = without_none(
        transactionId=event.transaction_id,
        chargingState=event.charging_state,
        stoppedReason=STOP_REASONS.get(reason, reason).value if reason else None,
        remoteStartId=event.remote_start_id,
    )
    return without_none(
        eventType=event.phase.value,
        timestamp=write_time(event.occurred_at),
        triggerReason=event.trigger,
        seqNo=event.seq_no,
        transactionInfo=info,
        offline=event.offline or None,
        evse=write_evse(event.evse, event.connector),
        idToken=write_token(event.token) if event.token else None,
        meterValue=write_samples(event.samples) or None,
        reservationId=event.reservation_id,
        costDetails=event.cost_details,
    )


def _event_answer(payload: JsonObject) -> TransactionEventAnswer:
    info, cost = payload.get("idTokenInfo"), payload.get("totalCost")
    cost_max = payload.get("transactionLimit", {}).get("maxCost")
    return TransactionEventAnswer(
        None if cost is None else Decimal(cost),
        read_token_info(info) if info else None,
        None if cost_max is None else Decimal(cost_max),
    )


def _write_event_answer(answer: TransactionEventAnswer) -> JsonObject:
    if answer is NOTED:
        return {}
    return without_none(totalCost=answer.total_cost, idTokenInfo=write_token_info(answer.token_info))


def _write_event_answer_21(answer: TransactionEventAnswer) -> JsonObject:
    """With how much the transaction may cost (2.1, E16)."""
    written = _write_event_answer(answer)
    return written if answer.cost_max is None else written | {"transactionLimit": {"maxCost": answer.cost_max}}


NOTED = TransactionEventAnswer()

# fmt: off
ONLY_IN_201: tuple[Exchange[Any, Any], ...] = (
    Exchange("TransactionEvent", STATION, TransactionEvent, TransactionEventAnswer,
             _event, _write_event, _event_answer, _write_event_answer),
)
ONLY_IN_21: tuple[Exchange[Any, Any], ...] = (
    Exchange("TransactionEvent", STATION, TransactionEvent, TransactionEventAnswer,
             _event, _write_event, _event_answer, _write_event_answer_21),
)
# fmt: on
