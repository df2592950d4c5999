"""Interval readings: what each register of each meter measured in each quarter hour (or 5, 30, 60 minutes).

A month of a hundred thousand houses is three hundred million readings, so they are kept in Parquet files, cut by UTC
day and range of meters, and summed by one Ibis expression: DuckDB runs it here, and any other engine of Ibis can run
the same.

A batch counts when the transaction that lists its files commits, and never in part: files are written under another
name, made durable, and renamed before they are listed; a file that no row lists is not read, and is swept away when
nobody is writing. Nothing is overwritten. An interval that came again in a later batch has several versions, of which
the newest counts; compaction puts those that count beside each other and keeps the others in files of their own.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import ibis
import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.readings import interval_files, interval_schema, reading_rows
from wattbook.household.readings.interval_schema import (
    BATCH_READINGS_MAX,
    ENERGY_MWH_MAX,
    KEY,
    MINUTES,
    QUALITIES,
    SCHEMA,
    Interval,
    readings,
)
from wattbook.household.readings.manifest import Manifest, meeting
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput

__all__ = [
    "BATCH_READINGS_MAX",
    "ENERGY_MWH_MAX",
    "KEY",
    "MINUTES",
    "QUALITIES",
    "SCHEMA",
    "Interval",
    "IntervalStore",
    "Manifest",
    "MeterEnergy",
    "MeterSpan",
    "energy_by_meter",
    "readings",
]

COMPACTED_FROM_FILES: Final = 2
"""A day with fewer files that count is left as it is."""
DIGEST_NAMED: Final = 32
"""So many of its hexadecimal digits stand in the name of a batch."""
REPLACED_KEPT: Final = timedelta(days=1)
"""Files that were compacted stand so long for those who still read them."""

_WANTED: Final = pa.schema(
    [
        ("place", pa.int64()),
        ("meter_no", pa.string()),
        ("register", pa.string()),
        ("since", pa.timestamp("us", tz="UTC")),
        ("until", pa.timestamp("us", tz="UTC")),
    ]
)


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
        estimated_mwh: part of the energy that was not measured but estimated.
    """

    energy_mwh: int = 0
    intervals: int = 0
    minutes: int = 0
    lengths: int = 0
    estimated_mwh: int = 0

    def plus(self, other: "MeterEnergy") -> "MeterEnergy":
        """Of two spans that do not overlap; different lengths in the two count as such."""
        return MeterEnergy(
            self.energy_mwh + other.energy_mwh,
            self.intervals + other.intervals,
            self.minutes + other.minutes,
            max(self.lengths, other.lengths),
            self.estimated_mwh + other.estimated_mwh,
        )

    def covers(self, span: MeterSpan) -> bool:
        """No interval is missing and none can overlap another."""
        return self.lengths == 1 and timedelta(minutes=self.minutes) == span.until - span.since


class IntervalStore:
    """The interval files of a folder, together with their list in the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(
        self, connection: AsyncConnection, batch: str, table: pa.Table, *, now: datetime, by_content: bool = False
    ) -> bool:
        """Add a batch of readings; it counts from the commit of this transaction on.

        Args:
            batch: the sender's name for it, at most 200 characters. The same batch again is not stored again.
            table: of `SCHEMA`.
            by_content: the name is only the first half of one; the other is the digest of the readings.

        Returns:
            whether the batch is new.

        Raises:
            InvalidInput: a reading is out of form, stands twice, or lies in the future; nothing is stored.
            Conflict: the batch came before with other readings.
        """
        table = await asyncio.to_thread(interval_schema.in_order, table)
        await asyncio.to_thread(interval_schema.check, table, utc(now))
        digest = await asyncio.to_thread(interval_schema.digest, table)
        batch = f"{batch} {digest[:DIGEST_NAMED]}" if by_content else batch
        if not 0 < len(batch) <= 200 or not batch.isprintable():
            raise InvalidInput("the id of a batch is 1 to 200 printable characters")
        await reading_rows.announce_writing(connection)
        number = await reading_rows.add_interval_batch(connection, batch, digest, table.num_rows, utc(now))
        if number is None:
            if await reading_rows.interval_batch_digest(connection, batch) != digest:
                raise Conflict(f"interval batch {batch} came before with other readings", batch=batch)
            return False
        files = await asyncio.to_thread(interval_files.write_batch, self._folder, table, number)
        await reading_rows.add_interval_files(connection, files, batch=number)
        return True

    async def manifest(self, connection: AsyncConnection, since: datetime, until: datetime) -> Manifest:
        """The files that may hold intervals which start from `since` up to, not including, `until`.

        `manifest.readings(engine)` is the expression over them; it holds the whole UTC days that the span touches.
        """
        first, last = _days(since, until)
        return Manifest(self._folder, tuple(await reading_rows.interval_files(connection, first=first, last=last)))

    async def batches(self, connection: AsyncConnection, since: datetime, until: datetime) -> frozenset[str]:
        """What has come by now for this time, to be held against what counts later (`meters_since`)."""
        return frozenset(file.path for file in await reading_rows.batch_files(connection, *_days(since, until)))

    async def meters_since(
        self, connection: AsyncConnection, known: frozenset[str], since: datetime, until: datetime
    ) -> set[str]:
        """The meters of which readings of this time have come that were not among the known `batches`."""
        files = await reading_rows.batch_files(connection, *_days(since, until))
        paths = [self._folder / file.path for file in files if file.path not in known]
        return await asyncio.to_thread(interval_files.meters_in, paths) if paths else set()

    async def energy(self, connection: AsyncConnection, spans: Sequence[MeterSpan]) -> list[MeterEnergy]:
        """The energy of each span, exact, in one pass over the files that can hold it."""
        if not spans:
            return []
        rows = await self._rows(connection, spans, energy_by_meter)
        found = {row.pop("place"): MeterEnergy(**row) for row in rows}
        return [found.get(place, MeterEnergy()) for place in range(len(spans))]

    async def evaluate(
        self,
        connection: AsyncConnection,
        spans: Sequence[MeterSpan],
        expression: Callable[[ibis.Table, ibis.Table], ibis.Table],
    ) -> list[dict[str, Any]]:
        """The rows of an expression over wanted spans and the readings that count, as `energy_by_meter` is one."""
        return await self._rows(connection, spans, expression) if spans else []

    async def intervals(self, connection: AsyncConnection, span: MeterSpan) -> list[Interval]:
        """The intervals of a span that count, by their start."""
        (found,) = await self.intervals_of(connection, [span])
        return found

    async def intervals_of(
        self, connection: AsyncConnection, spans: Sequence[MeterSpan], *, quality: str | None = None
    ) -> list[list[Interval]]:
        """For each span: the intervals of it that count, by their start; in one pass over the files.

        Args:
            quality: only those that have it.
        """
        found: list[list[Interval]] = [[] for _ in spans]

        def expression(wanted: ibis.Table, current: ibis.Table) -> ibis.Table:
            chosen = current if quality is None else current.filter(current.quality == quality)
            return _wanted(wanted, chosen).order_by(["place", "start"])

        if spans:
            for row in await self._rows(connection, spans, expression):
                found[row["place"]].append(_interval(row))
        return found

    async def versions(self, connection: AsyncConnection, span: MeterSpan) -> list[Interval]:
        """Every version of the intervals of a span that was ever stored, by start and then from the oldest on."""
        rows = await self._rows(connection, [span], _oldest_first, with_superseded=True)
        return [_interval(row) for row in rows]

    async def compact(self, connection: AsyncConnection, day: date, *, now: datetime) -> int:
        """Put the versions that count of a UTC day beside each other, in files that meet no other.

        Nothing that a reader sees changes, and every version is kept. Files that were replaced stand until `sweep`.

        Returns:
            how many files were replaced.
        """
        number = await reading_rows.begin_compaction(connection)
        await reading_rows.announce_writing(connection)
        files = await reading_rows.interval_files(connection, first=day, last=day)
        files.sort(key=lambda file: (file.meter_first, file.meter_last))
        replaced: list[str] = []
        for run in meeting(files):
            if len(run) == 1 and run[0].is_distinct:
                continue
            merged = await asyncio.to_thread(interval_files.merge, self._folder, run, number)
            await reading_rows.add_interval_files(connection, merged.current, batch=None)
            await reading_rows.add_interval_files(connection, merged.superseded, batch=None, is_superseded=True)
            replaced += [file.path for file in run]
            number = await reading_rows.begin_compaction(connection)
        await reading_rows.replace_files(connection, replaced, utc(now))
        return len(replaced)

    async def days_to_compact(self, connection: AsyncConnection) -> list[date]:
        """Days for `compact`: with several files that count."""
        return await reading_rows.days_of_files(connection, at_least=COMPACTED_FROM_FILES)

    async def sweep(self, connection: AsyncConnection, *, now: datetime) -> list[str]:
        """Remove files that no row lists, as a crash leaves them, and those replaced more than a day ago.

        While a batch is being written nothing is removed: its files are not listed yet.

        Returns:
            what was removed, within the folder.
        """
        if not await reading_rows.is_nobody_writing(connection):
            return []
        await reading_rows.forget_replaced(connection, utc(now) - REPLACED_KEPT)
        listed = await reading_rows.listed_paths(connection)
        return await asyncio.to_thread(interval_files.remove_unlisted, self._folder, listed)

    async def _rows(
        self,
        connection: AsyncConnection,
        spans: Sequence[MeterSpan],
        expression: Callable[[ibis.Table, ibis.Table], ibis.Table],
        *,
        with_superseded: bool = False,
    ) -> list[dict[str, Any]]:
        """The rows of an expression over what these spans want and the readings that may be in them."""
        files = await reading_rows.interval_files(
            connection,
            first=utc(min(span.since for span in spans)).date(),
            last=utc(max(span.until for span in spans)).date(),
            meter_first=min(span.meter_no for span in spans),
            meter_last=max(span.meter_no for span in spans),
            with_superseded=with_superseded,
        )
        manifest = Manifest(self._folder, tuple(files))
        return await asyncio.to_thread(_run, manifest, spans, expression, with_superseded)


# Expressions: the same on every engine


def energy_by_meter(wanted: ibis.Table, current: ibis.Table) -> ibis.Table:
    """For each wanted span that has intervals: `place` and the fields of `MeterEnergy`.

    Args:
        wanted: place, meter_no, register, since, until.
        current: as `Manifest.readings` gives it.
    """
    counting = _wanted(wanted, current)
    return counting.group_by("place").aggregate(
        energy_mwh=counting.energy_mwh.sum(),
        intervals=counting.count(),
        minutes=counting.minutes.sum(),
        lengths=counting.minutes.nunique(),
        estimated_mwh=counting.energy_mwh.sum(where=counting.quality == "estimated").fill_null(0),
    )


def _wanted(wanted: ibis.Table, found: ibis.Table) -> ibis.Table:
    """The readings that lie in a wanted span, beside its `place`."""
    return wanted.join(
        found,
        [
            wanted.meter_no == found.meter_no,
            wanted.register == found.register,
            found.start >= wanted.since,
            found.start < wanted.until,
        ],
    ).select(wanted.place, *(found[name] for name in found.columns))


def _oldest_first(wanted: ibis.Table, versions: ibis.Table) -> ibis.Table:
    return _wanted(wanted, versions).order_by(["start", "version", "batch"])


def _run(
    manifest: Manifest,
    spans: Sequence[MeterSpan],
    expression: Callable[[ibis.Table, ibis.Table], ibis.Table],
    with_superseded: bool,
) -> list[dict[str, Any]]:
    if not manifest.files:
        return []
    engine = ibis.duckdb.connect()
    try:
        wanted = ibis.memtable(_table_of(spans))
        found = manifest.versions(engine) if with_superseded else manifest.readings(engine, among=wanted)
        rows: list[dict[str, Any]] = engine.to_pyarrow(expression(wanted, found)).to_pylist()
        return rows
    finally:
        engine.disconnect()


def _table_of(spans: Sequence[MeterSpan]) -> pa.Table:
    rows = [(place, *span) for place, span in enumerate(spans)]
    return pa.Table.from_pylist([dict(zip(_WANTED.names, row, strict=True)) for row in rows], _WANTED)


def _days(since: datetime, until: datetime) -> tuple[date, date]:
    """The first and last UTC day on which an interval in [since, until) can start."""
    return utc(since).date(), (utc(until) - timedelta(microseconds=1)).date()


def _interval(row: dict[str, Any]) -> Interval:
    return Interval(**{name: row[name] for name in SCHEMA.names} | {"start": utc(row["start"])})
