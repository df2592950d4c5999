"""What the stations of a load say, by version: the frames of the load itself, and the words before and after it.

The frames of the load are built beforehand and shared by all stations: `[2, number, action, payload` up to the last
member of the payload, which each station adds (`tail`), because it alone knows the name of its transaction. What is
said once, before and after, goes through the dialects as any station's words do.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from wattbook.kernel.clock import format_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_WH
from wattbook.ocpp.dialects.fields import write_time
from wattbook.ocpp.messages import (
    Authorization,
    IdToken,
    Phase,
    Request,
    Sample,
    StopReason,
    TransactionEvent,
    TransactionEventAnswer,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
)
from wattbook.ocpp.wire.frames import JsonObject, encode_call
from wattbook.ocpp.wire.versions import V16, VERSIONS, Version

SAMPLE_STEP: Final = timedelta(seconds=1)
METERS_BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""All meters have counted 1 Wh a second since then, so a later load never turns a register back."""

METER_VALUES, TRANSACTION_EVENT = "MeterValues", "TransactionEvent"
MESSAGES: Final = (METER_VALUES, TRANSACTION_EVENT)

TransactionId = int | str
"""1.6 counts its transactions; later versions name them."""

_NAMESPACE: Final = UUID("5f0b8c1e-6c3d-5d8e-8f6e-6c6f61642020")


def register_mwh(at: datetime) -> int:
    """What every meter shows at this moment."""
    return (at - METERS_BEGAN) // SAMPLE_STEP * MWH_PER_WH


class Begun(Struct, frozen=True):
    """How a transaction was taken: the status of its token, and its id."""

    status: str
    transaction_id: TransactionId


class LoadWords(Struct, frozen=True):
    """How a load speaks.

    Attributes:
        version: negotiated by every station.
        payload: of the load's message with this number, all but its end; the sample was taken at that moment.
        tail: the end of a frame, by the name of the station's transaction; without one it is `}]`.
        begin: what begins a transaction: station, token and moment.
        begun: how what was said to begin it, and the answer, are read.
        end: what ends it: its name, the moment, and how many messages the load had.
    """

    version: Version
    action: str
    payload: Callable[[int, datetime], JsonObject]
    tail: Callable[[TransactionId], bytes]
    begin: Callable[[str, str, datetime], Request[Any]]
    begun: Callable[[Request[Any], Any], Begun]
    end: Callable[[TransactionId, datetime, int], Request[Any]]

    def call(self, number: int, taken_at: datetime) -> bytes:
        """The frame without its end `}]`."""
        frame = encode_call(str(number), self.action, self.payload(number, taken_at))
        assert frame.endswith(b"}]"), "the end that each station adds"
        return frame[:-2]


def words_of(version: str, message: str) -> LoadWords:
    """
    Raises:
        InvalidInput: there is no such version, or it has no such message.
    """
    words = WORDS.get((version, message))
    if words is None:
        known = ", ".join(f"{message} in {version}" for version, message in WORDS)
        raise InvalidInput(f"a load is {known}; not {message} in {version}")
    return words


# Four measured values


def _measured(number: int, taken_at: datetime) -> list[tuple[str, Decimal, str, str | None, str]]:
    """Measurand, value, unit, phase, location."""
    return [
        ("Energy.Active.Import.Register", Decimal(register_mwh(taken_at) // MWH_PER_WH), "Wh", None, "Outlet"),
        ("Power.Active.Import", Decimal(3600), "W", None, "Outlet"),
        ("Current.Import", Decimal("15.7"), "A", "L1", "Outlet"),
        ("SoC", Decimal(20 + number // 600 % 60), "Percent", None, "EV"),
    ]


def _meter_value(number: int, taken_at: datetime, write: Callable[..., JsonObject]) -> list[JsonObject]:
    values = [write(*measured) for measured in _measured(number, taken_at)]
    return [{"timestamp": format_rfc3339(taken_at), "sampledValue": values}]


def _write_text(measurand: str, value: Decimal, unit: str, phase: str | None, location: str) -> JsonObject:
    written = {"value": str(value), "measurand": measurand, "unit": unit}
    return written | ({"phase": phase} if phase else {}) | {"context": "Sample.Periodic", "location": location}


def _write_number(measurand: str, value: Decimal, unit: str, phase: str | None, location: str) -> JsonObject:
    written = {"value": value, "measurand": measurand, "unitOfMeasure": {"unit": unit}}
    return written | ({"phase": phase} if phase else {}) | {"context": "Sample.Periodic", "location": location}


def _meter_values_16(number: int, taken_at: datetime) -> JsonObject:
    return {"connectorId": 1, "meterValue": _meter_value(number, taken_at, _write_text)}


def _meter_values_2(number: int, taken_at: datetime) -> JsonObject:
    return {"evseId": 1, "meterValue": _meter_value(number, taken_at, _write_number)}


def _event(number: int, taken_at: datetime) -> JsonObject:
    """An update; number 0 of the sequence began the transaction."""
    return {
        "eventType": Phase.UPDATED.value,
        "timestamp": write_time(taken_at),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number + 1,
        "meterValue": _meter_value(number, taken_at, _write_number),
    }


# Begin and end


def _begin_16(_: str, token: str, at: datetime) -> TransactionStarted:
    return TransactionStarted(1, IdToken(token), register_mwh(at), at)


def _begun_16(_: Request[Any], answer: TransactionStartedAnswer) -> Begun:
    return Begun(answer.token_info.status.value, int(answer.transaction_id))


def _end_16(transaction_id: TransactionId, at: datetime, _: int) -> TransactionStopped:
    return TransactionStopped(str(transaction_id), register_mwh(at), at)


def _begin_2(station_id: str, token: str, at: datetime) -> TransactionEvent:
    """Named by station and moment: 36 characters, as long as a name may be."""
    transaction_id = str(uuid5(_NAMESPACE, f"{station_id} {format_rfc3339(at)}"))
    begin = (Sample(at, "Transaction.Begin", import_mwh=register_mwh(at)),)
    return TransactionEvent(Phase.STARTED, transaction_id, 0, at, "Authorized", begin, 1, 1, IdToken(token))


def _begun_2(began: Request[Any], answer: TransactionEventAnswer) -> Begun:
    assert isinstance(began, TransactionEvent), "made above"
    status = Authorization.ACCEPTED if answer.token_info is None else answer.token_info.status
    return Begun(status.value, began.transaction_id)


def _end_2(transaction_id: TransactionId, at: datetime, sent: int) -> TransactionEvent:
    end = (Sample(at, "Transaction.End", import_mwh=register_mwh(at), import_w=Decimal(0)),)
    seq_no, reason = sent + 1, StopReason.LOCAL
    return TransactionEvent(Phase.ENDED, str(transaction_id), seq_no, at, "StopAuthorized", end, stop_reason=reason)


def _number_tail(transaction_id: TransactionId) -> bytes:
    return b',"transactionId":%d}]' % int(transaction_id)


def _name_tail(transaction_id: TransactionId) -> bytes:
    return b',"transactionInfo":' + msgspec.json.encode({"transactionId": transaction_id}) + b"}]"


def _no_tail(_: TransactionId) -> bytes:
    """MeterValues of 2.x belong to no transaction."""
    return b"}]"


def _words_of(version: Version) -> dict[tuple[str, str], LoadWords]:
    if version is V16:
        told = LoadWords(version, METER_VALUES, _meter_values_16, _number_tail, _begin_16, _begun_16, _end_16)
        return {(version.name, METER_VALUES): told}
    spoken = (_begin_2, _begun_2, _end_2)
    return {
        (version.name, METER_VALUES): LoadWords(version, METER_VALUES, _meter_values_2, _no_tail, *spoken),
        (version.name, TRANSACTION_EVENT): LoadWords(version, TRANSACTION_EVENT, _event, _name_tail, *spoken),
    }


WORDS: Final[Mapping[tuple[str, str], LoadWords]] = {
    key: words for version in VERSIONS for key, words in _words_of(version).items()
}
