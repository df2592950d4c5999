"""Interval files on disk: written so that a crash leaves a whole file or a leftover, cut by day and range of meters."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from wattbook.household.readings.interval_schema import KEY, unlike_the_one_before
from wattbook.household.readings.manifest import STORED, IntervalFile, Manifest

FILE_READINGS_MAX: Final = 4_000_000
"""A file holds more only when one meter has more on one day."""
ROW_GROUP_READINGS: Final = 131_072
"""What an engine reads at once, on each of its threads; each column of it is one page of a dictionary's places."""
MERGE_READINGS_MAX: Final = 16_000_000
"""Held in memory at once while files are merged."""


class Merged(NamedTuple):
    """Files that say the same as others did: the newest versions, and apart from them the older ones."""

    current: list[IntervalFile]
    superseded: list[IntervalFile]


def write_batch(folder: Path, table: pa.Table, number: int) -> list[IntervalFile]:
    """Write a batch that is in order, a file or more for each of its days."""
    stored = table.append_column(STORED.field("batch"), pa.repeat(pa.scalar(number, pa.int64()), table.num_rows))
    days = pc.cast(table["start"], pa.date32())
    files: list[IntervalFile] = []
    for day in pc.unique(days):
        files += _write_day(folder, day.as_py(), f"{number:012d}", stored.filter(pc.equal(days, day)))
    make_durable(folder)
    return files


def meters_in(paths: Iterable[Path]) -> set[str]:
    """The numbers of the meters that these files hold readings of."""
    found: set[str] = set()
    for path in paths:
        found.update(pc.unique(pyarrow.parquet.read_table(path, columns=["meter_no"])["meter_no"]).to_pylist())
    return found


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """As interval files are encoded. Dictionaries and few pages: other encodings were larger and slower to sum."""
    pyarrow.parquet.write_table(
        table,
        file,
        compression="zstd",
        row_group_size=ROW_GROUP_READINGS,
        max_rows_per_page=ROW_GROUP_READINGS,
        store_schema=False,
    )


def merge(folder: Path, files: Sequence[IntervalFile], number: int) -> Merged:
    """Write what these files of one day hold anew, each interval's newest version into files that meet no other."""
    (day,) = {file.day for file in files}
    merged = Merged([], [])
    engine = ibis.duckdb.connect()
    try:
        versions = Manifest(folder, tuple(files)).versions(engine)
        for place, (first, last) in enumerate(_slices(versions)):
            wanted = versions.filter(versions.meter_no.between(first, last))
            ordered = wanted.order_by([*KEY, ibis.desc("version"), ibis.desc("batch")])
            table = engine.to_pyarrow(ordered.select(*STORED.names)).cast(STORED).combine_chunks()
            is_newest = unlike_the_one_before(table, KEY)
            name = f"{number:012d}-{place:04d}"
            merged.current.extend(_write_day(folder, day, name, table.filter(is_newest)))
            older = table.filter(pc.invert(is_newest))
            if older.num_rows:
                merged.superseded.extend(_write_day(folder, day, f"{name}-superseded", older))
    finally:
        engine.disconnect()
    make_durable(folder)
    return merged


def remove_unlisted(folder: Path, listed: Iterable[str]) -> list[str]:
    """Remove interval files, and beginnings of them, that no row lists; their paths within the folder."""
    kept = set(listed)
    found = [
        path for pattern in ("day=*/*.parquet", "day=*/*.partial") for path in folder.glob(pattern) if path.is_file()
    ]
    leftovers = [path for path in found if str(path.relative_to(folder)) not in kept]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return sorted(str(path.relative_to(folder)) for path in leftovers)


def make_durable(folder: Path) -> None:
    """A rename survives a power cut only when its folder was written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _slices(versions: ibis.Table) -> Iterator[tuple[str, str]]:
    """Ranges of meters, first and last inside, each of few enough readings to be held in memory."""
    counted = versions.group_by("meter_no").aggregate(count=ibis._.count()).order_by("meter_no").to_pyarrow()
    meters, counts = counted["meter_no"].to_pylist(), counted["count"].to_pylist()
    first, held = 0, 0
    for place, count in enumerate(counts):
        if held and held + count > MERGE_READINGS_MAX:
            yield meters[first], meters[place - 1]
            first, held = place, 0
        held += count
    yield meters[first], meters[-1]


def _write_day(folder: Path, day: date, name: str, table: pa.Table) -> list[IntervalFile]:
    pieces = list(_cut_by_meter(table))
    return [_write_file(folder, day, f"{name}.{place:04d}", piece) for place, piece in enumerate(pieces)]


def _cut_by_meter(table: pa.Table) -> Iterator[pa.Table]:
    """The table in pieces of about the wanted size; no meter is in two of them."""
    run_ends = pc.run_end_encode(table["meter_no"].combine_chunks()).run_ends.to_numpy()
    start = 0
    while start < table.num_rows:
        fitting = int(np.searchsorted(run_ends, start + FILE_READINGS_MAX, side="right")) - 1
        end = int(run_ends[fitting]) if fitting >= 0 else 0
        if end <= start:  # one meter alone is more
            end = int(run_ends[int(np.searchsorted(run_ends, start, side="right"))])
        yield table.slice(start, end - start)
        start = end


def _write_file(folder: Path, day: date, name: str, table: pa.Table) -> IntervalFile:
    path = Path(f"day={day}") / f"{name}.parquet"
    final = folder / path
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_suffix(".partial")
    with temporary.open("wb") as file:
        write_parquet(table, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(final)
    make_durable(final.parent)
    meters = table["meter_no"]
    is_distinct = bool(pc.all(unlike_the_one_before(table, KEY)).as_py())
    return IntervalFile(str(path), day, table.num_rows, meters[0].as_py(), meters[-1].as_py(), is_distinct)
