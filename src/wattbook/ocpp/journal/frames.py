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
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database, driver_of
from wattbook.db.partitions import Partitioned, tend
from wattbook.db.rounds import AWAY
from wattbook.kernel.clock import Clock, from_microseconds, microseconds, utc
from wattbook.kernel.telemetry import FRAMES_LOST
from wattbook.ocpp.commands.secrets import without_secret
from wattbook.ocpp.connections.connection import Direction

FLUSH_EVERY_S: Final = 1.0
WAITING_BYTES_MAX: Final = 64 << 20
FRAME_BYTES_MAX: Final = 64 << 10
"""Of one frame; a longer one is cut, as in the quarantine."""
ROW_BYTES_MAX: Final = 1_900
"""Of frames that share a row: PostgreSQL stores a row over 2 kB elsewhere, in pieces."""
TIDY_EVERY_S: Final = 3_600.0
KEEP_DAYS: Final = 7

_PG_EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts from 2000."""
_FRAME: Final = struct.Struct(">q?I")
"""Before each frame in a row: when, in microseconds since 1970; whether we said it; how many bytes follow."""
_pack_frame: Final = _FRAME.pack
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
        waiting_bytes, waiting_bytes_max, now_us: for its recorders.

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
        self._partitioned = Partitioned("ocpp.frames", "since", "day", timedelta(days=keep_days))
        self._flush_every_s = flush_every_s
        self.waiting_bytes_max = waiting_bytes_max
        self._waiting: list[Recorder] = []
        self.waiting_bytes = 0
        self._clock = clock
        self.now_us = microseconds(clock)
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
        rows = [part for recorder in waiting for part in recorder.take()]
        try:
            async with self._database.transaction() as connection:
                await _copy(connection, b"".join(rows))
        except AWAY as error:
            frames = sum(len(list(_frames_in(packed))) for packed in rows[1::2])
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
                await tend(connection, self._partitioned, now=self._clock())
        except AWAY as error:
            log.warning("journal-not-tidied", error=str(error))


class Recorder:
    """Keeps the frames of one connection until they are written, as rows of PostgreSQL's binary COPY."""

    __slots__ = ("_head", "_journal", "_row", "_rows", "_since_us", "_until_us", "station_id")

    def __init__(self, journal: FrameJournal, station_id: str, version: str) -> None:
        self.station_id = station_id
        self._journal = journal
        station, spoken = station_id.encode(errors="replace").replace(b"\0", b"?"), version.encode()
        # Of a row: how many columns, and each with its length before it: station, version, since, until, frames.
        layout = struct.Struct(f">hi{len(station)}si{len(spoken)}siqiqi")
        self._head = partial(layout.pack, 5, len(station), station, len(spoken), spoken)
        self._row = bytearray()
        self._rows: list[bytes] = []
        self._since_us = self._until_us = 0

    def __call__(self, direction: Direction, raw: bytes) -> None:
        outgoing = direction is OUT
        if outgoing and raw.startswith(_OUR_CALL):
            raw = without_secret(raw)
        size = len(raw)
        if size > FRAME_BYTES_MAX:
            raw, size = raw[:FRAME_BYTES_MAX], FRAME_BYTES_MAX
        journal, row = self._journal, self._row
        if journal.waiting_bytes > journal.waiting_bytes_max:
            journal.lose(1)
            return
        at_us = journal.now_us()
        if not row:
            if not self._rows and not journal.begins(self):
                return
            self._since_us = at_us
        elif len(row) + size > ROW_BYTES_MAX or at_us < self._until_us:
            self._end_row()
            self._since_us = at_us
        self._until_us = at_us
        journal.waiting_bytes += size
        row += _pack_frame(at_us, outgoing, size)
        row += raw

    def take(self) -> list[bytes]:
        """The rows that gathered, in two parts each: all but the frames, and the frames."""
        self._end_row()
        taken, self._rows = self._rows, []
        return taken

    def _end_row(self) -> None:
        since_us, until_us = self._since_us - _PG_EPOCH_US, self._until_us - _PG_EPOCH_US
        self._rows += self._head(8, since_us, 8, until_us, len(self._row)), bytes(self._row)
        self._row.clear()


def _frames_in(packed: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """Of a row, the oldest first: when, in microseconds since 1970, whether we said it, and the frame."""
    place = 0
    while place < len(packed):
        at_us, outgoing, size = _FRAME.unpack_from(packed, place)
        place += _FRAME.size + size
        yield at_us, outgoing, packed[place - size : place]


class FrameFilter(Struct, frozen=True):
    """Which frames; None: any. `holds` are characters in them."""

    since: datetime | None = None
    direction: Direction | None = None
    holds: str | None = None

    def takes(self, frame: JournalledFrame) -> bool:
        return (
            (self.since is None or frame.at >= self.since)
            and self.direction in (None, frame.direction)
            and (self.holds is None or self.holds.encode() in frame.raw)
        )


ANY: Final = FrameFilter()


async def frames_of(
    connection: AsyncConnection, station_id: str, *, before: datetime, limit: int = 100, wanted: FrameFilter = ANY
) -> Sequence[JournalledFrame]:
    """A station's frames before a moment, the newest first."""
    rows = await connection.stream(
        text("""
            SELECT station_id, version, until, frames FROM ocpp.frames
            WHERE station_id = :station AND since < :before
              AND (CAST(:since AS timestamptz) IS NULL OR until >= :since)
              AND (CAST(:holds AS bytea) IS NULL OR position(CAST(:holds AS bytea) IN frames) > 0)
            ORDER BY until DESC
        """),
        {
            "station": station_id,
            "before": utc(before),
            "since": None if wanted.since is None else utc(wanted.since),
            "holds": None if wanted.holds is None else wanted.holds.encode(),
        },
    )
    found: list[JournalledFrame] = []
    async for row in rows:
        # Rows of two connections may overlap; no row from here on holds anything newer than this one's last frame.
        if len(found) >= limit and found[limit - 1].at > row.until:
            break
        frames = [
            JournalledFrame(
                row.station_id, from_microseconds(at_us), Direction.OUT if outgoing else Direction.IN, row.version, raw
            )
            for at_us, outgoing, raw in _frames_in(row.frames)
        ]
        found += [frame for frame in reversed(frames) if frame.at < before and wanted.takes(frame)]
        found.sort(key=lambda frame: frame.at, reverse=True)
    await rows.close()
    return found[:limit]


async def _copy(connection: AsyncConnection, rows: bytes) -> None:
    await connection.execute(text("SET LOCAL synchronous_commit TO off"))
    async with driver_of(connection).cursor() as cursor:
        statement = "COPY ocpp.frames (station_id, version, since, until, frames) FROM STDIN (FORMAT binary)"
        async with cursor.copy(statement) as copy:
            await copy.write(_HEAD)
            await copy.write(rows)
            await copy.write(_TAIL)
