"""Interval readings: what each register of each meter measured in each quarter hour (or 5, 30, 60 minutes).

A month of a hundred thousand houses is three hundred million readings, so they are kept in Parquet files, one a batch
and UTC day, and summed by one Ibis expression: DuckDB runs it here, and any other engine of Ibis can run the same.

A batch counts when the transaction that lists its files commits, and never in part: files are written under another
name, made durable, and renamed before they are listed; a file that no row lists is not read. Nothing is overwritten. An
interval that came again in a later batch has several versions, of which the newest counts.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput

MINUTES: Final = (5, 15, 30, 60)
"""Lengths an interval may have; it starts on a whole multiple of its length after the hour."""
QUALITIES: Final = ("valid", "estimated", "edited", "provisional")
BATCH_READINGS_MAX: Final = 20_000_000
ENERGY_MWH_MAX: Final = 10**12
"""In one interval: one gigawatt-hour, far more than any house has."""
TEXT_LENGTH_MAX: Final = 64

SCHEMA: Final = pa.schema(
    [
        pa.field("meter_no", pa.string(), nullable=False),
        pa.field("register", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("minutes", pa.int32(), nullable=False),
        pa.field("energy_mwh", pa.int64(), nullable=False),
        pa.field("quality", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
    ]
)
"""A batch of readings. `register` is the OBIS code that the registry has for the meter's import or export."""

_STORED: Final = SCHEMA.append(pa.field("batch", pa.int64(), nullable=False))
_WANTED: Final = pa.schema(
    [
        ("place", pa.int64()),
        ("meter_no", pa.string()),
        ("register", pa.string()),
        ("since", pa.timestamp("us", tz="UTC")),
        ("until", pa.timestamp("us", tz="UTC")),
    ]
)


class Interval(NamedTuple):
    """What a register counted up by in [start, start + minutes).

    Attributes:
        register: OBIS code, which says import or export.
        quality: one of `QUALITIES`.
        version: by its source; the higher one counts, and of two equal ones the one of the later batch.
    """

    meter_no: str
    register: str
    start: datetime
    minutes: int
    energy_mwh: int
    quality: str = "valid"
    version: int = 0


class MeterSpan(NamedTuple):
    """A register of a meter from `since` up to, not including, `until`."""

    meter_no: str
    register: str
    since: datetime
    until: datetime


class MeterEnergy(NamedTuple):
    """The sum over a span, and what says whether the span is whole.

    Attributes:
        minutes: that the intervals cover.
        lengths: how many different lengths they have; intervals of one length cannot overlap.
    """

    energy_mwh: int = 0
    intervals: int = 0
    minutes: int = 0
    lengths: int = 0

    def covers(self, span: MeterSpan) -> bool:
        """No interval is missing and none can overlap another."""
        return self.lengths == 1 and timedelta(minutes=self.minutes) == span.until - span.since


def readings(intervals: Iterable[Interval]) -> pa.Table:
    """A batch from single intervals.

    Raises:
        InvalidInput: a field is of the wrong type or out of range.
    """
    columns = list(zip(*intervals, strict=True)) or [()] * len(SCHEMA)
    return pa.table([_column(values, field) for values, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """Exact: a fraction would be cut off, and a time without a zone would be taken for one in UTC, if they were let."""
    try:
        column = pa.array(values)
        inexact = pa.types.is_floating(column.type) or (pa.types.is_timestamp(column.type) and not column.type.tz)
        if not inexact:
            return column.cast(field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    raise InvalidInput(f"readings cannot be stored: not every {field.name} is of type {field.type}")


class IntervalStore:
    """The interval files of a folder, together with their list in the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, connection: AsyncConnection, batch: str, table: pa.Table, *, now: datetime) -> bool:
        """Add a batch of readings; it counts from the commit of this transaction on.

        Args:
            batch: the sender's name for it, at most 200 characters. The same batch again is not stored again.
            table: of `SCHEMA`.

        Returns:
            whether the batch is new.

        Raises:
            InvalidInput: a reading is out of form, stands twice, or lies in the future; nothing is stored.
            Conflict: the batch came before with other readings.
        """
        table = await asyncio.to_thread(_sorted, table)
        await asyncio.to_thread(_check, table, utc(now))
        if not 0 < len(batch) <= 200 or not batch.isprintable():
            raise InvalidInput("the id of a batch is 1 to 200 printable characters")
        digest = await asyncio.to_thread(_digest, table)
        number = await store.add_interval_batch(connection, batch, digest, table.num_rows, utc(now))
        if number is None:
            if await store.interval_batch_digest(connection, batch) != digest:
                raise Conflict(f"interval batch {batch} came before with other readings", batch=batch)
            return False
        files = await asyncio.to_thread(self._write_files, table, number)
        await store.add_interval_files(connection, number, files)
        return True

    async def energy(self, connection: AsyncConnection, spans: Sequence[MeterSpan]) -> list[MeterEnergy]:
        """The energy of each span, exact, in one pass over the files that can hold it."""
        if not spans:
            return []
        paths = await self._files(connection, spans)
        return await asyncio.to_thread(_energy, paths, spans)

    async def intervals(self, connection: AsyncConnection, span: MeterSpan) -> list[Interval]:
        """The intervals of a span that count, by their start."""
        paths = await self._files(connection, [span])
        return await asyncio.to_thread(_intervals, paths, span)

    async def _files(self, connection: AsyncConnection, spans: Sequence[MeterSpan]) -> list[str]:
        listed = await store.interval_files(
            connection,
            first=utc(min(span.since for span in spans)).date(),
            last=utc(max(span.until for span in spans)).date(),
            meter_first=min(span.meter_no for span in spans),
            meter_last=max(span.meter_no for span in spans),
        )
        return [str(self._folder / path) for path in listed]

    def _write_files(self, table: pa.Table, number: int) -> list[store.IntervalFile]:
        days = pc.cast(table["start"], pa.date32())
        files = [self._write_file(table.filter(pc.equal(days, day)), number, day.as_py()) for day in pc.unique(days)]
        _make_durable(self._folder)
        return files

    def _write_file(self, table: pa.Table, number: int, day: date) -> store.IntervalFile:
        path = Path(f"day={day}") / f"{number:012d}.parquet"
        stored = table.append_column(_STORED.field("batch"), pa.repeat(pa.scalar(number, pa.int64()), table.num_rows))
        final = self._folder / path
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_suffix(".partial")
        with temporary.open("wb") as file:
            pyarrow.parquet.write_table(stored, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
        _make_durable(final.parent)
        meters = table["meter_no"]
        return store.IntervalFile(str(path), day, table.num_rows, meters[0].as_py(), meters[-1].as_py())


# Expressions: the same on every engine


def newest(wanted: ibis.Table, intervals: ibis.Table) -> ibis.Table:
    """The version of each interval that counts, beside the `place` of the span that wants it."""
    asked = wanted.join(
        intervals,
        [
            wanted.meter_no == intervals.meter_no,
            wanted.register == intervals.register,
            intervals.start >= wanted.since,
            intervals.start < wanted.until,
        ],
    ).select(wanted.place, *(intervals[name] for name in _STORED.names))
    rank = ibis.row_number().over(group_by=["place", "start"], order_by=[ibis.desc("version"), ibis.desc("batch")])
    return asked.mutate(rank=rank).filter(ibis._.rank == 0).drop("rank")


def energy_by_meter(wanted: ibis.Table, intervals: ibis.Table) -> ibis.Table:
    """For each wanted span that has intervals: `place` and the fields of `MeterEnergy`.

    Args:
        wanted: place, meter_no, register, since, until.
        intervals: of `SCHEMA`, with the number of the batch each came in.
    """
    counting = newest(wanted, intervals)
    return counting.group_by("place").aggregate(
        energy_mwh=counting.energy_mwh.sum(),
        intervals=counting.count(),
        minutes=counting.minutes.sum(),
        lengths=counting.minutes.nunique(),
    )


def _energy(paths: Sequence[str], spans: Sequence[MeterSpan]) -> list[MeterEnergy]:
    found = {row.pop("place"): MeterEnergy(**row) for row in _run(paths, spans, energy_by_meter)}
    return [found.get(place, MeterEnergy()) for place in range(len(spans))]


def _intervals(paths: Sequence[str], span: MeterSpan) -> list[Interval]:
    rows = _run(paths, [span], lambda wanted, intervals: newest(wanted, intervals).order_by("start"))
    return [Interval(**{name: row[name] for name in SCHEMA.names} | {"start": utc(row["start"])}) for row in rows]


def _run(paths: Sequence[str], spans: Sequence[MeterSpan], expression: Any) -> list[dict[str, Any]]:
    """The rows of an expression over these files and spans."""
    if not paths:
        return []
    engine = ibis.duckdb.connect()
    try:
        intervals = engine.read_parquet(list(paths), hive_partitioning=False)
        rows: list[dict[str, Any]] = engine.to_pyarrow(expression(ibis.memtable(_wanted(spans)), intervals)).to_pylist()
        return rows
    finally:
        engine.disconnect()


def _wanted(spans: Sequence[MeterSpan]) -> pa.Table:
    rows = [(place, *span) for place, span in enumerate(spans)]
    return pa.Table.from_pylist([dict(zip(_WANTED.names, row, strict=True)) for row in rows], _WANTED)


# A batch before it is stored


def _sorted(table: pa.Table) -> pa.Table:
    """In the order in which it is stored, which makes the same readings the same bytes."""
    if table.schema != SCHEMA:
        raise InvalidInput(f"readings need the columns {', '.join(SCHEMA.names)} in their types")
    if not 0 < table.num_rows <= BATCH_READINGS_MAX:
        raise InvalidInput(f"a batch holds 1 to {BATCH_READINGS_MAX} readings, not {table.num_rows}")
    keys = ("meter_no", "register", "start", "version")
    return table.sort_by([(key, "ascending") for key in keys]).combine_chunks()


def _check(table: pa.Table, now: datetime) -> None:
    """Raises:
    InvalidInput: with the rule that is broken, by how many readings, and the first of them.
    """
    minutes, energy, start = table["minutes"], table["energy_mwh"], table["start"]
    meter, register = table["meter_no"], table["register"]
    seconds = pc.cast(pc.cast(start, pa.timestamp("s", "UTC"), safe=False), pa.int64())
    length_s = pc.multiply(pc.cast(minutes, pa.int64()), 60)
    whole = pc.equal(pc.cast(start, pa.int64()), pc.multiply(seconds, 1_000_000))
    # A length that is not allowed may be zero, so it does not divide here.
    divisor = pc.if_else(pc.greater(length_s, 0), length_s, 60)
    aligned = pc.equal(pc.subtract(seconds, pc.multiply(pc.divide(seconds, divisor), divisor)), 0)
    ends = pc.add(seconds, length_s)
    rules = {
        "a field is empty": _all(pc.is_valid(table[name]) for name in SCHEMA.names),
        f"a meter number and a register have 1 to {TEXT_LENGTH_MAX} characters": _all(
            _between(pc.utf8_length(text), 1, TEXT_LENGTH_MAX) for text in (meter, register)
        ),
        f"an interval has one of {MINUTES} minutes": pc.is_in(minutes, pa.array(MINUTES, pa.int32())),
        "an interval starts on a multiple of its length": pc.and_(whole, aligned),
        "an interval ends before now": pc.less_equal(ends, int(now.timestamp())),
        f"an interval has 0 to {ENERGY_MWH_MAX} mWh": _between(energy, 0, ENERGY_MWH_MAX),
        f"a quality is one of {', '.join(QUALITIES)}": pc.is_in(table["quality"], pa.array(QUALITIES)),
        "a version is 0 or more": pc.greater_equal(table["version"], 0),
        "an interval stands once in a batch": _unlike_the_one_before(table),
    }
    for rule, kept in rules.items():
        broken = table.filter(pc.invert(pc.fill_null(kept, False)))
        if broken.num_rows:
            first = broken.slice(0, 1).to_pylist()[0]
            raise InvalidInput(
                f"{rule}: {broken.num_rows} readings differ, the first is {first}", readings=broken.num_rows
            )


def _all(conditions: Iterable[Any]) -> Any:
    first, *others = conditions
    for other in others:
        first = pc.and_(first, other)
    return first


def _between(values: Any, low: int, high: int) -> Any:
    return pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))


def _unlike_the_one_before(table: pa.Table) -> Any:
    """For a sorted table: whether a row differs from the row before in meter, register, start or version."""
    count = table.num_rows
    if count == 1:
        return pa.array([True])
    same = _all(
        pc.equal(_chunk(table, name).slice(1), _chunk(table, name).slice(0, count - 1))
        for name in ("meter_no", "register", "start", "version")
    )
    return pa.concat_arrays([pa.array([True]), pc.invert(same)])


def _chunk(table: pa.Table, name: str) -> Any:
    return table[name].combine_chunks()


def _digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _make_durable(folder: Path) -> None:
    """A rename survives a power cut only when its folder was written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
