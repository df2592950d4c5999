"""Readings taken in: new, changed or known; what cannot be is refused by its line, and the rest is kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.test_intake_formats import WALL
from tests.household.village import HOUR, KWH, MIDNIGHT, NOW, SERVER, YEAR, found
from wattbook.db.engine import Database
from wattbook.household.readings import reading_rows
from wattbook.household.readings.intake.admission import take_in
from wattbook.household.readings.intake.csv_rows import read_csv
from wattbook.household.readings.intake.items import EXPORT, IMPORT, Complaint, IntervalReading, Item, RegisterReading
from wattbook.household.readings.intake.registers import advance
from wattbook.household.readings.intake.report import Report
from wattbook.household.readings.intervals import IntervalStore, MeterSpan
from wattbook.household.readings.reading_rows import Channel
from wattbook.household.work_list import Kind, open_work
from wattbook.registry import meters
from wattbook.registry.meters import OBIS_EXPORT, OBIS_IMPORT, Measures, Meter, MeterPlace

QUARTER = timedelta(minutes=15)
MELO = "DE0001234567890000000000000000001"
DAY = MeterSpan("M-h1", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + 24 * HOUR)


def quarter(number: int, mwh: int = 250_000, *, line: int | None = None, meter: str = "M-h1") -> IntervalReading:
    return IntervalReading(number + 2 if line is None else line, meter, IMPORT, MIDNIGHT + number * QUARTER, 15, mwh)


async def taken(
    connection: AsyncConnection, store: IntervalStore, items: Sequence[Item], source: str = "file", *, later: int = 0
) -> Report:
    return await take_in(connection, store, source, items, now=NOW + timedelta(seconds=later))


def refused(report: Report) -> list[tuple[int, str]]:
    return [(complaint.line, complaint.code) for complaint in report.refused]


async def test_good_lines_are_kept_beside_bad_ones_and_nothing_is_lost(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await meters.add_meters(connection, [Meter("EVSE-1", Measures.EVSE)])
        report = await taken(
            connection,
            store,
            [
                quarter(0),
                Complaint(3, "value", "not a number", "x"),
                quarter(1, meter="M-nobody", line=4),
                quarter(1, meter="EVSE-1", line=5),
                quarter(1, line=6)._replace(register="1-0:1.8.1"),
                quarter(1, line=7)._replace(register=EXPORT),
                quarter(1, line=8)._replace(minutes=20),
                quarter(1, line=9)._replace(start=MIDNIGHT + timedelta(minutes=17)),
                quarter(1, line=10)._replace(start=NOW),
                quarter(1, 100 * KWH, line=11),
                quarter(1, -1, line=12),
                quarter(2, 5, line=13),
                quarter(2, 6, line=14),
                quarter(3, 7, line=15),
                quarter(3, 7, line=16),
            ],
        )
        assert refused(report) == [
            (3, "value"), (4, "meter"), (5, "meter"), (6, "register"), (7, "register"), (8, "time"), (9, "time"),
            (10, "future"), (11, "unit"), (12, "value"), (13, "version"), (14, "version"),
        ]  # fmt: skip
        assert (report.new, report.known, report.refused_count) == (2, 1, 12)
        assert [each.energy_mwh for each in await store.intervals(connection, DAY)] == [250_000, 7]
        kept = await reading_rows.quarantined(connection, 100)
        assert sorted(complaint.line for _, complaint, _ in kept) == list(range(3, 15))
        assert {source for source, _, _ in kept} == {"file"}


async def test_the_same_again_changes_nothing_and_another_value_is_a_new_version(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        assert (await taken(connection, store, [quarter(0), quarter(1)])).new == 2
        again = await taken(connection, store, [quarter(0), quarter(1)], later=1)
        assert (again.new, again.changed, again.known) == (0, 0, 2)
        corrected = await taken(connection, store, [quarter(0), quarter(1, 300_000)], "correction", later=2)
        assert (corrected.new, corrected.changed, corrected.known) == (0, 1, 1)
        assert [each.energy_mwh for each in await store.intervals(connection, DAY)] == [250_000, 300_000]
        assert [(each.energy_mwh, each.version) for each in await store.versions(connection, DAY)] == [
            (250_000, 0),
            (250_000, 0),
            (300_000, 1),
        ]


async def test_an_older_version_of_the_sender_is_kept_and_does_not_count(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await taken(connection, store, [quarter(0, 20)._replace(version=2)])
        older = [quarter(0, 10)._replace(version=1), quarter(0, 15)._replace(version=0)]
        await taken(connection, store, older, later=1)
        assert [each.energy_mwh for each in await store.intervals(connection, DAY)] == [20]
        assert [each.energy_mwh for each in await store.versions(connection, DAY)] == [10, 20]


async def test_a_dry_run_says_the_same_and_stores_nothing(database: Database, store: IntervalStore) -> None:
    items = [quarter(0), quarter(1, meter="M-nobody")]
    async with database.transaction() as connection:
        await found(connection, "h1")
        tried = await take_in(connection, store, "file", items, now=NOW, dry_run=True)
        assert await store.intervals(connection, DAY) == []
        assert await reading_rows.quarantined(connection, 10) == []
        done = await taken(connection, store, items)
    assert (tried.new, tried.refused) == (done.new, done.refused)


async def test_intervals_of_other_lengths_may_follow_but_not_cover_each_other(
    database: Database, store: IntervalStore
) -> None:
    hour = quarter(0, 1_000_000)._replace(minutes=60)
    async with database.transaction() as connection:
        await found(connection, "h1")
        first = await taken(connection, store, [hour, quarter(2, line=9), quarter(4), quarter(5)])
        assert (first.new, refused(first)) == (3, [(9, "overlap")])
        second = await taken(connection, store, [quarter(3), hour._replace(line=8, start=MIDNIGHT + HOUR)], later=1)
        assert (second.new, refused(second)) == (0, [(5, "overlap"), (8, "overlap")])
        third = await taken(connection, store, [quarter(6)], later=2)
        assert third.new == 1


async def test_a_clock_that_is_seconds_off_is_put_right(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        off = quarter(0)._replace(start=MIDNIGHT - timedelta(seconds=29))
        late = quarter(1)._replace(start=MIDNIGHT + timedelta(minutes=15, seconds=31))
        report = await taken(connection, store, [off, late])
        assert refused(report) == [(3, "time")]
        assert [each.start for each in await store.intervals(connection, DAY)] == [MIDNIGHT]


async def test_a_meter_is_found_by_its_location_and_the_time(database: Database, store: IntervalStore) -> None:
    noon = MIDNIGHT + 12 * HOUR
    async with database.transaction() as connection:
        await found(connection, "h1")
        for number, since, until in (("OLD", YEAR, noon), ("NEW", noon, None)):
            await meters.add_meters(
                connection, [Meter(number, Measures.HOUSEHOLD, OBIS_IMPORT, OBIS_EXPORT, melo=MELO)]
            )
            await meters.assign_meter_places(connection, [MeterPlace(number, None, "h1", since, until)])
        german = quarter(0, meter=MELO)._replace(register="1-1:1.29.0")
        fed_in = german._replace(register="1-1:2.29.0", start=noon, line=9)
        report = await taken(connection, store, [german, fed_in, german._replace(start=YEAR - HOUR, line=4)])
        assert refused(report) == [(4, "meter")]
        old = await store.intervals(connection, DAY._replace(meter_no="OLD"))
        new = await store.intervals(connection, DAY._replace(meter_no="NEW", register=OBIS_EXPORT))
        assert ([each.start for each in old], [each.start for each in new]) == ([MIDNIGHT], [noon])


# Registers


def shown(number: int, kwh: int, register: str = IMPORT) -> RegisterReading:
    return RegisterReading(number + 2, "M-h1", register, MIDNIGHT + number * QUARTER, kwh * KWH)


async def test_register_readings_a_quarter_apart_become_intervals(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await reading_rows.set_channels(connection, [Channel("M-h1", OBIS_IMPORT, multiplier=2, digits=5)])
        first = await taken(connection, store, [shown(0, 99_998), shown(1, 99_999), shown(3, 0)])
        assert (first.registers, first.derived, first.new) == (3, 1, 1)
        second = await taken(connection, store, [shown(2, 99_999), shown(4, 3)], later=1)
        assert (second.registers, second.derived) == (2, 3)
        found_intervals = await store.intervals(connection, DAY)
        assert [each.energy_mwh for each in found_intervals] == [2 * KWH, 0, 2 * KWH, 6 * KWH]
        assert [each.method for each in found_intervals] == ["register", "register", "register rollover", "register"]
        again = await taken(connection, store, [shown(2, 99_999)], later=2)
        assert (again.registers, again.registers_known) == (0, 1)


async def test_a_register_that_falls_is_put_on_the_work_list(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        report = await taken(connection, store, [shown(0, 500), shown(1, 10), shown(2, 11)])
        assert (report.registers, report.derived) == (3, 1)
        (item,) = await open_work(connection)
        assert (item.kind, item.meter, item.since) == (Kind.REGISTER_FELL, "M-h1", MIDNIGHT)
        await taken(connection, store, [shown(0, 500), shown(1, 10)], later=1)
        assert len(await open_work(connection)) == 1


async def test_two_values_of_a_register_at_one_moment_contradict(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        future = RegisterReading(9, "M-h1", IMPORT, NOW + HOUR, 1)
        report = await taken(connection, store, [shown(0, 5), shown(0, 6)._replace(line=3), future])
        assert refused(report) == [(9, "future"), (3, "version")]
        assert report.registers == 1


@given(st.integers(3, 9), st.data())
def test_a_rollover_is_what_the_register_counted(digits: int, data: st.DataObject) -> None:
    full = 10**digits * KWH
    before = data.draw(st.integers(0, full - 1))
    counted = data.draw(st.integers(0, min(full - 1, 200 * KWH)))
    after = (before + counted) % full
    channel = Channel("M", "R", digits=digits)
    assert advance(before, after, HOUR, channel) == (counted, after < before)
    if after < before:
        assert advance(before, after, HOUR, Channel("M", "R")).energy_mwh is None


# Whatever comes


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=12), min_size=1, max_size=4))
async def test_every_reading_is_new_changed_known_or_refused(
    server_url: str, store: IntervalStore, sources: list[list[tuple[int, int]]]
) -> None:
    database = Database(server_url)
    latest: dict[int, int] = {}
    try:
        async with database.transaction() as connection:
            await found(connection, "h1")
            for number, source in enumerate(sources):
                items = [quarter(place, mwh, line=line) for line, (place, mwh) in enumerate(source)]
                report = await taken(connection, store, items, f"{SERVER} {number}", later=number)
                assert report.new + report.changed + report.known + report.refused_count == len(source)
                said = {place: {mwh for other, mwh in source if other == place} for place, _ in source}
                latest |= {place: mwhs.pop() for place, mwhs in said.items() if len(mwhs) == 1}
                current = await store.intervals(connection, DAY)
                assert {(each.start - MIDNIGHT) // QUARTER: each.energy_mwh for each in current} == latest
            await connection.rollback()
    finally:
        await database.close()


async def test_a_day_of_25_hours_in_the_wrong_place_is_refused_where_it_contradicts(
    database: Database, store: IntervalStore
) -> None:
    """The hour after two is told twice on a day in June: its eight rows say different things of four quarters."""
    clocks = [0, 1, 2, 2, *range(3, 24)]
    times = [f"{hour:02}:{quarter:02}" for hour in clocks for quarter in (0, 15, 30, 45)]
    rows = [f"M-h1;01.06.2026 {time};0,{number:03}" for number, time in enumerate(times)]
    items = list(read_csv("\n".join(["Z;T;V", *rows]).encode(), WALL))
    async with database.transaction() as connection:
        await found(connection, "h1")
        report = await taken(connection, store, items)
        assert report.new == 92
        assert [code for _, code in refused(report)] == ["version"] * 8
        assert [line for line, _ in refused(report)] == [10, 14, 11, 15, 12, 16, 13, 17]
        midnight = datetime(2026, 5, 31, 22, tzinfo=UTC)
        day = MeterSpan("M-h1", OBIS_IMPORT, midnight, midnight + 24 * HOUR)
        assert len(await store.intervals(connection, day)) == 92
