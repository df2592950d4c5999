"""The RPC frames of OCPP-J as JSON arrays: CALL, CALLRESULT and CALLERROR (1.6, 4.2), in 2.1 CALLRESULTERROR and SEND.

A good frame is read in one pass into its struct. Only a bad one is looked at a second time, to find out what is wrong
with it and which CALL, if any, can be told. Numbers with a fraction become `Decimal`: no float enters the house here.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from wattbook.ocpp.wire.errors import DESCRIPTION_LENGTH_MAX, ErrorCode, MalformedFrame, RpcError, UnknownMessageType
from wattbook.ocpp.wire.versions import V16, Version

JsonObject = dict[str, Any]

ID_LENGTH_MAX = 36  # OCPP-J 1.6, 4.1.4: room for a GUID
ID_ECHO_LENGTH_MAX = 255  # a longer id is a fault; up to here its sender is told so under that id
CALL, CALL_RESULT, CALL_ERROR, CALL_RESULT_ERROR, SEND = 2, 3, 4, 5, 6

UniqueId = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)]


class Call(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=CALL):
    """A request; a null payload has been read as an empty one (1.6, 4.2.1 allows both)."""

    unique_id: UniqueId
    action: str
    payload: JsonObject


class CallResult(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=CALL_RESULT):
    """The answer to a CALL that was understood."""

    unique_id: UniqueId
    payload: JsonObject


class CallError(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=CALL_ERROR):
    """The answer to a CALL that was not; `error_code` is the text on the wire."""

    unique_id: UniqueId
    error_code: str
    description: str = ""
    details: JsonObject | None = None


class CallResultError(
    Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=CALL_RESULT_ERROR
):
    """A CALLRESULT of ours was not understood."""

    unique_id: UniqueId
    error_code: str
    description: str = ""
    details: JsonObject | None = None


class Send(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=SEND):
    """Something to be told, and not answered."""

    unique_id: UniqueId
    action: str
    payload: JsonObject


Frame = Call | CallResult | CallError | CallResultError | Send

_ANY: dict[tuple[int, ...], Any] = {
    (CALL, CALL_RESULT, CALL_ERROR): Call | CallResult | CallError,
    (CALL, CALL_RESULT, CALL_ERROR, CALL_RESULT_ERROR, SEND): Frame,
}
_typed: dict[tuple[int, ...], msgspec.json.Decoder[Frame]] = {
    types: msgspec.json.Decoder(frame, float_hook=Decimal) for types, frame in _ANY.items()
}
_untyped: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_object: msgspec.json.Decoder[JsonObject] = msgspec.json.Decoder(JsonObject, float_hook=Decimal)
_encode = msgspec.json.Encoder(decimal_format="number").encode
_TYPE_OF: dict[type[Frame], int] = {
    Call: CALL,
    CallResult: CALL_RESULT,
    CallError: CALL_ERROR,
    CallResultError: CALL_RESULT_ERROR,
    Send: SEND,
}
# The last is a number whose exponent no decimal holds.
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)


def parse(data: bytes, version: Version = V16) -> Frame:
    """Read one frame of a version.

    Raises:
        UnknownMessageType: an array whose first element is another number.
        MalformedFrame: anything else that is no frame; it says whether a CALL can be told and under which id.
    """
    try:
        frame = _typed[version.message_types].decode(data)
    except _FAULTS:
        return _second_look(data, version.message_types)
    # PostgreSQL has no text with U+0000, so one such message would spoil every batch it comes with.
    if b"\\u0000" in data and _holds_nul(_untyped.decode(data)):
        raise MalformedFrame(
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            "a text holds the character U+0000",
            frame.unique_id,
            message_type=_TYPE_OF[type(frame)],
        )
    return frame


def decode_payload(data: bytes) -> JsonObject:
    """A JSON object by itself, read as those in frames are.

    Raises:
        ValueError: it is none, or a text in it holds U+0000.
        ArithmeticError, RecursionError: it holds what nobody means to say.
    """
    payload = _object.decode(data)
    if b"\\u0000" in data and _holds_nul(payload):
        raise ValueError("a text holds the character U+0000")
    return payload


def encode_call(unique_id: str, action: str, payload: JsonObject) -> bytes:
    return _encode((CALL, unique_id, action, payload))


def encode_result(unique_id: str, payload: JsonObject | msgspec.Raw) -> bytes:
    return _encode((CALL_RESULT, unique_id, payload))


def encode_error(version: Version, unique_id: str, error: RpcError) -> bytes:
    """A CALLERROR in the version's spelling; both texts are always there, as 1.6 (4.2.3) demands."""
    return _encode_error(CALL_ERROR, version, unique_id, error)


def encode_result_error(version: Version, unique_id: str, error: RpcError) -> bytes:
    """A CALLRESULTERROR."""
    assert CALL_RESULT_ERROR in version.message_types, "2.1 was the first to have it"
    return _encode_error(CALL_RESULT_ERROR, version, unique_id, error)


def encode_send(unique_id: str, action: str, payload: JsonObject) -> bytes:
    return _encode((SEND, unique_id, action, payload))


def _encode_error(message_type: int, version: Version, unique_id: str, error: RpcError) -> bytes:
    description = error.message[:DESCRIPTION_LENGTH_MAX]
    return _encode((message_type, unique_id, version.error_codes[error.rpc_code], description, error.rpc_details))


def _second_look(data: bytes, types: tuple[int, ...]) -> Frame:
    """The frame after all, if only its payload was null; else raise what is wrong with it."""
    try:
        elements = _untyped.decode(data)
    except RecursionError:
        raise MalformedFrame(ErrorCode.FORMAT_VIOLATION, "the JSON is nested too deeply") from None
    except _FAULTS as fault:
        raise MalformedFrame(ErrorCode.FORMAT_VIOLATION, f"no JSON that can be read: {fault}") from None
    if not isinstance(elements, list) or not elements:
        raise MalformedFrame(ErrorCode.FORMAT_VIOLATION, "a frame is a JSON array with a message type number")
    message_type, unique_id = elements[0], _readable_id(elements)
    if type(message_type) is not int or message_type not in types:
        raise UnknownMessageType(ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "no such message type", unique_id)
    if elements[-1] is None:
        elements[-1] = {}
        with suppress(msgspec.ValidationError):
            frame: Frame = msgspec.convert(elements, _ANY[types])
            return frame
    reason = _what_is_wrong(elements, is_call=message_type in (CALL, SEND))
    raise MalformedFrame(ErrorCode.FORMAT_VIOLATION, reason, unique_id, message_type=message_type)


def _what_is_wrong(elements: list[Any], *, is_call: bool) -> str:
    unique_id = elements[1] if len(elements) > 1 else None
    if not isinstance(unique_id, str) or not unique_id:
        return "the message id is missing or no text"
    if len(unique_id) > ID_LENGTH_MAX:
        return f"the message id is longer than {ID_LENGTH_MAX} characters"
    if is_call and len(elements) != 4:
        return f"a CALL has 4 elements, this one has {len(elements)}"
    if is_call and not isinstance(elements[2], str):
        return "the action is no text"
    if is_call:
        return "the payload is not a JSON object"
    return "an answer is [3, id, payload] or [4, id, code, description, details]"


def _readable_id(elements: list[Any]) -> str | None:
    unique_id = elements[1] if len(elements) > 1 else None
    readable = isinstance(unique_id, str) and 0 < len(unique_id) <= ID_ECHO_LENGTH_MAX
    return unique_id if readable else None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return False
