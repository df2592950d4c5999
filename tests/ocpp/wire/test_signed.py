"""Signed messages: taken out of their signature, verified where the key is known, and refused when it is wrong."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tests.ocpp.loopback import NOW
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.message_handler import MessageHandler, Tolerance
from wattbook.ocpp.connections.ports import InboundMessage, LateAnswer, RejectedFrame
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import Call, JsonObject
from wattbook.ocpp.wire.signed import PublicKey, no_keys, unwrap

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
PAYLOAD: JsonObject = {"type": "FirmwareUpdated", "timestamp": "2026-10-01T12:00:00Z"}
CALL = 2


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(algorithm: str = "ES256", payload: JsonObject = PAYLOAD, **header: object) -> JsonObject:
    protected, body = encoded(msgspec.json.encode({"alg": algorithm, **header})), encoded(msgspec.json.encode(payload))
    data = f"{protected}.{body}".encode()
    if algorithm == "ES256":
        r, s = decode_dss_signature(EC_KEY.sign(data, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    elif algorithm == "RS256":
        signature = RSA_KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = RSA_KEY.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return {"payload": body, "signature": encoded(signature), "protected": protected}


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("ES256", EC_KEY.public_key()), ("RS256", RSA_KEY.public_key()), ("PS256", RSA_KEY.public_key())],
)
def test_a_right_signature_is_verified(algorithm: str, key: PublicKey) -> None:
    wrapped = signed(algorithm, OCPPAction="SecurityEventNotification", OCPPMessageTypeId=2)
    message = unwrap("SecurityEventNotification-Signed", wrapped, CALL, lambda _: [key])
    assert (message.action, message.payload, message.verified) == ("SecurityEventNotification", PAYLOAD, True)


def test_without_the_key_the_message_is_read_and_said_to_be_unverified() -> None:
    message = unwrap("SecurityEventNotification-Signed", signed(), CALL, lambda _: [])
    assert (message.payload, message.verified) == (PAYLOAD, False)


def other_payload() -> JsonObject:
    return signed() | {"payload": encoded(b'{"type":"other"}')}


@pytest.mark.parametrize(
    ("wrapped", "key", "code"),
    [
        (signed(), ec.generate_private_key(ec.SECP256R1()).public_key(), ErrorCode.SECURITY_ERROR),
        (signed(), RSA_KEY.public_key(), ErrorCode.SECURITY_ERROR),
        (signed(), ec.generate_private_key(ec.SECP384R1()).public_key(), ErrorCode.SECURITY_ERROR),
        (other_payload(), EC_KEY.public_key(), ErrorCode.SECURITY_ERROR),
        (signed() | {"signature": ""}, EC_KEY.public_key(), ErrorCode.SECURITY_ERROR),
        (
            signed() | {"protected": encoded(b'{"alg":"none"}'), "signature": ""},
            EC_KEY.public_key(),
            ErrorCode.SECURITY_ERROR,
        ),
        (signed(OCPPAction="BootNotification"), EC_KEY.public_key(), ErrorCode.SECURITY_ERROR),
        (signed(OCPPMessageTypeId="3"), EC_KEY.public_key(), ErrorCode.SECURITY_ERROR),
        ({}, None, ErrorCode.FORMAT_VIOLATION),
        (signed() | {"payload": "&&&&"}, None, ErrorCode.FORMAT_VIOLATION),
        (signed() | {"payload": encoded(b"[1]")}, None, ErrorCode.FORMAT_VIOLATION),
        (signed() | {"payload": encoded(b'{"a":"\\u0000"}')}, None, ErrorCode.FORMAT_VIOLATION),
        (signed() | {"protected": 5}, None, ErrorCode.FORMAT_VIOLATION),
    ],
)
def test_what_is_wrong_is_refused(wrapped: JsonObject, key: PublicKey | None, code: ErrorCode) -> None:
    with pytest.raises(RpcError) as refused:
        unwrap("SecurityEventNotification-Signed", wrapped, CALL, lambda _: [] if key is None else [key])
    assert refused.value.rpc_code is code


texts = st.text(max_size=20) | st.binary(max_size=60).map(encoded)


@given(st.fixed_dictionaries({"payload": texts, "protected": texts, "signature": texts}))
def test_no_words_do_anything_but_unwrap_or_be_refused(wrapped: JsonObject) -> None:
    with pytest.raises(RpcError) as refused:
        unwrap("X-Signed", wrapped, CALL, lambda _: [EC_KEY.public_key()])
    assert refused.value.rpc_code in (ErrorCode.FORMAT_VIOLATION, ErrorCode.SECURITY_ERROR)


class Handling:
    """A message handler in the middle of nothing."""

    def __init__(self, subprotocol: str, tolerance: Tolerance) -> None:
        self.heard: list[InboundMessage] = []
        self.kept: list[RejectedFrame] = []
        self.handler = MessageHandler(
            "CP1",
            1,
            DIALECTS[subprotocol],
            m.End.STATION,
            inbox=self._inbox,
            quarantine=self.kept.append,
            on_late_answer=self._late,
            clock=ManualClock(NOW),
            tolerance=tolerance,
        )

    async def _inbox(self, inbound: InboundMessage) -> m.Answer:
        self.heard.append(inbound)
        return m.HeartbeatAnswer(NOW)

    def _late(self, late: LateAnswer) -> None:
        raise AssertionError(late)


def known(station_id: str, header: Mapping[str, Any]) -> list[PublicKey]:
    return [RSA_KEY.public_key(), EC_KEY.public_key()] if station_id == "CP1" else []


@pytest.mark.parametrize(("keys_of", "flag"), [(known, "signature-verified"), (no_keys, "signature-not-verified")])
async def test_a_signed_call_is_handled_like_any_other_and_says_how_sure_that_is(keys_of: Any, flag: str) -> None:
    handling = Handling("ocpp2.0.1", Tolerance(keys_of=keys_of))
    await handling.handler.on_call(Call("1", "Heartbeat-Signed", signed(payload={})), b"raw")
    assert [(inbound.message, inbound.flags) for inbound in handling.heard] == [(m.Heartbeat(), (flag,))]


async def test_a_house_that_trusts_no_unknown_key_refuses_and_keeps_the_frame() -> None:
    handling = Handling("ocpp2.0.1", Tolerance(unverified=False))
    with pytest.raises(RpcError) as refused:
        await handling.handler.on_call(Call("1", "Heartbeat-Signed", signed(payload={})), b"raw")
    assert refused.value.rpc_code is ErrorCode.SECURITY_ERROR
    assert [(frame.raw, frame.error_code) for frame in handling.kept] == [(b"raw", "SecurityError")]
    assert handling.heard == []


async def test_what_is_inside_is_checked_like_any_other() -> None:
    handling = Handling("ocpp2.0.1", Tolerance())
    with pytest.raises(RpcError) as refused:
        await handling.handler.on_call(Call("1", "Heartbeat-Signed", signed(payload={"x": 1})), b"raw")
    assert refused.value.rpc_code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


async def test_1_6_knows_no_signed_messages() -> None:
    handling = Handling("ocpp1.6", Tolerance())
    with pytest.raises(RpcError) as refused:
        await handling.handler.on_call(Call("1", "Heartbeat-Signed", signed(payload={})), b"raw")
    assert refused.value.rpc_code is ErrorCode.NOT_IMPLEMENTED
