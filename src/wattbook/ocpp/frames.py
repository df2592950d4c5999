"""The RPC frames of OCPP-J (1.6, 4.2): CALL, CALLRESULT and CALLERROR as JSON arrays.

A good frame is read in one pass into its struct. Only a bad one is looked at a second time, to find out what is wrong
with it and which CALL, if any, can be told. Numbers with a fraction become `Decimal`: no float enters the house here.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from wattbook.ocpp.errors import DESCRIPTION_LENGTH_MAX, ErrorCode, MalformedFrame, RpcError, UnknownMessageType
from wattbook.ocpp.versions import Version

JsonObject = dict[str, Any]

ID_LENGTH_MAX = 36  # OCPP-J 1.6, 4.1.4: room for a GUID
ID_ECHO_LENGTH_MAX = 255  # a longer id is a fault; up to here its sender is told so under that id
CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4

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


Frame = Call | CallResult | CallError

_typed: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame, float_hook=Decimal)
_untyped: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_encode = msgspec.json.Encoder(decimal_format="number").encode
# The last is a number whose exponent no decimal holds.
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)


def parse(data: bytes) -> Frame:
    """Read one frame.

    Raises:
        UnknownMessageType: an array whose first element is another number.
        MalformedFrame: anything else that is no frame; it says whether a CALL can be told and under which id.
    """
    try:
        frame = _typed.decode(data)
    except _FAULTS:
        return _second_look(data)
    # PostgreSQL has no text with U+0000, so one such message would spoil every batch it comes with.
    if b"\\u0000" in data and _holds_nul(_untyped.decode(data)):
        raise MalformedFrame(
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            "a text holds the character U+0000",
            frame.unique_id,
            may_be_call=isinstance(frame, Call),
        )
    return frame


def encode_call(unique_id: str, action: str, payload: JsonObject) -> bytes:
    return _encode((CALL, unique_id, action, payload))


def encode_result(unique_id: str, payload: JsonObject) -> bytes:
    return _encode((CALL_RESULT, unique_id, payload))


def encode_error(version: Version, unique_id: str, error: RpcError) -> bytes:
    """A CALLERROR in the version's spelling; both texts are always there, as 1.6 (4.2.3) demands."""
    description = error.message[:DESCRIPTION_LENGTH_MAX]
    return _encode((CALL_ERROR, unique_id, version.error_codes[error.rpc_code], description, error.rpc_details))


def _second_look(data: bytes) -> Frame:
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
    if type(message_type) is not int or message_type not in (CALL, CALL_RESULT, CALL_ERROR):
        raise UnknownMessageType(ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "no such message type", unique_id)
    if elements[-1] is None:
        elements[-1] = {}
        with suppress(msgspec.ValidationError):
            frame: Frame = msgspec.convert(elements, Frame)
            return frame
    is_call = message_type == CALL
    reason = _what_is_wrong(elements, is_call)
    raise MalformedFrame(ErrorCode.FORMAT_VIOLATION, reason, unique_id, may_be_call=is_call)


def _what_is_wrong(elements: list[Any], is_call: bool) -> str:
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
