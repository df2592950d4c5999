"""From readings to what each meter measured in each slot of a tariff's schedule: one expression for any engine.

A bill run sums hundreds of millions of readings. Where all houses have one period, the expression has no join but the
one with the hours of a tariff that has zones, and groups by the meter as it stands in the files. Houses that are read
on days of their own are summed in one pass too: each reading is joined with the period of its meter, which takes about
as long as three passes without that, and not as thirty. Sums come with what says whether a period is whole.
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

from wattbook.household.readings.interval_schema import MINUTES
from wattbook.household.readings.manifest import Manifest
from wattbook.tariffs.hours import bounds, stretches
from wattbook.tariffs.schedule import Schedule

STEP: Final = timedelta(minutes=min(MINUTES))
ENGINES: Final = ("duckdb", "spark")
_SPANS: Final = pa.schema(
    [
        ("place", pa.int64()),
        ("part", pa.int64()),
        ("meter_no", pa.string()),
        ("register", pa.string()),
        ("since", pa.timestamp("us", "UTC")),
        ("until", pa.timestamp("us", "UTC")),
    ]
)
_SUMS: Final = ("energy_mwh", "intervals", "shortest", "longest", "estimates")


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


class Asked(NamedTuple):
    """Registers that are summed over the period of a schedule."""

    schedule: Schedule
    registers: Sequence[Register]


async def sum_slots(
    manifest: Manifest, schedule: Schedule, registers: Sequence[Register], *, engine: str = "duckdb"
) -> SlotSums:
    """Sum what the files of the manifest hold of each register, slot by slot."""
    (sums,) = await sum_periods(manifest, [Asked(schedule, registers)], engine=engine)
    return sums


async def sum_periods(manifest: Manifest, asked: Sequence[Asked], *, engine: str = "duckdb") -> list[SlotSums]:
    """The same for registers with periods of their own, all in one pass over the files; the manifest holds them all."""
    return await asyncio.to_thread(_sum_periods, manifest, asked, engine)


def slot_sums(
    current: ibis.Table, hours: ibis.Table | None, codes: Sequence[str], spans: ibis.Table | None = None
) -> ibis.Table:
    """For each meter, register if several `codes` are given, and slot if `hours` are: energy_mwh, intervals, shortest
    and longest of them in minutes, estimates. With `spans`: the same for each of their places instead of each meter.

    Args:
        current: readings of the period as `Manifest.readings_within` gives them.
        hours: start, minutes, slot: every interval there can be that lies in one slot; of each part, if there are
            `spans`.
        codes: registers that are wanted; nearly always one, and then it need not be grouped by.
        spans: place, part, meter_no, register, since, until: what is wanted where that is not one period for all.
    """
    found = current.filter(current.register.isin(codes))
    keys = ["meter_no"] if len(codes) == 1 else ["meter_no", "register"]
    same = ["start", "minutes"]
    if spans is not None:
        is_wanted = [
            found.meter_no == spans.meter_no,
            found.register == spans.register,
            found.start >= spans.since,
            found.start < spans.until,
        ]
        values = (found[name] for name in ("start", "minutes", "energy_mwh", "quality"))
        found = found.inner_join(spans, is_wanted).select(spans.place, spans.part, *values)
        keys = ["place"]
        same.append("part")
    if hours is not None:
        found = found.inner_join(hours, same)
        keys.append("slot")
    return found.group_by(keys).aggregate(
        energy_mwh=found.energy_mwh.sum(),
        intervals=found.count(),
        shortest=found.minutes.min(),
        longest=found.minutes.max(),
        estimates=(found.quality == "estimated").sum(),
    )


def hours_of(schedule: Schedule) -> pa.Table:
    """Every interval there can be in the period that lies in one slot, with the slot."""
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


def _sum_periods(manifest: Manifest, asked: Sequence[Asked], engine: str) -> list[SlotSums]:
    registers = [register for each in asked for register in each.registers]
    if not manifest.files or not registers:
        return _filled(pa.table({name: pa.array([], pa.int64()) for name in ("place", *_SUMS)}), asked)
    first, last = min(each.meter_no for each in registers), max(each.meter_no for each in registers)
    since = min(bounds(each.schedule)[0] for each in asked)
    until = max(bounds(each.schedule)[1] for each in asked)
    files = tuple(file for file in manifest.files if file.meter_first <= last and first <= file.meter_last)
    hours, spans = _hours(asked), None if len(asked) == 1 else _spans(asked)
    codes = sorted({each.register for each in registers})
    backend = connect(engine)
    try:
        current = Manifest(manifest.folder, files).readings_within(backend, since, until, first, last)
        table = backend.to_pyarrow(slot_sums(current, _given(hours, engine), codes, _given(spans, engine)))
    finally:
        if engine == "duckdb":
            backend.disconnect()
    return _filled(table, asked)


def _given(table: pa.Table | None, engine: str) -> ibis.Table | None:
    if table is None:
        return None
    return ibis.memtable(table if engine == "duckdb" else table.to_pandas())


def _hours(asked: Sequence[Asked]) -> pa.Table | None:
    """The hours of all schedules, each a part; None if none of them has several slots."""
    if all(len(each.schedule.slots) == 1 for each in asked):
        return None
    if len(asked) == 1:
        return hours_of(asked[0].schedule)
    parts = [hours_of(each.schedule) for each in asked]
    numbers = [pa.repeat(pa.scalar(part, pa.int64()), len(hours)) for part, hours in enumerate(parts)]
    return pa.concat_tables([hours.append_column("part", each) for hours, each in zip(parts, numbers, strict=True)])


def _spans(asked: Sequence[Asked]) -> pa.Table:
    """What is wanted: a row a register, by its place among all."""
    rows = [
        (part, register.meter_no, register.register, *bounds(each.schedule))
        for part, each in enumerate(asked)
        for register in each.registers
    ]
    columns = zip(*((place, *row) for place, row in enumerate(rows)), strict=True)
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, _SPANS, strict=True)], _SPANS)


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


def _filled(table: pa.Table, asked: Sequence[Asked]) -> list[SlotSums]:
    """The sums of the registers that were asked for, put into their rows."""
    registers = [register for each in asked for register in each.registers]
    rows = _rows_of(table, registers)
    wanted = rows >= 0
    rows = rows[wanted]

    def column(name: str) -> NDArray[np.int64]:
        return np.asarray(table[name].cast(pa.int64()).to_numpy())[wanted]

    count = len(registers)
    energies = np.zeros((count, max(len(each.schedule.slots) for each in asked)), np.int64)
    slots = column("slot") if "slot" in table.column_names else np.zeros(len(rows), np.int64)
    energies[rows, slots] = column("energy_mwh")
    intervals = np.zeros(count, np.int64)
    np.add.at(intervals, rows, column("intervals"))
    shortest, longest = np.full(count, 1_000, np.int64), np.zeros(count, np.int64)
    np.minimum.at(shortest, rows, column("shortest"))
    np.maximum.at(longest, rows, column("longest"))
    has_estimates = np.zeros(count, np.bool_)
    np.logical_or.at(has_estimates, rows, column("estimates") > 0)
    lengths = np.where(longest == 0, 0, np.where(longest == shortest, 1, 2)).astype(np.int64)
    found: list[SlotSums] = []
    start = 0
    for each in asked:
        own = slice(start, start + len(each.registers))
        start = own.stop
        since, until = bounds(each.schedule)
        minutes = (until - since) // timedelta(minutes=1)
        is_whole = (lengths[own] == 1) & (intervals[own] * longest[own] == minutes)
        of_slots = energies[own, : len(each.schedule.slots)]
        found.append(SlotSums(of_slots, is_whole, intervals[own], lengths[own], has_estimates[own]))
    return found


def _rows_of(table: pa.Table, registers: Sequence[Register]) -> NDArray[np.int64]:
    """For each row of the table the place of its register among those asked for, or -1."""
    if "place" in table.column_names:
        return np.asarray(table["place"].cast(pa.int64()).to_numpy())
    if "register" not in table.column_names:
        found = pc.index_in(table["meter_no"], value_set=pa.array([each.meter_no for each in registers]))
    else:
        places = {tuple(register): place for place, register in enumerate(registers)}
        keys = zip(table["meter_no"].to_pylist(), table["register"].to_pylist(), strict=True)
        found = pa.chunked_array([pa.array([places.get(key) for key in keys], pa.int32())])
    return np.asarray(pc.fill_null(found, -1).cast(pa.int64()).to_numpy())
