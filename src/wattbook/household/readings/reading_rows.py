"""The SQL of readings: which interval files count, registers, and what was refused."""

import zlib
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import tables
from wattbook.household.readings.intake.items import Complaint, RegisterReading
from wattbook.household.readings.manifest import IntervalFile

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


async def batch_files(connection: AsyncConnection, first: date, last: date) -> list[IntervalFile]:
    """The files in which batches came, of these days, both included; also those that compaction has replaced since."""
    files = tables.interval_files.c
    wanted = select(*(files[name] for name in IntervalFile._fields)).where(
        files.day.between(first, last), files.batch.is_not(None)
    )
    return [IntervalFile(*row) for row in await connection.execute(wanted)]


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


# Meters: channels, registers, quarantine


class Channel(NamedTuple):
    """What has to be known of a register beside its readings; as assumed where nothing is on record.

    Attributes:
        multiplier: of current and voltage transformers: a register's difference times it is the energy.
        digits: whole kWh digits, after which the register begins again; None: unknown, so it never does.
        power_w_max: what can pass the meter; None: what can pass a house's.
    """

    meter: str
    register: str
    multiplier: int = 1
    digits: int | None = None
    power_w_max: int | None = None


class StoredRegister(NamedTuple):
    """A register reading that counts."""

    at: datetime
    value_mwh: int
    quality: str
    version: int


async def lock_meters(connection: AsyncConnection, meters: Collection[str]) -> None:
    """Nobody else decides which version of their readings counts before this transaction ends.

    Meters share 256 locks, taken in one order.
    """
    slots = sorted({zlib.crc32(meter.encode()) % 256 for meter in meters})
    if slots:
        await connection.execute(
            text("""
                SELECT pg_advisory_xact_lock(hashtext('household.meters'), slot)
                FROM unnest(CAST(:slots AS int[])) AS slot
            """),
            {"slots": slots},
        )


async def set_channels(connection: AsyncConnection, known: Sequence[Channel]) -> None:
    """Put on record, or replace."""
    for channel in known:
        await connection.execute(
            text("""
                INSERT INTO household.channels (meter, register, multiplier, digits, power_w_max)
                VALUES (:meter, :register, :multiplier, :digits, :power_w_max)
                ON CONFLICT (meter, register) DO UPDATE SET multiplier = excluded.multiplier,
                    digits = excluded.digits, power_w_max = excluded.power_w_max
            """),
            channel._asdict(),
        )


async def channels(connection: AsyncConnection, meters: Collection[str]) -> dict[tuple[str, str], Channel]:
    known = tables.channels
    wanted = select(*(known.c[name] for name in Channel._fields)).where(known.c.meter.in_(sorted(set(meters))))
    return {(row[0], row[1]): Channel(*row) for row in await connection.execute(wanted)}


async def registers_around(
    connection: AsyncConnection, meter: str, register: str, since: datetime, until: datetime
) -> list[StoredRegister]:
    """The readings that count from `since` to `until`, both included, with the last one before and the first after."""
    found = await connection.execute(
        text("""
            WITH counting AS (
                SELECT DISTINCT ON (at) at, value_mwh, quality, version FROM household.register_readings
                WHERE (meter, register) = (:meter, :register) ORDER BY at, version DESC
            )
            SELECT * FROM counting
            WHERE at >= coalesce((SELECT max(at) FROM counting WHERE at < :since), :since)
              AND at <= coalesce((SELECT min(at) FROM counting WHERE at > :until), :until) ORDER BY at
        """),
        {"meter": meter, "register": register, "since": since, "until": until},
    )
    return [StoredRegister(*row) for row in found]


async def add_registers(
    connection: AsyncConnection, given: Sequence[tuple[RegisterReading, int]], source: str, now: datetime
) -> None:
    rows = [
        {
            "meter": reading.meter,
            "register": reading.register,
            "at": reading.at,
            "version": version,
            "value_mwh": reading.value_mwh,
            "quality": reading.quality,
            "method": reading.method,
            "source": source,
            "received_at": now,
        }
        for reading, version in given
    ]
    await connection.execute(insert(tables.register_readings), rows)


async def quarantine(connection: AsyncConnection, source: str, refused: Sequence[Complaint], now: datetime) -> None:
    if refused:
        # PostgreSQL keeps no NUL in a text.
        rows = [
            {
                "source": source,
                "line": each.line,
                "code": each.code,
                "reason": each.reason.replace("\0", ""),
                "content": each.content.replace("\0", ""),
                "received_at": now,
            }
            for each in refused
        ]
        await connection.execute(insert(tables.quarantined_readings), rows)


async def quarantined(connection: AsyncConnection, limit: int) -> list[tuple[str, Complaint, datetime]]:
    """What was refused, the latest first: source, complaint, when."""
    kept = tables.quarantined_readings
    wanted = select(kept.c.source, kept.c.line, kept.c.code, kept.c.reason, kept.c.content, kept.c.received_at)
    rows = await connection.execute(wanted.order_by(kept.c.number.desc()).limit(limit))
    return [(row[0], Complaint(*row[1:5]), row[5]) for row in rows]


async def add_edit(
    connection: AsyncConnection,
    series: tuple[str, str],
    span: tuple[datetime, datetime],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """Who changed the readings of (meter, register) in [from, to), and why."""
    row = dict(zip(("meter", "register", "since", "until"), (*series, *span), strict=True))
    await connection.execute(insert(tables.edits), [row | {"by": by, "reason": reason, "at": now}])
