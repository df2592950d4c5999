"""The frames that could not be accepted, for the person who has to find out what a station means."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import RejectedFrame
from wattbook.ocpp.tables import quarantine

RAW_BYTES_MAX = 64 * 1024
"""Of a rejected frame: enough for any honest one, and a bound on what a hostile one can fill."""


class RejectedRecord(Struct, frozen=True):
    """A rejected frame as it is kept; later ones have greater ids.

    Attributes:
        frame: as it came; bytes that are no UTF-8 are replaced.
        error_code: what its sender was told, in its version's spelling.
        accepted: it was taken all the same, and the reason says what was tolerated.
    """

    id: int
    station_id: str
    received_at: datetime
    version: str
    error_code: str
    reason: str
    accepted: bool
    frame: str


class RejectedFrameBytes(RejectedRecord, frozen=True):
    """The same, and byte by byte."""

    frame_hex: str


async def keep_rejected(connection: AsyncConnection, frames: Sequence[RejectedFrame]) -> Sequence[None]:
    """Keep what could not be accepted, or not as it was, for inspection."""
    await connection.execute(
        insert(quarantine),
        [
            {
                "station_id": _legible(frame.station_id),
                "version": frame.version,
                "raw": frame.raw[:RAW_BYTES_MAX],
                "error_code": frame.error_code,
                "reason": _legible(frame.reason),
                "received_at": frame.received_at,
                "accepted": frame.accepted,
            }
            for frame in frames
        ],
    )
    return [None] * len(frames)


async def list_rejected(
    connection: AsyncConnection, station_id: str | None, *, before: int | None = None, limit: int = 100
) -> list[RejectedRecord]:
    """Of one station or of all, the newest first; with `before`, those that came before the one of this id."""
    of_one = "" if station_id is None else "AND station_id = :station"  # said apart, so that each has its index
    found = await connection.execute(
        text(f"""
            SELECT id, station_id, received_at, version, error_code, reason, accepted, raw FROM ocpp.quarantine
            WHERE (CAST(:before AS bigint) IS NULL OR id < :before) {of_one}
            ORDER BY id DESC LIMIT :limit
        """),
        {"before": before, "limit": limit} | ({} if station_id is None else {"station": station_id}),
    )
    return [_read(row) for row in found]


async def find_rejected(connection: AsyncConnection, number: int) -> RejectedFrameBytes | None:
    found = await connection.execute(
        text("""
            SELECT id, station_id, received_at, version, error_code, reason, accepted, raw
            FROM ocpp.quarantine WHERE id = :number
        """),
        {"number": number},
    )
    row = found.one_or_none()
    if row is None:
        return None
    return RejectedFrameBytes(**structs.asdict(_read(row)), frame_hex=bytes(row.raw).hex())


def _read(row: Row[Any]) -> RejectedRecord:
    fields = dict(row._mapping)
    raw = bytes(fields.pop("raw"))
    return RejectedRecord(**fields, frame=raw.decode(errors="replace"))


def _legible(text: str) -> str:
    """PostgreSQL keeps no NUL and no half of a surrogate pair."""
    return text.replace("\0", "�").encode(errors="replace").decode()
