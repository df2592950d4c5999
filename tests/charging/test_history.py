"""Meter values in time: hours add up to what was read, whenever it was rolled up; a month goes only after that."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.history import roll_up, tend_meter_values
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.db.engine import Database

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
HOURS = text("""
    SELECT station_id, hour, readings, import_first_mwh, import_last_mwh, power_high_w FROM charging.meter_hours
    ORDER BY station_id, hour
""")


async def read(connection: AsyncConnection, station: str, minutes: int) -> None:
    """A reading every ten minutes, each a kilowatt-hour on."""
    at = START + timedelta(minutes=minutes)
    reading = Reading(at, 1_000_000 * minutes // 10, None, 6000 + minutes)
    await record_samples(connection, [Samples(station, 1, None, (reading,))], now=at)


async def test_hours_are_the_same_however_often_they_are_rolled_up(database: Database) -> None:
    async with database.transaction() as connection:
        for minutes in range(0, 120, 10):
            await read(connection, "often", minutes)
            await roll_up(connection, now=START + timedelta(minutes=minutes + 5))
        await roll_up(connection, now=START + timedelta(hours=5))
        hours = [tuple(row)[1:] for row in await connection.execute(HOURS)]
    assert hours == [
        (START, 6, 0, 5_000_000, 6050),
        (START + timedelta(hours=1), 6, 6_000_000, 11_000_000, 6110),
    ]


async def test_a_month_that_is_not_rolled_up_is_not_dropped(database: Database) -> None:
    async with database.transaction() as connection:
        await tend_meter_values(connection, now=START, keep=timedelta(0))
        await read(connection, "kept", 10)
        later = START + timedelta(days=70)
        assert await tend_meter_values(connection, now=later, keep=timedelta(0)) == []
        through = START
        while through < later - timedelta(hours=1):
            through = await roll_up(connection, now=later)
        assert await tend_meter_values(connection, now=later, keep=timedelta(0)) != []
        assert [row.readings for row in await connection.execute(HOURS)] == [1]
