"""Stations over HTTP: told any command, taken in, let work, given passwords; and who did it is on record."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import pytest
from aiohttp import web
from sqlalchemy import text

from tests.api.deployment import WAIT_S, connect, door, eventually
from wattbook.db.engine import Database
from wattbook.db.jobs import job_app
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.commands.outcomes import webhook_tasks
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import Answer, CommandAnswer, CommandStatus
from wattbook.ocpp.wire.errors import ErrorCode, PeerRefused, RpcError
from wattbook.simulate.estate import Estate

RESET = {"action": "Reset", "payload": {"type": "Soft"}}


@pytest.fixture
async def client(database: Database, estate: Estate) -> AsyncIterator[httpx.AsyncClient]:
    async with door(database, allow_private_webhooks=True) as opened:
        yield opened


async def test_a_call_waits_for_the_stations_answer(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    """R33."""
    station = await connect(gateway, estate.station(0))
    answer = await client.post(f"/stations/{estate.station(0)}/calls", json=RESET | {"wait_s": WAIT_S})
    command = answer.json()
    assert (answer.status_code, command["state"], command["answer"]) == (200, "answered", {"status": "Accepted"})
    assert (command["version"], command["payload"]) == ("1.6", {"type": "Soft"})
    assert command["requested_by"] == "address:127.0.0.1"
    assert b'"answer":{"status":"Accepted"}' in answer.content, "compact, as on the wire"
    again = await client.get(answer.headers["Location"].removeprefix("/api/v1"))
    assert again.json() == command
    listed = (await client.get(f"/stations/{estate.station(0)}/commands")).json()
    assert listed == {"commands": [command], "next": None}
    await station.close()


async def test_a_call_to_an_absent_station_is_accepted_and_told_later(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    answer = await client.post(f"/stations/{estate.station(0)}/calls", json=RESET)
    command = answer.json()
    assert (answer.status_code, command["state"], command["answer"]) == (202, "accepted", None)
    waiting = asyncio.ensure_future(client.get(f"/commands/{command['id']}", params={"wait_s": WAIT_S}))
    station = await connect(gateway, estate.station(0))
    assert (await waiting).json()["state"] == "answered"
    await station.close()


async def test_an_error_of_the_station_is_an_outcome(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    async def no(_: Any) -> Answer:
        raise RpcError(ErrorCode.SECURITY_ERROR, "not from you")

    station = await connect(gateway, estate.station(0), no)
    answer = await client.post(f"/stations/{estate.station(0)}/calls", json=RESET | {"wait_s": WAIT_S})
    told = answer.json()
    assert answer.status_code == 200
    assert (told["state"], told["error_code"], told["error_description"]) == (
        "refused",
        "SecurityError",
        "not from you",
    )
    await station.close()


async def test_a_waiting_command_is_taken_back_once_and_by_whom_is_on_record(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    command = (await client.post(f"/stations/{estate.station(0)}/calls", json=RESET)).json()
    first, again = [await client.delete(f"/commands/{command['id']}") for _ in range(2)]
    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    (change,) = (await client.get("/changes", params={"subject": command["id"]})).json()["changes"]
    assert (change["what"], change["by"], change["after"]) == ("command.cancelled", "address:127.0.0.1", "cancelled")


async def test_whose_key_was_shown_is_on_record_and_the_key_is_not(database: Database, estate: Estate) -> None:
    key = "correct-horse-battery-staple"
    digest = sha256(key.encode()).hexdigest()
    async with door(database, api_key_sha256=digest) as client:
        place = f"/stations/{estate.station(0)}/calls"
        assert (await client.post(place, json=RESET)).status_code == 401
        answer = await client.post(place, json=RESET, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["requested_by"]) == (202, f"key:{digest[:12]}")


BAD_CALLS: list[tuple[str, dict[str, Any], int, str]] = [
    ("NOBODY", RESET, 404, "not-found"),
    ("LOAD-00001", {"action": "Dance", "payload": {}}, 422, "invalid-input"),
    ("LOAD-00001", RESET | {"payload": []}, 422, "invalid-input"),
    ("LOAD-00001", RESET | {"expires_in": 5}, 422, "invalid-input"),
    ("LOAD-00001", RESET | {"expires_in_s": 0}, 422, "invalid-input"),
    ("LOAD-00001", RESET | {"wait_s": 3_600}, 422, "invalid-input"),
    ("LOAD-00001", RESET | {"webhook": "ftp://hooks.example/"}, 422, "invalid-input"),
    ("LOAD-00001", {"action": "DataTransfer", "payload": {"vendorId": "\0"}}, 422, "invalid-input"),
]


@pytest.mark.parametrize(("station", "body", "status", "code"), BAD_CALLS)
async def test_a_bad_call_is_told_what_is_wrong(
    client: httpx.AsyncClient, station: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await client.post(f"/stations/{station}/calls", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_payload_that_the_stations_version_forbids_is_told_in_the_schemas_words(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    place = f"/stations/{estate.station(0)}/calls"
    assert (await client.post(place, json=RESET | {"wait_s": WAIT_S})).status_code == 200
    answer = await client.post(place, json={"action": "Reset", "payload": {"type": "Warm"}})
    assert answer.status_code == 422
    assert "Warm" in answer.json()["message"]
    await station.close()


async def test_a_body_that_is_no_json_or_does_not_say_so_is_refused(client: httpx.AsyncClient) -> None:
    place = "/stations/LOAD-00001/calls"
    unsaid = await client.post(place, content=json.dumps(RESET))
    broken = await client.post(place, content="{", headers={"Content-Type": "application/json"})
    assert (unsaid.status_code, broken.status_code) == (415, 422)


async def test_one_request_tells_many_stations_and_says_who_could_not_be(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    """R35."""
    stations = [await connect(gateway, estate.station(n)) for n in range(3)]
    some = await client.post("/calls", json=RESET | {"stations": [estate.station(0), "NOBODY"]})
    known, nobody = some.json()["commands"]
    assert (some.status_code, known["station_id"], nobody["error"]["code"]) == (202, estate.station(0), "not-found")
    everyone = (await client.post("/calls", json=RESET | {"stations": "all"})).json()
    for entry in everyone["commands"]:
        await client.get(f"/commands/{entry['id']}", params={"wait_s": WAIT_S})
    batch = (await client.get("/commands", params={"batch": everyone["batch_id"]})).json()["commands"]
    assert [(each["station_id"], each["state"]) for each in batch] == [
        (estate.station(n), "answered") for n in range(3)
    ]
    pages: list[str] = []
    page: dict[str, Any] = {"next": None}
    while not pages or page["next"] is not None:
        asked = {"batch": everyone["batch_id"], "limit": 2} | ({"after": page["next"]} if pages else {})
        page = (await client.get("/commands", params=asked)).json()
        pages += [each["id"] for each in page["commands"]]
    assert pages == [each["id"] for each in batch], "page by page"
    for station in stations:
        await station.close()


async def test_one_request_is_no_flood(client: httpx.AsyncClient) -> None:
    call = {"action": "DataTransfer", "payload": {"vendorId": "V", "data": "x" * 70_000}}
    answer = await client.post("/calls", json=call | {"stations": [f"CP{n}" for n in range(1_000)]})
    assert (answer.status_code, answer.json()["code"]) == (429, "limit-exceeded")


class Receiver:
    """A program's own HTTP server, which may be out of order at first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.said: list[tuple[dict[str, str], bytes]] = []

    async def hear(self, request: web.Request) -> web.Response:
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        self.said.append((dict(request.headers), await request.read()))
        self.heard.put_nowait(await request.json())
        return web.Response()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/hook", self.hear)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        finally:
            await runner.cleanup()


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[None]:
    jobs = job_app(database)
    webhook_tasks(jobs, database, allow_private=True)
    async with jobs.open_async():
        worker = asyncio.create_task(jobs.run_worker_async(install_signal_handlers=False, fetch_job_polling_interval=1))
        try:
            yield
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


async def test_a_webhook_hears_the_outcome_again_and_again_until_it_takes_it_and_a_late_one_too(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    held = asyncio.Event()

    async def slowly(_: Any) -> Answer:
        await held.wait()
        return CommandAnswer(CommandStatus.ACCEPTED)

    receiver = Receiver(failures=1)
    async with receiver.listening() as hook, working(database):
        station = await connect(gateway, estate.station(0), slowly)
        call = RESET | {"webhook": hook, "answer_within_s": 1}
        command = (await client.post(f"/stations/{estate.station(0)}/calls", json=call)).json()
        told = await asyncio.wait_for(receiver.heard.get(), 60)
        assert (told["id"], told["state"], told["late"]) == (command["id"], "timed-out", False)
        held.set()
        told = await asyncio.wait_for(receiver.heard.get(), 60)
        assert (told["state"], told["late"], told["answer"]) == ("answered", True, {"status": "Accepted"})
        await station.close()


def is_ours(headers: dict[str, str], body: bytes, secret_hex: str) -> bool:
    """What a receiver checks, written without our code."""
    said = f"{headers['Wattbook-Timestamp']}.".encode() + body
    expected = "v1=" + hmac.new(bytes.fromhex(secret_hex), said, "sha256").hexdigest()
    return expected in headers["Wattbook-Signature"].split(",")


async def test_a_webhook_knows_by_its_secret_that_it_was_us_and_when(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    receiver = Receiver()
    async with receiver.listening() as hook, working(database):
        first = (await client.put("/webhooks", json={"url": hook})).json()["secret_hex"]
        assert (await client.put("/webhooks", json={"url": hook + "?n=2"})).json()["secret_hex"] == first
        station = await connect(gateway, estate.station(0))
        place, call = f"/stations/{estate.station(0)}/calls", RESET | {"webhook": hook + "?n=1"}
        command = (await client.post(place, json=call)).json()
        await asyncio.wait_for(receiver.heard.get(), 60)
        headers, body = receiver.said[-1]
        assert is_ours(headers, body, first)
        assert not is_ours(headers, body + b" ", first)
        assert not is_ours(headers | {"Wattbook-Timestamp": "1"}, body, first)
        assert abs(int(headers["Wattbook-Timestamp"]) - time.time()) < 60
        assert headers["Wattbook-Delivery"] == f"{command['id']}:answered"
        second = (await client.post("/webhooks/rotation", json={"url": hook})).json()["secret_hex"]
        assert second != first
        await client.post(place, json=call)
        await asyncio.wait_for(receiver.heard.get(), 60)
        assert all(is_ours(*receiver.said[-1], secret) for secret in (first, second)), "both, for a week"
        (listed,) = (await client.get("/webhooks")).json()["webhooks"]
        assert (listed["url"], "secret_hex" in listed) == (hook, False)
        assert (await client.delete("/webhooks", params={"url": hook})).status_code == 204
        assert (await client.post("/webhooks/rotation", json={"url": hook})).status_code == 404
        changes = (await client.get("/changes", params={"subject": hook})).text
        assert "webhook.rotated" in changes
        assert first not in changes
        assert second not in changes
        await station.close()


async def test_a_webhook_cannot_point_at_the_inner_network(database: Database, estate: Estate) -> None:
    async with door(database) as client:
        for url in ("http://127.0.0.1:1/", "http://169.254.169.254/latest", "http://[::1]/"):
            answer = await client.post("/stations/LOAD-00001/calls", json=RESET | {"webhook": url})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


NEWCOMER: dict[str, Any] = {
    "id": "NEW-1",
    "site": {
        "id": "yard",
        "name": "Yard",
        "kind": "car_park",
        "address": "1 Yard",
        "country": "KR",
        "time_zone": "Asia/Seoul",
    },
    "placement": "outdoor",
    "ip_code": "IP54",
    "evses": [
        {
            "id": "KR*WTB*E999",
            "number": 1,
            "connectors": [
                {
                    "standard": "IEC_62196_T2",
                    "power_type": "AC_3_PHASE",
                    "max_voltage_v": 230,
                    "max_current_a": 32,
                    "max_power_w": 22000,
                }
            ],
        }
    ],
}


async def test_a_station_that_knocked_is_taken_in_and_comes_at_once(
    client: httpx.AsyncClient, database: Database, gateway: Gateway
) -> None:
    """R11: turned away before the upgrade, and on a list for onboarding."""
    for _ in range(2):
        with pytest.raises(Unavailable, match="404"):
            await connect(gateway, "NEW-1")

    async def is_listed() -> bool:
        return [(each["station_id"], each["times"]) for each in await unknown(client)] == [("NEW-1", 2)]

    await eventually(is_listed)
    first, again = await client.post("/stations", json=NEWCOMER), await client.post("/stations", json=NEWCOMER)
    assert (first.status_code, again.status_code) == (201, 200)
    assert await unknown(client) == []
    await eventually(lambda: is_accepted(gateway, "NEW-1"))
    station = await connect(gateway, "NEW-1")
    changes = (await client.get("/changes", params={"subject": "NEW-1"})).json()["changes"]
    assert [(change["what"], change["before"] is None) for change in changes] == [
        ("station.registered", False),
        ("station.registered", True),
    ]
    await station.close()


async def unknown(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/stations/unknown")).json()["stations"]
    return found


async def is_accepted(gateway: Gateway, station_id: str) -> bool:
    return gateway._door.is_accepted(station_id)


async def test_a_station_that_knocked_is_adopted_under_its_own_name_or_turned_away(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """R11."""
    newcomer = {name: value for name, value in NEWCOMER.items() if name != "id"}
    for name in ("NEW-1", "NEW-2"):
        with pytest.raises(Unavailable, match="404"):
            await connect(gateway, name)

    async def both_are_listed() -> bool:
        return {each["station_id"] for each in await unknown(client)} == {"NEW-1", "NEW-2"}

    await eventually(both_are_listed)
    assert (await client.post("/stations/unknown/NEW-3", json=newcomer)).status_code == 404
    adopted = await client.post("/stations/unknown/NEW-1", json=newcomer | {"acceptance": "pending"})
    assert (adopted.status_code, adopted.json()["id"]) == (201, "NEW-1")
    assert (await client.get("/stations/NEW-1/acceptance")).json()["acceptance"] == "pending"
    assert (await client.delete("/stations/unknown/NEW-2")).status_code == 204
    assert (await client.delete("/stations/unknown/NEW-2")).status_code == 404
    assert await unknown(client) == []
    (dismissed,) = (await client.get("/changes", params={"subject": "NEW-2"})).json()["changes"]
    assert dismissed["what"] == "station.dismissed"


async def test_a_station_at_an_unknown_site_is_not_taken_in(client: httpx.AsyncClient) -> None:
    answer = await client.post("/stations", json=NEWCOMER | {"site": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_the_boot_policy_is_settable_and_on_record(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    place = f"/stations/{estate.station(0)}/acceptance"
    assert (await client.put(place, json={"acceptance": "blocked"})).status_code == 200
    assert (await station.boot("maker", "model")).status == "Rejected"

    async def is_shut_out() -> bool:
        return not await is_accepted(gateway, estate.station(0))

    await eventually(is_shut_out)
    with pytest.raises(PeerRefused, match="SecurityError"):
        await station.heartbeat()
    (change,) = (await client.get("/changes", params={"subject": estate.station(0)})).json()["changes"]
    assert (change["before"], change["after"]) == ("accepted", "blocked")
    assert (await client.put("/stations/NOBODY/acceptance", json={"acceptance": "blocked"})).status_code == 404
    assert (await client.put(place, json={"acceptance": "perhaps"})).status_code == 422
    await station.close()


async def test_a_password_is_given_and_never_shown_again(
    client: httpx.AsyncClient, database: Database, gateway: Gateway, estate: Estate
) -> None:
    place = f"/stations/{estate.station(0)}/password"
    made = (await client.put(place, json={})).json()["password"]
    given = await client.put(place, json={"password_hex": "00ff" * 10, "at_once": True})
    assert (given.status_code, "password" in given.json()) == (200, False)
    assert (await client.put(place, json={"password": "short"})).status_code == 422
    assert (await client.put("/stations/NOBODY/password", json={})).status_code == 404
    changes = await client.get("/changes", params={"subject": estate.station(0)})
    assert len(changes.json()["changes"]) == 2
    assert made not in changes.text
    async with database.snapshot() as connection:
        kept = (await connection.execute(text("SELECT changes::text FROM registry.changes"))).scalars().all()
    assert not any(made in row or "00ff" in row for row in kept)


async def test_tokens_are_registered_and_found(client: httpx.AsyncClient, estate: Estate) -> None:
    token = {"uid": "CAFE01", "contract": "KRWTBC00000001A", "customer": estate.customer(0)}
    assert (await client.post("/tokens", json=token)).status_code == 201
    assert (await client.post("/tokens", json=[token | {"valid": False}, token | {"uid": "CAFE02"}])).status_code == 201
    found = (await client.get("/tokens/cafe01")).json()
    assert (found["token"]["uid"], found["token"]["valid"]) == ("CAFE01", False)
    assert found["customer"]["id"] == estate.customer(0)
    assert (await client.get("/tokens/NOBODY")).status_code == 404
    assert (await client.post("/tokens", json=token | {"customer": "nobody"})).status_code == 404
    changes = (await client.get("/changes", params={"subject": "CAFE01"})).json()["changes"]
    assert [(each["before"] or {}).get("valid") for each in changes] == [True, None]


async def test_tokens_are_listed_page_by_page_and_of_whom_one_asks(client: httpx.AsyncClient, estate: Estate) -> None:
    known = [each["uid"] for each in (await client.get("/tokens")).json()["tokens"]]
    tokens = [
        {"uid": f"{letter}E0{number}", "contract": f"KRWTBC0000000{number}A", "valid": number != 2}
        for number in range(4)
        for letter in "fE"
    ]
    tokens[3]["customer"] = estate.customer(0)
    await client.post("/tokens", json=tokens)
    expected = sorted([*known, *(str(each["uid"]) for each in tokens)], key=str.casefold)
    listed: list[str] = []
    after: dict[str, str] = {"limit": "2"}
    while True:
        page = (await client.get("/tokens", params=after)).json()
        listed += [each["uid"] for each in page["tokens"]]
        if page["next"] is None:
            break
        after["after"] = page["next"]
    assert listed == expected
    invalid = (await client.get("/tokens", params={"valid": False})).json()["tokens"]
    assert {each["uid"] for each in invalid} == {"fE02", "EE02"}
    own = (await client.get("/tokens", params={"customer": estate.customer(0)})).json()["tokens"]
    assert tokens[3]["uid"] in [each["uid"] for each in own]
    assert {each["customer"] for each in own} == {estate.customer(0)}
    assert (await client.get("/tokens", params={"party": "ZZ*ZZZ"})).json() == {"tokens": [], "next": None}
    assert (await client.get("/tokens", params={"after": "x"})).status_code == 422


async def test_frames_that_were_not_accepted_are_shown_with_their_reason(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    with pytest.raises(PeerRefused):
        await station.connection.rpc.call("MeterValues", {"connectorId": "one"}, 10.0)
    place = f"/stations/{estate.station(0)}/rejected-frames"

    async def is_kept() -> bool:
        return bool((await client.get(place)).json()["frames"])

    await eventually(is_kept)
    frames = (await client.get(place)).json()["frames"]
    assert "MeterValues" in frames[0]["frame"]
    assert frames[0]["version"] == "1.6"
    assert (await client.get("/stations/NOBODY/rejected-frames")).status_code == 404
    await station.close()


async def test_the_raw_frames_of_a_station_are_shown_both_ways(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    station = await connect(gateway, estate.station(0))
    place = f"/stations/{estate.station(0)}/frames"

    async def are_kept() -> bool:
        return len((await client.get(place)).json()["frames"]) >= 2

    await eventually(are_kept)
    newest, oldest = (await client.get(place)).json()["frames"]
    assert (oldest["direction"], newest["direction"], newest["version"]) == ("in", "out", "1.6")
    assert json.loads(oldest["frame"])[2] == "BootNotification"
    assert json.loads(newest["frame"])[2]["status"] == "Accepted"
    page = (await client.get(place, params={"limit": 1})).json()
    following = (await client.get(place, params={"before": page["next"]})).json()["frames"]
    assert (page["frames"], following) == ([newest], [oldest])
    await station.close()


async def test_what_is_special_about_a_station_is_set_and_on_record(
    client: httpx.AsyncClient, gateway: Gateway, estate: Estate
) -> None:
    place = f"/stations/{estate.station(0)}/options"
    chosen = {"quirks": [], "journal": False, "ping_after_s": 20, "pong_within_s": 5}
    assert (await client.put(place, json=chosen)).json() == chosen
    assert (await client.put(place, json={"ping_after_s": 0})).status_code == 422
    assert (await client.put(place, json={"quirks": ["no-such-quirk"]})).status_code == 422
    assert (await client.put("/stations/NOBODY/options", json={})).status_code == 404
    (change,) = (await client.get("/changes", params={"subject": estate.station(0)})).json()["changes"]
    assert (change["what"], change["before"], change["after"]) == ("station.options", None, chosen)
