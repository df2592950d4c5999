"""The journal: every frame as it went over the wire, for the person who has to find out what was said.

It is evidence for people, never a source of money. So it may lose what a crash or an overload takes (its last second,
or what a full buffer turned away, counted), while a message that was acknowledged may not: those are two different
paths. Frames gather in memory, already in the format of PostgreSQL's binary COPY, and go out in bulk about once a
second, on a connection of their own and without waiting for the disk.

One partition a day, dropped when its time is over, so that forgetting costs nothing.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database, driver_of
from wattbook.db.partitions import Partitioned, tend
from wattbook.kernel.clock import Clock, utc
from wattbook.ocpp.connections import Direction

FLUSH_EVERY_S: Final = 1.0
WAITING_BYTES_MAX: Final = 64 << 20
FRAME_BYTES_MAX: Final = 64 << 10
"""Of one frame; a longer one is cut, as in the quarantine."""
TIDY_EVERY_S: Final = 3_600.0
KEEP_DAYS: Final = 7

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL: Final = b"\xff\xff"
_short = struct.Struct(">hi").pack
_fixed = struct.Struct(">iqi?i").pack
_length = struct.Struct(">i").pack

log = structlog.get_logger(__name__)


class JournalledFrame(Struct, frozen=True):
    """A frame as it is kept; `direction` is seen from the management system."""

    station_id: str
    at: datetime
    direction: Direction
    version: str
    raw: bytes


class FrameJournal:
    """Give it to an `Entity`; `open` it before the port and `close` it after.

    Attributes:
        lost: frames that were not kept because the buffer was full or the database away.

    `keeps` says of which stations frames are kept.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        keeps: Callable[[str], bool] = lambda station_id: True,
        keep_days: int = KEEP_DAYS,
        flush_every_s: float = FLUSH_EVERY_S,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        assert keep_days > 0, "today is kept at least"
        self._database = database
        self._clock = clock
        self._keeps = keeps
        self._partitioned = Partitioned("ocpp.frames", "at", "day", timedelta(days=keep_days))
        self._flush_every_s = flush_every_s
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting = bytearray()
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    async def open(self) -> None:
        await self.tidy()
        self._task = asyncio.create_task(self._keep_writing(), name="journal")

    async def close(self) -> None:
        """Write what is there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    def note(self, station_id: str, version: str, direction: Direction, raw: bytes) -> None:
        if not self._keeps(station_id):
            return
        if len(self._waiting) > self._waiting_bytes_max:
            self.lost += 1
            return
        station, spoken = station_id.encode(errors="replace").replace(b"\0", b"?"), version.encode()
        at_us = round((self._clock().timestamp() - _EPOCH) * 1_000_000)
        frame = raw[:FRAME_BYTES_MAX]
        self._waiting += b"".join(
            (
                _short(5, len(station)),
                station,
                _fixed(8, at_us, 1, direction is Direction.OUT, len(spoken)),
                spoken,
                _length(len(frame)),
                frame,
            )
        )
        self._number += 1

    async def flush(self) -> None:
        """Write what gathered; what cannot be written is lost, and counted."""
        if not self._number:
            return
        rows, number = self._waiting, self._number
        self._waiting, self._number = bytearray(), 0
        try:
            async with self._database.transaction() as connection:
                await _copy(connection, rows)
        except (DBAPIError, psycopg.Error, OSError) as error:
            self.lost += number
            log.warning("frames-not-kept", frames=number, error=str(error))

    async def _keep_writing(self) -> None:
        loop = asyncio.get_running_loop()
        tidied_at = loop.time()
        while True:
            await asyncio.sleep(self._flush_every_s)
            await self.flush()
            if loop.time() - tidied_at > TIDY_EVERY_S:
                tidied_at = loop.time()
                await self.tidy()

    async def tidy(self) -> None:
        """Make the coming days, drop those that are over."""
        try:
            async with self._database.transaction() as connection:
                await tend(connection, self._partitioned, now=self._clock())
        except (DBAPIError, psycopg.Error, OSError) as error:
            log.warning("journal-not-tidied", error=str(error))


async def frames_of(
    connection: AsyncConnection, station_id: str, *, before: datetime, limit: int = 100
) -> Sequence[JournalledFrame]:
    """A station's frames before a moment, the newest first."""
    found = await connection.execute(
        text("""
            SELECT station_id, at, outgoing, version, raw FROM ocpp.frames
            WHERE station_id = :station AND at < :before ORDER BY at DESC LIMIT :limit
        """),
        {"station": station_id, "before": utc(before), "limit": limit},
    )
    return [
        JournalledFrame(row[0], row[1], Direction.OUT if row[2] else Direction.IN, row[3], bytes(row[4]))
        for row in found
    ]


async def _copy(connection: AsyncConnection, rows: bytearray) -> None:
    await connection.execute(text("SET LOCAL synchronous_commit TO off"))
    async with driver_of(connection).cursor() as cursor:
        statement = "COPY ocpp.frames (station_id, at, outgoing, version, raw) FROM STDIN (FORMAT binary)"
        async with cursor.copy(statement) as copy:
            await copy.write(_HEAD)
            await copy.write(rows)
            await copy.write(_TAIL)
