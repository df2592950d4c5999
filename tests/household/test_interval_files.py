"""Interval files: compaction changes nothing that is read, and a crash at any step leaves whole batches."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import ibis
import pyarrow.parquet
import pytest

from tests.household.crashing import LATE
from tests.household.village import HOUR, MIDNIGHT, NOW, hourly, measure
from wattbook.db.engine import Database
from wattbook.household.readings import interval_files
from wattbook.household.readings.interval_schema import SCHEMA
from wattbook.household.readings.intervals import Interval, IntervalStore, MeterSpan
from wattbook.registry.meters import OBIS_EXPORT, OBIS_IMPORT

DAY = MeterSpan("M1", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + 24 * HOUR)
SECOND = DAY._replace(meter_no="M2")
TOMORROW = NOW + timedelta(days=2)


def stored(folder: Path) -> int:
    return sum(pyarrow.parquet.read_metadata(file).num_rows for file in folder.glob("day=*/*.parquet"))


async def test_compaction_changes_nothing_that_is_read_and_keeps_every_version(
    database: Database, store: IntervalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interval_files, "FILE_READINGS_MAX", 50)
    monkeypatch.setattr(interval_files, "MERGE_READINGS_MAX", 100)
    chance = random.Random(7)
    spans = [DAY._replace(meter_no=f"M{number}") for number in range(6)]
    spans += [span._replace(register=OBIS_EXPORT) for span in spans]
    async with database.transaction() as connection:
        for batch in range(5):
            intervals = [
                Interval(span.meter_no, span.register, MIDNIGHT + hour * HOUR, 60, chance.randrange(1_000), "valid", 0)
                for span in spans
                for hour in chance.sample(range(24), 12)
            ]
            await measure(connection, store, intervals, f"batch {batch}")
        before = await store.intervals_of(connection, spans)
        history = [await store.versions(connection, span) for span in spans]
        days = await store.days_to_compact(connection)
        assert [day.isoformat() for day in days] == ["2026-09-30", "2026-10-01"]
        for day in days:
            assert await store.compact(connection, day, now=NOW) > 0
        assert await store.intervals_of(connection, spans) == before
        assert [await store.versions(connection, span) for span in spans] == history
        manifest = await store.manifest(connection, DAY.since, DAY.until)
        assert manifest.versioned == [], "after compaction nothing is left to compare"
        assert len(manifest.single) > 4
        for day in days:
            assert await store.compact(connection, day, now=NOW) == 0
    async with database.transaction() as connection:
        assert await store.sweep(connection, now=NOW) == [], "somebody may still read what was replaced"
        swept = await store.sweep(connection, now=TOMORROW)
        assert len(swept) >= 10
        assert stored(tmp_path / "intervals") == 5 * 12 * 12
        assert await store.intervals_of(connection, spans) == before
        await measure(connection, store, [Interval("M1", OBIS_IMPORT, MIDNIGHT, 60, 5_000)], "after compaction")
        assert (await store.intervals(connection, spans[1]))[0].energy_mwh == 5_000


async def test_the_expression_over_the_manifest_reads_what_counts(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await measure(connection, store, [*hourly("M1", 240), *hourly("M2", 480)])
        await measure(connection, store, hourly("M2", 4_800), "again")
        await measure(connection, store, hourly("M9", 24, start=MIDNIGHT + 9 * HOUR, hours=12), "apart")
        manifest = await store.manifest(connection, MIDNIGHT + 9 * HOUR, MIDNIGHT + 24 * HOUR)
        nothing = await store.manifest(connection, NOW, NOW + HOUR)
    engine = ibis.duckdb.connect()
    current = manifest.readings(engine)
    assert current.columns == tuple(SCHEMA.names)
    summed = current.group_by("meter_no").aggregate(mwh=current.energy_mwh.sum()).order_by("meter_no").to_pyarrow()
    assert summed.to_pylist() == [
        {"meter_no": "M1", "mwh": 150},
        {"meter_no": "M2", "mwh": 3_000},
        {"meter_no": "M9", "mwh": 24},
    ]
    assert (len(manifest.single), len(manifest.versioned)) == (1, 2)
    assert engine.to_pyarrow(nothing.readings(engine)).num_rows == 0


async def test_leftovers_are_swept_but_not_while_somebody_writes(
    database: Database, store: IntervalStore, tmp_path: Path
) -> None:
    async with database.transaction() as connection:
        await measure(connection, store, hourly("M1", 24))
    leftover = tmp_path / "intervals" / "day=2026-10-01" / "000000000099.0000.partial"
    leftover.write_bytes(b"PAR1")
    async with database.transaction() as writing:
        await measure(writing, store, hourly("M2", 24), "not listed yet")
        async with database.transaction() as connection:
            assert await store.sweep(connection, now=NOW) == []
    async with database.transaction() as connection:
        assert await store.sweep(connection, now=NOW) == ["day=2026-10-01/000000000099.0000.partial"]
        assert [each.energy_mwh for each in await store.energy(connection, [DAY, SECOND])] == [24, 24]


@pytest.fixture
def crashing(database_url: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.household.crashing", database_url, str(tmp_path / "intervals")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _killed(crashing: "subprocess.Popen[str]", action: str, step: int) -> bool:
    """Whether the action has that many steps."""
    assert crashing.stdin is not None
    assert crashing.stdout is not None
    crashing.stdin.write(f"{action} {step}\n")
    crashing.stdin.flush()
    answer = crashing.stdout.readline().strip()
    assert answer in ("killed", "finished 0"), answer
    return answer == "killed"


async def test_a_kill_at_any_step_leaves_a_batch_whole_or_not_there(
    database: Database, store: IntervalStore, tmp_path: Path, crashing: "subprocess.Popen[str]"
) -> None:
    async with database.transaction() as connection:
        await measure(connection, store, hourly("M1", 240))
    before, after = [240, 0], [480, 4_800]
    steps = {}
    for action in ("write", "compact", "sweep"):
        step = 0
        while await asyncio.to_thread(_killed, crashing, action, step):
            step += 1
            async with database.transaction() as connection:
                sums = [each.energy_mwh for each in await store.energy(connection, [DAY, SECOND])]
                assert sums in ([before, after] if action == "write" else [after]), (action, step)
                assert len(await store.versions(connection, DAY)) == (24 if sums == before else 48)
        steps[action] = step
    # Whatever the kills left behind is gone, and nothing else is.
    async with database.transaction() as connection:
        await store.sweep(connection, now=TOMORROW)
        assert [each.energy_mwh for each in await store.energy(connection, [DAY, SECOND])] == after
        assert not await measure(connection, store, LATE, "late"), "the batch came through once"
    assert stored(tmp_path / "intervals") == 24 + len(LATE)
    assert not list((tmp_path / "intervals").glob("day=*/*.partial"))
    assert steps["write"] > 5
    assert steps["compact"] > 3
    assert steps["sweep"] > 5
