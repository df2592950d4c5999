"""The rates of interest over HTTP and from the command line."""

import asyncio
from pathlib import Path

import httpx
from typer.testing import CliRunner

from tests.household.village import NOW, UTILITY, found
from wattbook.cli import main
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.registry.interest import interest_rates
from wattbook.registry.people import AccessRole, add_key

RATE = {"party": UTILITY.party, "valid_from": "2026-01-01", "percent": "2.50", "source": "the bank's deposits"}


async def test_an_administrator_puts_a_rate(client: httpx.AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await found(connection)
        key = await add_key(connection, "desk", AccessRole.OPERATOR, now=NOW, expires_at=None)
    asked = {"party": UTILITY.party}
    assert (await client.get("/interest-rates", params=asked)).json() == []
    refused = await client.put("/interest-rates", json=RATE, headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403
    put = await client.put("/interest-rates", json=RATE)
    assert (put.status_code, put.json()["percent"], put.json()["valid_from"]) == (200, "2.50", "2026-01-01")
    assert (await client.get("/interest-rates", params=asked)).json() == [put.json()]
    assert (await client.put("/interest-rates", json=RATE | {"percent": "101"})).status_code == 422
    assert (await client.put("/interest-rates", json=RATE | {"party": "KR*NOB"})).status_code == 404


async def test_the_command_line_puts_a_rate(database: Database, database_url: str, tmp_path: Path) -> None:
    async with database.transaction() as connection:
        await found(connection)
    environment = Settings(database_url=database_url, data=tmp_path, party_id="KPW").environment()

    async def command(percent: str) -> tuple[int, str]:
        words = ["bills", "interest", "--percent", percent, "--valid-from", "2026-01-01", "--source", "the bank"]
        result = await asyncio.to_thread(CliRunner().invoke, main, words, env=environment)
        return result.exit_code, result.output

    assert await command("2.5") == (0, f"{UTILITY.party} gives 2.5 % a year from 2026-01-01 on.\n")
    code, said = await command("much")
    assert (code, "not a rate" in said) == (2, True)
    async with database.snapshot() as connection:
        assert len((await interest_rates(connection, [UTILITY.party]))[UTILITY.party]) == 1
