"""Who may call."""

from hashlib import sha256

import httpx
import pytest

from tests.api.conftest import application
from wattbook.config import Settings
from wattbook.db.engine import Database

KEY = "a-long-random-key"


def caller(
    database: Database, *, address: str = "127.0.0.1", name: str = "localhost", key: str | None = None
) -> httpx.AsyncClient:
    settings = Settings(api_key_sha256=None if key is None else sha256(key.encode()).hexdigest())
    transport = httpx.ASGITransport(application(database, settings), client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{name}:8080/api/v1")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_without_a_key_programs_on_this_machine_may_call(database: Database, name: str) -> None:
    async with caller(database, name=name) as client:
        assert (await client.get("/stations")).status_code == 200


@pytest.mark.parametrize(
    ("address", "name", "headers"),
    [
        ("203.0.113.9", "localhost", {}),
        ("127.0.0.1", "rebound.example", {}),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "203.0.113.9"}),
        ("127.0.0.1", "localhost", {"Forwarded": "for=203.0.113.9"}),
    ],
    ids=["from elsewhere", "by a foreign name", "through a proxy", "through a newer proxy"],
)
async def test_without_a_key_nobody_else_may(
    database: Database, address: str, name: str, headers: dict[str, str]
) -> None:
    async with caller(database, address=address, name=name) as client:
        for answer in (await client.get("/stations", headers=headers), await client.post("/payments", headers=headers)):
            assert (answer.status_code, answer.json()["code"]) == (403, "refused")


async def test_with_a_key_who_shows_it_may_call_from_anywhere(database: Database) -> None:
    async with caller(database, address="203.0.113.9", name="a.example", key=KEY) as client:
        answer = await client.get("/stations", headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "shown", [None, "Bearer another", f"Basic {KEY}", "Bearer", f"Bearer {sha256(KEY.encode()).hexdigest()}"]
)
async def test_with_a_key_nobody_may_without_it(database: Database, shown: str | None) -> None:
    async with caller(database, key=KEY) as client:
        answer = await client.get("/stations", headers={} if shown is None else {"Authorization": shown})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
