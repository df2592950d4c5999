"""The frames that could not be accepted, for the person who has to find out what a station means."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class RejectedRecord(Struct, frozen=True):
    """A rejected frame as it is kept; later ones have greater ids.

    Attributes:
        frame: as it came; bytes that are no UTF-8 are replaced.
        error_code: what its sender was told, in its version's spelling.
    """

    id: int
    received_at: datetime
    version: str
    error_code: str
    reason: str
    frame: str


async def list_rejected(
    connection: AsyncConnection, station_id: str, *, before: int | None = None, limit: int = 100
) -> list[RejectedRecord]:
    """Of one station, the newest first; with `before`, those that came before the one of this id."""
    found = await connection.execute(
        text("""
            SELECT id, received_at, version, error_code, reason, raw FROM ocpp.quarantine
            WHERE station_id = :station AND (CAST(:before AS bigint) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT :limit
        """),
        {"station": station_id, "before": before, "limit": limit},
    )
    return [
        RejectedRecord(
            row.id, row.received_at, row.version, row.error_code, row.reason, bytes(row.raw).decode(errors="replace")
        )
        for row in found
    ]
