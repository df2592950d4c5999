"""An estate, a gateway for it, and somebody who waits for outcomes."""

from collections.abc import AsyncIterator

import pytest

from tests.ocpp.commands.scene import gateway_on
from wattbook.db.engine import Database
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.simulate.estate import Estate, furnish


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 5)


@pytest.fixture
async def gateway(database: Database, estate: Estate) -> AsyncIterator[Gateway]:
    async with gateway_on(database) as running:
        yield running


@pytest.fixture
async def outcomes(database: Database) -> AsyncIterator[Outcomes]:
    async with Outcomes(database) as waiting:
        yield waiting
