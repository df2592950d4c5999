"""Arrays in PostgreSQL's own form: what goes in is what it reads."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from wattbook.db.arrays import bigints, moments, uuids
from wattbook.db.engine import Database, fetch

ID = UUID("5f0b8c1e-6c3d-5d8e-8f6e-6c6f61642020")
BEFORE_THE_EPOCH = datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC)
LATER = datetime(2026, 11, 22, 4, 5, 6, 7, UTC)


@pytest.mark.parametrize("ids", [[], [ID], [ID, None, ID], [None]])
async def test_ids_arrive_as_they_are(database: Database, ids: list[UUID | None]) -> None:
    async with database.transaction() as connection:
        sent = uuids([None if each is None else each.bytes for each in ids])
        assert await fetch(connection, "SELECT %b", (sent,)) == [(ids,)]


@pytest.mark.parametrize("numbers", [[], [0, -1, 2**63 - 1, -(2**63)], [7, None], [None, None]])
async def test_numbers_arrive_as_they_are(database: Database, numbers: list[int | None]) -> None:
    async with database.transaction() as connection:
        assert await fetch(connection, "SELECT %b", (bigints(numbers),)) == [(numbers,)]


@pytest.mark.parametrize("times", [[], [BEFORE_THE_EPOCH, LATER], [LATER, None]])
async def test_times_arrive_to_the_microsecond(database: Database, times: list[datetime | None]) -> None:
    async with database.transaction() as connection:
        assert await fetch(connection, "SELECT %b", (moments(times),)) == [(times,)]
