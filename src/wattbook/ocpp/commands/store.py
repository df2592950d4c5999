"""The SQL of commands, and of which process holds which station's socket. Every statement serves a whole batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.jobs import Job, enqueue
from wattbook.db.listener import notify
from wattbook.ocpp.commands.records import Claimed, Command, Outcome

COMMANDS: Final = "ocpp_commands"
"""Channel: stations for which commands wait."""

OUTCOMES: Final = "ocpp_outcomes"
"""Channel: commands whose outcome is known."""

MOVED: Final = "ocpp_moved"
"""Channel: `node:epoch:station` of connections that a newer one at another node has replaced."""

TELL: Final = "ocpp.tell"
"""Job: bring an outcome to its webhook."""

LOCKS: Final = 0x4F435050
"""First key of the advisory locks by which a node shows that it lives; the second is its number."""

_ALIVE = f"""
    SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {LOCKS} AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def add(connection: AsyncConnection, commands: Sequence[Command]) -> None:
    if not commands:
        return
    await connection.execute(
        text("""
            INSERT INTO ocpp.commands
                (id, station_id, action, payload, state, requested_by, batch_id, repeatable, answer_within_s,
                 webhook_url, version, sendings, created_at, expires_at, late, secret)
            SELECT id, station_id, action, CAST(payload AS jsonb), 'accepted', requested_by, batch_id, repeatable,
                   answer_within_s, webhook_url, version, 0, created_at, expires_at, false, secret
            FROM unnest(CAST(:ids AS uuid[]), CAST(:stations AS text[]), CAST(:actions AS text[]),
                        CAST(:payloads AS text[]), CAST(:requesters AS text[]), CAST(:batches AS uuid[]),
                        CAST(:repeatables AS boolean[]), CAST(:answer_within AS integer[]), CAST(:webhooks AS text[]),
                        CAST(:versions AS text[]), CAST(:created AS timestamptz[]), CAST(:expires AS timestamptz[]),
                        CAST(:secrets AS boolean[]))
                WITH ORDINALITY AS given(id, station_id, action, payload, requested_by, batch_id, repeatable,
                                         answer_within_s, webhook_url, version, created_at, expires_at, secret, nth)
            ORDER BY nth
        """),
        {
            "ids": [command.id for command in commands],
            "stations": [command.station_id for command in commands],
            "actions": [command.action for command in commands],
            "payloads": [bytes(command.payload).decode() for command in commands],
            "requesters": [command.requested_by for command in commands],
            "batches": [command.batch_id for command in commands],
            "repeatables": [command.repeatable for command in commands],
            "answer_within": [command.answer_within_s for command in commands],
            "webhooks": [command.webhook_url for command in commands],
            "versions": [command.version for command in commands],
            "created": [command.created_at for command in commands],
            "expires": [command.expires_at for command in commands],
            "secrets": [command.secret for command in commands],
        },
    )


async def find(connection: AsyncConnection, ids: Sequence[UUID]) -> list[str | None]:
    """Each as JSON."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(command.*)::text
            FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS asked(id, nth)
            LEFT JOIN ocpp.commands AS command ON command.id = asked.id
            ORDER BY nth
        """),
        {"ids": list(ids)},
    )
    return list(found.scalars())


async def of_station(connection: AsyncConnection, station_id: str, before: UUID | None, limit: int) -> list[str]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(command.*)::text FROM ocpp.commands AS command
            WHERE station_id = :station
              AND (CAST(:before AS uuid) IS NULL
                   OR place < (SELECT place FROM ocpp.commands WHERE id = CAST(:before AS uuid)))
            ORDER BY place DESC LIMIT :limit
        """),
        {"station": station_id, "before": before, "limit": limit},
    )
    return list(found.scalars())


async def of_batch(connection: AsyncConnection, batch_id: UUID, after: UUID | None, limit: int) -> list[str]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(command.*)::text FROM ocpp.commands AS command
            WHERE batch_id = :batch
              AND (CAST(:after AS uuid) IS NULL
                   OR place > (SELECT place FROM ocpp.commands WHERE id = CAST(:after AS uuid)))
            ORDER BY place LIMIT :limit
        """),
        {"batch": batch_id, "after": after, "limit": limit},
    )
    return list(found.scalars())


async def versions_spoken(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, str]:
    """The version that each station spoke last, as far as it ever connected."""
    found = await connection.execute(
        text("SELECT station_id, version FROM ocpp.connections WHERE station_id = ANY(CAST(:stations AS text[]))"),
        {"stations": list(stations)},
    )
    return {row.station_id: row.version for row in found}


async def waiting(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, int]:
    """How many commands wait for each station; a station without any is left out."""
    found = await connection.execute(
        text("""
            SELECT station_id, count(*) AS number FROM ocpp.commands
            WHERE state = 'accepted' AND station_id = ANY(CAST(:stations AS text[])) GROUP BY station_id
        """),
        {"stations": list(stations)},
    )
    return {row.station_id: row.number for row in found}


async def cancel(connection: AsyncConnection, ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Those that were taken back. One that may have been carried out before is not cancelled but unknown."""
    found = await connection.execute(
        text("""
            UPDATE ocpp.commands
            SET state = CASE WHEN sendings > 0 THEN 'unknown' ELSE 'cancelled' END, answered_at = :now
            WHERE state = 'accepted' AND id = ANY(CAST(:ids AS uuid[]))
            RETURNING id, station_id, state, webhook_url, secret
        """),
        {"ids": list(ids), "now": now},
    )
    rows = found.all()
    await _tell(connection, rows)
    # Whoever claims the next command of such a station may have waited for this row and gone away with nothing.
    await notify(connection, COMMANDS, [row.station_id for row in rows])
    return {row.id for row in rows}


async def claim(
    connection: AsyncConnection,
    node: int,
    wanted: Sequence[tuple[str, int]],
    now: datetime,
    withheld: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> dict[str, Claimed]:
    """The next command of each (station, epoch) whose present connection is that one, now marked as sent.

    Of the stations withheld, none of the actions withheld.
    """
    if not wanted:
        return {}
    found = await connection.execute(
        text("""
            WITH next AS (
                SELECT command.id
                FROM unnest(CAST(:stations AS text[]), CAST(:epochs AS bigint[])) AS wanted(station_id, epoch)
                JOIN ocpp.connections AS present USING (station_id, epoch)
                CROSS JOIN LATERAL (
                    SELECT id FROM ocpp.commands
                    WHERE station_id = wanted.station_id AND state = 'accepted' AND expires_at > :now
                      AND NOT (wanted.station_id = ANY(CAST(:pending AS text[]))
                               AND action = ANY(CAST(:withheld AS text[])))
                    ORDER BY place LIMIT 1 FOR UPDATE
                ) AS command
                WHERE present.node = :node
            )
            UPDATE ocpp.commands AS command
            SET state = 'sent', sent_at = :now, node = :node, sendings = sendings + 1
            FROM next WHERE command.id = next.id
            RETURNING command.id, command.station_id, command.action, command.payload::text AS payload,
                      command.repeatable, command.answer_within_s
        """),
        {
            "stations": [station for station, _ in wanted],
            "epochs": [epoch for _, epoch in wanted],
            "node": node,
            "now": now,
            "pending": list(withheld[0]),
            "withheld": list(withheld[1]),
        },
    )
    return {row.station_id: Claimed(*row) for row in found}


async def conclude(
    connection: AsyncConnection, outcomes: Sequence[Outcome], versions: Mapping[UUID, str], now: datetime
) -> None:
    """Keep what became of commands; an answer that comes late replaces that there was none, and nothing else."""
    for batch in ([each for each in outcomes if not each.late], [each for each in outcomes if each.late]):
        if batch:
            await _conclude(connection, batch, versions, now)


async def _conclude(
    connection: AsyncConnection, outcomes: Sequence[Outcome], versions: Mapping[UUID, str], now: datetime
) -> None:
    found = await connection.execute(
        text("""
            UPDATE ocpp.commands AS command
            SET state = given.state,
                answered_at = CASE WHEN given.state = 'accepted' THEN NULL ELSE CAST(:now AS timestamptz) END,
                answer = CAST(given.answer AS jsonb),
                error_code = given.error_code,
                error_description = given.error_description,
                late = given.late OR command.state <> 'sent',
                version = coalesce(given.version, command.version),
                sendings = command.sendings - CASE WHEN given.was_sent THEN 0 ELSE 1 END
            FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:answers AS text[]),
                        CAST(:codes AS text[]), CAST(:descriptions AS text[]), CAST(:lates AS boolean[]),
                        CAST(:versions AS text[]), CAST(:sent AS boolean[]))
                AS given(id, state, answer, error_code, error_description, late, version, was_sent)
            WHERE command.id = given.id
              AND (command.state = 'sent'
                   OR (command.sendings > 0 AND command.state IN ('accepted', 'timed-out', 'unknown')
                       AND given.state IN ('answered', 'refused')))
            RETURNING command.id, command.station_id, command.state, command.webhook_url, command.secret
        """),
        {
            "now": now,
            "ids": [each.id for each in outcomes],
            "states": [each.state for each in outcomes],
            "answers": [each.answer for each in outcomes],
            "codes": [each.error_code for each in outcomes],
            "descriptions": [each.error_description for each in outcomes],
            "lates": [each.late for each in outcomes],
            "versions": [versions.get(each.id) for each in outcomes],
            "sent": [each.was_sent for each in outcomes],
        },
    )
    await _tell(connection, found.all())


async def expire(connection: AsyncConnection, now: datetime) -> None:
    """End what nobody came for in time; what may have been carried out before is unknown."""
    found = await connection.execute(
        text("""
            UPDATE ocpp.commands
            SET state = CASE WHEN sendings > 0 THEN 'unknown' ELSE 'expired' END, answered_at = :now
            WHERE state = 'accepted' AND expires_at <= :now
            RETURNING id, station_id, state, webhook_url, secret
        """),
        {"now": now},
    )
    await _tell(connection, found.all())


async def abandon(
    connection: AsyncConnection, node: int, in_flight: Sequence[UUID], forgotten_before: datetime, now: datetime
) -> None:
    """What dead processes sent, and what this one was told to send by a commit it never heard of, is unknown."""
    found = await connection.execute(
        text(f"""
            UPDATE ocpp.commands
            SET state = CASE WHEN repeatable THEN 'accepted' ELSE 'unknown' END,
                answered_at = CASE WHEN repeatable THEN NULL ELSE CAST(:now AS timestamptz) END,
                error_code = CASE WHEN repeatable THEN NULL ELSE 'connection-lost' END
            WHERE state = 'sent'
              AND CASE WHEN node = :node THEN id <> ALL(CAST(:in_flight AS uuid[])) AND sent_at < :forgotten_before
                       ELSE node NOT IN ({_ALIVE}) END
            RETURNING id, station_id, state, webhook_url, secret
        """),
        {"node": node, "in_flight": list(in_flight), "forgotten_before": forgotten_before, "now": now},
    )
    await _tell(connection, found.all())


async def waiting_here(connection: AsyncConnection, node: int) -> list[str]:
    """Stations of this node for which commands wait."""
    found = await connection.execute(
        text("""
            SELECT DISTINCT station_id FROM ocpp.commands JOIN ocpp.connections AS present USING (station_id)
            WHERE state = 'accepted' AND present.node = :node AND disconnected_at IS NULL
        """),
        {"node": node},
    )
    return list(found.scalars())


async def arrive(
    connection: AsyncConnection, node: int, arrivals: Sequence[tuple[str, str, int]], now: datetime
) -> None:
    """These (station, version, epoch) connected here; a node that held one of them is told that it moved."""
    if not arrivals:
        return
    stations = [station for station, _, _ in arrivals]
    elsewhere = await connection.execute(
        text("""
            SELECT station_id, node, epoch FROM ocpp.connections
            WHERE station_id = ANY(CAST(:stations AS text[])) AND node <> :node AND disconnected_at IS NULL
            ORDER BY station_id FOR UPDATE
        """),
        {"stations": stations, "node": node},
    )
    moved = [f"{row.node}:{row.epoch}:{row.station_id}" for row in elsewhere]
    await connection.execute(
        text("""
            INSERT INTO ocpp.connections AS present (station_id, version, node, epoch, connected_at)
            SELECT station_id, version, :node, epoch, :now
            FROM unnest(CAST(:stations AS text[]), CAST(:versions AS text[]), CAST(:epochs AS bigint[]))
                AS given(station_id, version, epoch)
            ORDER BY station_id
            ON CONFLICT (station_id) DO UPDATE
            SET version = excluded.version, node = excluded.node, epoch = excluded.epoch,
                connected_at = excluded.connected_at, disconnected_at = NULL
            WHERE present.node <> excluded.node OR present.epoch < excluded.epoch
        """),
        {
            "stations": stations,
            "versions": [version for _, version, _ in arrivals],
            "epochs": [epoch for _, _, epoch in arrivals],
            "node": node,
            "now": now,
        },
    )
    await notify(connection, MOVED, moved)


async def depart(connection: AsyncConnection, node: int, departures: Sequence[tuple[str, int]], now: datetime) -> None:
    """These (station, epoch) are no longer connected here."""
    if not departures:
        return
    await connection.execute(
        text("""
            UPDATE ocpp.connections AS present SET disconnected_at = :now
            FROM unnest(CAST(:stations AS text[]), CAST(:epochs AS bigint[])) AS given(station_id, epoch)
            WHERE present.station_id = given.station_id AND present.epoch = given.epoch AND present.node = :node
        """),
        {
            "stations": [station for station, _ in departures],
            "epochs": [epoch for _, epoch in departures],
            "node": node,
            "now": now,
        },
    )


async def _tell(connection: AsyncConnection, rows: Sequence[Any]) -> None:
    """Wake who waits: for an outcome, for a command that waits again, and the webhooks; and forget secrets."""
    told = [row.id for row in rows if row.secret and row.state != "accepted"]
    if told:
        await connection.execute(
            text("UPDATE ocpp.commands SET payload = '{}' WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": told}
        )
    again = [row.station_id for row in rows if row.state == "accepted"]
    known = [row for row in rows if row.state != "accepted"]
    await notify(connection, COMMANDS, again)
    await notify(connection, OUTCOMES, [str(row.id) for row in known])
    await enqueue(
        connection,
        [Job(TELL, {"command": str(row.id), "state": row.state}) for row in known if row.webhook_url is not None],
    )
