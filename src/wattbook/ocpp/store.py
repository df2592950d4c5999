"""The SQL of the station room."""

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.message_handler import RejectedFrame
from wattbook.ocpp.tables import quarantine

RAW_BYTES_MAX = 64 * 1024
"""Of a rejected frame: enough for any honest one, and a bound on what a hostile one can fill."""


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


async def rejected_frames(connection: AsyncConnection, *, limit: int = 100) -> list[tuple[str, bytes, str, str]]:
    """(station, raw frame, error code, reason) of the latest rejected frames, newest first."""
    columns = (quarantine.c.station_id, quarantine.c.raw, quarantine.c.error_code, quarantine.c.reason)
    found = await connection.execute(select(*columns).order_by(quarantine.c.id.desc()).limit(limit))
    return [(row[0], row[1], row[2], row[3]) for row in found]


def _legible(text: str) -> str:
    """PostgreSQL keeps no NUL and no half of a surrogate pair."""
    return text.replace("\0", "�").encode(errors="replace").decode()
