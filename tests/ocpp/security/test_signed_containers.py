"""Signed meter values in whatever they come in: OCMF is found, other formats are told by name where they are whole."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.ocpp.security.signed_containers import crc16_x25, opened
from wattbook.ocpp.security.signed_values import Verdict, judge_value

OCMF = 'OCMF|{"FV":"1.0"}|{"SD":"00"}'


def sml(payload: bytes = bytes(range(32))) -> bytes:
    """A transport frame around 32 bytes, none of which had to be added."""
    frame = bytes.fromhex("1b1b1b1b01010101") + payload + bytes.fromhex("1b1b1b1b1a00")
    return frame + crc16_x25(frame).to_bytes(2, "little")


def alfen(data: bytes = bytes(82)) -> str:
    fields = (base64.b32encode(each).decode().rstrip("=") for each in (bytes(25), data, bytes(48)))
    return f"AP;0;3;{';'.join(fields)};"


def in_object(text: str, method: str = "") -> str:
    return json.dumps({"signedMeterData": text, "encodingMethod": method, "signingMethod": "", "publicKey": ""})


def in_file(text: str, form: str, encoding: str = "plain") -> str:
    value = f'<signedData format="{form}" encoding="{encoding}">{text}</signedData>'
    return f'<?xml version="1.0"?><values><value transactionId="1">{value}</value></values>'


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc16_x25(b"123456789") == 0x906E, "the check value of CRC-16/X-25"


@pytest.mark.parametrize(
    "said",
    [
        OCMF,
        in_object(OCMF),
        in_object(b64(OCMF), "OCMF"),
        in_file(OCMF.replace('"', "&quot;"), "OCMF"),
        in_file(b64(OCMF), "OCMF", "base64"),
        in_object(b64(in_file(b64(OCMF), "OCMF", "base64")), "OCMF"),
    ],
)
def test_ocmf_is_found_in_each_container(said: str) -> None:
    assert opened(said).ocmf == OCMF
    assert judge_value(said, []).verdict is Verdict.NO_KEY


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (sml().hex(), "SML (EDL40), 48 bytes"),
        (b64(sml()), "SML (EDL40), 48 bytes"),
        (in_object(b64(sml()), "EDL"), "SML (EDL40), 48 bytes"),
        (in_file(sml().hex(), "EDL40_SIG", "hex"), "SML (EDL40), 48 bytes"),
        (alfen(), "Alfen, 82 bytes"),
        (in_object(b64(alfen()), "Alfen"), "Alfen, 82 bytes"),
        (in_file("ab" * 320, "ISA_EDL_40_P", "hex"), "ISA_EDL_40_P, 320 bytes"),
        (in_object(b64(b"\x0f\x80 data"), "DLMS Message"), "DLMS Message, 7 bytes"),
    ],
)
def test_another_format_that_is_whole_is_named_and_not_verified(said: str, name: str) -> None:
    judged = judge_value(said, [])
    assert (judged.verdict, judged.detail.partition(" with")[0].partition(";")[0]) == (Verdict.UNVERIFIED, name)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (sml().hex()[:-2] + "00", "checksum"),
        (sml()[:-8].hex(), "without its end"),
        (alfen()[:-90], "fields"),
        (alfen().replace("AAAA", "A1A1", 1), "base32"),
        (in_object(b64(b"data"), "my own"), "no format"),
        (in_object(OCMF, "EDL"), "is OCMF"),
        (in_file("", "EDL"), "no format"),
        ("<values/>", "without a signed value"),
        ("<values>", "without a signed value"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><values>&a;</values>', "declarations"),
        (in_object(in_object(in_object(OCMF))), ""),
    ],
)
def test_what_is_not_whole_or_in_no_known_format_is_unreadable(said: str, why: str) -> None:
    judged = judge_value(said, [])
    assert judged.verdict is Verdict.UNREADABLE
    assert why in judged.detail


@given(st.one_of(st.text(), st.binary().map(b64), st.text().map(in_object), st.text().map(lambda said: f"AP;{said}")))
def test_whatever_is_sent_gets_a_verdict(said: str) -> None:
    assert judge_value(said, []).verdict in Verdict
