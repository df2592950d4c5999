"""Partitions are made ahead and dropped when they are old; no row is refused, no row is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.partitions import Partitioned, tend

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def readings(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE readings (at timestamptz NOT NULL, n int) PARTITION BY RANGE (at)"))
        await connection.execute(text("CREATE TABLE partitions.readings_default PARTITION OF readings DEFAULT"))
    return database


async def add(connection: AsyncConnection, at: datetime, n: int) -> None:
    await connection.execute(text("INSERT INTO readings VALUES (:at, :n)"), {"at": at, "n": n})


async def where(connection: AsyncConnection) -> dict[int, str]:
    found = await connection.execute(text("SELECT n, relname FROM readings JOIN pg_class ON readings.tableoid = oid"))
    return {row[0]: row[1] for row in found}


@pytest.mark.parametrize(
    ("every", "names"),
    [
        ("month", ["readings_2026_11_01", "readings_2026_12_01", "readings_2027_01_01"]),
        ("day", ["readings_2026_11_21", "readings_2026_11_22", "readings_2026_11_23"]),
    ],
)
async def test_the_present_partition_and_two_ahead_are_made_once(
    readings: Database, every: str, names: list[str]
) -> None:
    table = Partitioned("readings", "at", "month" if every == "month" else "day")
    async with readings.transaction() as connection:
        for _ in range(2):
            assert await tend(connection, table, now=NOW) == []
        found = await connection.execute(
            text("SELECT relname FROM pg_class WHERE relispartition AND relname LIKE 'readings_2%' ORDER BY 1")
        )
        assert list(found.scalars()) == names


async def test_what_fell_into_the_default_partition_moves_when_its_own_is_made(readings: Database) -> None:
    async with readings.transaction() as connection:
        await add(connection, NOW, 1)
        await add(connection, NOW - timedelta(days=400), 2)
        assert set((await where(connection)).values()) == {"readings_default"}
        await tend(connection, Partitioned("readings", "at", "month"), now=NOW)
        assert await where(connection) == {1: "readings_2026_11_01", 2: "readings_default"}
        await add(connection, NOW, 3)
        assert (await where(connection))[3] == "readings_2026_11_01"


async def test_a_partition_is_dropped_when_all_of_it_is_old_enough(readings: Database) -> None:
    table = Partitioned("readings", "at", "month", keep=timedelta(days=60))
    async with readings.transaction() as connection:
        await tend(connection, table, now=NOW)
        await add(connection, NOW, 1)
        assert await tend(connection, table, now=datetime(2027, 1, 29, 23, tzinfo=UTC)) == []
        assert await tend(connection, table, now=datetime(2027, 1, 30, tzinfo=UTC)) == ["readings_2026_11_01"]
        assert await where(connection) == {}
