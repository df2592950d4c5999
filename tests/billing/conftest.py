"""A market of its own for each test; whatever a test does to it, the proof holds in the end."""

from collections.abc import AsyncIterator

import pytest

from tests.billing import market as a_market
from wattbook.db.engine import Database


@pytest.fixture
async def market(database: Database) -> AsyncIterator[Database]:
    async with database.transaction() as connection:
        await a_market.build(connection)
    yield database
    await a_market.prove(database)
