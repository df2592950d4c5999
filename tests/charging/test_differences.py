"""R26: an end that was estimated, and the true one that comes later: nothing is billed twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import NOW, US, YEAR, build, posted, prove, tariff_document, top_up, won
from wattbook.book.accounts import ENERGY
from wattbook.charging.differences import DIFFERENCE, ESTIMATED_STOP
from wattbook.charging.meter_values import record_samples
from wattbook.charging.open_sessions import estimated_stop, silent_sessions
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.charging.views import sessions_between
from wattbook.db.engine import Database
from wattbook.registry.stations import StationTariff, add_station_tariffs

KWH = 1_000_000
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FLAT_AND_ENERGY = [{"price_components": [
    {"type": "FLAT", "price": 500, "vat": 10, "step_size": 1},
    {"type": "ENERGY", "price": 300, "vat": 10, "step_size": 1000},
    {"type": "TIME", "price": 60, "vat": 10, "step_size": 60},
]}]  # fmt: skip


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Database]:
    async with database.transaction() as connection:
        await build(connection, customers=("kim",))
        document = tariff_document() | {"elements": FLAT_AND_ENERGY}
        await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR, "KRW", document)])
        await top_up(connection, "kim", won(100_000))
    yield database
    await prove(database)


async def begin(connection: AsyncConnection, name: str = "tx") -> None:
    what = SessionStart(
        station_id="CP1",
        connector_no=1,
        token_uid="T-kim",
        meter_start_mwh=7 * KWH,
        started_at=NOW,
        transaction_id=name,
    )
    assert isinstance((await start(connection, [what], now=NOW))[0], Started)


async def measure(connection: AsyncConnection, minutes: int, mwh: int, name: str = "tx") -> None:
    reading = Reading(NOW + minutes * MINUTE, 7 * KWH + mwh)
    await record_samples(connection, [Samples("CP1", 1, name, (reading,))], now=NOW + minutes * MINUTE)


async def estimate(connection: AsyncConnection) -> Stopped:
    (found,) = await silent_sessions(connection, NOW + 2 * HOUR, limit=10)
    (outcome,) = await stop(connection, [estimated_stop(found)], now=NOW + 2 * HOUR)
    assert isinstance(outcome, Stopped)
    return outcome


async def end(connection: AsyncConnection, minutes: int, mwh: int, name: str = "tx") -> Stopped:
    said = SessionStop(
        station_id="CP1", transaction_id=name, meter_stop_mwh=7 * KWH + mwh, stopped_at=NOW + minutes * MINUTE
    )
    (outcome,) = await stop(connection, [said], now=NOW + 3 * HOUR)
    assert isinstance(outcome, Stopped)
    return outcome


async def test_an_estimated_end_is_the_last_good_reading_and_is_flagged(world: Database) -> None:
    async with world.transaction() as connection:
        await begin(connection)
        await measure(connection, 20, 5 * KWH)
        stopped = await estimate(connection)
        assert (stopped.import_mwh, stopped.state) == (5 * KWH, "completed")
        assert ESTIMATED_STOP in stopped.flags
        assert await silent_sessions(connection, NOW + 9 * HOUR, limit=10) == []


async def test_a_session_that_was_never_measured_is_ended_with_nothing_and_without_the_odometer(
    world: Database,
) -> None:
    async with world.transaction() as connection:
        await begin(connection)
        assert (await estimate(connection)).import_mwh == 0
        assert await posted(connection, "kim", "consumption", ENERGY) == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    measured=st.integers(0, 12 * KWH),
    more=st.integers(0, 3 * KWH),
    minutes=st.integers(20, 90),
    number=st.integers(0, 10**9),
)
async def test_estimate_and_difference_are_the_session_as_it_was(
    world: Database, measured: int, more: int, minutes: int, number: int
) -> None:
    """The flat fee, started steps and time are billed as of one session, whatever was estimated."""
    name = f"tx-{number}-{measured}-{more}-{minutes}"
    async with world.transaction() as connection:
        revenue, drawn = await posted(connection, US, "revenue"), await posted(connection, "kim", "consumption", ENERGY)
        await connection.begin_nested()
        await begin(connection, name)
        await measure(connection, 20, measured, name)
        whole = await end(connection, minutes, measured + more, name)
        await connection.get_nested_transaction().rollback()  # type: ignore[union-attr]
        await connection.begin_nested()
        await begin(connection, name)
        await measure(connection, 20, measured, name)
        await estimate(connection)
        for _ in range(2):
            await end(connection, minutes, measured + more, name)
        assert await posted(connection, US, "revenue") - revenue == whole.before_tax
        assert await posted(connection, "kim", "consumption", ENERGY) - drawn == measured + more
        await connection.get_nested_transaction().rollback()  # type: ignore[union-attr]


async def test_the_difference_names_what_it_makes_good(world: Database) -> None:
    async with world.transaction() as connection:
        await begin(connection)
        await measure(connection, 20, 5 * KWH)
        first = await estimate(connection)
        await end(connection, 60, 8 * KWH)
        sessions = await sessions_between(connection, NOW - HOUR, NOW + 4 * HOUR)
        assert {session.import_mwh for session in sessions} == {5 * KWH, 3 * KWH}
        found = (await connection.exec_driver_sql(
            "SELECT corrects::text, flags, started_at FROM charging.sessions WHERE corrects IS NOT NULL"
        )).one()  # fmt: skip
        assert tuple(found) == (first.session_id, [DIFFERENCE], NOW + 20 * MINUTE)
        both = sum((session.cost_before_tax or Decimal(0) for session in sessions), Decimal(0))
        assert both == Decimal(500 + 8 * 300 + 60)


async def test_a_true_stop_that_confirms_the_estimate_changes_nothing(world: Database) -> None:
    async with world.transaction() as connection:
        await begin(connection)
        await measure(connection, 20, 5 * KWH)
        await estimate(connection)
        assert (await end(connection, 20, 5 * KWH)).repeated
        assert await posted(connection, "kim", "consumption", ENERGY) == 5 * KWH


async def test_a_true_stop_below_the_estimate_takes_nothing_back(world: Database) -> None:
    async with world.transaction() as connection:
        await begin(connection)
        await measure(connection, 20, 5 * KWH)
        await estimate(connection)
        await end(connection, 60, 2 * KWH)
        assert await posted(connection, "kim", "consumption", ENERGY) == 5 * KWH
