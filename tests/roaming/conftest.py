"""Three deployments for a test, registered with each other or not."""

from collections.abc import AsyncIterator

import pytest

from tests.roaming.deployments import Country, country
from wattbook.db.embedded import EmbeddedServer


@pytest.fixture
async def strangers(server: EmbeddedServer) -> AsyncIterator[Country]:
    """Operator, provider and hub before they registered."""
    async with country(server) as three:
        yield three


@pytest.fixture
async def partners(strangers: Country) -> Country:
    """Operator and provider, registered with the hub."""
    await strangers.register()
    return strangers
