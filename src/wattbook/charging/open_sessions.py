"""Sessions that have not ended: who is silent, and the stop that must do when no station says one (R26)."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.stopping import SessionStop
from wattbook.kernel.clock import utc

REASON = "Other"
"""Why an estimated stop ended its session, in the words of OCPP."""


class OpenSession(Struct, frozen=True):
    """A session that has not ended.

    Attributes:
        updated_at: by our clock, when it was last heard of.
        sampled_at, import_register_mwh, export_register_mwh: of its last good reading, by the station's clock.
        superseded: a later session has begun at the same EVSE.
    """

    id: str
    station_id: str
    connector_no: int
    transaction_id: str
    token_uid: str
    started_at: datetime
    updated_at: datetime
    meter_start_mwh: int
    sampled_at: datetime | None
    import_register_mwh: int | None
    export_register_mwh: int | None
    superseded: bool


async def silent_sessions(
    connection: AsyncConnection, since: datetime, *, after: OpenSession | None = None, limit: int
) -> list[OpenSession]:
    """Those that have not been heard of since then, the longest silent first; with `after`, those that come after."""
    later = "" if after is None else "AND (updated_at, id) > (:updated_at, CAST(:id AS uuid))"
    place = {} if after is None else {"updated_at": after.updated_at, "id": after.id}
    found = await connection.execute(
        text(f"""
            SELECT id::text, station_id, connector_no, transaction_id, token_uid, started_at, updated_at,
                   meter_start_mwh, sampled_at, import_register_mwh, export_register_mwh,
                   EXISTS (SELECT FROM charging.sessions AS later
                           WHERE later.station_id = session.station_id AND later.connector_no = session.connector_no
                             AND later.started_at > session.started_at AND later.id <> session.id)
            FROM charging.sessions AS session
            WHERE ended_at IS NULL AND updated_at <= :since {later} ORDER BY updated_at, id LIMIT :limit
        """),
        {"since": utc(since), "limit": limit} | place,
    )
    return [OpenSession(*row) for row in found]


async def open_places(connection: AsyncConnection, stations: Sequence[str]) -> dict[tuple[str, int], datetime]:
    """(station, its number of the EVSE) → since when, by our clock, the session runs that began there last."""
    found = await connection.execute(
        text("""
            SELECT DISTINCT ON (station_id, connector_no) station_id, connector_no, received_at
            FROM charging.sessions
            WHERE ended_at IS NULL AND station_id = ANY(CAST(:stations AS text[]))
            ORDER BY station_id, connector_no, received_at DESC
        """),
        {"stations": sorted(set(stations))},
    )
    return {(row[0], row[1]): row[2] for row in found}


async def running_transactions(
    connection: AsyncConnection, transactions: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Of these (station, transaction), the ones whose session has not ended."""
    found = await connection.execute(
        text("""
            SELECT station_id, transaction_id FROM charging.sessions
            JOIN unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
              ON (station_id, transaction_id) = (asked.station, asked.transaction)
            WHERE ended_at IS NULL
        """),
        {
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
        },
    )
    return {(row[0], row[1]) for row in found}


def estimated_stop(session: OpenSession) -> SessionStop:
    """At the last good reading; without any, where it began."""
    register_mwh = session.import_register_mwh
    return SessionStop(
        station_id=session.station_id,
        transaction_id=session.transaction_id,
        meter_stop_mwh=session.meter_start_mwh if register_mwh is None else register_mwh,
        stopped_at=session.sampled_at or session.started_at,
        reason=REASON,
        export_stop_mwh=session.export_register_mwh,
        estimated=True,
    )
