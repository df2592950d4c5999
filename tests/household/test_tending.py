"""Readings kept in order and looked over while a deployment serves."""

from datetime import UTC, datetime, timedelta

from tests.household.village import KWH, NOW, billed, found, hourly, measure
from wattbook.db.engine import Database
from wattbook.household.accounts.tending import check_houses, last_week, tend
from wattbook.household.bills.documents import credit_notes_of_bills
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.reviews import note_changes
from wattbook.household.work_list import Kind, open_work


def test_the_last_whole_week_is_over_for_a_day() -> None:
    monday = datetime(2026, 11, 15, 15, tzinfo=UTC)  # Monday the 16th begins in Seoul
    week = timedelta(days=7)
    assert last_week("Asia/Seoul", monday + timedelta(hours=23)) == (monday - 2 * week, monday - week)
    assert last_week("Asia/Seoul", monday + timedelta(hours=24)) == (monday - week, monday)
    spring = last_week("Europe/Berlin", datetime(2026, 4, 1, tzinfo=UTC))
    assert spring[1] - spring[0] == week - timedelta(hours=1)


async def test_days_are_compacted_a_few_at_a_time_and_noted_bills_assessed(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        bill = await billed(connection, store, "h1")
        later = [each._replace(version=1) for each in hourly("M-h1", 350 * KWH)]
        await measure(connection, store, later, "later")
        await note_changes(connection, later, NOW)
    first = await tend(database, store, now=NOW, days_max=1, settled=True)
    assert (first.compacted, first.notes) == (2, 1)
    assert (await tend(database, store, now=NOW, days_max=1, settled=True)).compacted == 2
    assert (await tend(database, store, now=NOW)).compacted == 0
    async with database.snapshot() as connection:
        (note,) = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
    assert note.lines.total == (126_160 - 70_640) * 10_000


async def test_a_day_is_settled_a_day_after_its_end(database: Database, store: IntervalStore) -> None:
    evening = NOW.replace(hour=0) - timedelta(hours=3)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", KWH, start=evening, hours=2))
        await measure(connection, store, hourly("M-h1", 2 * KWH, start=evening, hours=2), "again")
    assert (await tend(database, store, now=NOW, settled=True)).compacted == 0
    assert (await tend(database, store, now=NOW + timedelta(days=1), settled=True)).compacted == 2


async def test_every_house_is_checked_some_at_a_time_and_a_finding_stands_once(
    database: Database, store: IntervalStore
) -> None:
    monday, _ = last_week("Asia/Seoul", NOW)
    async with database.transaction() as connection:
        await found(connection, "h1", "h2", "h3")
        for house in ("h1", "h2", "h3"):
            usual = hourly(f"M-{house}", 42 * 24 * 7 * KWH // 10, start=monday - timedelta(days=35), hours=42 * 24)
            if house == "h2":
                usual[-30] = usual[-30]._replace(energy_mwh=60 * KWH)
            await measure(connection, store, usual, house)
        looked = await check_houses(connection, store, now=NOW, limit=2)
        assert (looked.after, looked.houses) == ("h2", 2)
        rest = await check_houses(connection, store, looked.after, now=NOW, limit=2)
        assert (rest.after, rest.houses, rest.findings) == ("", 1, 0)
        spikes = await open_work(connection, kind=Kind.SPIKE)
        assert [item.meter for item in spikes] == ["M-h2"]
        await check_houses(connection, store, now=NOW)
        assert await open_work(connection, kind=Kind.SPIKE) == spikes
