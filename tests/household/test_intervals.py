"""Interval readings: batches whole or not at all, exact sums, newest version."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.household.village import HOUR, MIDNIGHT, NOW, hourly, measure
from wattbook.db.engine import Database
from wattbook.household.readings.intervals import Interval, IntervalStore, MeterEnergy, MeterSpan, readings
from wattbook.kernel.errors import Conflict, InvalidInput
from wattbook.registry.meters import OBIS_EXPORT, OBIS_IMPORT

DAY = MeterSpan("M1", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + 24 * HOUR)


async def test_a_day_sums_exactly_and_says_that_it_is_whole(database: Database, store: IntervalStore) -> None:
    total_mwh = 2**53 + 1  # no float can hold it
    intervals = [
        Interval("M1", OBIS_IMPORT, MIDNIGHT, 60, total_mwh // 10_000),
        *hourly("M1", total_mwh // 10_000, start=MIDNIGHT + HOUR, hours=23),
    ]
    async with database.transaction() as connection:
        assert await measure(connection, store, intervals)
        (energy,) = await store.energy(connection, [DAY])
    assert energy == MeterEnergy(total_mwh // 10_000 * 2, 24, 24 * 60, 1)
    assert energy.covers(DAY)


async def test_registers_meters_and_times_do_not_mix(database: Database, store: IntervalStore) -> None:
    intervals = [
        *hourly("M1", 24),
        *(each._replace(register=OBIS_EXPORT, energy_mwh=100) for each in hourly("M1", 24)),
        *hourly("M2", 240),
    ]
    half = MeterSpan("M2", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + 12 * HOUR)
    nobody = MeterSpan("M3", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + HOUR)
    async with database.transaction() as connection:
        await measure(connection, store, intervals)
        sums = await store.energy(connection, [DAY, half, nobody, half])
    assert [each.energy_mwh for each in sums] == [24, 120, 0, 120]
    assert not sums[2].covers(nobody)


async def test_a_newer_version_counts_and_the_older_one_is_kept(
    database: Database, store: IntervalStore, tmp_path: Path
) -> None:
    first = Interval("M1", OBIS_IMPORT, MIDNIGHT, 60, 10)
    async with database.transaction() as connection:
        await measure(connection, store, [first._replace(energy_mwh=30, version=2)], "late")
        await measure(connection, store, [first, first._replace(energy_mwh=20, version=1)], "early")
        assert (await store.energy(connection, [DAY]))[0] == MeterEnergy(30, 1, 60, 1)
        await measure(connection, store, [first._replace(energy_mwh=40, version=2, quality="edited")], "same version")
        found = await store.intervals(connection, DAY)
    assert found == [Interval("M1", OBIS_IMPORT, MIDNIGHT, 60, 40, "edited", 2)]
    files = list((tmp_path / "intervals").glob("day=*/*.parquet"))
    assert sum(pyarrow.parquet.read_metadata(file).num_rows for file in files) == 4


async def test_the_same_batch_again_is_known_and_other_readings_under_its_name_are_a_conflict(
    database: Database, store: IntervalStore
) -> None:
    intervals = hourly("M1", 24)
    async with database.transaction() as connection:
        assert await measure(connection, store, intervals)
        assert not await measure(connection, store, list(reversed(intervals)))
        with pytest.raises(Conflict, match="other readings"):
            await measure(connection, store, hourly("M1", 25))
        assert (await store.energy(connection, [DAY]))[0].energy_mwh == 24


async def test_a_batch_that_is_not_committed_is_not_there(database: Database, store: IntervalStore) -> None:
    class PowerCut(Exception):
        pass

    async def written_in_vain() -> None:
        async with database.transaction() as connection:
            await measure(connection, store, hourly("M1", 24))
            raise PowerCut

    with pytest.raises(PowerCut):
        await written_in_vain()
    async with database.transaction() as connection:
        assert (await store.energy(connection, [DAY]))[0] == MeterEnergy()
        assert await measure(connection, store, hourly("M1", 48))
        assert (await store.energy(connection, [DAY]))[0].energy_mwh == 48


async def test_two_senders_of_one_batch_store_it_once(database: Database, store: IntervalStore) -> None:
    async def send() -> bool:
        async with database.transaction() as connection:
            return await measure(connection, store, hourly("M1", 24))

    assert sorted(await asyncio.gather(send(), send(), send())) == [False, False, True]
    async with database.transaction() as connection:
        assert (await store.energy(connection, [DAY]))[0].energy_mwh == 24


@dataclass(frozen=True)
class Wrong:
    words: str
    interval: Interval


GOOD = Interval("M1", OBIS_IMPORT, MIDNIGHT, 60, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("1 to 64 characters", GOOD._replace(meter_no="")),
        Wrong("minutes", GOOD._replace(minutes=0)),
        Wrong("minutes", GOOD._replace(minutes=20)),
        Wrong("multiple of its length", GOOD._replace(start=MIDNIGHT + timedelta(minutes=15))),
        Wrong("multiple of its length", GOOD._replace(start=MIDNIGHT + timedelta(microseconds=1))),
        Wrong("before now", GOOD._replace(start=NOW)),
        Wrong("field is empty", GOOD._replace(energy_mwh=cast(int, None))),
        Wrong("mWh", GOOD._replace(energy_mwh=-1)),
        Wrong("mWh", GOOD._replace(energy_mwh=10**12 + 1)),
        Wrong("quality", GOOD._replace(quality="guessed")),
        Wrong("version", GOOD._replace(version=-1)),
        Wrong("method", GOOD._replace(method="x" * 65)),
    ],
    ids=lambda wrong: wrong.words,
)
async def test_a_bad_reading_refuses_its_batch_and_is_named(
    database: Database, store: IntervalStore, wrong: Wrong
) -> None:
    async with database.transaction() as connection:
        with pytest.raises(InvalidInput, match=wrong.words):
            await measure(connection, store, [*hourly("M2", 24), wrong.interval])
        with pytest.raises(InvalidInput, match="stands once"):
            await measure(connection, store, [GOOD, GOOD])
        with pytest.raises(InvalidInput, match="holds 1 to"):
            await measure(connection, store, [])
        assert (await store.energy(connection, [DAY]))[0] == MeterEnergy()


@pytest.mark.parametrize("value", ["much", 2**63, 0.5, 1.0])
def test_what_is_no_whole_number_cannot_be_a_reading(value: Any) -> None:
    with pytest.raises(InvalidInput, match="energy_mwh"):
        readings([GOOD._replace(energy_mwh=value)])


def test_a_reading_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="start"):
        readings([GOOD._replace(start=MIDNIGHT.replace(tzinfo=None))])


_intervals = st.builds(
    Interval,
    st.sampled_from(["M1", "M2"]),
    st.sampled_from([OBIS_IMPORT, OBIS_EXPORT]),
    st.integers(0, 30).map(lambda number: MIDNIGHT + number * HOUR / 4),
    st.just(15),
    st.integers(0, 10**12),
    st.just("valid"),
    st.integers(0, 2),
    st.text(max_size=64),  # the method
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(_intervals, min_size=1, max_size=30, unique_by=lambda each: (each[:3], each.version)),
        min_size=1,
        max_size=4,
    )
)
async def test_sums_are_those_of_python_whatever_was_sent(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, batches: list[list[Interval]]
) -> None:
    database = Database(server_url)
    store = IntervalStore(tmp_path_factory.mktemp("intervals"))
    newest: dict[tuple[Any, ...], Interval] = {}
    for batch in batches:
        for each in batch:
            known = newest.get(each[:3])
            if known is None or each.version >= known.version:
                newest[each[:3]] = each
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for each in newest.values():
        expected[each.meter_no, each.register] += each.energy_mwh
    spans = [DAY._replace(meter_no=meter, register=register) for meter, register in expected]
    try:
        async with database.transaction() as connection:
            for number, batch in enumerate(batches):
                await measure(connection, store, batch, f"batch {number}")
            sums = await store.energy(connection, spans)
            assert [each.energy_mwh for each in sums] == list(expected.values())
            listed = await store.intervals(connection, spans[0])
            assert sum(each.energy_mwh for each in listed) == sums[0].energy_mwh
            await connection.rollback()
    finally:
        await database.close()
