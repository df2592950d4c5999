"""People who move, told over HTTP and from the command line."""

import asyncio
from pathlib import Path

import httpx
from typer.testing import CliRunner

from tests.household.village import KWH, NOW, OCTOBER, TARIFF, UTILITY, found, hourly, measure
from wattbook.cli import main
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.bills.billing import bill_period
from wattbook.household.readings.intervals import IntervalStore
from wattbook.registry.changes import list_changes

MOVING_IN = {"customer": "lee", "tariff": TARIFF.name, "first_day": "2026-10-16"}


async def settle(database: Database, folder: Path) -> IntervalStore:
    store = IntervalStore(folder / "intervals")
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
    return store


async def test_somebody_moves_out_and_somebody_in(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    store = await settle(database, tmp_path)
    contracts = "/households/h1/contracts"
    assert (await client.get(contracts)).json() == []
    ended = await client.post(f"{contracts}/end", json={"last_day": "2026-10-15"})
    assert (ended.status_code, ended.json()["customer"], ended.json()["last_day"]) == (200, "kim", "2026-10-15")
    begun = await client.post(contracts, json=MOVING_IN)
    assert begun.status_code == 201
    assert [each["customer"] for each in begun.json()] == ["kim", "lee"]
    assert (await client.get(contracts)).json() == begun.json()
    overlap = await client.post(contracts, json=MOVING_IN | {"customer": "kim", "first_day": "2026-10-20"})
    assert (overlap.status_code, overlap.json()["code"]) == (409, "conflict")
    assert (await client.post(contracts, json=MOVING_IN | {"until": "ever"})).status_code == 422
    assert (await client.get("/households/nobody/contracts")).status_code == 404
    async with database.transaction() as connection:
        assert len(await bill_period(connection, store, ["h1"], OCTOBER, UTILITY, now=NOW)) == 2
    bills = (await client.get("/households/h1/bills")).json()["bills"]
    assert [(each["customer"], each["first_day"], each["cycle_last_day"]) for each in bills] == [
        ("kim", "2026-10-01", "2026-10-31"),
        ("lee", "2026-10-16", "2026-10-31"),
    ]
    late = await client.post(f"{contracts}/end", json={"last_day": "2026-10-20"})
    assert (late.status_code, "stays as it was" in late.json()["message"]) == (409, True)
    async with database.snapshot() as connection:
        assert {each.what for each in await list_changes(connection)} == {"contract.begin", "contract.end"}


async def test_the_command_line_tells_who_lives_there(database: Database, database_url: str, tmp_path: Path) -> None:
    await settle(database, tmp_path)
    environment = Settings(database_url=database_url, data=tmp_path, party_id="KPW").environment() | {"COLUMNS": "200"}

    async def command(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, main, list(words), env=environment)
        return result.exit_code, result.output

    code, said = await command("houses", "move-out", "h1", "--last-day", "2026-10-15")
    assert (code, "kim" in said) == (0, True), said
    moved = ("houses", "move-in", "h1", "--customer", "lee", "--tariff", TARIFF.name, "--first-day", "2026-10-16")
    code, said = await command(*moved)
    assert (code, "kim" in said, "lee" in said) == (0, True, True), said
    assert (await command("houses", "contracts", "h1"))[1] == said
    code, said = await command("houses", "move-out", "h1", "--last-day", "soon")
    assert (code, "not a day" in said) == (2, True)
    code, said = await command("bill-run", "--period", "2026-10", "--balance-group", UTILITY.balance_group)
    assert (code, "2" in said) == (0, True), said
    code, said = await command("bills", "close", "--period", "2026-10", "--utility", UTILITY.party)
    assert code == 0, said
    assert "2026-10-31" in said
