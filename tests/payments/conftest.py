"""What tests of payments share."""

from collections.abc import AsyncIterator

import pytest

from tests.payments.till import Till, open_till
from wattbook.db.engine import Database


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database) as opened:
        yield opened
