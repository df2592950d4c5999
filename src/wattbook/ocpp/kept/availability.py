"""Block G: which places a management system opened and closed, and what their stations made of it."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.kept.answered import Answered, evse_no, json_text


class Availability(Struct, frozen=True):
    """`evse_no` 0: the station, `connector_no` 0: the whole EVSE; `state` Scheduled: when what runs there has ended."""

    station_id: str
    evse_no: int
    connector_no: int
    operative: bool
    state: str
    changed_at: datetime


async def changed(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ChangeAvailability; what was rejected leaves what was agreed before."""
    rows = [_availability(each) for each in answers]
    latest = {(row.station_id, row.evse_no, row.connector_no): row for row in rows}
    await connection.execute(
        text("""
            INSERT INTO ocpp.availability AS known
            SELECT * FROM jsonb_populate_recordset(NULL::ocpp.availability, CAST(:given AS jsonb))
            ON CONFLICT (station_id, evse_no, connector_no) DO UPDATE
            SET operative = excluded.operative, state = excluded.state, changed_at = excluded.changed_at
            WHERE excluded.state <> 'Rejected'
        """),
        {"given": json_text([latest[key] for key in sorted(latest)])},
    )


async def availability_of(connection: AsyncConnection, station_id: str, *, limit: int = 1_000) -> list[Availability]:
    """By place."""
    found = await connection.execute(
        text("""
            SELECT station_id, evse_no, connector_no, operative, state, changed_at FROM ocpp.availability
            WHERE station_id = :station ORDER BY evse_no, connector_no LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [Availability(*row) for row in found]


def _availability(answered: Answered) -> Availability:
    said = answered.payload
    connector = 0 if answered.is_1_6 else int(said.get("evse", {}).get("connectorId", 0))
    asked = said["type"] if answered.is_1_6 else said["operationalStatus"]
    return Availability(
        answered.station_id, evse_no(said), connector, asked == "Operative", answered.answer["status"], answered.at
    )
