"""Our own gateway with its database, as a management system that the suite knows nothing of but its URL."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import pytest_asyncio

from tests.conftest import fresh_database
from wattbook.conformance.bench import Target
from wattbook.conformance.checks import CHECKS
from wattbook.conformance.versions import VERSIONS, JsonObject
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.security.passwords import set_password
from wattbook.registry.stations import Acceptance, set_acceptance
from wattbook.simulate.estate import Estate, furnish

PASSWORD: Final = bytes(range(0xEC, 0x100))
"""Twenty bytes that are no text (OCPP-J 1.6, chapter 6)."""


@dataclass
class Ours:
    """The gateway, and an estate in which each check has a station and a driver of its own.

    The last two stations are special: one is not accepted, one has a password.
    """

    gateway: Gateway
    database: Database
    estate: Estate

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
        """Command the station, as an operator would."""
        now = system_clock()
        request = CommandRequest(station, action, payload, expires_at=now + timedelta(minutes=1))
        async with self.database.transaction() as connection:
            (accepted,) = await submit(connection, [request], requested_by="conformance", now=now)
        assert isinstance(accepted, Command), accepted


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
        yield Ours(gateway, database, estate)
        await gateway.close()
        await database.close()
