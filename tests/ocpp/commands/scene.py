"""Gateways that deliver commands, a station that does what it is told, and ways to ask and to wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.connections.station import Commands, Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import (
    Answer,
    CommandAnswer,
    CommandStatus,
    RemoteStart,
    Reset,
)
from wattbook.ocpp.wire.errors import RpcError

RESET = {"type": "Soft"}
WAIT_S = 20.0


@asynccontextmanager
async def gateway_on(database: Database, *, settle_s: float = 10.0) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300, settle_s=settle_s, look_every_s=0.2)
    await running.open("127.0.0.1", 0)
    try:
        yield running
    finally:
        await running.close()


def url(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/ocpp"


class Obedient:
    """A station that notes what it is told, and may be made to wait or to refuse."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.holding: asyncio.Event | None = None
        self.hears = asyncio.Event()
        self.refusal: RpcError | None = None

    async def __call__(self, message: Any) -> Answer:
        self.told.append(message)
        self.hears.set()
        if self.holding is not None:
            await self.holding.wait()
        if self.refusal is not None:
            raise self.refusal
        return CommandAnswer(CommandStatus.ACCEPTED)

    @property
    def commands(self) -> Commands:
        return {Reset: self, RemoteStart: self}


async def connect(gateway: Gateway, station_id: str, obedient: Obedient, *, boots: bool = True) -> Station:
    station = await Station.connect(url(gateway), station_id, obedient.commands)
    if boots:
        await station.boot("maker", "model")
    return station


def ask(station_id: str, action: str = "Reset", payload: Any = None, **terms: Any) -> CommandRequest:
    expires_at = terms.pop("expires_at", system_clock() + timedelta(minutes=5))
    return CommandRequest(station_id, action, RESET if payload is None else payload, expires_at, **terms)


async def accept(database: Database, requests: Sequence[CommandRequest]) -> list[Command]:
    async with database.transaction() as connection:
        outcomes = await submit(connection, requests, requested_by="test", now=system_clock())
    assert all(isinstance(outcome, Command) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Command)]


async def refusals(database: Database, requests: Sequence[CommandRequest]) -> list[Any]:
    async with database.transaction() as connection:
        return await submit(connection, requests, requested_by="test", now=system_clock())


async def until(database: Database, outcomes: Outcomes, command: Command, state: CommandState) -> Command:
    """Not every change is told to those who wait for outcomes; `sent` is seen by looking."""
    async with asyncio.timeout(WAIT_S):
        while (found := await outcomes.wait(command.id, 0.05)).state is not state:
            pass
    return found


async def gateway_has_entered(database: Database, station_id: str) -> None:
    """Nobody is told when a connection is in the database."""
    for _ in range(1_000):
        async with database.snapshot() as connection:
            if station_id in await versions_spoken(connection, [station_id]):
                return
        await asyncio.sleep(0.02)
    pytest.fail("it was never entered")
