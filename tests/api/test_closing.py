"""A billing period closed over HTTP and from the command line: by whom it may be, with its totals, and on record."""

import asyncio
from pathlib import Path

import httpx
from typer.testing import CliRunner

from tests.household.village import DAY, KWH, NOW, UTILITY, billed, found, hourly, measure
from wattbook.cli import main
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.bills.closing import closed_billings
from wattbook.household.readings.intervals import IntervalStore
from wattbook.registry.changes import list_changes
from wattbook.registry.people import AccessRole, add_key

ASKED = {"period": str(DAY), "utility": UTILITY.party}


async def bill_one(database: Database, store: IntervalStore, house: str = "h1") -> None:
    async with database.transaction() as connection:
        await found(connection, house)
        await measure(connection, store, hourly(f"M-{house}", 500 * KWH), house)
        await billed(connection, store, house)


async def test_an_administrator_closes_a_period_once(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    store = IntervalStore(tmp_path / "intervals")
    empty = await client.post("/closed-billing", json=ASKED)
    assert (empty.status_code, "nothing to close" in empty.text) == (422, True)
    await bill_one(database, store)
    async with database.transaction() as connection:
        key = await add_key(connection, "desk", AccessRole.OPERATOR, now=NOW, expires_at=None)
    refused = await client.post("/closed-billing", json=ASKED, headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403
    closed = await client.post("/closed-billing", json=ASKED)
    assert closed.status_code == 201
    assert (closed.json()["bills"], closed.json()["totals"]) == (1, {"KRW": "126160"})
    assert (await client.get("/closed-billing", params={"utility": UTILITY.party})).json() == [closed.json()]
    assert (await client.post("/closed-billing", json=ASKED)).status_code == 409
    assert (await client.post("/closed-billing", json=ASKED | {"period": "soon"})).status_code == 422
    async with database.snapshot() as connection:
        (change,) = [each for each in await list_changes(connection) if each.what == "billing.closed"]
    assert (change.subject, change.by.split(":")[0]) == (f"{UTILITY.party} {DAY}", "address")


async def test_the_command_line_closes_a_period(database: Database, database_url: str, tmp_path: Path) -> None:
    await bill_one(database, IntervalStore(tmp_path / "intervals"))
    environment = Settings(database_url=database_url, data=tmp_path, party_id="KPW").environment()

    async def command(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, main, ["bills", *words], env=environment)
        return result.exit_code, result.output

    code, said = await command("close", "--period", str(DAY))
    assert code == 0, said
    again = await command("close", "--period", str(DAY))
    assert (again[0], "was closed" in again[1]) == (2, True)
    assert (await command("closed"))[0] == 0
    async with database.snapshot() as connection:
        (closed,) = await closed_billings(connection, UTILITY.party)
        (change,) = [each for each in await list_changes(connection) if each.what == "billing.closed"]
    assert (closed.bills, closed.metered_mwh) == (1, 500 * KWH)
    assert change.by == "command-line"
