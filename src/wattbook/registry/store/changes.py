"""Who changed what."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.registry.store.parts import Row


async def keep_changes(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if not rows:
        return
    await connection.execute(
        text("""
            INSERT INTO registry.changes (at, by, what, subject, before, after)
            SELECT at, by, what, subject, nullif(before, 'null'), nullif(after, 'null')
            FROM jsonb_to_recordset(CAST(:given AS jsonb))
                AS given(at timestamptz, by text, what text, subject text, before jsonb, after jsonb)
        """),
        {"given": msgspec.json.encode(rows).decode()},
    )


async def changes_page(
    connection: AsyncConnection, subject: str | None, before: int | None, limit: int
) -> Sequence[str]:
    """Each as JSON, the newest first."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(change.*)::text FROM registry.changes AS change
            WHERE (CAST(:subject AS text) IS NULL OR subject = :subject)
              AND (CAST(:before AS bigint) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT :limit
        """),
        {"subject": subject, "before": before, "limit": limit},
    )
    return found.scalars().all()
