"""Payment information over HTTP: taken in once, told what is wrong, and nothing lost."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.household.village import KWH, billed, hourly, measure
from wattbook.api.payments import BODY_BYTES_MAX
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import Quarantined, payments_of_households, quarantined_payments
from wattbook.household.readings.intervals import IntervalStore

PAYMENT: dict[str, Any] = {
    "server_id": "wallbox.example",
    "payment_id": "P-1",
    "household": "house-1",
    "kwh": "7.25",
    "started_at": "2026-10-01T01:00:00+09:00",
    "ended_at": "2026-10-01T03:00:00+09:00",
    "status": "paid",
}


async def quarantine(database: Database) -> list[Quarantined]:
    async with database.snapshot() as connection:
        return await quarantined_payments(connection)


async def energies_mwh(database: Database) -> list[int]:
    async with database.snapshot() as connection:
        return [payment.energy_mwh for payment, _ in await payments_of_households(connection, ["house-1"])]


async def test_a_new_payment_counts_and_the_same_again_is_known(client: httpx.AsyncClient, database: Database) -> None:
    first, again = await client.post("/payments", json=PAYMENT), await client.post("/payments", json=PAYMENT)
    assert (first.status_code, again.status_code) == (201, 200)
    expected = {"household": "house-1", "credit_notes": [], "exception_kwh": "0"}
    assert first.json() == expected | {"outcome": "counted"}
    assert again.json() == expected | {"outcome": "known"}
    assert await energies_mwh(database) == [7_250_000]


async def test_the_meter_may_stand_for_the_house(client: httpx.AsyncClient) -> None:
    answer = await client.post("/payments", json=PAYMENT | {"household": None, "meter": "M-house-1"})
    assert (answer.status_code, answer.json()["household"]) == (201, "house-1")


async def test_another_content_is_a_conflict_and_what_came_first_stands(
    client: httpx.AsyncClient, database: Database
) -> None:
    await client.post("/payments", json=PAYMENT)
    answer = await client.post("/payments", json=PAYMENT | {"kwh": "9"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await energies_mwh(database) == [7_250_000]
    assert [entry.code for entry in await quarantine(database)] == ["conflict"]


@pytest.mark.parametrize("place", [{"household": "house-2"}, {"household": None, "meter": "M-nobody"}])
async def test_an_unknown_house_is_told_and_the_payment_kept(
    client: httpx.AsyncClient, database: Database, place: dict[str, Any]
) -> None:
    answer = await client.post("/payments", json=PAYMENT | place)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    (kept,) = await quarantine(database)
    assert (kept.code, kept.reason, json.loads(kept.content)["id"]) == ("not-found", answer.json()["message"], "P-1")


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"kwh": "much"}, "energy in kWh"),
    ({"kwh": "0.0000001"}, "decimals"),
    ({"kwh": "-1"}, "mWh"),
    ({"kwh": "NaN"}, "out of range"),
    ({"kwh": 7.25}, "kwh"),
    ({"started_at": "2026-10-01T01:00:00"}, "started_at"),
    ({"ended_at": "2026-10-01T00:00:00+09:00"}, "not after its start"),
    ({"ended_at": "2027-10-01T00:00:00+09:00", "started_at": "2027-09-30T00:00:00+09:00"}, "future"),
    ({"started_at": "0001-01-01T00:00:00+09:00"}, "calendar"),
    ({"status": "maybe"}, "status"),
    ({"payment_id": ""}, "id"),
    ({"payment_id": "P\u0000"}, "id"),
    ({"household": None}, "household"),
    ({"amount": "3000"}, "currency"),
    ({"amount": "3000", "currency": "XXX"}, "XXX"),
]


async def test_bad_fields_are_named_and_kept(client: httpx.AsyncClient, database: Database) -> None:
    told = []
    for change, named in BAD_FIELDS:
        answer = await client.post("/payments", json=PAYMENT | change)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), change
        assert named in answer.json()["message"]
        told.append(answer.json()["message"])
    assert sorted(entry.reason for entry in await quarantine(database)) == sorted(told)
    assert await energies_mwh(database) == []


UNREADABLE = (b"", b"{", b"[]", b"null", b'{"kwh":', b"\xff\xfe\x00", b"[" * 10_000)


async def test_what_cannot_be_read_is_kept_as_it_came(client: httpx.AsyncClient, database: Database) -> None:
    for body in UNREADABLE:
        answer = await client.post("/payments", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), body
    kept = {entry.content.encode().decode("unicode_escape").encode("latin-1") for entry in await quarantine(database)}
    assert kept == set(UNREADABLE)


async def test_a_body_beyond_the_limit_is_not_taken(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.post(
        "/payments", content=b" " * (BODY_BYTES_MAX + 1), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert await quarantine(database) == []


async def test_a_body_that_does_not_say_it_is_json_is_not_read(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.post("/payments", content=json.dumps(PAYMENT), headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "not-json")
    assert await energies_mwh(database) == []
    assert await quarantine(database) == []


async def test_a_late_payment_brings_the_bill_down_to_the_houses_own_load(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    store = IntervalStore(tmp_path)
    async with database.transaction() as connection:
        await measure(connection, store, hourly("M-house-1", 480 * KWH))
        bill = await billed(connection, store, "house-1")
    answer = await client.post("/payments", json=PAYMENT | {"kwh": "230"})
    assert answer.status_code == 201
    (note,) = answer.json()["credit_notes"]
    assert (note["household_kwh"], note["lines"]["kwh"]) == ("250", 230)
    (shown,) = (await client.get("/households/house-1/bills")).json()["bills"]
    assert (shown["metered_kwh"], shown["lines"]["total"]) == ("480", f"{bill.total.value:f}")
    assert shown["credit_notes"] == [note]
    owed = int(shown["lines"]["total"]) - int(note["lines"]["total"])
    assert (int(shown["owed"]["total"]), shown["owed"]["kwh"]) == (owed, 250)
    withdrawn = await client.post("/payments", json=PAYMENT | {"kwh": "230", "status": "withdrawn"})
    assert (withdrawn.status_code, withdrawn.json()["outcome"]) == (200, "withdrawn")
    (shown,) = (await client.get("/households/house-1/bills")).json()["bills"]
    assert shown["owed"] == shown["lines"]
