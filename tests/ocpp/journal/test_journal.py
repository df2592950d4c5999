"""Frames are kept as they went over the wire, by day, and forgotten by day; and never at the cost of a message."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from wattbook.db.engine import POOL_OVERFLOW, POOL_SIZE, Database
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.ocpp.connections.connection import Direction
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.gateway.options import StationOptions, set_options
from wattbook.ocpp.journal.frames import FRAME_BYTES_MAX, FrameJournal, JournalledFrame, frames_of
from wattbook.simulate.estate import Estate, furnish

NOW = datetime(2026, 10, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=400)


async def kept(database: Database, station: str, before: datetime = LATER) -> list[JournalledFrame]:
    async with database.snapshot() as connection:
        return list(await frames_of(connection, station, before=before))


async def partitions(database: Database) -> list[str]:
    async with database.snapshot() as connection:
        found = await connection.execute(
            text("SELECT relname FROM pg_class WHERE relispartition AND relname LIKE 'ocpp_frames_20%'"
                 " AND relkind = 'r' ORDER BY relname")
        )  # fmt: skip
        return [name.removeprefix("ocpp_frames_") for name in found.scalars()]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def journal(database: Database, clock: ManualClock) -> AsyncIterator[FrameJournal]:
    opened = FrameJournal(database, clock, keep_days=2, flush_every_s=3600)
    await opened.open()
    yield opened
    await opened.close()


async def test_frames_come_back_as_they_were_newest_first(
    database: Database, journal: FrameJournal, clock: ManualClock
) -> None:
    frames = [b'[2,"1","Heartbeat",{}]', b"\x00\xff no text", "é".encode(), b""]
    for frame in frames:
        journal.recorder("CP1", "1.6")(Direction.IN, frame)
        clock.advance(timedelta(microseconds=1))
    journal.recorder("CP1", "1.6")(Direction.OUT, b"answer")
    journal.recorder("CP2", "2.1")(Direction.IN, b"another station's")
    assert await kept(database, "CP1") == []
    await journal.flush()
    newest, *others = await kept(database, "CP1")
    assert newest == JournalledFrame("CP1", NOW + timedelta(microseconds=4), Direction.OUT, "1.6", b"answer")
    assert [frame.raw for frame in reversed(others)] == frames
    assert len(await kept(database, "CP1", NOW + timedelta(microseconds=2))) == 2


async def test_an_id_of_any_letters_and_a_frame_of_any_length_are_kept(
    database: Database, journal: FrameJournal
) -> None:
    journal.recorder("ä\ud800\0", "1.6")(Direction.IN, b"x" * (FRAME_BYTES_MAX + 1))
    await journal.flush()
    assert [len(frame.raw) for frame in await kept(database, "ä??")] == [FRAME_BYTES_MAX]


async def test_days_are_made_ahead_and_dropped_when_their_time_is_over(
    database: Database, journal: FrameJournal, clock: ManualClock
) -> None:
    assert await partitions(database) == ["2026_10_01", "2026_10_02", "2026_10_03"]
    journal.recorder("CP1", "1.6")(Direction.IN, b"old")
    await journal.flush()
    clock.advance(timedelta(days=4))
    journal.recorder("CP1", "1.6")(Direction.IN, b"new")
    await journal.flush()
    await journal.tidy()
    assert await partitions(database) == ["2026_10_03", "2026_10_05", "2026_10_06", "2026_10_07"]
    assert [frame.raw for frame in await kept(database, "CP1")] == [b"new"]


async def test_what_is_too_much_is_counted_and_not_kept(database: Database, clock: ManualClock) -> None:
    journal = FrameJournal(database, clock, waiting_bytes_max=100)
    for _ in range(5):
        journal.recorder("CP1", "1.6")(Direction.IN, b"x" * 60)
    assert journal.lost == 3
    await journal.flush()
    assert len(await kept(database, "CP1")) == 2


async def test_what_the_database_does_not_take_is_lost_and_counted_and_the_journal_goes_on(
    database: Database, journal: FrameJournal
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE ocpp.frames RENAME TO away"))
    journal.recorder("CP1", "1.6")(Direction.IN, b"lost")
    await journal.flush()
    assert journal.lost == 1
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE ocpp.away RENAME TO frames"))
    journal.recorder("CP1", "1.6")(Direction.IN, b"kept")
    await journal.flush()
    assert [frame.raw for frame in await kept(database, "CP1")] == [b"kept"]


async def test_frames_are_lost_and_counted_while_all_connections_to_the_database_are_taken(
    database_url: str, clock: ManualClock
) -> None:
    narrow = Database(database_url, pool_wait_s=0.05)
    journal = FrameJournal(narrow, clock, flush_every_s=3600)
    async with AsyncExitStack() as taken:
        for _ in range(POOL_SIZE + POOL_OVERFLOW):
            await taken.enter_async_context(narrow.snapshot())
        journal.recorder("CP1", "1.6")(Direction.IN, b"lost")
        journal.recorder("CP2", "1.6")(Direction.IN, b"lost")
        await journal.flush()
        assert journal.lost == 2
        await journal.tidy()
    journal.recorder("CP1", "1.6")(Direction.IN, b"kept")
    await journal.flush()
    assert [frame.raw for frame in await kept(narrow, "CP1")] == [b"kept"]
    await narrow.close()


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 3)


@pytest.mark.parametrize(
    ("house", "station", "keeps"), [(True, None, True), (True, False, False), (False, None, False), (False, True, True)]
)
async def test_a_gateway_keeps_what_its_stations_say_and_hear_as_the_house_and_the_station_are_set(
    database: Database, estate: Estate, house: bool, station: bool | None, keeps: bool
) -> None:
    async with database.transaction() as connection:
        await set_options(connection, {estate.station(0): StationOptions(journal=station)})
    gateway = Gateway(database, system_clock, heartbeat_interval_s=300, journal=house)
    await gateway.open("127.0.0.1", 0)
    connected = await Station.connect(f"ws://127.0.0.1:{gateway.port}/ocpp", estate.station(0))
    await connected.heartbeat()
    await connected.close()
    await gateway.close()
    frames = await kept(database, estate.station(0))
    assert [(frame.direction, frame.raw[:2]) for frame in frames] == (
        [(Direction.OUT, b"[3"), (Direction.IN, b"[2")] if keeps else []
    )
