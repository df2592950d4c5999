"""What belongs together from when to when: assigned, ended, and looked up at a moment."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict
from wattbook.registry import tables
from wattbook.registry.store.parts import (
    ASKED,
    Asked,
    Row,
    asked_moments,
    encoded,
    given_rows,
    networks_of,
    storable,
    supplies_of,
    valid_at,
)
from wattbook.registry.store.records import referred_key, referred_table, require_references


async def assign(
    connection: AsyncConnection, table: Table, subjects: Sequence[str], rows: Sequence[Row], *, allow_overlap: bool
) -> None:
    """Add validities. What is on record already, exactly so, is left as it is.

    Args:
        subjects: the columns whose record has at most one validity at a time.

    Raises:
        NotFound: a row refers to a record that does not exist.
        Conflict: a row overlaps another of the same subject, on record or in the batch; `details` has both.
    """
    if not rows:
        return
    given, names = encoded(rows), ", ".join(rows[0])
    await require_references(connection, table, given)
    for subject in subjects:
        # Who assigns the same subject at the same time waits here, and then sees what was added.
        await connection.execute(
            text(f"""
                SELECT FROM {referred_table(table, subject)} AS subject
                WHERE subject.{referred_key(table, subject)} IN (SELECT {subject} FROM {given_rows(table)})
                ORDER BY subject.{referred_key(table, subject)} FOR NO KEY UPDATE
            """),
            {"given": given},
        )
    if not allow_overlap:
        for subject in subjects:
            await _require_no_overlap(connection, table, subject, names, given)
    await connection.execute(
        text(f"""
            INSERT INTO {table.fullname} ({names})
            SELECT {names} FROM {given_rows(table)}
            EXCEPT
            SELECT {names} FROM {table.fullname}
            WHERE {subjects[0]} IN (SELECT {subjects[0]} FROM {given_rows(table)})
        """),
        {"given": given},
    )


async def end(connection: AsyncConnection, table: Table, subject: str, ends: Asked) -> list[bool]:
    """End what is valid for each subject at the moment given; whether there was something to end."""
    ended = await connection.execute(
        text(f"""
            WITH asked AS (SELECT * FROM {ASKED}),
            ended AS (
                UPDATE {table.fullname} AS known SET valid_to = asked.at FROM asked
                WHERE known.{subject} = asked.subject AND known.valid_from < asked.at
                    AND (known.valid_to IS NULL OR asked.at < known.valid_to)
                RETURNING asked.nth
            )
            SELECT asked.nth IN (SELECT nth FROM ended) FROM asked ORDER BY asked.nth
        """),
        asked_moments(ends),
    )
    return list(ended.scalars())


async def supplies_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each unit: whether it is registered, and the different allocations at the moment, as JSON."""
    return await _candidates(connection, tables.units, supplies_of("asked.subject", "asked.at"), asked)


async def networks_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each meter: whether it is registered, and the different network operators at the moment, as JSON."""
    return await _candidates(connection, tables.meters, networks_of("asked.subject", "asked.at"), asked)


async def places_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each meter: whether it is registered, and the different places it measures at the moment, as JSON."""
    places = f"""
        SELECT coalesce(jsonb_agg(to_jsonb(place.*) - 'row'), '[]') FROM registry.meter_places AS place
        WHERE place.meter = asked.subject AND {valid_at("place", "asked.at")}
    """
    return await _candidates(connection, tables.meters, places, asked)


async def household_meters(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime, datetime]]
) -> list[tuple[bool, str]]:
    """For each household: whether it is registered, and the meters that measure it between the moments, as JSON."""
    found = await connection.execute(
        text("""
            SELECT EXISTS (SELECT FROM registry.households WHERE id = asked.household), (
                SELECT coalesce(jsonb_agg(to_jsonb(place.*) - 'row' ORDER BY valid_from, meter), '[]')::text
                FROM registry.meter_places AS place
                WHERE place.household = asked.household AND place.valid_from < asked.until
                    AND (place.valid_to IS NULL OR asked.since < place.valid_to)
            )
            FROM unnest(CAST(:households AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
                WITH ORDINALITY AS asked(household, since, until, nth)
            ORDER BY asked.nth
        """),
        {
            "households": [storable(household) for household, _, _ in asked],
            "since": [since for _, since, _ in asked],
            "until": [until for _, _, until in asked],
        },
    )
    return [(known, places) for known, places in found]


async def _candidates(
    connection: AsyncConnection, subjects: Table, candidates: str, asked: Asked
) -> list[tuple[bool, str]]:
    (key,) = subjects.primary_key
    found = await connection.execute(
        text(f"""
            SELECT EXISTS (SELECT FROM {subjects.fullname} WHERE {key.name} = asked.subject), ({candidates})::text
            FROM {ASKED} ORDER BY asked.nth
        """),
        asked_moments(asked),
    )
    return [(known, rows) for known, rows in found]


async def _require_no_overlap(connection: AsyncConnection, table: Table, subject: str, names: str, given: str) -> None:
    """A row that is on record already, exactly so, overlaps nothing."""
    overlap = (
        await connection.execute(
            text(f"""
                WITH given AS (SELECT DISTINCT {names} FROM {given_rows(table)}),
                known AS (
                    SELECT {names} FROM {table.fullname} WHERE {subject} IN (SELECT {subject} FROM given)
                    UNION ALL
                    SELECT {names} FROM given
                )
                SELECT to_jsonb(given.*)::text, to_jsonb(known.*)::text
                FROM given JOIN known ON known.{subject} = given.{subject}
                    AND tstzrange(known.valid_from, known.valid_to) && tstzrange(given.valid_from, given.valid_to)
                    AND to_jsonb(known.*) <> to_jsonb(given.*)
                LIMIT 1
            """),
            {"given": given},
        )
    ).first()
    if overlap is None:
        return
    new, old = (msgspec.json.decode(row, type=dict[str, str | None]) for row in overlap)
    bound = f"from {old['valid_from']} to {old['valid_to'] or 'an open end'}"
    others = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in old.items()
        if value is not None and name not in (subject, "valid_from", "valid_to")
    )
    raise Conflict(f"{subject} {old[subject]} already has {others} {bound}; end that first", given=new, known=old)
