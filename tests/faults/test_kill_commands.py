"""`kill -9` of the serving process with commands on their way: none is lost, none is sent twice that may not be."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from wattbook.app.databases import owned_database
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.demo.deployments import free_port
from wattbook.demo.processes import require_up, serving_process
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import Answer, CommandAnswer, CommandStatus, Reset
from wattbook.simulate.estate import Estate, furnish

RESET = {"action": "Reset", "payload": {"type": "Soft"}}


async def test_commands_survive_a_kill(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "data", web_port=free_port(), ocpp_port=free_port(), ocpp_host="127.0.0.1", web_host="127.0.0.1"
    )
    estate = await _furnished(settings)
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def deaf(station_id: str) -> Answer:
        heard.put_nowait(station_id)
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes it")

    async with _serve(settings) as process, _door(settings) as client:
        for n in range(2):
            await _connect(settings, estate.station(n), deaf)
        once = await _ask(client, estate.station(0))
        again = await _ask(client, estate.station(1), repeatable=True)
        waiting = await _ask(client, estate.station(2))
        assert {await heard.get(), await heard.get()} == {estate.station(0), estate.station(1)}
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    async def obedient(station_id: str) -> Answer:
        heard.put_nowait(station_id)
        return CommandAnswer(CommandStatus.ACCEPTED)

    async with _serve(settings), _door(settings) as client:
        stations = [await _connect(settings, estate.station(n), obedient) for n in range(3)]
        became = [await _outcome(client, command) for command in (once, again, waiting)]
        assert [each["state"] for each in became] == ["unknown", "answered", "answered"]
        assert [each["sendings"] for each in became] == [1, 2, 1]
        assert sorted([heard.get_nowait(), heard.get_nowait()]) == [estate.station(1), estate.station(2)]
        for station in stations:
            await station.close()


async def _connect(settings: Settings, station_id: str, answering: Any) -> Station:
    async def on_reset(_: Reset) -> Answer:
        answer: Answer = await answering(station_id)
        return answer

    url = f"ws://127.0.0.1:{settings.ocpp_port}/ocpp"
    station = await Station.connect(url, station_id, {Reset: on_reset})
    await station.boot("maker", "model")
    return station


async def _ask(client: httpx.AsyncClient, station_id: str, **terms: Any) -> str:
    answer = await client.post(f"/stations/{station_id}/calls", json=RESET | terms)
    assert answer.status_code == 202
    command: str = answer.json()["id"]
    return command


async def _outcome(client: httpx.AsyncClient, command: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/commands/{command}", params={"wait_s": 30})).json()
    return found


async def _furnished(settings: Settings) -> Estate:
    with owned_database(settings) as url:
        database = Database(url)
        async with database.transaction() as connection:
            estate = await furnish(connection, 3)
        await database.close()
    return estate


@asynccontextmanager
async def _serve(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    log = settings.data / "serve.log"
    async with serving_process(settings, log) as process:
        await require_up(settings, process, log)
        yield process


@asynccontextmanager
async def _door(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{settings.web_port}/api/v1"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        yield client
