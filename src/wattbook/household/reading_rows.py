"""The SQL of readings: which interval files count. Every function takes a batch and uses one statement."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import tables
from wattbook.household.manifest import IntervalFile

_WRITING = "hashtextextended('household.interval_files', 0)"


async def announce_writing(connection: AsyncConnection) -> None:
    """Until this transaction ends, nobody takes its files, which no row lists yet, for leftovers of a crash."""
    await connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({_WRITING})"))


async def is_nobody_writing(connection: AsyncConnection) -> bool:
    """And nobody begins to before this transaction ends."""
    return bool((await connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_WRITING})"))).scalar_one())


async def begin_compaction(connection: AsyncConnection) -> int:
    """Wait until nobody else compacts; the number under which to write files."""
    found = await connection.execute(
        text("""
            SELECT nextval(pg_get_serial_sequence('household.interval_batches', 'number'))
            FROM (SELECT pg_advisory_xact_lock(hashtextextended('household.compaction', 0))) AS lock
        """)
    )
    return int(found.scalar_one())


async def add_interval_batch(
    connection: AsyncConnection, batch: str, digest: str, readings: int, now: datetime
) -> int | None:
    """Its number; None if a batch of this id is there, after waiting for one that is being added."""
    found = await connection.execute(
        text("""
            INSERT INTO household.interval_batches (id, digest, readings, received_at)
            VALUES (:batch, :digest, :readings, :now) ON CONFLICT (id) DO NOTHING RETURNING number
        """),
        {"batch": batch, "digest": digest, "readings": readings, "now": now},
    )
    number: int | None = found.scalar_one_or_none()
    return number


async def interval_batch_digest(connection: AsyncConnection, batch: str) -> str:
    found = await connection.execute(
        text("SELECT digest FROM household.interval_batches WHERE id = :batch"), {"batch": batch}
    )
    digest: str = found.scalar_one()
    return digest


async def add_interval_files(
    connection: AsyncConnection, files: Sequence[IntervalFile], *, batch: int | None, is_superseded: bool = False
) -> None:
    if files:
        rest = {"batch": batch, "is_superseded": is_superseded}
        await connection.execute(insert(tables.interval_files), [file._asdict() | rest for file in files])


async def interval_files(
    connection: AsyncConnection,
    *,
    first: date,
    last: date,
    meter_first: str | None = None,
    meter_last: str | None = None,
    with_superseded: bool = False,
) -> list[IntervalFile]:
    """The files that may hold intervals of these days and meters, both ends included; in the order of their paths."""
    files = tables.interval_files.c
    wanted = select(*(files[name] for name in IntervalFile._fields)).where(
        files.day.between(first, last), files.replaced_at.is_(None)
    )
    if not with_superseded:
        wanted = wanted.where(~files.is_superseded)
    if meter_first is not None:
        wanted = wanted.where(files.meter_last.collate("C") >= meter_first)
    if meter_last is not None:
        wanted = wanted.where(files.meter_first.collate("C") <= meter_last)
    return [IntervalFile(*row) for row in await connection.execute(wanted.order_by(files.path))]


async def days_of_files(connection: AsyncConnection, *, at_least: int) -> list[date]:
    """Days with so many files that count, or with one that holds an interval twice."""
    found = await connection.execute(
        text("""
            SELECT day FROM household.interval_files WHERE replaced_at IS NULL AND NOT is_superseded
            GROUP BY day HAVING count(*) >= :at_least OR NOT bool_and(is_distinct) ORDER BY day
        """),
        {"at_least": at_least},
    )
    return list(found.scalars())


async def replace_files(connection: AsyncConnection, paths: Sequence[str], now: datetime) -> None:
    files = tables.interval_files
    await connection.execute(update(files).where(files.c.path.in_(paths)).values(replaced_at=now))


async def forget_replaced(connection: AsyncConnection, before: datetime) -> None:
    """Files that were replaced before that moment are no longer listed."""
    files = tables.interval_files
    await connection.execute(delete(files).where(files.c.replaced_at < before))


async def listed_paths(connection: AsyncConnection) -> list[str]:
    return list((await connection.execute(select(tables.interval_files.c.path))).scalars())
