"""What programs read: the shapes, the limits, and what is told when there is nothing."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.browser.scene import LOST_TOKEN, play
from wattbook.api.application import create_api
from wattbook.api.services import Services
from wattbook.book.audit import Finding, Proof
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.telemetry import MESSAGES


@pytest.fixture
async def busy(client: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    async with database.transaction() as connection:
        await play(connection)
    return client


async def test_the_proof_names_every_rule_and_the_totals(busy: httpx.AsyncClient) -> None:
    proof = (await busy.get("/audit")).json()
    assert proof["holds"] is True
    assert proof["totals"]["consumption_mwh"] == 112_000_000
    assert {"name", "rule", "holds", "count", "violations"} == set(proof["findings"][0])
    assert "metered-equals-billed" in {finding["name"] for finding in proof["findings"]}


async def test_a_broken_rule_comes_with_what_breaks_it(database: Database) -> None:
    async def broken() -> Proof:
        return Proof((Finding("floors", "no account is below", 1, ({"account": "kim wallet", "since": None},)),), {})

    api = create_api(Services(database, Settings(), system_clock, broken))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as client:
        proof = (await client.get("/audit")).json()
    assert (proof["holds"], proof["findings"][0]["holds"], proof["findings"][0]["count"]) == (False, False, 1)
    assert proof["findings"][0]["violations"] == [{"account": "kim wallet", "since": None}]


async def test_stations_come_page_by_page(busy: httpx.AsyncClient) -> None:
    first = (await busy.get("/stations", params={"limit": 3})).json()
    rest = (await busy.get("/stations", params={"limit": 3, "after": first["next"]})).json()
    assert [each["id"] for each in first["stations"] + rest["stations"]] == ["CP1", "CP2", "CP3", "CP4", "CP5"]
    assert rest["next"] is None
    faulted = rest["stations"][0]
    assert (faulted["site_name"], faulted["vendor"], faulted["last_seen_at"]) == (
        "Car park",
        "Hyosung",
        "2026-11-21T11:59:40Z",
    )
    assert [(each["status"], each["error_code"]) for each in faulted["statuses"]] == [("Faulted", "GroundFailure")]


async def test_live_sessions_tell_exact_amounts_as_strings(busy: httpx.AsyncClient) -> None:
    newest, older = (await busy.get("/sessions")).json()["sessions"]
    assert (newest["station_id"], newest["export_kwh"], newest["power_w"]) == ("CP2", "4", -9_800)
    assert (older["station_id"], older["import_kwh"], older["cost_after_tax"], older["currency"]) == (
        "CP1",
        "11",
        "3630",
        "KRW",
    )
    assert older["progress_percent"].startswith("40.3")
    assert (await busy.get(f"/sessions/{older['id']}")).json() == older


async def test_a_day_lists_what_began_in_it_in_the_operators_zone(busy: httpx.AsyncClient) -> None:
    today = (await busy.get("/sessions", params={"day": "2026-11-21"})).json()["sessions"]
    assert [each["state"] for each in today].count("completed") == 5
    assert (await busy.get("/sessions", params={"day": "2026-11-22"})).json() == {"sessions": []}
    assert len((await busy.get("/sessions", params={"day": "2026-11-21", "limit": 2})).json()["sessions"]) == 2


async def test_refusals_say_why(busy: httpx.AsyncClient) -> None:
    newest, older = (await busy.get("/refusals")).json()["refusals"]
    assert (newest["station_id"], newest["reason"]) == ("CP4", "station-unavailable")
    assert (older["token_uid"], older["reason"]) == (LOST_TOKEN, "token-blocked")
    since = {"since": "2026-11-21T20:30:00+09:00"}
    assert (await busy.get("/refusals", params=since)).json() == {"refusals": [newest]}


ERRORS = {
    "/sessions/unknown": (404, "not-found"),
    "/sessions/00000000-0000-0000-0000-000000000000": (404, "not-found"),
    "/households/nobody/bills": (404, "not-found"),
    "/households/a%00b/bills": (422, "invalid-input"),
    "/stations?after=%00": (422, "invalid-input"),
    "/stations?limit=0": (422, "invalid-input"),
    "/sessions?limit=1001": (422, "invalid-input"),
    "/sessions?day=2026-02-30": (422, "invalid-input"),
    "/sessions?day=9999-12-31": (422, "invalid-input"),
    "/refusals?since=2026-11-21T20:30:00": (422, "invalid-input"),
    "/refusals?since=0001-01-01T00:00:00%2B09:00": (422, "invalid-input"),
    "/nothing": (404, "not-found"),
    "/payments": (405, "method-not-allowed"),
}


async def test_every_error_has_the_one_shape(client: httpx.AsyncClient) -> None:
    answers = {path: await client.get(path) for path in ERRORS}
    assert {path: (answer.status_code, answer.json()["code"]) for path, answer in answers.items()} == ERRORS
    assert {frozenset(answer.json()) for answer in answers.values()} == {frozenset({"code", "message", "details"})}


async def test_a_fault_of_ours_tells_an_incident_and_nothing_of_the_inside(database: Database) -> None:
    async def failing() -> Proof:
        raise RuntimeError("the secret inside")

    api = create_api(Services(database, Settings(), system_clock, failing))
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/audit")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["details"]["incident"]
    assert "secret" not in answer.text


async def test_monitoring_reads_health_and_metrics(database: Database) -> None:
    async with listening(application(database)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        health = await client.get("/healthz")
        assert (health.status_code, health.json()) == (200, {"status": "ok"})
        MESSAGES.labels("Heartbeat", "answered").inc()
        metrics = (await client.get("/metrics")).text
        assert 'wattbook_messages_total{action="Heartbeat",outcome="answered"}' in metrics


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/stations", "/api/v1/audit"])
async def test_503_while_the_database_does_not_answer(path: str) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    transport = httpx.ASGITransport(application(gone))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def kinds(document: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


async def test_the_description_lists_every_route(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    assert kinds(described) == {
        "GET /api-keys",
        "POST /api-keys",
        "DELETE /api-keys/{name}",
        "GET /audit",
        "GET /authority",
        "POST /authority/roots",
        "POST /calls",
        "POST /cdrs/{cdr}/receipt",
        "GET /certificates/expiring",
        "POST /certificates/{serial_number}/revocation",
        "GET /changes",
        "POST /checkouts",
        "POST /checkouts/{provider}/{payment_id}/refunds",
        "GET /closed-billing",
        "POST /closed-billing",
        "GET /commands",
        "DELETE /commands/{command}",
        "GET /commands/{command}",
        "GET /documents",
        "GET /documents/{number}",
        "POST /documents/{number}/credit-notes",
        "GET /documents/{number}/pdf",
        "GET /documents/{number}/xml",
        "GET /households",
        "GET /households/{household}/account",
        "GET /households/{household}/bills",
        "GET /households/{household}/contracts",
        "POST /households/{household}/contracts",
        "POST /households/{household}/contracts/end",
        "GET /households/{household}/days/{day}",
        "POST /households/{household}/documents",
        "GET /households/{household}/forecast",
        "GET /households/{household}/notices",
        "GET /interest-rates",
        "PUT /interest-rates",
        "PUT /issuers/{party}",
        "POST /local-lists",
        "GET /me",
        "POST /meters/{meter}/edits",
        "GET /meters/{meter}/readings",
        "POST /offline-policies",
        "GET /open-items",
        "POST /payments",
        "GET /payments/quarantine",
        "GET /people",
        "POST /people",
        "DELETE /people/{name}",
        "PATCH /people/{name}",
        "GET /quirk-profiles",
        "GET /quirks",
        "PUT /quirks",
        "POST /readings",
        "POST /readings/files",
        "GET /readings/quarantine",
        "PUT /recipients/{recipient}",
        "GET /reconciliations",
        "GET /refusals",
        "GET /rejected-frames",
        "GET /rejected-frames/{number}",
        "GET /revenue",
        "GET /security-events",
        "GET /senders",
        "PUT /senders/{name}",
        "POST /senders/{name}/block",
        "POST /senders/{name}/keys",
        "POST /senders/{name}/payouts",
        "GET /sessions",
        "GET /sessions/{session}",
        "POST /statements",
        "GET /stations",
        "POST /stations",
        "GET /stations/unknown",
        "DELETE /stations/unknown/{station}",
        "POST /stations/unknown/{station}",
        "GET /stations/{station}/acceptance",
        "PUT /stations/{station}/acceptance",
        "GET /stations/{station}/availability",
        "POST /stations/{station}/calls",
        "GET /stations/{station}/certificates",
        "POST /stations/{station}/certificates/renewal",
        "GET /stations/{station}/charging-profiles",
        "GET /stations/{station}/commands",
        "GET /stations/{station}/composite-schedules",
        "GET /stations/{station}/configuration",
        "POST /stations/{station}/default-tariffs",
        "GET /stations/{station}/der-alarms",
        "GET /stations/{station}/der-controls",
        "GET /stations/{station}/frames",
        "DELETE /stations/{station}/local-list",
        "GET /stations/{station}/local-list",
        "PUT /stations/{station}/local-list",
        "GET /stations/{station}/notices",
        "PUT /stations/{station}/offline-policy",
        "GET /stations/{station}/options",
        "PUT /stations/{station}/options",
        "PUT /stations/{station}/password",
        "GET /stations/{station}/rejected-frames",
        "GET /stations/{station}/reservations",
        "GET /stations/{station}/security",
        "PUT /stations/{station}/security",
        "POST /stations/{station}/security-upgrade",
        "GET /stations/{station}/settlements",
        "GET /stations/{station}/signatures",
        "GET /stations/{station}/signing-keys",
        "POST /stations/{station}/signing-keys",
        "DELETE /stations/{station}/signing-keys/{fingerprint}",
        "GET /stations/{station}/stuck-transactions",
        "GET /stations/{station}/tariffs",
        "GET /stations/{station}/told-tariffs",
        "PUT /stations/{station}/transactions/{transaction}/tariff",
        "GET /stations/{station}/variables",
        "GET /stations/{station}/web-payments",
        "GET /stuck-transactions",
        "GET /tokens",
        "POST /tokens",
        "GET /tokens/{uid}",
        "GET /wallets/{owner}",
        "GET /wallets/{owner}/payments",
        "POST /wallets/{owner}/refunds",
        "GET /wallets/{owner}/statement",
        "PUT /wallets/{owner}/terms",
        "POST /wallets/{owner}/top-ups",
        "POST /wallets/{owner}/transfers",
        "GET /wallets/{owner}/warnings",
        "DELETE /webhooks",
        "GET /webhooks",
        "PUT /webhooks",
        "POST /webhooks/rotation",
        "GET /work-list",
        "POST /work-list/{item}/close",
    }
