"""Signatures of stations and meters: by registered keys only, judged as they come, kept with the session."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.deployment import door, eventually
from tests.ocpp.wire.test_signed import EC_KEY, signed
from wattbook.db.engine import Database
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.security.signed_values import Verdict, judge_value
from wattbook.ocpp.wire.errors import PeerRefused
from wattbook.simulate.estate import Estate

METER = ec.generate_private_key(ec.SECP256K1())
DATA = '{"FV":"1.0","GI":"A | B","RD":[{"TM":"2026-11-21T10:00:00,000+0000 S","RV":12.5,"RU":"kWh"}]}'


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def ocmf(data: str = DATA, key: ec.EllipticCurvePrivateKey = METER, signed_data: str | None = None) -> str:
    signature = key.sign((signed_data or data).encode(), ec.ECDSA(hashes.SHA256())).hex()
    return f'OCMF|{data}|{{"SA":"ECDSA-secp256k1-SHA256","SD":"{signature}"}}'


def carried(text: str, method: str = "OCMF") -> dict[str, str]:
    data = base64.b64encode(text.encode()).decode()
    return {"signedMeterData": data, "signingMethod": "", "encodingMethod": method, "publicKey": ""}


@pytest.fixture
async def client(database: Database, estate: Estate) -> AsyncIterator[httpx.AsyncClient]:
    async with door(database) as opened:
        yield opened


async def enter(gateway: Gateway, station_id: str, version: str) -> Station:
    url = f"ws://127.0.0.1:{gateway.port}/ocpp"
    station = await Station.connect(url, station_id, subprotocols=(version,))
    await station.boot("maker", "model")
    return station


async def verdicts(client: httpx.AsyncClient, station_id: str, number: int, **wanted: str) -> list[dict[str, Any]]:
    """As many as there will be, the oldest first."""
    found: list[dict[str, Any]] = []

    async def are_kept() -> bool:
        found[:] = (await client.get(f"/stations/{station_id}/signatures", params=wanted)).json()["signatures"]
        return len(found) >= number

    await eventually(are_kept)
    return found[::-1]


async def test_signed_meter_values_are_kept_with_their_transaction_and_judged_by_the_registered_key(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    name = estate.station(0)
    station = await enter(gateway, name, "ocpp1.6")

    async def say(text: str) -> None:
        value = {"value": text, "format": "SignedData", "context": "Transaction.End"}
        sampled = [{"timestamp": "2026-11-21T10:00:00Z", "sampledValue": [value]}]
        call = {"connectorId": 1, "transactionId": 7, "meterValue": sampled}
        await station.connection.rpc.call("MeterValues", call, 10.0)

    await say(ocmf())
    assert [each["verdict"] for each in await verdicts(client, name, 1)] == ["no-key"]
    key = {"purpose": "meter-values", "public_key": pem(METER)}
    added = await client.post(f"/stations/{name}/signing-keys", json=key)
    assert added.status_code == 201
    await gateway.refresh_stations()
    await say(ocmf())
    await say(ocmf(DATA.replace("12.5", "1.25"), signed_data=DATA))
    await say(ocmf(key=ec.generate_private_key(ec.SECP256K1())))
    await say("no OCMF at all")
    seen = await verdicts(client, name, 5, transaction="7")
    assert [each["verdict"] for each in seen] == ["no-key", "verified", "wrong", "wrong", "unreadable"]
    assert (seen[1]["fingerprint"], seen[1]["signed"]) == (added.json()["fingerprint"], ocmf_like(seen[1]["signed"]))
    assert (await verdicts(client, name, 0, transaction="8")) == []
    await station.close()


def ocmf_like(text: str) -> str:
    """Evidence is kept as it came: the data in it still is."""
    assert text.startswith(f"OCMF|{DATA}|")
    return text


async def test_signed_values_of_2_x_are_taken_out_of_their_object(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    name = estate.station(0)
    key = {"purpose": "meter-values", "public_key": pem(METER)}
    await client.post(f"/stations/{name}/signing-keys", json=key)
    await gateway.refresh_stations()
    station = await enter(gateway, name, "ocpp2.0.1")
    for text, method in ((ocmf(), "OCMF"), (ocmf(), "EDL")):
        value = {"value": 12_500, "signedMeterValue": carried(text, method)}
        event = {
            "eventType": "Started",
            "timestamp": datetime.now(UTC).isoformat(),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": f"T-{method}"},
            "meterValue": [{"timestamp": "2026-11-21T10:00:00Z", "sampledValue": [value]}],
        }
        await station.connection.rpc.call("TransactionEvent", event, 10.0)
    seen = await verdicts(client, name, 2)
    assert [(each["transaction_id"], each["verdict"], each["action"]) for each in seen] == [
        ("T-OCMF", "verified", "TransactionEvent"),
        ("T-EDL", "unreadable", "TransactionEvent"),
    ]
    await station.close()


async def test_signed_messages_are_judged_by_the_registered_keys_and_a_wrong_one_is_refused(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    name = estate.station(0)
    station = await enter(gateway, name, "ocpp2.0.1")
    beat = "Heartbeat-Signed"
    await station.connection.rpc.call(beat, signed(payload={}), 10.0)
    place = f"/stations/{name}/signing-keys"
    stranger = ec.generate_private_key(ec.SECP256R1())
    fingerprints = []
    for key in (stranger, EC_KEY):
        document = {"purpose": "messages", "public_key": pem(key)}
        fingerprints.append((await client.post(place, json=document)).json()["fingerprint"])
    await gateway.refresh_stations()
    await station.connection.rpc.call(beat, signed(payload={}), 10.0)
    gone = await client.delete(f"{place}/{fingerprints[1]}", params={"purpose": "messages"})
    assert gone.status_code == 204
    await gateway.refresh_stations()
    with pytest.raises(PeerRefused, match="SecurityError"):
        await station.connection.rpc.call(beat, signed(payload={}), 10.0)
    seen = await verdicts(client, name, 3)
    assert [(each["verdict"], each["fingerprint"]) for each in seen] == [
        ("no-key", None),
        ("verified", fingerprints[1]),
        ("wrong", None),
    ]
    assert {each["action"] for each in seen} == {"Heartbeat"}
    listed = (await client.get(place)).json()["keys"]
    assert [each["fingerprint"] for each in listed] == fingerprints[:1]
    changes = (await client.get("/changes", params={"subject": name})).json()["changes"]
    assert [each["what"] for each in changes] == [
        "station.signing-key-removed",
        "station.signing-key-added",
        "station.signing-key-added",
    ]
    await station.close()


async def test_what_is_no_key_is_refused_and_a_station_has_only_so_many(
    client: httpx.AsyncClient, estate: Estate
) -> None:
    place = f"/stations/{estate.station(0)}/signing-keys"
    for wrong in ("", "no key", "00ff", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "x" * 10_001):
        assert (await client.post(place, json={"purpose": "messages", "public_key": wrong})).status_code == 422
    der = METER.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    assert (await client.post(place, json={"purpose": "messages", "public_key": der})).status_code == 201
    again = await client.post(place, json={"purpose": "messages", "public_key": pem(METER)})
    assert again.status_code == 201, "the same key, written otherwise"
    statuses = []
    for _ in range(8):
        key = {"purpose": "messages", "public_key": pem(ec.generate_private_key(ec.SECP256R1()))}
        statuses.append((await client.post(place, json=key)).status_code)
    assert statuses == [201] * 7 + [429]
    assert (await client.delete(f"{place}/abc", params={"purpose": "messages"})).status_code == 404
    assert (await client.get("/stations/NOBODY/signing-keys")).status_code == 404


@pytest.mark.parametrize("said", ["", "OCMF", "OCMF|", "OCMF||{}", "OCMF|{}|", '{"signedMeterData":"*"}', "{", "\0|x"])
def test_what_cannot_be_read_is_said_to_be_so(said: str) -> None:
    assert judge_value(said, [METER.public_key()]).verdict is Verdict.UNREADABLE


def test_a_signature_in_base64_is_read_too() -> None:
    signature = base64.b64encode(METER.sign(DATA.encode(), ec.ECDSA(hashes.SHA256()))).decode()
    said = f'OCMF|{DATA}|{{"SA":"ECDSA-secp256k1-SHA256","SE":"base64","SD":"{signature}"}}'
    assert judge_value(said, [METER.public_key()]).verdict is Verdict.VERIFIED
