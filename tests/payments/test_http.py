"""Payments over HTTP: devices and servers sign, operators show a key, and what was answered was committed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.charging.world import posted
from tests.payments.world import NOW, SENDER, SESSION, TOP_UP, build, document, prove, won
from wattbook.db.engine import Database
from wattbook.payments.senders import sign


@pytest.fixture
async def key(database: Database) -> bytes:
    return await build(database)


@pytest.fixture
async def client(database: Database, key: bytes) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        listening(application(database)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as opened,
    ):
        yield opened


def headers(key: bytes, body: bytes, *, late: timedelta = timedelta(0)) -> dict[str, str]:
    return {
        "Wattbook-Sender": SENDER,
        "Wattbook-Signature": sign(key, SENDER, body, NOW - late),
        "Content-Type": "application/json",
    }


async def send(client: httpx.AsyncClient, key: bytes, body: bytes) -> httpx.Response:
    return await client.post("/intake/v1/payments", content=body, headers=headers(key, body))


async def test_a_signed_payment_is_new_then_known_and_on_the_wallet(
    client: httpx.AsyncClient, key: bytes, database: Database
) -> None:
    first, again = await send(client, key, document(TOP_UP)), await send(client, key, document(TOP_UP))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"outcome": "taken", "payment_id": "P-1", "owner": "kim"}
    other = await send(client, key, document(TOP_UP, amount="1"))
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    wallet = (await client.get("/api/v1/wallets/kim")).json()
    assert (wallet["balance"], wallet["available"]) == ("10000", "10000")
    await prove(database)


async def test_what_is_not_signed_well_is_refused_and_kept_and_a_stranger_fills_no_disk(
    client: httpx.AsyncClient, key: bytes
) -> None:
    body = document(TOP_UP)
    wrong = headers(b"x" * 32, body)
    stale = headers(key, body, late=timedelta(minutes=6))
    stranger = headers(key, body) | {"Wattbook-Sender": "till.unknown"}
    for shown in (wrong, stale, stranger):
        refused = await client.post("/intake/v1/payments", content=body, headers=shown)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-signed")
    unsigned = await client.post("/intake/v1/payments", content=body, headers={"Content-Type": "application/json"})
    assert unsigned.status_code == 422
    kept = (await client.get("/api/v1/payments/quarantine")).json()["quarantine"]
    assert [(entry["channel"], entry["code"], entry["times"]) for entry in kept] == [(SENDER, "not-signed", 2)]
    assert (await client.get("/api/v1/wallets/kim")).json()["balance"] == "0"


async def test_a_list_has_a_receipt_for_each_and_keeps_what_it_refuses(client: httpx.AsyncClient, key: bytes) -> None:
    body = b"[" + b",".join([document(TOP_UP), document(TOP_UP, payment_id="P-2", customer="nobody"), b"7"]) + b"]"
    receipts = (await send(client, key, body)).json()["receipts"]
    assert [receipt["outcome"] for receipt in receipts] == ["taken", "refused", "refused"]
    assert receipts[1]["error"]["status"] == 404
    assert (await send(client, key, b"[]")).status_code == 422
    broken = await send(client, key, b'[{"payment_id": "P-9"')
    assert broken.status_code == 200
    assert broken.json()["receipts"][0]["outcome"] == "refused"
    kept = (await client.get(f"/api/v1/payments/quarantine?channel={SENDER}")).json()["quarantine"]
    assert {entry["content"][:5] for entry in kept} == {'{"pay', "7", '[{"pa'}


async def test_a_sender_may_ask_how_its_payment_stands_and_nobody_else(client: httpx.AsyncClient, key: bytes) -> None:
    await send(client, key, document(SESSION))
    found = await client.get("/intake/v1/payments/P-2", headers=headers(key, b"P-2"))
    assert (found.json()["state"], found.json()["left"]) == ("paid", "20000")
    assert (await client.get("/intake/v1/payments/P-2", headers=headers(key, b"P-1"))).status_code == 403
    assert (await client.get("/intake/v1/payments/P-9", headers=headers(key, b"P-9"))).status_code == 404


async def test_an_operator_tops_up_gives_back_and_transfers_once_a_reference(
    client: httpx.AsyncClient, database: Database
) -> None:
    def amount(number: int, reference: str, **more: Any) -> dict[str, Any]:
        return {"amount": str(number), "currency": "KRW", "reference": reference} | more

    calls = [
        ("/api/v1/wallets/kim/top-ups", amount(5_000, "cash-1"), "5000"),
        ("/api/v1/wallets/kim/refunds", amount(1_000, "back-1"), "4000"),
        ("/api/v1/wallets/kim/transfers", amount(1_500, "gift-1", to="park"), "2500"),
    ]
    for path, body, expected in calls:
        first, again = await client.post(path, json=body), await client.post(path, json=body)
        assert [each.status_code for each in (first, again)] == [201, 200]
        assert first.json()["balance"] == again.json()["balance"] == expected
        other = await client.post(path, json=body | {"amount": "77"})
        assert other.status_code == 409
    for path, body, _ in calls[1:]:
        refused = await client.post(path, json=body | {"amount": "2501", "reference": "too-much"})
        assert (refused.status_code, refused.json()["details"]["reason"]) == (403, "floor")
    statement = (
        await client.get(
            "/api/v1/wallets/kim/statement", params={"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}
        )
    ).json()
    assert [line["amount"] for line in statement["lines"]] == ["5000", "-1000", "-1500"]
    assert (statement["opening"], statement["closing"]) == ("0", "2500")
    await prove(database)


@pytest.mark.parametrize("path", ["", "/warnings", "/payments", "/statement?since=2026-11-01T00:00:00Z"])
async def test_a_name_that_nobody_can_have_is_told(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.get(f"/api/v1/wallets/%00{path}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
    assert (await client.get("/api/v1/payments/quarantine?channel=%00")).status_code == 422
    assert (await client.post("/api/v1/senders/%00/block")).status_code == 404


async def test_credit_is_for_charging_and_not_to_be_given_away(client: httpx.AsyncClient, database: Database) -> None:
    terms = {"currency": "KRW", "credit_limit": "30000", "low_balance": "5000", "when_used_up": "warn"}
    assert (await client.put("/api/v1/wallets/lee/terms", json=terms)).status_code == 200
    wallet = (await client.get("/api/v1/wallets/lee")).json()
    assert (wallet["balance"], wallet["credit_limit"], wallet["available"]) == ("0", "30000", "30000")
    gift = {"amount": "1", "currency": "KRW", "reference": "g", "to": "kim"}
    refused = await client.post("/api/v1/wallets/lee/transfers", json=gift)
    assert (refused.status_code, refused.json()["details"]["reason"]) == (403, "floor")
    loop = await client.put("/api/v1/wallets/lee/terms", json=terms | {"payer": "lee"})
    assert loop.status_code == 422
    await prove(database)


async def test_a_sender_gets_its_key_once_and_a_new_one_beside_the_old(client: httpx.AsyncClient) -> None:
    made = await client.put("/api/v1/senders/box-7", json={"description": "A portable charger"})
    assert made.status_code == 201
    assert (await client.put("/api/v1/senders/box-7", json={})).status_code == 409
    renewed = (await client.post("/api/v1/senders/box-7/keys", json={"old_valid_hours": 1})).json()
    assert renewed["key"] != made.json()["key"]
    listed = (await client.get("/api/v1/senders")).json()["senders"]
    assert [(each["name"], each["keys"]) for each in listed] == [("box-7", 2), (SENDER, 1)]
    changes = (await client.get("/api/v1/changes")).text
    assert "sender.key-renewed" in changes
    assert renewed["key"] not in changes
    body = document(TOP_UP, payment_id="B-1")
    for key in (made.json()["key"], renewed["key"]):
        signature = sign(bytes.fromhex(key), "box-7", body, NOW)
        shown = {"Wattbook-Sender": "box-7", "Wattbook-Signature": signature, "Content-Type": "application/json"}
        assert (await client.post("/intake/v1/payments", content=body, headers=shown)).status_code in (200, 201)


async def test_what_a_sender_pays_out_leaves_its_clearing_once(
    client: httpx.AsyncClient, key: bytes, database: Database
) -> None:
    await send(client, key, document(TOP_UP))
    body = {"amount": "9000", "currency": "KRW", "reference": "week-47"}
    path = f"/api/v1/senders/{SENDER}/payouts"
    assert [(await client.post(path, json=body)).status_code for _ in range(2)] == [201, 200]
    assert (await client.post(path, json=body | {"amount": "1"})).status_code == 409
    assert (await client.post("/api/v1/senders/nobody/payouts", json=body)).status_code == 404
    async with database.snapshot() as connection:
        assert await posted(connection, SENDER, "clearing") == won(1_000).amount
        assert await posted(connection, "bank", "cash") == won(9_000).amount
    await prove(database)
