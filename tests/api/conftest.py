"""A village and an operator's stations behind the programs' door, on a real port."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from tests.api.server import listening
from tests.household.village import NOW, found
from wattbook.api.application import mount_api
from wattbook.api.services import Services
from wattbook.book.audit import Proof, audit
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.simulate.estate import Estate, furnish


def application(database: Database, settings: Settings | None = None) -> FastAPI:
    async def proof() -> Proof:
        async with database.snapshot() as connection:
            return await audit(connection)

    app = FastAPI()
    mount_api(app, Services(database, settings or Settings(), lambda: NOW, proof))
    return app


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Calls from this machine; the village has the house `house-1`."""
    async with database.transaction() as connection:
        await found(connection, "house-1")
    async with (
        listening(application(database)) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as opened,
    ):
        yield opened


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 3)


@pytest.fixture
async def gateway(database: Database, estate: Estate) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300, look_every_s=0.2)
    await running.open("127.0.0.1", 0)
    yield running
    await running.close()
