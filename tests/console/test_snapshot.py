"""What the page knows of a moment."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.browser.scene import play
from tests.charging.world import HOUR, KWH, NOW
from wattbook.charging.overview import Live
from wattbook.config import Settings
from wattbook.console.snapshot import day_of, take_snapshot
from wattbook.db.engine import Database
from wattbook.registry.presence import Fleet


async def test_a_working_day_in_numbers(database: Database) -> None:
    async with database.transaction() as connection:
        await play(connection)
    snapshot = await take_snapshot(database, Settings(), NOW)
    assert snapshot.fleet == Fleet(stations=5, online=4, out_of_service=1)
    assert [snapshot.online(station) for station in snapshot.stations] == [True, True, True, True, False]
    assert snapshot.live == Live(2, drawn_mwh=11 * KWH, fed_in_mwh=4 * KWH, drawing_w=21_400, feeding_w=9_800)
    assert (snapshot.drawn_today_mwh, snapshot.fed_in_today_mwh) == (123 * KWH, 12 * KWH)
    moved = [hour for hour in snapshot.hours if hour.drawn_mwh or hour.fed_in_mwh]
    assert [(NOW - hour.start) // HOUR for hour in moved] == [9, 6, 4, 2, 1]
    assert (len(snapshot.hours), len(snapshot.sessions), len(snapshot.refusals)) == (24, 2, 2)


async def test_a_new_day_begins_with_what_still_runs(database: Database) -> None:
    async with database.transaction() as connection:
        await play(connection)
    snapshot = await take_snapshot(database, Settings(), NOW + timedelta(days=1))
    assert snapshot.fleet == Fleet(stations=5, online=0, out_of_service=0)
    assert (snapshot.drawn_today_mwh, snapshot.fed_in_today_mwh) == (11 * KWH, 4 * KWH)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 11, 21, 12, tzinfo=UTC), 24),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), 25),
    ],
)
def test_a_day_has_the_hours_its_zone_gives_it(now: datetime, hours: int) -> None:
    start, end = day_of(now, ZoneInfo("Europe/Berlin"))
    assert start <= now < end
    assert end - start == hours * HOUR
