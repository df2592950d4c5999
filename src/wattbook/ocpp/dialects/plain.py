"""Plain messages: the two kinds that are nearly all of a station's traffic, checked and read in one pass.

From the published schema of such a message comes a type that takes nothing which the schema refuses, so that to decode
is to check. A message is plain when that type takes it and its reader finds nothing out of the ordinary. Any other one
(a fault, a quirk, a signature, custom data, an event that begins or ends a transaction) is read the ordinary way, which
also says what is wrong with it. Both ways make the same struct of it; a test holds one against the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from wattbook.kernel.clock import parse_rfc3339
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.dialects import v16
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.dialects.fields import INT32_MAX, PLACE_MAX
from wattbook.ocpp.dialects.measurands import DEFAULT_CONTEXT, put
from wattbook.ocpp.dialects.v2.measured import is_measured
from wattbook.ocpp.dialects.v16.measured import number as number_of
from wattbook.ocpp.messages import (
    Answer,
    MeterValues,
    MeterValuesAnswer,
    Phase,
    Reading,
    Request,
    Sample,
    TransactionEvent,
    TransactionEventAnswer,
)
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.frames import CALL, JsonObject, UniqueId
from wattbook.ocpp.wire.schemas import Part

OPTIONAL: Final = frozenset(
    {
        "cableMaxCurrent", "chargingState", "connectorId", "context", "evse", "format", "location", "measurand",
        "meterValue", "multiplier", "numberOfPhasesUsed", "offline", "phase", "timeSpentCharging", "transactionId",
        "unit", "unitOfMeasure",
    }
)  # fmt: skip
"""Members that a plain message may have, beside those that its schema requires."""

NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)


class PlainCall(Struct, frozen=True, gc=False):
    """A CALL that was checked and read."""

    unique_id: str
    kind: "PlainKind"
    message: Request[Any]


class PlainKind(Struct, frozen=True, gc=False):
    """How one kind of message is read, and its usual answer as it is written."""

    action: str
    decode: Callable[[bytes], Any]
    read: Callable[[Any], Request[Any] | None]
    usual_answer: Answer
    usual_payload: Raw


@cache
def kinds(dialect: Dialect) -> Mapping[bytes, PlainKind]:
    """By the action as its bytes stand in a frame."""
    readers = READERS_16 if dialect is v16.DIALECT else READERS_2
    return {action.encode(): _kind(dialect, action, *reader) for action, reader in readers.items()}


def read(data: bytes, known: Mapping[bytes, PlainKind]) -> PlainCall | None:
    """The frame as a plain CALL; None when it is not one."""
    words = data.split(b'"', 4)
    kind = known.get(words[3]) if len(words) == 5 else None
    if kind is None or b"\\u0000" in data:
        return None
    try:
        said = kind.decode(data)
        message = kind.read(said.payload)
    except NOT_DECODED:
        return None
    except InvalidInput:
        return None
    return None if message is None else PlainCall(said.unique_id, kind, message)


def _kind(dialect: Dialect, action: str, reader: Callable[[Any], Request[Any] | None], usual: Answer) -> PlainKind:
    translation = dialect.by_action[action]
    payload = translation.exchange.write_answer(usual)
    schemas.check(translation.answer_schema, payload)
    document = schemas.document(dialect.version, action, Part.REQUEST)
    fields = [("unique_id", UniqueId), ("action", Literal[action]), ("payload", _type(document, document))]
    frame = msgspec.defstruct(action, fields, array_like=True, forbid_unknown_fields=True, gc=False, tag=CALL)
    decoder = msgspec.json.Decoder(frame, float_hook=Decimal)
    return PlainKind(action, decoder.decode, reader, usual, Raw(msgspec.json.encode(payload)))


# From a schema to a type that takes nothing which the schema refuses


def _type(schema: JsonObject, root: JsonObject) -> Any:
    """A number is taken as anything; its reader looks at it."""
    if "$ref" in schema:
        return _type(root["definitions"][schema["$ref"].rpartition("/")[2]], root)
    match schema["type"]:
        case "object":
            return _struct(schema, root)
        case "array":
            bounds = Meta(min_length=schema.get("minItems"), max_length=schema.get("maxItems"))
            return Annotated[list[_type(schema["items"], root)], bounds]  # type: ignore[misc]
        case "string" if "enum" in schema:
            return Literal[tuple(schema["enum"])]
        case "string":
            assert "pattern" not in schema, "no plain message has any"
            return Annotated[str, Meta(max_length=schema.get("maxLength"))]
        case "integer":
            return Annotated[int, Meta(ge=_whole(schema.get("minimum")), le=_whole(schema.get("maximum")))]
        case "boolean":
            return bool
        case "number":
            assert schema.keys().isdisjoint(("minimum", "maximum")), "no number of a plain message has bounds"
            return Any
    raise AssertionError(f"no plain message has {schema['type']}")


def _whole(bound: float | None) -> int | None:
    assert bound is None or bound == int(bound), "integers have whole bounds"
    return None if bound is None else int(bound)


def _struct(schema: JsonObject, root: JsonObject) -> type[Struct]:
    assert schema.get("additionalProperties") is False, "else a member would be lost"

    def fields() -> Iterator[tuple[str, Any] | tuple[str, Any, Any]]:
        for name, of in schema["properties"].items():
            if name in schema.get("required", ()):
                yield name, _type(of, root)
            elif name in OPTIONAL:
                yield name, _type(of, root), None

    return msgspec.defstruct("Said", list(fields()), forbid_unknown_fields=True, gc=False, kw_only=True)


# The readers; None: not plain


def _meter_values_16(said: Any) -> MeterValues | None:
    transaction, samples = said.transactionId, _samples(said.meterValue, _gather_16)
    if samples is None or not 0 <= said.connectorId <= PLACE_MAX:
        return None
    if transaction is None:
        return MeterValues(said.connectorId, samples)
    return MeterValues(said.connectorId, samples, str(transaction)) if abs(transaction) <= INT32_MAX else None


def _meter_values_2(said: Any) -> MeterValues | None:
    samples = _samples(said.meterValue, _gather_2)
    return MeterValues(said.evseId, samples) if samples is not None and 0 <= said.evseId <= PLACE_MAX else None


def _event(said: Any) -> TransactionEvent | None:
    """Of a transaction that goes on."""
    values, evse, info = said.meterValue, said.evse, said.transactionInfo
    samples = _samples(values, _gather_2) if values is not None else ()
    place, connector = (None, None) if evse is None else (evse.id, evse.connectorId)
    if samples is None or said.eventType != "Updated" or abs(said.seqNo) > INT32_MAX:
        return None
    if not (0 <= (place or 0) <= PLACE_MAX and 0 <= (connector or 0) <= PLACE_MAX):
        return None
    return TransactionEvent(
        Phase.UPDATED,
        info.transactionId,
        said.seqNo,
        parse_rfc3339(said.timestamp),
        said.triggerReason,
        samples,
        place,
        connector,
        offline=said.offline or False,
        charging_state=info.chargingState,
    )


def _samples(
    meter_values: Sequence[Any], gather: Callable[[Any, dict[str, Any], list[Reading]], bool]
) -> tuple[Sample, ...] | None:
    """One a moment, where all its values were taken for one reason."""
    found = []
    for meter_value in meter_values:
        values = meter_value.sampledValue
        context = values[0].context
        totals: dict[str, Any] = {}
        readings: list[Reading] = []
        for value in values:
            if value.context != context or not gather(value, totals, readings):
                return None
        taken_at = parse_rfc3339(meter_value.timestamp)
        found.append(Sample(taken_at, context or DEFAULT_CONTEXT, readings=tuple(readings), **totals))
    return tuple(found)


def _gather_16(value: Any, totals: dict[str, Any], readings: list[Reading]) -> bool:
    text = value.value
    if value.format == "SignedData":
        return False
    if len(text) <= 18 and text.isascii() and text.isdigit():
        put(value.measurand, int(text), value.unit, value.phase, value.location, totals, readings)
        return True
    number = number_of(text)
    if number is not None:
        put(value.measurand, number, value.unit, value.phase, value.location, totals, readings)
    return number is not None


def _gather_2(value: Any, totals: dict[str, Any], readings: list[Reading]) -> bool:
    number, scale = value.value, value.unitOfMeasure
    if type(number) not in (int, Decimal) or (scale is not None and scale.multiplier) or not is_measured(number):
        return False
    unit = None if scale is None else scale.unit
    put(value.measurand, number, unit, value.phase, value.location, totals, readings)
    return True


Reader = Callable[[Any], Request[Any] | None]
READERS_16: Final[Mapping[str, tuple[Reader, Answer]]] = {"MeterValues": (_meter_values_16, MeterValuesAnswer())}
READERS_2: Final[Mapping[str, tuple[Reader, Answer]]] = {
    "MeterValues": (_meter_values_2, MeterValuesAnswer()),
    "TransactionEvent": (_event, TransactionEventAnswer()),
}
"""Action → how its payload is read, and its usual answer."""
