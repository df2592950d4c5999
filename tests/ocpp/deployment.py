"""A gateway on a real database, with a clock that tests move, and stations whose answers tests write."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from wattbook.charging.policy import POLICY, Policy
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import (
    Answer,
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    CommandAnswer,
    CommandStatus,
    ConfigurationAnswer,
    GetConfiguration,
    RemoteStart,
    RemoteStop,
    Request,
    Verbatim,
    VerbatimAnswer,
)
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.estate import Estate, furnish

NOW = datetime.now(UTC).replace(microsecond=0)
WAIT_S = 20.0
VERSIONS = ("1.6", "2.0.1", "2.1")


@dataclass
class Puppet:
    """What a station was told, and what it answers: by action, or by struct where the command has one."""

    told: list[Request[Any]] = field(default_factory=list)
    answers: dict[str, Callable[[JsonObject], JsonObject]] = field(default_factory=dict)
    configuration: ConfigurationAnswer = field(default_factory=ConfigurationAnswer)
    status: CommandStatus = CommandStatus.ACCEPTED
    hears: asyncio.Event = field(default_factory=asyncio.Event)

    async def obey(self, message: Any) -> Answer:
        self.told.append(message)
        self.hears.set()
        match message:
            case Verbatim(action, payload):
                if action not in self.answers:
                    raise RpcError(ErrorCode.NOT_SUPPORTED, "this station does not do that")
                return VerbatimAnswer(self.answers[action](payload))
            case GetConfiguration():
                return self.configuration
        return CommandAnswer(self.status)

    def of(self, action: str) -> list[JsonObject]:
        """The payloads of these commands, as they came."""
        return [each.payload for each in self.told if isinstance(each, Verbatim) and each.action == action]

    @property
    def commands(self) -> dict[Any, Any]:
        kinds = (
            Verbatim,
            ChangeAvailability,
            ChangeConfiguration,
            ClearCache,
            GetConfiguration,
            RemoteStart,
            RemoteStop,
        )
        return dict.fromkeys(kinds, self.obey)


@dataclass
class Deployment:
    """One gateway, its database, and the estate in it."""

    database: Database
    estate: Estate
    gateway: Gateway
    clock: ManualClock

    async def connect(self, n: int, version: str, puppet: Puppet | None = None, *, boots: bool = True) -> Station:
        station = await Station.connect(
            f"ws://127.0.0.1:{self.gateway.port}/ocpp",
            self.estate.station(n),
            (puppet or Puppet()).commands,
            subprotocols=[f"ocpp{version}"],
            clock=self.clock,
        )
        if boots:
            await station.boot("maker", "model")
        known = (
            "SELECT 1 FROM ocpp.connections WHERE station_id = :id AND version = :version AND disconnected_at IS NULL"
        )
        await self.until(lambda: self.value(known, id=self.estate.station(n), version=version))
        return station

    async def left(self, n: int, station: Station) -> None:
        """Close its connection, and wait until that is known."""
        await station.close()
        known = "SELECT 1 FROM ocpp.connections WHERE station_id = :id AND disconnected_at IS NOT NULL"
        await self.until(lambda: self.value(known, id=self.estate.station(n)))

    async def value(self, query: str, **arguments: Any) -> Any:
        """The first column of the first row; None without any."""
        rows = await self.rows(query, **arguments)
        return rows[0][0] if rows else None

    async def rows(self, query: str, **arguments: Any) -> list[tuple[Any, ...]]:
        async with self.database.snapshot() as connection:
            return [tuple(row) for row in await connection.execute(text(query), arguments)]

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """What the condition gives as soon as it gives something."""
        async with asyncio.timeout(WAIT_S):
            while True:
                if found := await condition():
                    return found
                await asyncio.sleep(0.02)

    async def answered(self, action: str) -> None:
        """Wait until the station's answer to the latest command of this action is kept."""

        async def is_answered() -> bool:
            state = await self.value(
                "SELECT state FROM ocpp.commands WHERE action = :action ORDER BY place DESC LIMIT 1", action=action
            )
            return state not in (None, "accepted", "sent")

        await self.until(is_answered)


@asynccontextmanager
async def deployed(database: Database, *, stations: int = 2, policy: Policy = POLICY) -> AsyncIterator[Deployment]:
    async with database.transaction() as connection:
        estate = await furnish(connection, stations)
    clock = ManualClock(NOW)
    gateway = Gateway(database, clock, heartbeat_interval_s=300, policy=policy, look_every_s=0.2)
    await gateway.open("127.0.0.1", 0)
    try:
        yield Deployment(database, estate, gateway, clock)
    finally:
        await gateway.close()
