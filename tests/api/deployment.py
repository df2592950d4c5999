"""An operator's deployment on real ports: programs' door, stations' door, and stations that come through it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.server import listening
from wattbook.api.application import mount_api
from wattbook.api.services import Services
from wattbook.book.audit import Proof, audit
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.connections.station import Commands, Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import Answer, CommandAnswer, CommandStatus, Reset

WAIT_S = 20.0


@asynccontextmanager
async def door(database: Database, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async def proof() -> Proof:
        async with database.snapshot() as connection:
            return await audit(connection)

    async with Outcomes(database) as outcomes:
        app = FastAPI()
        mount_api(app, Services(database, Settings(**settings), system_clock, proof, outcomes))
        async with (
            listening(app) as url,
            httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False, timeout=30) as opened,
        ):
            yield opened


async def yes(_: Any) -> Answer:
    return CommandAnswer(CommandStatus.ACCEPTED)


async def connect(gateway: Gateway, station_id: str, answering: Any = yes) -> Station:
    commands: Commands = {Reset: answering}
    station = await Station.connect(f"ws://127.0.0.1:{gateway.port}/ocpp", station_id, commands)
    await station.boot("maker", "model")
    return station


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Nobody is told when a gateway has read the registry or kept a frame."""
    for _ in range(1_000):
        if await holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came true")
