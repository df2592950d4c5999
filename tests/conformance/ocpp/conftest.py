"""Our own gateway with its database, as a management system that the suite knows nothing of but its URL."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

import pytest_asyncio

from tests.conftest import fresh_database
from wattbook.conformance.bench import Target
from wattbook.conformance.checks import CHECKS
from wattbook.conformance.versions import VERSIONS, JsonObject
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.gateway import Gateway
from wattbook.ocpp.security.passwords import set_password
from wattbook.registry.stations import Acceptance, set_acceptance
from wattbook.simulate.estate import Estate, furnish

PASSWORD: Final = bytes(range(0xEC, 0x100))
"""Twenty bytes that are no text (OCPP-J 1.6, 6.2.2)."""


@dataclass
class Ours:
    """The gateway, and an estate in which each check has a station and a driver of its own.

    The last two stations are special: one is not accepted, one has a password.
    """

    gateway: Gateway
    estate: Estate
    calls: set[asyncio.Future[JsonObject]] = field(default_factory=set)

    def target(self, number: int) -> Target:
        return Target(
            url=f"ws://127.0.0.1:{self.gateway.port}/ocpp",
            station=self.estate.station(number),
            now=system_clock,
            new_id=lambda: str(uuid.uuid4()),
            token=self.estate.token(number),
            pending_station=self.estate.station(self.estate.size - 1),
            trigger=self.call,
            thorough=True,
        )

    def guarded_target(self) -> Target:
        """A station that has to say its password."""
        return replace(self.target(self.estate.size - 2), password=PASSWORD)

    async def call(self, station: str, action: str, payload: JsonObject) -> None:
        """Send the station a CALL and leave it to it whether it answers."""
        connection = self.gateway.connections.get(station)
        assert connection is not None, f"{station} is not connected"
        answer = connection.rpc.call(action, payload, timeout_s=30)
        self.calls.add(answer)
        answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[JsonObject]) -> None:
        self.calls.discard(answer)
        answer.exception()  # refusals and lost connections are what the checks are about


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours(server: EmbeddedServer) -> AsyncIterator[Ours]:
    with fresh_database(server) as url:
        database = Database(url)
        async with database.transaction() as connection:
            estate = await furnish(connection, len(CHECKS) * len(VERSIONS) + 2)
            await set_acceptance(connection, [(estate.station(estate.size - 1), Acceptance.PENDING)])
            await set_password(connection, estate.station(estate.size - 2), PASSWORD)
        gateway = Gateway(database, system_clock, heartbeat_interval_s=300)
        await gateway.open("127.0.0.1", 0)
        yield Ours(gateway, estate)
        await gateway.close()
        await database.close()
