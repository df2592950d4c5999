"""The journal: every frame as it went over the wire, for the person who has to find out what was said.

It is evidence for people, never a source of money. So it may lose what a crash or an overload takes (its last second,
or what a full buffer turned away, counted), while a message that was acknowledged may not: those are two different
paths. Frames gather in memory, already in the format of PostgreSQL's binary COPY, and go out in bulk about once a
second, on a connection of their own and without waiting for the disk.

The frames of one write lie station by station, so an index of value ranges finds a station's pages at next to no cost;
one of single entries would cost twice as much as the frames themselves. One partition a day, dropped when its time is
over, so that forgetting costs nothing.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from wattbook.kernel.telemetry import FRAMES_LOST
from wattbook.ocpp.commands.secrets import without_secret
from wattbook.ocpp.connections.connection import Direction

FLUSH_EVERY_S: Final = 1.0
WAITING_BYTES_MAX: Final = 64 << 20
FRAME_BYTES_MAX: Final = 64 << 10
"""Of one frame; a longer one is cut, as in the quarantine."""
TIDY_EVERY_S: Final = 3_600.0
KEEP_DAYS: Final = 7

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL
_MICROSECOND: Final = timedelta(microseconds=1)
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL: Final = b"\xff\xff"
_OUR_CALL: Final = b"[2"
OUT: Final = Direction.OUT

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
        waiting_bytes, waiting_bytes_max, clock: for its recorders.

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
        self._keeps = keeps
        self._partitioned = Partitioned("ocpp.frames", "at", "day", timedelta(days=keep_days))
        self._flush_every_s = flush_every_s
        self.waiting_bytes_max = waiting_bytes_max
        self._waiting: list[Recorder] = []
        self.waiting_bytes = 0
        self.clock = clock
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    async def open(self) -> None:
        await self.tidy()
        self._task = asyncio.create_task(self._keep_writing(), name="journal")

    async def close(self) -> None:
        """Write what is there."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        await self.flush()

    def recorder(self, station_id: str, version: str) -> "Recorder":
        return Recorder(self, station_id, version)

    def begins(self, recorder: "Recorder") -> bool:
        """Let it gather until the next write, if its station's frames are kept."""
        if not self._keeps(recorder.station_id):
            return False
        self._waiting.append(recorder)
        return True

    def lose(self, frames: int) -> None:
        self.lost += frames
        FRAMES_LOST.inc(frames)

    async def flush(self) -> None:
        """Write what gathered; what cannot be written is lost, and counted."""
        if not self._waiting:
            return
        waiting = sorted(self._waiting, key=lambda recorder: recorder.station_id)
        self._waiting, self.waiting_bytes = [], 0
        parts = [part for recorder in waiting for part in recorder.take()]
        try:
            async with self._database.transaction() as connection:
                await _copy(connection, b"".join(parts))
        except (DBAPIError, psycopg.Error, OSError) as error:
            frames = len(parts) // 2
            self.lose(frames)
            log.warning("frames-not-kept", frames=frames, error=str(error))

    async def _keep_writing(self) -> None:
        loop = asyncio.get_running_loop()
        tidied_at = loop.time()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._flush_every_s)
            await self.flush()
            if loop.time() - tidied_at > TIDY_EVERY_S:
                tidied_at = loop.time()
                await self.tidy()

    async def tidy(self) -> None:
        """Make the coming days, drop those that are over."""
        try:
            async with self._database.transaction() as connection:
                await tend(connection, self._partitioned, now=self.clock())
        except (DBAPIError, psycopg.Error, OSError) as error:
            log.warning("journal-not-tidied", error=str(error))


class Recorder:
    """Keeps the frames of one connection until they are written, as rows of PostgreSQL's binary COPY."""

    __slots__ = ("_journal", "_pack", "_parts", "_spoken", "_station", "station_id")

    def __init__(self, journal: FrameJournal, station_id: str, version: str) -> None:
        self.station_id = station_id
        self._journal = journal
        self._station = station_id.encode(errors="replace").replace(b"\0", b"?")
        self._spoken = version.encode()
        # Of a row: how many columns, and each with its length before it: station, time, whether we said it, version.
        self._pack = struct.Struct(f">hi{len(self._station)}siqi?i{len(self._spoken)}si").pack
        self._parts: list[bytes] = []  # two a row: all but the frame, and the frame

    def __call__(self, direction: Direction, raw: bytes) -> None:
        outgoing = direction is OUT
        if outgoing and raw.startswith(_OUR_CALL):
            raw = without_secret(raw)
        size = len(raw)
        if size > FRAME_BYTES_MAX:
            raw, size = raw[:FRAME_BYTES_MAX], FRAME_BYTES_MAX
        journal, parts, station, spoken = self._journal, self._parts, self._station, self._spoken
        if journal.waiting_bytes > journal.waiting_bytes_max:
            journal.lose(1)
            return
        if not parts and not journal.begins(self):
            return
        journal.waiting_bytes += size
        at_us = (journal.clock() - _EPOCH) // _MICROSECOND
        parts.append(self._pack(5, len(station), station, 8, at_us, 1, outgoing, len(spoken), spoken, size))
        parts.append(raw)

    def take(self) -> list[bytes]:
        """What gathered, two parts a row."""
        taken, self._parts = self._parts, []
        return taken


class FrameFilter(Struct, frozen=True):
    """Which frames; None: any. `holds` are characters in them."""

    since: datetime | None = None
    direction: Direction | None = None
    holds: str | None = None


ANY: Final = FrameFilter()


async def frames_of(
    connection: AsyncConnection, station_id: str, *, before: datetime, limit: int = 100, wanted: FrameFilter = ANY
) -> Sequence[JournalledFrame]:
    """A station's frames before a moment, the newest first."""
    found = await connection.execute(
        text("""
            SELECT station_id, at, outgoing, version, raw FROM ocpp.frames
            WHERE station_id = :station AND at < :before
              AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
              AND (CAST(:outgoing AS boolean) IS NULL OR outgoing = :outgoing)
              AND (CAST(:holds AS bytea) IS NULL OR position(CAST(:holds AS bytea) IN raw) > 0)
            ORDER BY at DESC LIMIT :limit
        """),
        {
            "station": station_id,
            "before": utc(before),
            "since": None if wanted.since is None else utc(wanted.since),
            "outgoing": None if wanted.direction is None else wanted.direction is Direction.OUT,
            "holds": None if wanted.holds is None else wanted.holds.encode(),
            "limit": limit,
        },
    )
    return [
        JournalledFrame(row[0], row[1], Direction.OUT if row[2] else Direction.IN, row[3], bytes(row[4]))
        for row in found
    ]


async def _copy(connection: AsyncConnection, rows: bytes) -> None:
    await connection.execute(text("SET LOCAL synchronous_commit TO off"))
    async with driver_of(connection).cursor() as cursor:
        statement = "COPY ocpp.frames (station_id, at, outgoing, version, raw) FROM STDIN (FORMAT binary)"
        async with cursor.copy(statement) as copy:
            await copy.write(_HEAD)
            await copy.write(rows)
            await copy.write(_TAIL)
