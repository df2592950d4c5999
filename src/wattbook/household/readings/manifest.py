"""The list of the interval files that count, and the one expression that reads them.

A file is cut from one UTC day and one range of meters, so an interval can stand in two files only when these have the
same day and their ranges meet. Files that meet no other, and hold each interval once, are read as they are: after
compaction that is nearly all of them, and a sum runs as fast as the disk. Of the others the newest version of each
interval counts. The expression is of Ibis and runs unchanged on every engine of it that reads Parquet.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import ibis
import pyarrow as pa

from wattbook.household.readings.interval_schema import KEY, SCHEMA

STORED: Final = SCHEMA.append(pa.field("batch", pa.int64(), nullable=False))
"""As it stands in a file: a reading and the number of the batch in which it came."""
CURRENT: Final = tuple(SCHEMA.names)
"""Columns of `Manifest.readings`: meter_no, register, start, minutes, energy_mwh, quality, version, method."""


class IntervalFile(NamedTuple):
    """A Parquet file of `STORED`, in the order of meter, register and start.

    Attributes:
        path: within the folder of interval files.
        day: UTC day on which its intervals start.
        meter_first: the lowest meter number in it; `meter_last` the highest.
        is_distinct: each interval stands once in it.
    """

    path: str
    day: date
    readings: int
    meter_first: str
    meter_last: str
    is_distinct: bool


class Manifest(NamedTuple):
    """The files that count at one moment. It stays readable for as long as `sweep` lets replaced files stand."""

    folder: Path
    files: tuple[IntervalFile, ...]

    @property
    def single(self) -> list[str]:
        """Full paths of the files that hold intervals which stand nowhere else."""
        return [str(self.folder / run[0].path) for run in self._runs() if len(run) == 1 and run[0].is_distinct]

    @property
    def versioned(self) -> list[str]:
        """Full paths of the others."""
        runs = (run for run in self._runs() if len(run) > 1 or not run[0].is_distinct)
        return [str(self.folder / file.path) for run in runs for file in run]

    @property
    def reading_count(self) -> int:
        """With every version."""
        return sum(file.readings for file in self.files)

    def readings(self, engine: ibis.BaseBackend, among: ibis.Table | None = None) -> ibis.Table:
        """The version of each interval that counts, with the columns `CURRENT`.

        Args:
            engine: runs the expression, such as `ibis.duckdb.connect()` or Spark.
            among: a table with a column `meter_no`: only these meters are wanted, which saves comparing versions of
                others.
        """
        parts = []
        if self.single:
            parts.append(_only(_read(engine, self.single), among).select(*CURRENT))
        if self.versioned:
            parts.append(newest(_only(_read(engine, self.versioned), among)).select(*CURRENT))
        return _together(parts)

    def readings_within(
        self, engine: ibis.BaseBackend, since: datetime, until: datetime, meter_first: str, meter_last: str
    ) -> ibis.Table:
        """`readings` of the meters from `meter_first` to `meter_last`, both included, that start in [since, until).

        Only files that reach beyond are compared row by row. Of a month and all meters these are those of the first
        and the last day, and a sum takes a third less time.
        """
        whole_day = timedelta(days=1)
        parts: dict[tuple[bool, bool], list[IntervalFile]] = {}
        for run in self._runs():
            day = datetime.combine(run[0].day, time(), UTC)
            is_in_time = since <= day and day + whole_day <= until
            is_in_range = all(meter_first <= file.meter_first and file.meter_last <= meter_last for file in run)
            parts.setdefault((is_in_time, is_in_range), []).extend(run)
        found = []
        for (is_in_time, is_in_range), files in parts.items():
            part = Manifest(self.folder, tuple(files)).readings(engine)
            if not is_in_time:
                part = part.filter(part.start >= since, part.start < until)
            if not is_in_range:
                part = part.filter(part.meter_no.between(meter_first, meter_last))
            found.append(part)
        return _together(found)

    def versions(self, engine: ibis.BaseBackend) -> ibis.Table:
        """Every version of these files, with the columns of `STORED`."""
        paths = [str(self.folder / file.path) for file in self.files]
        return _read(engine, paths) if paths else ibis.memtable(STORED.empty_table())

    def _runs(self) -> Iterator[list[IntervalFile]]:
        """The files, those together that may hold the same interval."""
        ordered = sorted(self.files, key=lambda file: (file.day, file.meter_first, file.meter_last, file.path))
        for _, files in groupby(ordered, key=lambda file: file.day):
            yield from meeting(list(files))


def meeting(files: Sequence[IntervalFile]) -> Iterator[list[IntervalFile]]:
    """The files of one day, ordered by their first meter, in runs whose ranges of meters meet."""
    run: list[IntervalFile] = []
    last = ""
    for file in files:
        if run and file.meter_first > last:
            yield run
            run = []
        last = max(last, file.meter_last) if run else file.meter_last
        run.append(file)
    if run:
        yield run


def newest(versions: ibis.Table) -> ibis.Table:
    """Of each interval the highest version, and of equal ones the one of the latest batch."""
    order = [ibis.desc("version"), ibis.desc("batch")]
    rank = ibis.row_number().over(group_by=list(KEY), order_by=order)
    return versions.mutate(rank=rank).filter(ibis._.rank == 0).drop("rank")


def _together(parts: Sequence[ibis.Table]) -> ibis.Table:
    if not parts:
        return ibis.memtable(SCHEMA.empty_table())
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


def _only(readings: ibis.Table, among: ibis.Table | None) -> ibis.Table:
    return readings if among is None else readings.semi_join(among, "meter_no")


def _read(engine: ibis.BaseBackend, paths: Sequence[str]) -> ibis.Table:
    if engine.name == "pyspark":
        return engine.read_parquet(_pattern(paths))
    # The day is in the file's own times; as a part of its path it would become a column.
    options: dict[str, Any] = {"hive_partitioning": False} if engine.name == "duckdb" else {}
    return engine.read_parquet(list(paths), **options)


def _pattern(paths: Sequence[str]) -> str:
    """All of them as one pattern, for Spark reads one path: `folder/{day=2026-10-01/1.parquet,day=…}`."""
    if len(paths) == 1:
        return paths[0]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return f"{folder}/{{{','.join(os.path.relpath(path, folder) for path in paths)}}}"
