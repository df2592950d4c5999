"""From readings to what each meter measured in each slot of a tariff's schedule: one expression for any engine.

A bill run sums hundreds of millions of readings, so the expression has no join but the one with the hours of a tariff
that has zones, and groups by the meter as it stands in the files. Sums come with what says whether a period is whole.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wattbook.household.interval_schema import MINUTES
from wattbook.household.manifest import Manifest
from wattbook.tariffs.hours import bounds, stretches
from wattbook.tariffs.schedule import Schedule

STEP: Final = timedelta(minutes=min(MINUTES))
ENGINES: Final = ("duckdb", "spark")


class Register(NamedTuple):
    """A register of a meter that measured a house all through a period."""

    meter_no: str
    register: str


class SlotSums(NamedTuple):
    """What registers measured: a row for each, in the order asked for.

    Attributes:
        energies_mwh: int64, a column for each slot of the schedule.
        is_whole: the period is covered by intervals of one length, none missing.
        intervals: how many; `lengths` is how many different lengths they have, 2 standing for more.
        has_estimates: some of it was not measured but estimated.
    """

    energies_mwh: NDArray[np.int64]
    is_whole: NDArray[np.bool_]
    intervals: NDArray[np.int64]
    lengths: NDArray[np.int64]
    has_estimates: NDArray[np.bool_]


async def sum_slots(
    manifest: Manifest, schedule: Schedule, registers: Sequence[Register], *, engine: str = "duckdb"
) -> SlotSums:
    """Sum what the files of the manifest hold of each register, slot by slot."""
    return await asyncio.to_thread(_sum_slots, manifest, schedule, registers, engine)


def slot_sums(current: ibis.Table, hours: ibis.Table | None, codes: Sequence[str]) -> ibis.Table:
    """For each meter, register if several `codes` are given, and slot if `hours` are: energy_mwh, intervals, shortest
    and longest of them in minutes, estimates.

    Args:
        current: readings of the period as `Manifest.readings_within` gives them.
        hours: start, minutes, slot: every interval there can be that lies in one slot.
        codes: registers that are wanted; nearly always one, and then it need not be grouped by.
    """
    found = current.filter(current.register.isin(codes))
    keys = ["meter_no"] if len(codes) == 1 else ["meter_no", "register"]
    if hours is not None:
        found = found.inner_join(hours, ["start", "minutes"])
        keys.append("slot")
    return found.group_by(keys).aggregate(
        energy_mwh=found.energy_mwh.sum(),
        intervals=found.count(),
        shortest=found.minutes.min(),
        longest=found.minutes.max(),
        estimates=(found.quality == "estimated").sum(),
    )


def hours_of(schedule: Schedule) -> pa.Table | None:
    """Every interval there can be in the period that lies in one slot, with the slot; None if there is one slot."""
    if len(schedule.slots) == 1:
        return None
    since, until = bounds(schedule)
    slots: list[int] = []
    for stretch in stretches(schedule):
        slots += [stretch.slot] * ((stretch.until - stretch.since) // STEP)
    rows = [
        (since + place * STEP, minutes, slots[place])
        for minutes in MINUTES
        for place in range((until - since) // STEP)
        if (since + place * STEP).timestamp() % (minutes * 60) == 0
        and len(set(slots[place : place + minutes * 60 // int(STEP.total_seconds())])) == 1
    ]
    names = ("start", "minutes", "slot")
    types = (pa.timestamp("us", "UTC"), pa.int32(), pa.int32())
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), types, strict=True)]
    return pa.table(columns, names=list(names))


def _sum_slots(manifest: Manifest, schedule: Schedule, registers: Sequence[Register], engine: str) -> SlotSums:
    sums = _empty(schedule, registers)
    if not manifest.files or not registers:
        return sums
    first, last = min(each.meter_no for each in registers), max(each.meter_no for each in registers)
    files = tuple(file for file in manifest.files if file.meter_first <= last and first <= file.meter_last)
    backend = connect(engine)
    try:
        current = Manifest(manifest.folder, files).readings_within(backend, *bounds(schedule), first, last)
        hours = hours_of(schedule)
        asked = None if hours is None else ibis.memtable(hours if engine == "duckdb" else hours.to_pandas())
        codes = sorted({each.register for each in registers})
        table = backend.to_pyarrow(slot_sums(current, asked, codes))
    finally:
        if engine == "duckdb":
            backend.disconnect()
    return _filled(sums, table, schedule, registers)


def connect(engine: str) -> ibis.BaseBackend:
    """DuckDB in this process, or Spark: the session that is there, or a local one.

    Raises:
        ValueError: another name.
    """
    if engine == "duckdb":
        return ibis.duckdb.connect()
    if engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.appName("wattbook")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        return ibis.pyspark.connect(session)
    raise ValueError(f"an engine is one of {', '.join(ENGINES)}, not {engine!r}")


def _empty(schedule: Schedule, registers: Sequence[Register]) -> SlotSums:
    count = len(registers)
    return SlotSums(
        np.zeros((count, len(schedule.slots)), np.int64),
        np.zeros(count, np.bool_),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
    )


def _filled(sums: SlotSums, table: pa.Table, schedule: Schedule, registers: Sequence[Register]) -> SlotSums:
    """The sums of the registers that were asked for, put into their rows."""
    rows = _rows_of(table, registers)
    wanted = rows >= 0
    rows = rows[wanted]

    def column(name: str) -> NDArray[np.int64]:
        return np.asarray(table[name].cast(pa.int64()).to_numpy())[wanted]

    slots = column("slot") if "slot" in table.column_names else np.zeros(len(rows), np.int64)
    sums.energies_mwh[rows, slots] = column("energy_mwh")
    np.add.at(sums.intervals, rows, column("intervals"))
    shortest, longest = np.full(len(registers), 1_000, np.int64), np.zeros(len(registers), np.int64)
    np.minimum.at(shortest, rows, column("shortest"))
    np.maximum.at(longest, rows, column("longest"))
    np.logical_or.at(sums.has_estimates, rows, column("estimates") > 0)
    sums.lengths[:] = np.where(longest == 0, 0, np.where(longest == shortest, 1, 2))
    since, until = bounds(schedule)
    minutes = (until - since) // timedelta(minutes=1)
    sums.is_whole[:] = (sums.lengths == 1) & (sums.intervals * longest == minutes)
    return sums


def _rows_of(table: pa.Table, registers: Sequence[Register]) -> NDArray[np.int64]:
    """For each row of the table the place of its register among those asked for, or -1."""
    if "register" not in table.column_names:
        found = pc.index_in(table["meter_no"], value_set=pa.array([each.meter_no for each in registers]))
    else:
        places = {tuple(register): place for place, register in enumerate(registers)}
        keys = zip(table["meter_no"].to_pylist(), table["register"].to_pylist(), strict=True)
        found = pa.chunked_array([pa.array([places.get(key) for key in keys], pa.int32())])
    return np.asarray(pc.fill_null(found, -1).cast(pa.int64()).to_numpy())
