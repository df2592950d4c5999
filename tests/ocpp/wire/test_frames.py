"""A frame is read whole or refused with a reason, and its sender is told whenever the CALL can be named."""

from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.ocpp.wire.errors import ErrorCode, MalformedFrame, RpcError, UnknownMessageType
from wattbook.ocpp.wire.frames import (
    Call,
    CallError,
    CallResult,
    JsonObject,
    encode_call,
    encode_error,
    encode_result,
    parse,
)
from wattbook.ocpp.wire.versions import V16, V201

FORMAT, PROPERTY = ErrorCode.FORMAT_VIOLATION, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION

# What comes in → code, id that could be read, whether it may be a CALL and so be answered.
BAD_FRAMES: list[tuple[str, bytes, ErrorCode, str | None, bool]] = [
    ("no JSON", b"Heartbeat", FORMAT, None, True),
    ("cut off", b'[2,"7","Heartbeat",{', FORMAT, None, True),
    ("text after the frame", b'[2,"7","Heartbeat",{}] x', FORMAT, None, True),
    ("no UTF-8", b'[2,"7","\xff\xfe",{}]', FORMAT, None, True),
    ("half a surrogate pair", b'[2,"7","\\ud800",{}]', FORMAT, None, True),
    ("an object", b'{"2":"7"}', FORMAT, None, True),
    ("a text", b'"[2]"', FORMAT, None, True),
    ("an empty array", b"[]", FORMAT, None, True),
    ("nested without end", b'[2,"7","X",' + b"[" * 100_000, FORMAT, None, True),
    ("id missing", b"[2]", FORMAT, None, True),
    ("id a number", b'[2,7,"Heartbeat",{}]', FORMAT, None, True),
    ("id empty", b'[2,"","Heartbeat",{}]', FORMAT, None, True),
    ("id null", b'[2,null,"Heartbeat",{}]', FORMAT, None, True),
    ("id of 37 characters", b'[2,"' + b"7" * 37 + b'","Heartbeat",{}]', FORMAT, "7" * 37, True),
    ("id too long to echo", b'[2,"' + b"7" * 256 + b'","Heartbeat",{}]', FORMAT, None, True),
    ("no payload", b'[2,"7","Heartbeat"]', FORMAT, "7", True),
    ("no action", b'[2,"7",{}]', FORMAT, "7", True),
    ("action a number", b'[2,"7",5,{}]', FORMAT, "7", True),
    ("action null", b'[2,"7",null,{}]', FORMAT, "7", True),
    ("payload an array", b'[2,"7","Heartbeat",[]]', FORMAT, "7", True),
    ("payload a text", b'[2,"7","Heartbeat","{}"]', FORMAT, "7", True),
    ("one element too many", b'[2,"7","Heartbeat",{},{}]', FORMAT, "7", True),
    ("result without payload", b'[3,"7"]', FORMAT, "7", False),
    ("result with a text", b'[3,"7","ok"]', FORMAT, "7", False),
    ("error without code", b'[4,"7"]', FORMAT, "7", False),
    ("a number of 5000 digits", b'[2,"7","X",{"a":1' + b"0" * 5000 + b"}]", FORMAT, None, True),
    ("a number beyond all exponents", b'[2,"7","X",{"a":1e99999999999999999999}]', FORMAT, None, True),
    ("U+0000 in a text", b'[2,"7","Authorize",{"idTag":"a\\u0000b"}]', PROPERTY, "7", True),
    ("U+0000 in a name", b'[3,"7",{"a":[{"\\u0000":1}]}]', PROPERTY, "7", False),
]

UNKNOWN_TYPES = [b'[1,"7",{}]', b'[9,"7","Heartbeat",{}]', b'[2.5,"7","X",{}]', b'["2","7","Heartbeat",{}]']
UNKNOWN_TYPES += [b'[null,"7"]', b'[true,"7","X",{}]', b'[1e999,"7"]']


@pytest.mark.parametrize(
    ("raw", "code", "unique_id", "may_be_call"), [row[1:] for row in BAD_FRAMES], ids=[r[0] for r in BAD_FRAMES]
)
def test_a_malformed_frame_says_what_is_wrong_and_whom_to_tell(
    raw: bytes, code: ErrorCode, unique_id: str | None, may_be_call: bool
) -> None:
    with pytest.raises(MalformedFrame) as caught:
        parse(raw)
    assert not isinstance(caught.value, UnknownMessageType)
    assert (caught.value.rpc_code, caught.value.unique_id, caught.value.may_be_call) == (code, unique_id, may_be_call)


@pytest.mark.parametrize("raw", UNKNOWN_TYPES, ids=lambda raw: raw[:12].decode())
def test_another_message_type_is_named_as_such(raw: bytes) -> None:
    with pytest.raises(UnknownMessageType) as caught:
        parse(raw)
    assert caught.value.unique_id == "7"


def test_the_three_frames() -> None:
    assert parse(b'[2,"7","Heartbeat",{}]') == Call("7", "Heartbeat", {})
    assert parse(b'[3,"7",{"a":1}]') == CallResult("7", {"a": 1})
    assert parse(b'[4,"7","GenericError","why",{"a":1}]') == CallError("7", "GenericError", "why", {"a": 1})


def test_a_null_payload_is_an_empty_one() -> None:
    assert parse(b'[2,"7","Heartbeat",null]') == Call("7", "Heartbeat", {})
    assert parse(b'[3,"7",null]') == CallResult("7", {})


def test_an_error_may_lack_its_texts() -> None:
    assert parse(b'[4,"7","GenericError"]') == CallError("7", "GenericError")
    assert parse(b'[4,"7","GenericError","",null]') == CallError("7", "GenericError")


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse(b'[2,"7","X",{"a":"\\\\u0000"}]') == Call("7", "X", {"a": "\\u0000"})


def test_fractions_are_exact() -> None:
    frame = parse(b'[2,"7","X",{"limit":16.1,"tiny":1e-999999999,"whole":12345678901234567890123}]')
    assert isinstance(frame, Call)
    assert frame.payload["limit"] == Decimal("16.1")
    assert isinstance(frame.payload["tiny"], Decimal)
    assert frame.payload["whole"] == 12345678901234567890123
    assert encode_result("7", {"limit": Decimal("16.1")}) == b'[3,"7",{"limit":16.1}]'


def test_an_error_is_spelled_in_its_version_and_cut_to_255_characters() -> None:
    error = RpcError(ErrorCode.FORMAT_VIOLATION, "x" * 300, {"at": 1})
    assert msgspec.json.decode(encode_error(V16, "7", error)) == [4, "7", "FormationViolation", "x" * 255, {"at": 1}]
    assert msgspec.json.decode(encode_error(V201, "7", error))[2] == "FormatViolation"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=36)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(unique_id=texts.filter(bool), payload=st.dictionaries(texts, json_values, max_size=4))
def test_what_is_written_is_read_again(unique_id: str, payload: JsonObject) -> None:
    assert parse(encode_call(unique_id, "DataTransfer", payload)) == Call(unique_id, "DataTransfer", payload)
    assert parse(encode_result(unique_id, payload)) == CallResult(unique_id, payload)


@given(st.binary(max_size=200) | st.text(alphabet='[]{},:"\\\\u0123e-.Xtrue', max_size=60).map(str.encode))
def test_no_bytes_do_anything_but_parse_or_be_refused(raw: bytes) -> None:
    with suppress(MalformedFrame):
        parse(raw)
