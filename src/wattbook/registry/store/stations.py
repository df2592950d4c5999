"""Stations: what they say of themselves, and whether they are accepted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.registry import tables
from wattbook.registry.store.parts import ASKED, Asked, Row, asked_moments, encoded, given_rows


async def record_boots(connection: AsyncConnection, rows: Sequence[Row]) -> list[str | None]:
    """Keep each station's newest boot; the acceptance of each station, None where it is not registered."""
    found = await connection.execute(
        text(f"""
            WITH given AS (
                SELECT DISTINCT ON (station) given.*
                FROM {given_rows(tables.presence)} AS given JOIN registry.stations ON stations.id = given.station
                ORDER BY station, booted_at DESC
            ), written AS (
                INSERT INTO registry.presence AS known SELECT * FROM given ORDER BY station
                ON CONFLICT (station) DO UPDATE SET
                    vendor = excluded.vendor, model = excluded.model, serial = excluded.serial,
                    firmware = excluded.firmware, booted_at = excluded.booted_at,
                    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
                WHERE known.booted_at IS NULL OR known.booted_at <= excluded.booted_at
            )
            SELECT station.acceptance
            FROM unnest(CAST(:stations AS text[])) WITH ORDINALITY AS asked(station, nth)
            LEFT JOIN registry.stations AS station ON station.id = asked.station
            ORDER BY asked.nth
        """),
        {"given": encoded(rows), "stations": [row["station"] for row in rows]},
    )
    return list(found.scalars())


async def record_statuses(connection: AsyncConnection, rows: Sequence[Row]) -> list[bool]:
    """Keep each connector's newest status; of two of the same time the later arrival. Whether each one was kept."""
    found = await connection.execute(
        text(f"""
            WITH given AS (
                SELECT given.* FROM {given_rows(tables.statuses)} WITH ORDINALITY AS given
            ), newest AS (
                SELECT DISTINCT ON (station, evse_no, connector_no) given.*
                FROM given JOIN registry.stations ON stations.id = given.station
                ORDER BY station, evse_no, connector_no, at DESC, ordinality DESC
            ), written AS (
                INSERT INTO registry.statuses AS known (station, evse_no, connector_no, status, error_code, at)
                SELECT station, evse_no, connector_no, status, error_code, at FROM newest
                ORDER BY station, evse_no, connector_no
                ON CONFLICT (station, evse_no, connector_no) DO UPDATE SET
                    status = excluded.status, error_code = excluded.error_code, at = excluded.at
                WHERE known.at <= excluded.at
                RETURNING station, evse_no, connector_no
            )
            SELECT given.ordinality IN (
                SELECT newest.ordinality FROM newest JOIN written USING (station, evse_no, connector_no)
            )
            FROM given ORDER BY given.ordinality
        """),
        {"given": encoded(rows)},
    )
    return list(found.scalars())


async def touch(connection: AsyncConnection, seen: Asked) -> None:
    await connection.execute(
        text(f"""
            INSERT INTO registry.presence AS known (station, last_seen_at)
            SELECT asked.subject, max(asked.at) FROM {ASKED} JOIN registry.stations ON stations.id = asked.subject
            GROUP BY asked.subject ORDER BY asked.subject
            ON CONFLICT (station) DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
        """),
        asked_moments(seen),
    )


async def makers(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, tuple[str, str]]:
    found = await connection.execute(
        text("""
            SELECT station, vendor, model FROM registry.presence
            WHERE station = ANY(CAST(:stations AS text[])) AND vendor IS NOT NULL AND model IS NOT NULL
        """),
        {"stations": stations},
    )
    return {row[0]: (row[1], row[2]) for row in found}


async def boots_and_statuses(connection: AsyncConnection, stations: Sequence[str]) -> list[str]:
    """One JSON object a station: station, booted_at, statuses."""
    found = await connection.execute(
        text("""
            SELECT jsonb_build_object(
                'station', asked.id, 'booted_at', presence.booted_at,
                'statuses', coalesce((SELECT jsonb_agg(to_jsonb(said)) FROM registry.statuses AS said
                                      WHERE said.station = asked.id), '[]'))::text
            FROM unnest(CAST(:stations AS text[])) AS asked(id)
            LEFT JOIN registry.presence ON presence.station = asked.id
        """),
        {"stations": sorted(set(stations))},
    )
    return list(found.scalars())


async def acceptances(connection: AsyncConnection) -> list[tuple[str, str]]:
    found = await connection.execute(select(tables.stations.c.id, tables.stations.c.acceptance))
    return [(row[0], row[1]) for row in found]


async def set_acceptance(connection: AsyncConnection, stations: Sequence[str], acceptances: Sequence[str]) -> list[str]:
    """Which of the stations exist, and so were set."""
    changed = await connection.execute(
        text("""
            UPDATE registry.stations SET acceptance = given.acceptance
            FROM unnest(CAST(:stations AS text[]), CAST(:acceptances AS text[])) AS given(station, acceptance)
            WHERE stations.id = given.station RETURNING stations.id
        """),
        {"stations": list(stations), "acceptances": list(acceptances)},
    )
    return list(changed.scalars())


async def station_page(connection: AsyncConnection, after: str, limit: int) -> list[str]:
    """Stations by id from the one after `after`, with site and statuses, as JSON."""
    found = await connection.execute(
        text("""
            SELECT jsonb_build_object(
                'station', to_jsonb(station.*), 'site', to_jsonb(site.*), 'presence', to_jsonb(presence.*),
                'statuses', (
                    SELECT coalesce(jsonb_agg(to_jsonb(status.*) ORDER BY evse_no, connector_no), '[]')
                    FROM registry.statuses AS status WHERE status.station = station.id
                )
            )::text
            FROM registry.stations AS station
            JOIN registry.sites AS site ON site.id = station.site
            LEFT JOIN registry.presence AS presence ON presence.station = station.id
            WHERE station.id > :after ORDER BY station.id LIMIT :limit
        """),
        {"after": after, "limit": limit},
    )
    return list(found.scalars())


async def fleet(connection: AsyncConnection, seen_since: datetime, out_of_service: Sequence[str]) -> Sequence[int]:
    """Stations; those of them seen since then; those of these with a status that is out of service."""
    found = await connection.execute(
        text("""
            WITH online AS (SELECT station FROM registry.presence WHERE last_seen_at >= :seen_since)
            SELECT (SELECT count(*) FROM registry.stations), (SELECT count(*) FROM online), (
                SELECT count(DISTINCT station) FROM registry.statuses JOIN online USING (station)
                WHERE status = ANY(CAST(:out_of_service AS text[]))
            )
        """),
        {"seen_since": seen_since, "out_of_service": list(out_of_service)},
    )
    return tuple(found.one())
