"""What was noticed of transactions that nobody ended: for the reaper's next pass, and for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.open_sessions import OpenSession

TRIED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""What could not be ended; twice as long after each further time."""

TRIED_AGAIN_AFTER_MAX: Final = timedelta(days=1)
_DOUBLINGS_MAX: Final = 11


class Notice(Struct, frozen=True):
    """What a pass found of a transaction; `sign_at`: its last sign of life."""

    session: OpenSession
    sign_at: datetime
    verdict: str


class Noticed(Struct, frozen=True):
    """What was noticed of a session before.

    Attributes:
        command_id, asked_at: by which its station was asked last.
        tries, tried_at: how often it was to be ended in vain, and when for the last time.
    """

    sign_at: datetime
    command_id: UUID | None
    asked_at: datetime | None
    tries: int
    tried_at: datetime | None

    def rests(self, sign_at: datetime, now: datetime) -> bool:
        """It could not be ended a while ago, and nothing was heard of it since."""
        if self.tried_at is None or sign_at > self.tried_at:
            return False
        doublings = min(self.tries - 1, _DOUBLINGS_MAX)
        return now - self.tried_at < min(TRIED_AGAIN_AFTER * (1 << doublings), TRIED_AGAIN_AFTER_MAX)


class StuckTransaction(Struct, frozen=True):
    """What the reaper found; `ended_at` is None while it only watches.

    Attributes:
        tries: how often it was to be ended and could not be.
        refused: why, the last time; None when it was ended or not tried yet.
    """

    session_id: str
    station_id: str
    transaction_id: str
    noticed_at: datetime
    verdict: str
    ended_at: datetime | None
    tries: int
    refused: str | None


async def noticed(connection: AsyncConnection, sessions: Sequence[str]) -> dict[str, Noticed]:
    """By session, of those of which anything was."""
    found = await connection.execute(
        text("""
            SELECT session_id::text, sign_at, command_id, asked_at, tries, tried_at FROM ocpp.stuck_transactions
            WHERE session_id = ANY(CAST(:ids AS uuid[]))
        """),
        {"ids": list(sessions)},
    )
    return {row[0]: Noticed(*row[1:]) for row in found}


async def note(
    connection: AsyncConnection, notices: Sequence[Notice], asked: Mapping[str, UUID], now: datetime
) -> None:
    """Keep them, with the commands by which stations were asked, by session."""
    if not notices:
        return
    await connection.execute(
        text("""
            INSERT INTO ocpp.stuck_transactions AS known
                (session_id, station_id, transaction_id, noticed_at, sign_at, command_id, asked_at, verdict, tries)
            SELECT session, station, transaction, :now, sign, command,
                   CASE WHEN command IS NOT NULL THEN CAST(:now AS timestamptz) END, verdict, 0
            FROM unnest(CAST(:sessions AS uuid[]), CAST(:stations AS text[]), CAST(:transactions AS text[]),
                        CAST(:signs AS timestamptz[]), CAST(:commands AS uuid[]), CAST(:verdicts AS text[]))
                AS given(session, station, transaction, sign, command, verdict)
            ON CONFLICT (session_id) DO UPDATE SET
                verdict = excluded.verdict,
                command_id = coalesce(excluded.command_id, known.command_id),
                asked_at = coalesce(excluded.asked_at, known.asked_at),
                sign_at = CASE WHEN excluded.command_id IS NULL THEN known.sign_at ELSE excluded.sign_at END
        """),
        {
            "now": now,
            "sessions": [each.session.id for each in notices],
            "stations": [each.session.station_id for each in notices],
            "transactions": [each.session.transaction_id for each in notices],
            "signs": [each.sign_at for each in notices],
            "commands": [asked.get(each.session.id) for each in notices],
            "verdicts": [each.verdict for each in notices],
        },
    )


async def note_ended(connection: AsyncConnection, refused: Mapping[str, str | None], now: datetime) -> None:
    """By session, why it could not be ended; None: it was."""
    if not refused:
        return
    await connection.execute(
        text("""
            UPDATE ocpp.stuck_transactions AS known
            SET refused = given.refused,
                ended_at = CASE WHEN given.refused IS NULL THEN CAST(:now AS timestamptz) END,
                tries = known.tries + CASE WHEN given.refused IS NULL THEN 0 ELSE 1 END,
                tried_at = CASE WHEN given.refused IS NULL THEN known.tried_at ELSE CAST(:now AS timestamptz) END
            FROM unnest(CAST(:sessions AS uuid[]), CAST(:refused AS text[])) AS given(session, refused)
            WHERE known.session_id = given.session
        """),
        {"now": now, "sessions": list(refused), "refused": list(refused.values())},
    )


async def stuck_transactions(
    connection: AsyncConnection, station_id: str | None = None, *, before: UUID | None = None, limit: int = 100
) -> list[StuckTransaction]:
    """Of a station or of all, the newest first; with `before`, those that were noticed before that session."""
    conditions = ["true" if station_id is None else "station_id = :station"]
    if before is not None:
        conditions.append(
            "(noticed_at, session_id) < (SELECT noticed_at, session_id FROM ocpp.stuck_transactions"
            " WHERE session_id = :before)"
        )
    found = await connection.execute(
        text(f"""
            SELECT session_id::text, station_id, transaction_id, noticed_at, verdict, ended_at, tries, refused
            FROM ocpp.stuck_transactions WHERE {" AND ".join(conditions)}
            ORDER BY noticed_at DESC, session_id DESC LIMIT :limit
        """),
        {"station": station_id, "before": before, "limit": limit},
    )
    return [StuckTransaction(*row) for row in found]
