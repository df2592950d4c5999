"""The sums of a bill run: zone by zone as plain Python has them, and the same on DuckDB and on Spark."""

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random

import numpy as np
import pytest

from tests.household.village import KWH, NOW
from wattbook.db.engine import Database
from wattbook.household.readings import interval_files
from wattbook.household.readings.intervals import Interval, IntervalStore, Manifest, readings
from wattbook.household.readings.slot_sums import Asked, Register, SlotSums, connect, sum_periods, sum_slots
from wattbook.registry.meters import OBIS_EXPORT, OBIS_IMPORT
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds, slot_of
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household

MISSING = [
    name
    for name, is_there in (
        ("java", shutil.which("java") is not None),
        ("the package pyspark", importlib.util.find_spec("pyspark") is not None),
    )
    if not is_there
]
needs_spark = pytest.mark.skipif(bool(MISSING), reason=f"Spark needs {' and '.join(MISSING)}, not on this machine")

METERS = [f"M-{number:02d}" for number in range(6)]
JEJU = compile_household(household_tariff("kr-jeju-time-of-use"), BillingPeriod.of_month("2026-10"))
SEOUL = compile_household(household_tariff("kr-residential-low-voltage"), BillingPeriod.of_month("2026-10"))
EVENING = compile_household(household_tariff("us-sce-tou-d-5-8pm"), BillingPeriod.parse("2026-09-20", "2026-10-19"))
SCHEDULES = [JEJU, SEOUL, EVENING]
YEAR_END = datetime(2026, 12, 31, tzinfo=UTC)


def month(schedule: Schedule, meter: str, minutes: int, random: Random, register: str = OBIS_IMPORT) -> list[Interval]:
    since, until = bounds(schedule)
    length = timedelta(minutes=minutes)
    return [
        Interval(meter, register, since + place * length, minutes, random.randrange(2 * KWH))
        for place in range((until - since) // length)
    ]


async def manifest_of(
    database: Database, store: IntervalStore, schedule: Schedule, batches: list[list[Interval]]
) -> Manifest:
    async with database.transaction() as connection:
        for number, batch in enumerate(batches):
            await store.write(connection, f"batch-{number}", readings(batch), now=NOW)
        return await store.manifest(connection, *bounds(schedule))


def by_hand(schedule: Schedule, intervals: list[Interval]) -> dict[Register, list[int]]:
    """Later intervals in the list count; each is put into the slot of its start."""
    newest = {(each.meter_no, each.register, each.start): each for each in intervals}
    since, until = bounds(schedule)
    sums: dict[Register, list[int]] = {}
    for each in newest.values():
        if since <= each.start < until:
            row = sums.setdefault(Register(each.meter_no, each.register), [0] * len(schedule.slots))
            row[slot_of(schedule, each.start, each.minutes)] += each.energy_mwh
    return sums


def village_of(schedule: Schedule) -> list[list[Interval]]:
    """Quarters and hours, an export register, days beside the period, a second version, and a gap."""
    random = Random(11)
    first = [each for meter in METERS[:4] for each in month(schedule, meter, 15, random)]
    first += month(schedule, METERS[4], 60, random)
    first += month(schedule, METERS[0], 15, random, OBIS_EXPORT)
    first += month(schedule, METERS[5], 15, random)[:-3]
    since, until = bounds(schedule)
    beside = [since - timedelta(minutes=15), until, until + timedelta(minutes=15)]
    first += [Interval(METERS[1], OBIS_IMPORT, start, 15, 777) for start in beside]
    again = [
        each._replace(version=1, energy_mwh=each.energy_mwh + 1) for each in month(schedule, METERS[2], 15, Random(3))
    ]
    return [first, again[:500]]


def registers() -> list[Register]:
    return [Register(meter, OBIS_IMPORT) for meter in reversed(METERS)] + [Register("M-none", OBIS_IMPORT)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.tariff.name)
async def test_sums_are_those_of_a_loop_over_the_intervals(
    schedule: Schedule, database: Database, store: IntervalStore
) -> None:
    batches = village_of(schedule)
    manifest = await manifest_of(database, store, schedule, batches)
    sums = await sum_slots(manifest, schedule, registers())
    expected = by_hand(schedule, [each for batch in batches for each in batch])
    for row, register in enumerate(registers()):
        assert sums.energies_mwh[row].tolist() == expected.get(register, [0] * len(schedule.slots)), register
    assert sums.is_whole.tolist() == [False, True, True, True, True, True, False]


async def test_only_what_is_asked_for_is_summed_however_the_files_are_cut(
    database: Database, store: IntervalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meters and days that reach into a file, lie in it or beside it; versions across files before compaction."""
    monkeypatch.setattr(interval_files, "FILE_READINGS_MAX", 250)
    batches = village_of(SEOUL)
    expected = by_hand(SEOUL, [each for batch in batches for each in batch])
    asked = [sorted(registers())[first:last] for first, last in ((0, 2), (1, 4), (2, 3), (3, 7))]
    manifest = await manifest_of(database, store, SEOUL, batches)
    assert manifest.versioned
    assert manifest.single
    whole = await sum_slots(manifest, SEOUL, sorted(registers()))
    async with database.transaction() as connection:
        for day in await store.days_to_compact(connection):
            await store.compact(connection, day, now=NOW)
        compacted = await store.manifest(connection, *bounds(SEOUL))
    assert not compacted.versioned
    assert len(compacted.single) > len({file.day for file in compacted.files})
    for some in asked:
        for found in (await sum_slots(manifest, SEOUL, some), await sum_slots(compacted, SEOUL, some)):
            assert found.energies_mwh[:, 0].tolist() == [expected.get(register, [0])[0] for register in some]
            assert found.is_whole.tolist() == [whole.is_whole[sorted(registers()).index(each)] for each in some]


def cycles(tariff: str) -> tuple[list[Asked], list[Interval]]:
    """Houses that are read on three days of the month, two each, and their readings, one's from before and after too.

    One meter is asked for in two of the periods, and has readings of the first only.
    """
    random = Random(19)
    around = [
        compile_household(household_tariff(tariff), BillingPeriod(*days))
        for days in ((date(2026, 9, 28), date(2026, 11, 1)), (date(2026, 11, 2), date(2026, 12, 3)))
    ]
    asked: list[Asked] = []
    intervals: list[Interval] = []
    for first, last in ((1, date(2026, 10, 31)), (15, date(2026, 11, 14)), (17, date(2026, 11, 16))):
        schedule = compile_household(household_tariff(tariff), BillingPeriod(date(2026, 10, first), last))
        exact, longer = Register(f"M-{first}a", OBIS_IMPORT), Register(f"M-{first}b", OBIS_IMPORT)
        intervals += [each for long in around for each in month(long, longer.meter_no, 60, random)]
        intervals += month(schedule, exact.meter_no, 60, random)
        intervals += month(schedule, exact.meter_no, 60, random, OBIS_EXPORT)
        asked.append(Asked(schedule, [longer, exact]))
    asked[1] = Asked(asked[1].schedule, [*asked[1].registers, Register("M-1a", OBIS_IMPORT)])
    asked[2] = Asked(asked[2].schedule, [*asked[2].registers, Register("M-17a", OBIS_EXPORT)])
    return asked, intervals


async def assert_cycles_sum(database: Database, store: IntervalStore, tariff: str, engine: str) -> None:
    asked, intervals = cycles(tariff)
    async with database.transaction() as connection:
        await store.write(connection, "all", readings(intervals), now=YEAR_END)
        since = min(bounds(each.schedule)[0] for each in asked)
        manifest = await store.manifest(connection, since, max(bounds(each.schedule)[1] for each in asked))
    for each, sums in zip(asked, await sum_periods(manifest, asked, engine=engine), strict=True):
        expected = by_hand(each.schedule, intervals)
        assert sums.energies_mwh.tolist() == [expected[register] for register in each.registers]
        lacks = [each is asked[1] and register.meter_no == "M-1a" for register in each.registers]
        assert sums.is_whole.tolist() == [not lacking for lacking in lacks]
        (alone,) = await sum_periods(manifest, [each], engine=engine)
        for mine, theirs in zip(sums, alone, strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("tariff", ["kr-jeju-time-of-use", "kr-residential-low-voltage"])
async def test_houses_that_are_read_on_days_of_their_own_are_summed_in_one_pass(
    tariff: str, database: Database, store: IntervalStore
) -> None:
    await assert_cycles_sum(database, store, tariff, "duckdb")


async def test_intervals_of_two_lengths_are_not_whole(database: Database, store: IntervalStore) -> None:
    random = Random(1)
    since, until = bounds(SEOUL)
    half = since + (until - since) / 2
    mixed = [each for each in month(SEOUL, "M-00", 15, random) if each.start < half]
    mixed += [each for each in month(SEOUL, "M-00", 60, random) if each.start >= half]
    manifest = await manifest_of(database, store, SEOUL, [mixed])
    sums = await sum_slots(manifest, SEOUL, [Register("M-00", OBIS_IMPORT)])
    assert (sums.lengths.tolist(), sums.is_whole.tolist()) == ([2], [False])


@pytest.fixture(scope="module")
def spark() -> Iterator[None]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.memory", "1g")
        .getOrCreate()
    )
    yield
    session.stop()


@needs_spark
@pytest.mark.parametrize("schedule", [JEJU, SEOUL], ids=lambda schedule: schedule.tariff.name)
async def test_spark_sums_as_duckdb_does(
    spark: None, schedule: Schedule, database: Database, store: IntervalStore
) -> None:
    manifest = await manifest_of(database, store, schedule, village_of(schedule))
    one: SlotSums = await sum_slots(manifest, schedule, registers(), engine="duckdb")
    other: SlotSums = await sum_slots(manifest, schedule, registers(), engine="spark")
    assert one.energies_mwh.sum() > 0
    for mine, theirs in zip(one, other, strict=True):
        assert np.array_equal(mine, theirs)


@needs_spark
async def test_spark_sums_houses_that_are_read_on_days_of_their_own(
    spark: None, database: Database, store: IntervalStore
) -> None:
    await assert_cycles_sum(database, store, "kr-jeju-time-of-use", "spark")


@needs_spark
async def test_a_run_on_spark_issues_the_same_bills(spark: None, database: Database, store: IntervalStore) -> None:
    from tests.household.test_bill_run import HOUSES, bills, run_of, settle

    await settle(database, store, range(100, 1_300, 100))
    dry = await run_of(database, store).try_out()
    report = await run_of(database, store, engine="spark").run()
    assert report.all == dry.all
    assert [bill.metered_mwh for bill in await bills(database)] == [used * KWH for used in range(100, 1_300, 100)]
    assert len(HOUSES) == report.all.billed


def test_an_engine_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="duckdb, spark"):
        connect("abacus")
