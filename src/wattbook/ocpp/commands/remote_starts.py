"""Block F: which command began which transaction.

Since 2.0.1 a transaction brings back the number of the command that began it (F02.FR.04). A station of 1.6 does not
tell; there it is the last command for this token, at this outlet or any, that began nothing yet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.concurrency import folded
from wattbook.ocpp.commands.records import Command
from wattbook.ocpp.dialects.fields import whole_or_none
from wattbook.ocpp.kept.answered import Answered, evse_no
from wattbook.ocpp.wire.frames import JsonObject

ACTIONS: Final = frozenset({"RemoteStartTransaction", "RequestStartTransaction"})
BEGINS_WITHIN: Final = timedelta(minutes=10)
"""A driver who has not plugged in by then begins by something else (1.6: ConnectionTimeOut)."""

KEPT_FOR: Final = timedelta(days=7)
"""What was begun by then knows its command; a station that was offline for longer has told other starts since."""


class Begun(Struct, frozen=True):
    """A transaction that may have been begun by a command; in 1.6 without its number."""

    station_id: str
    transaction_id: str
    remote_start_id: int | None
    token_uid: str = ""
    evse_no: int = 0


def check(payload: JsonObject) -> None:
    """Of one that its schema allows.

    Raises:
        InvalidInput: its number or its outlet is none that a station can have.
    """
    whole_or_none(payload, "remoteStartId")
    evse_no(payload)


async def next_ids(connection: AsyncConnection, count: int) -> list[int]:
    """Numbers that no command had before."""
    found = await connection.execute(
        text("SELECT nextval('ocpp.remote_start_ids') FROM generate_series(1, :count)"), {"count": count}
    )
    return list(found.scalars())


async def note(connection: AsyncConnection, commands: Sequence[tuple[Command, JsonObject]]) -> None:
    """Remember these commands, with their payloads; those of other actions are passed over."""
    starts = [(command, payload) for command, payload in commands if command.action in ACTIONS]
    if not starts:
        return
    await connection.execute(
        text("DELETE FROM ocpp.remote_starts WHERE station_id = ANY(CAST(:stations AS text[])) AND asked_at < :before"),
        {
            "stations": sorted({command.station_id for command, _ in starts}),
            "before": starts[0][0].created_at - KEPT_FOR,
        },
    )
    unnumbered = iter(await next_ids(connection, sum("remoteStartId" not in payload for _, payload in starts)))
    # A number that is used again means the later command.
    numbered = {
        (command.station_id, int(payload["remoteStartId"]) if "remoteStartId" in payload else next(unnumbered)): (
            command,
            payload,
        )
        for command, payload in starts
    }
    await connection.execute(
        text("""
            INSERT INTO ocpp.remote_starts (station_id, remote_start_id, command_id, token_folded, evse_no, asked_at)
            SELECT * FROM unnest(CAST(:stations AS text[]), CAST(:ids AS int[]), CAST(:commands AS uuid[]),
                                 CAST(:tokens AS text[]), CAST(:evses AS int[]), CAST(:asked AS timestamptz[]))
            ON CONFLICT (station_id, remote_start_id) DO UPDATE
            SET command_id = excluded.command_id, token_folded = excluded.token_folded, evse_no = excluded.evse_no,
                asked_at = excluded.asked_at, transaction_id = NULL
        """),
        {
            "stations": [station for station, _ in numbered],
            "ids": [number for _, number in numbered],
            "commands": [command.id for command, _ in numbered.values()],
            "tokens": [_token(payload) for _, payload in numbered.values()],
            "evses": [evse_no(payload) for _, payload in numbered.values()],
            "asked": [command.created_at for command, _ in numbered.values()],
        },
    )


async def match(connection: AsyncConnection, begun: Sequence[Begun], now: datetime) -> dict[tuple[str, str], UUID]:
    """(station, transaction) → the command that began it, each command once; those of no command are left out."""
    if not begun:
        return {}
    found = await connection.execute(
        text("""
            WITH begun AS (
                SELECT * FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[]), CAST(:ids AS int[]),
                                     CAST(:tokens AS text[]), CAST(:evses AS int[]))
                    AS given(station_id, transaction_id, remote_start_id, token_folded, evse_no)
            ), meant AS (
                SELECT begun.station_id, begun.transaction_id, start.remote_start_id
                FROM begun CROSS JOIN LATERAL (
                    SELECT remote_start_id FROM ocpp.remote_starts AS start
                    WHERE start.station_id = begun.station_id
                      AND (start.transaction_id IS NULL OR start.transaction_id = begun.transaction_id)
                      AND CASE WHEN begun.remote_start_id IS NOT NULL
                          THEN start.remote_start_id = begun.remote_start_id
                          ELSE start.token_folded = begun.token_folded AND start.evse_no IN (0, begun.evse_no)
                               AND start.asked_at > :since END
                    ORDER BY start.asked_at DESC LIMIT 1
                ) AS start
            )
            UPDATE ocpp.remote_starts AS start SET transaction_id = meant.transaction_id
            FROM meant WHERE (start.station_id, start.remote_start_id) = (meant.station_id, meant.remote_start_id)
            RETURNING start.station_id, start.transaction_id, start.command_id
        """),
        {
            "stations": [each.station_id for each in begun],
            "transactions": [each.transaction_id for each in begun],
            "ids": [each.remote_start_id for each in begun],
            "tokens": [folded(each.token_uid) for each in begun],
            "evses": [each.evse_no for each in begun],
            "since": now - BEGINS_WITHIN,
        },
    )
    return {(row[0], row[1]): row[2] for row in found}


async def began_by(connection: AsyncConnection, transactions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Of transactions that named their command in an earlier event."""
    if not transactions:
        return {}
    found = await connection.execute(
        text("""
            SELECT station_id, transaction_id, command_id FROM ocpp.remote_starts
            JOIN unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
            ON (station_id, transaction_id) = (asked.station, asked.transaction)
        """),
        {
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
        },
    )
    return {(row[0], row[1]): row[2] for row in found}


async def answered(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """What was not accepted begins nothing; one that had begun before is named in the answer (F01.FR.13)."""
    for each in answers:
        if not each.accepted:
            await connection.execute(
                text("DELETE FROM ocpp.remote_starts WHERE station_id = :station AND command_id = :command"),
                {"station": each.station_id, "command": each.id},
            )
        elif "transactionId" in each.answer and "remoteStartId" in each.payload:
            began = Begun(each.station_id, each.answer["transactionId"], int(each.payload["remoteStartId"]))
            await match(connection, [began], each.at)


def _token(payload: JsonObject) -> str:
    token = payload.get("idTag") or payload["idToken"]["idToken"]
    return folded(token)
