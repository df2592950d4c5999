"""Which tariff is in force at which EVSE: for whoever tells others, and only wants to know what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc


@dataclass(frozen=True, slots=True)
class Offer:
    """`digest` changes when what the tariff says does; a version that says the same has the same."""

    station: str
    evse_no: int
    tariff: str
    digest: str


async def offers(connection: AsyncConnection, stations: Sequence[str], at: datetime) -> list[Offer]:
    """Of every EVSE of these stations that has a tariff in force, by station and number."""
    found = await connection.execute(
        text("""
            SELECT station.id, evse.number, tariff.id, tariff.digest
            FROM unnest(CAST(:stations AS text[])) AS asked(id)
            JOIN registry.stations AS station ON station.id = asked.id
            JOIN registry.sites AS site ON site.id = station.site
            JOIN registry.evses AS evse ON evse.station = station.id
            JOIN LATERAL (
                SELECT version.id, md5(version.party || ' ' || version.id || ' ' || version.document::text) AS digest
                FROM registry.station_tariffs AS version
                WHERE version.party = site.operator AND version.id = evse.tariff AND version.valid_from <= :at
                ORDER BY version.valid_from DESC LIMIT 1
            ) AS tariff ON true
            ORDER BY station.id, evse.number
        """),
        {"stations": sorted(set(stations)), "at": utc(at)},
    )
    return [Offer(*row) for row in found]
