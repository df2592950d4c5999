"""People with roles and programs with keys: who may read, who may change, who may let others in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from sqlalchemy import text
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.api.server import listening
from wattbook.api.application import mount_api
from wattbook.api.login import GUESSES_MAX, Guesses, mount_login
from wattbook.api.services import Services
from wattbook.book.audit import Proof, audit
from wattbook.cli import main
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.registry.people import AccessRole, Login, find_login, follow_link, open_login

PASSWORD = "a battery of horses"
KEY = "a-long-random-key"


@asynccontextmanager
async def site(database: Database, **settings: str) -> AsyncIterator[str]:
    """The doors of a deployment, and a page behind the guard with a socket of its own."""

    async def proof() -> Proof:
        async with database.snapshot() as connection:
            return await audit(connection)

    app = FastAPI()
    services = Services(database, Settings.model_validate(settings), system_clock, proof)
    mount_api(app, services)
    mount_login(app, services)

    @app.get("/")
    async def page() -> str:
        return "the overview"

    @app.websocket("/_socket")
    async def socket(browser: WebSocket) -> None:
        await browser.accept()
        await browser.send_text("live")
        await browser.close()

    async with listening(app) as url:
        yield url


def configured() -> dict[str, str]:
    return {"api_key_sha256": sha256(KEY.encode()).hexdigest()}


def program(url: str, key: str = KEY) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=30)


def browser(url: str, origin: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Origin": origin or url}, trust_env=False, timeout=30)


async def log_in(client: httpx.AsyncClient, name: str, password: str) -> httpx.Response:
    return await client.post("/login", data={"name": name, "password": password})


async def test_each_role_may_what_it_may_and_no_more(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator:
        keys = {}
        for role in AccessRole:
            made = await administrator.post("/api-keys", json={"name": f"program {role}", "role": role})
            keys[role] = made.json()["key"]
        for role, statuses in {
            AccessRole.VIEWER: (200, 403, 403),
            AccessRole.OPERATOR: (200, 422, 403),
            AccessRole.ADMINISTRATOR: (200, 422, 200),
        }.items():
            async with program(url, keys[role]) as client:
                assert (await client.get("/me")).json() == {"by": f"key:program {role}", "role": role}
                answers = (
                    await client.get("/stations"),
                    await client.post("/tokens", json={}),
                    await client.get("/people"),
                )
                assert tuple(answer.status_code for answer in answers) == statuses, role


async def test_a_programs_key_is_kept_nowhere_and_ends_at_its_time_or_when_it_is_removed(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator:
        made = (await administrator.post("/api-keys", json={"name": "billing"})).json()
        assert (await administrator.post("/api-keys", json={"name": "billing"})).status_code == 409
        late = {"name": "late", "expires_at": "2020-01-01T00:00:00Z"}
        assert (await administrator.post("/api-keys", json=late)).status_code == 422
        async with program(url, made["key"]) as client:
            assert (await client.get("/stations")).status_code == 200
            assert (await administrator.delete("/api-keys/billing")).status_code == 204
            assert (await client.get("/stations")).status_code == 401
        assert made["key"] not in (await administrator.get("/changes")).text
        async with database.snapshot() as connection:
            kept = await connection.execute(text("SELECT keys::text FROM registry.api_keys AS keys"))
            assert not any(made["key"] in row for row in kept.scalars())


async def test_who_logs_in_sees_the_page_and_who_does_not_is_shown_the_way(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        kim = {"name": "kim", "role": "viewer", "password": PASSWORD}
        assert (await administrator.post("/people", json=kim)).status_code == 201
        away = await person.get("/")
        assert (away.status_code, away.headers["Location"]) == (303, "/login")
        assert "Log in" in (await person.get("/login")).text
        assert (await log_in(person, "kim", "a battery of cows")).status_code == 401
        assert (await log_in(person, "nobody", PASSWORD)).status_code == 401
        inside = await log_in(person, "Kim", PASSWORD)
        cookie = inside.headers["Set-Cookie"]
        assert (inside.status_code, inside.headers["Location"]) == (303, "/")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await person.get("/")).json() == "the overview"
        assert (await person.get("/api/v1/me")).json() == {"by": "person:kim", "role": "viewer"}
        assert (await person.post("/api/v1/tokens", json={})).status_code == 403
        assert (await person.post("/logout")).status_code == 303
        assert (await person.get("/")).status_code == 303
        changes = (await administrator.get("/changes")).json()["changes"]
        assert [(each["what"], each["by"]) for each in changes[:2]] == [
            ("person.logged-out", "person:kim"),
            ("person.logged-in", "person:kim"),
        ]
        assert PASSWORD not in (await administrator.get("/changes")).text


async def test_a_change_of_a_person_ends_its_logins(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        await administrator.post("/people", json={"name": "lee", "role": "operator", "password": PASSWORD})
        for change in ({"role": "viewer"}, {"disabled": True}):
            await log_in(person, "lee", PASSWORD)
            assert (await person.get("/")).status_code == 200
            assert (await administrator.patch("/people/lee", json=change)).status_code == 200
            assert (await person.get("/")).status_code == 303
        assert (await log_in(person, "lee", PASSWORD)).status_code == 401, "disabled"
        assert (await administrator.patch("/people/nobody", json={})).status_code == 404
        assert (await administrator.delete("/people/lee")).status_code == 204
        assert (await administrator.get("/people")).json() == {"people": []}


async def test_a_page_of_somebody_else_can_do_nothing_with_a_login(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        await administrator.post("/people", json={"name": "kim", "role": "operator", "password": PASSWORD})
        assert (await log_in(person, "kim", PASSWORD)).status_code == 303
        token = {"uid": "CAFE01", "contract": "KRWTBC00000001A"}
        foreign = await person.post("/api/v1/tokens", json=token, headers={"Origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["details"]["reason"]) == (403, "foreign-page")
        async with browser(url, "https://evil.example") as elsewhere:
            assert (await log_in(elsewhere, "kim", PASSWORD)).status_code == 403


async def test_a_socket_is_for_who_is_logged_in_and_comes_from_our_page(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        await administrator.post("/people", json={"name": "kim", "role": "viewer", "password": PASSWORD})
        await log_in(person, "kim", PASSWORD)
        cookie = {"Cookie": f"wattbook_login={person.cookies['wattbook_login']}"}
        place = url.replace("http", "ws") + "/_socket"
        async with connect(place, additional_headers=cookie, origin=None, proxy=None) as socket:
            assert await socket.recv() == "live"
        for headers in ({}, cookie | {"Origin": "https://evil.example"}):
            with pytest.raises(InvalidStatus):
                await connect(place, additional_headers=headers, proxy=None)


async def test_a_browser_logs_in_by_a_key_too_and_no_longer_than_the_key_lasts(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        assert (await log_in(person, "api-key", "another key")).status_code == 401
        assert (await log_in(person, "api-key", KEY)).status_code == 303
        assert (await person.get("/")).status_code == 200
        key = (await administrator.post("/api-keys", json={"name": "screen", "role": "viewer"})).json()["key"]
        assert (await log_in(person, "api-key", key)).status_code == 303
        assert (await person.get("/api/v1/me")).json()["by"] == "key:screen"
        await administrator.delete("/api-keys/screen")
        assert (await person.get("/")).status_code == 303
        called = {"name": "api-key", "role": "viewer", "password": PASSWORD}
        assert (await administrator.post("/people", json=called)).status_code == 422


async def test_this_machine_is_open_until_there_is_an_administrator(database: Database) -> None:
    async with site(database) as url, browser(url) as person:
        assert (await person.get("/")).json() == "the overview"
        assert (await person.get("/", headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 303
        assert (await person.get("/other", headers={"Host": "rebound.example"})).status_code == 403
        place = url.replace("http", "ws") + "/_socket"
        with pytest.raises(InvalidStatus):
            await connect(place, origin="https://evil.example", proxy=None)  # type: ignore[arg-type]
        viewer = {"name": "kim", "role": "viewer", "password": PASSWORD}
        assert (await person.post("/api/v1/people", json=viewer)).status_code == 201
        assert (await person.get("/")).status_code == 200, "somebody must be able to let others in"
        assert (await person.post("/api/v1/people", json=viewer | {"name": "lee", "role": "administrator"})).is_success
        assert (await person.get("/")).status_code == 303
        assert (await person.get("/api/v1/stations")).status_code == 401
        assert (await person.get("/healthz")).status_code == 200


async def test_a_link_lets_in_once_and_not_too_late(database: Database) -> None:
    now, by = system_clock(), Login("link:test", AccessRole.VIEWER)
    async with database.transaction() as connection:
        link = await open_login(connection, by, now=now, once=True)
        old = await open_login(connection, by, now=now - timedelta(hours=1), once=True, lasts=timedelta(minutes=59))
    async with site(database, **configured()) as url, browser(url) as person, browser(url) as other:
        assert (await person.get("/", headers={"Cookie": f"wattbook_login={link}"})).status_code == 303, "no login yet"
        assert (await person.get(f"/login/link/{link}")).status_code == 303
        assert (await person.get("/")).status_code == 200
        for spent in (link, old, "nonsense"):
            assert (await other.get(f"/login/link/{spent}")).status_code == 401
        assert (await other.get("/")).status_code == 303


async def test_guesses_at_a_password_are_bounded_and_cost_nobody_else_a_try(database: Database) -> None:
    async with site(database, **configured()) as url, program(url) as administrator, browser(url) as person:
        for name in ("kim", "lee"):
            await administrator.post("/people", json={"name": name, "role": "viewer", "password": PASSWORD})
        for _ in range(GUESSES_MAX):
            assert (await log_in(person, "kim", "a battery of cows")).status_code == 401
        assert (await log_in(person, "kim", PASSWORD)).status_code == 429
        assert (await log_in(person, "lee", PASSWORD)).status_code == 303


async def test_guesses_come_back_with_time() -> None:
    guesses = Guesses()
    assert [guesses.take("kim", 0.0) for _ in range(GUESSES_MAX + 1)] == [True] * GUESSES_MAX + [False]
    assert [guesses.take("kim", 10.0), guesses.take("kim", 10.0)] == [True, False]
    guesses.right("kim")
    assert guesses.take("kim", 10.0)


async def test_a_password_has_a_length_and_a_name_its_form(database: Database) -> None:
    async with site(database) as url, browser(url) as person:
        good = {"name": "kim", "role": "viewer", "password": PASSWORD}
        for wrong in ({"password": "short"}, {"password": "x" * 257}, {"name": "Kim Park"}, {"role": "king"}):
            assert (await person.post("/api/v1/people", json=good | wrong)).status_code == 422
        assert (await person.post("/api/v1/people", json=good)).status_code == 201
        assert (await person.post("/api/v1/people", json=good)).status_code == 409


def test_the_command_line_lets_a_person_in_and_makes_a_link(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTBOOK_DATABASE_URL", database_url)
    run = CliRunner().invoke
    added = run(main, ["people", "add", "kim", "--role", "administrator"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert added.exit_code == 0, added.output
    assert "administrator" in run(main, ["people", "list"]).output
    link = run(main, ["people", "link"]).output.strip()
    assert link.startswith("http://127.0.0.1:8080/login/link/")
    assert run(main, ["people", "add", "kim"], input=f"{PASSWORD}\n{PASSWORD}\n").exit_code == 2
    assert run(main, ["people", "remove", "kim"]).exit_code == 0
    assert "kim" not in run(main, ["people", "list"]).output


async def test_a_login_ends_at_its_time(database: Database) -> None:
    now, by = system_clock(), Login("person:kim", AccessRole.VIEWER)
    async with database.transaction() as connection:
        token = await open_login(connection, by, now=now)
        assert await find_login(connection, token, now=now + timedelta(hours=11)) == by
        assert await find_login(connection, token, now=now + timedelta(hours=13)) is None
        assert await follow_link(connection, token, now=now) is None, "it is no link"
