"""How a station tells its transactions: as 1.6 does, in three messages, or as events of 2.x.

Whoever plays a station says `TransactionStarted`, `MeterValues` and `TransactionStopped`, whatever was negotiated. For
2.x each becomes an event: the station names the transaction itself and counts its events. What is said again, because
it was not answered, bears the number it bore before, also over another connection.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid5

from wattbook.kernel.clock import format_rfc3339
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    MeterValues,
    MeterValuesAnswer,
    Phase,
    Request,
    Sample,
    StopReason,
    TokenInfo,
    TransactionEvent,
    TransactionEventAnswer,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)

TRANSACTIONS_MAX: Final = 1_024
"""Whose numbers a station remembers."""

BEGIN, END = "Transaction.Begin", "Transaction.End"

_NAMESPACE: Final = UUID("0a4e5ad2-51b1-5d3c-9a1e-6f6370703230")

TRIGGERS: Final = {
    StopReason.DEAUTHORIZED: "Deauthorized",
    StopReason.EV_DISCONNECTED: "EVDeparted",
    StopReason.LOCAL: "StopAuthorized",
    StopReason.REMOTE: "RemoteStop",
    StopReason.UNLOCK_COMMAND: "UnlockCommand",
    StopReason.HARD_RESET: "ResetCommand",
    StopReason.SOFT_RESET: "ResetCommand",
}
"""Why an end is told (2.0.1 Part 2, TriggerReasonEnumType); every other reason is an abnormal condition."""


class Transactions:
    """The transactions of one station; it lives as long as the station, across its connections."""

    def __init__(self, station_id: str) -> None:
        self._station_id = station_id
        self._last: dict[str, tuple[Request[Any], int]] = {}

    def event(self, request: Request[Any]) -> TransactionEvent | None:
        """The request as an event; None when it is not about a transaction."""
        match request:
            case TransactionStarted():
                transaction_id = self._name(request)
                self._last.setdefault(transaction_id, (request, 0))
                return _started(request, transaction_id)
            case MeterValues(transaction_id=str(transaction_id)):
                return _updated(request, self._number(transaction_id, request))
            case TransactionStopped():
                return _ended(request, self._number(request.transaction_id, request))
        return None

    def _name(self, started: TransactionStarted) -> str:
        """The same for the same begin, however often it is told."""
        moment, token = format_rfc3339(started.started_at), started.token.value
        words = (self._station_id, str(started.evse), token, moment, str(started.meter_mwh))
        return str(uuid5(_NAMESPACE, "\x1f".join(words)))

    def _number(self, transaction_id: str, request: Request[Any]) -> int:
        last, number = self._last.get(transaction_id, (None, 0))
        if request != last:
            number += 1
            self._last[transaction_id] = (request, number)
            if len(self._last) > TRANSACTIONS_MAX:
                del self._last[next(iter(self._last))]
        return number


def _started(said: TransactionStarted, transaction_id: str) -> TransactionEvent:
    return TransactionEvent(
        Phase.STARTED,
        transaction_id,
        0,
        said.started_at,
        "Authorized",
        (Sample(said.started_at, BEGIN, import_mwh=said.meter_mwh),),
        said.evse,
        1 if said.connector is None else said.connector,
        said.token,
        reservation_id=said.reservation_id,
        charging_state="Charging",
    )


def _updated(said: MeterValues, number: int) -> TransactionEvent:
    assert said.transaction_id is not None, "only samples of a transaction are an event"
    taken_at = said.samples[-1].taken_at
    return TransactionEvent(
        Phase.UPDATED, said.transaction_id, number, taken_at, "MeterValuePeriodic", said.samples, said.evse
    )


def _ended(said: TransactionStopped, number: int) -> TransactionEvent:
    samples = said.samples
    if not any(sample.import_mwh == said.meter_mwh and sample.context == END for sample in samples):
        samples = (*samples, Sample(said.stopped_at, END, import_mwh=said.meter_mwh))
    return TransactionEvent(
        Phase.ENDED,
        said.transaction_id,
        number,
        said.stopped_at,
        TRIGGERS.get(said.reason, "AbnormalCondition"),
        samples,
        token=said.token,
        stop_reason=said.reason,
    )


ACCEPTED: Final = TokenInfo(Authorization.ACCEPTED)

ANSWERS: Final[dict[Phase, Callable[[TransactionEvent, TransactionEventAnswer], Answer]]] = {
    # An end that says nothing of the token has no objection to it.
    Phase.STARTED: lambda event, answer: TransactionStartedAnswer(event.transaction_id, answer.token_info or ACCEPTED),
    Phase.UPDATED: lambda _, __: MeterValuesAnswer(),
    Phase.ENDED: lambda _, answer: TransactionStoppedAnswer(answer.token_info),
}
"""An event's answer as the answer to what was said."""
