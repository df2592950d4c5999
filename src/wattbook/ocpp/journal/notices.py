"""Notices: what stations told that no other table has a place for, as it came."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp import tables
from wattbook.ocpp.dialects.actions import ACTIONS

LIMIT_MAX = 1_000

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Notice(Struct, frozen=True):
    """`payload` is in the words of the station's version of OCPP."""

    station_id: str
    version: str
    action: str
    payload: Any
    received_at: datetime

    @property
    def block(self) -> str:
        """The letter of its functional block."""
        return ACTIONS[self.action].block.value


async def keep(connection: AsyncConnection, notices: Sequence[Notice]) -> None:
    """Store them, in one statement."""
    await connection.execute(
        text("""
            INSERT INTO ocpp.notices (station_id, version, action, block, payload, received_at)
            SELECT station, version, action, block, CAST(payload AS jsonb), at
            FROM unnest(CAST(:stations AS text[]), CAST(:versions AS text[]), CAST(:actions AS text[]),
                        CAST(:blocks AS text[]), CAST(:payloads AS text[]), CAST(:times AS timestamptz[]))
                 AS given(station, version, action, block, payload, at)
        """),
        {
            "stations": [notice.station_id for notice in notices],
            "versions": [notice.version for notice in notices],
            "actions": [notice.action for notice in notices],
            "blocks": [notice.block for notice in notices],
            "payloads": [_encode(notice.payload).decode() for notice in notices],
            "times": [notice.received_at for notice in notices],
        },
    )


async def notices_page(
    connection: AsyncConnection, station_id: str, *, action: str | None, before: int | None, limit: int
) -> list[tuple[int, Notice]]:
    """The same with their numbers; with `before`, those that came before the one of this number."""
    columns = tables.notices.c
    chosen = (
        select(columns.id, columns.station_id, columns.version, columns.action, columns.payload, columns.received_at)
        .where(columns.station_id == station_id)
        .order_by(columns.id.desc())
        .limit(min(limit, LIMIT_MAX))
    )
    if action is not None:
        chosen = chosen.where(columns.action == action)
    if before is not None:
        chosen = chosen.where(columns.id < before)
    return [(number, Notice(*row)) for number, *row in await connection.execute(chosen)]


async def notices_of(
    connection: AsyncConnection, station_id: str, *, action: str | None = None, limit: int = 100
) -> list[Notice]:
    """What a station told, the newest first; of one action, or of all."""
    columns = tables.notices.c
    chosen = (
        select(columns.station_id, columns.version, columns.action, columns.payload, columns.received_at)
        .where(columns.station_id == station_id)
        .order_by(columns.id.desc())
        .limit(min(limit, LIMIT_MAX))
    )
    if action is not None:
        chosen = chosen.where(columns.action == action)
    return [Notice(*row) for row in await connection.execute(chosen)]
