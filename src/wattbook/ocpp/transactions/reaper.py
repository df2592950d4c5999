"""The reaper: transactions that nobody ends (R26), ended by what is known of them.

A station that lost its power, its network for good or its memory never says that a transaction is over; its driver's
money stays set aside and its energy unbilled. So whatever has shown no sign of life for a while is looked at. A station
that is there is asked first: GetTransactionStatus in 2.x (E14), in 1.6 to say once more how the outlet does
(TriggerMessage). What it says, the state of the outlet, a later transaction in its place or a new start of the station
then decide; of a station that is gone, time alone. What is ended is ended at its last good reading, flagged, and made
good by a true stop that comes later; see `charging.differences`.

A pass is idempotent and one runs at a time, on whichever node comes first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.events import Subscriber
from wattbook.charging.open_sessions import OpenSession, estimated_stop, silent_sessions
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState
from wattbook.ocpp.commands.submission import find_commands, submit
from wattbook.ocpp.transactions import unbegun
from wattbook.ocpp.transactions.unbegun import Unbegun
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.presence import Status, boots_and_statuses

SESSIONS_MAX: Final = 500
"""Looked at in one pass, the longest silent first."""

ASKED_WITHIN: Final = timedelta(seconds=60)
SETTLES: Final = timedelta(seconds=10)
"""What a station was triggered to say comes after its answer."""

IN_USE: Final = frozenset({"Charging", "Occupied", "SuspendedEV", "SuspendedEVSE", "Finishing"})
REQUESTED_BY: Final = "reaper"
LOCK: Final = 0x52454150

log = structlog.get_logger(__name__)


class Patience(Struct, frozen=True):
    """How long a transaction may be silent.

    Attributes:
        silent: without a sign of life, while its station is there, before the station is asked.
        gone: before the transaction of a station that is away, or of one that says nothing of it, is ended.
    """

    silent: timedelta = timedelta(minutes=15)
    gone: timedelta = timedelta(hours=24)


class Connected(Struct, frozen=True):
    """How a station is connected; `left_at` is None while it is."""

    version: str
    left_at: datetime | None


class Noticed(Struct, frozen=True):
    """What was noticed of a session before."""

    sign_at: datetime
    command_id: UUID | None
    asked_at: datetime | None


class Case(Struct, frozen=True):
    """A silent transaction and what is known around it.

    Attributes:
        sign_at: its last sign of life, by our clock or, if later, by its events.
        connected: None for a station that never was.
        booted_at: of its station.
        asked: what the station was asked about it since that sign, and when.
        unbegun: what is known of it where no session has begun; `session` is then the one that would.
    """

    session: OpenSession
    sign_at: datetime
    connected: Connected | None
    booted_at: datetime | None
    statuses: tuple[Status, ...]
    asked: tuple[Command, datetime] | None
    unbegun: Unbegun | None = None

    def ending(self) -> SessionStop:
        return estimated_stop(self.session) if self.unbegun is None else self.unbegun.ending()


class Verdict(Struct, frozen=True):
    """`ends`: it is over. `asks`: ask its station. Neither: look again later. `because`: in a word."""

    because: str
    ends: bool = False
    asks: bool = False


async def reap(
    connection: AsyncConnection,
    *,
    now: datetime,
    patience: Patience | None = None,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
) -> list[tuple[OpenSession, Verdict]]:
    """One pass; what was found of each silent transaction."""
    patience = patience or Patience()
    if not (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK})).scalar_one():
        return []
    cases = await _cases(connection, now, patience)
    judged = [(case, judge(case, now, patience)) for case in cases]
    asked = await _ask(connection, [case for case, verdict in judged if verdict.asks], now)
    await _note(connection, judged, asked, now)
    over = [case for case, verdict in judged if verdict.ends]
    begun = await unbegun.begin(
        connection,
        [case.unbegun for case in over if case.unbegun is not None],
        now=now,
        policy=policy,
        subscribers=subscribers,
    )
    endings = [case.ending() for case in over if case.unbegun is None or case.session.id in begun]
    outcomes = await stop(connection, endings, now=now, policy=policy, subscribers=subscribers)
    ended = [outcome.session_id for outcome in outcomes if isinstance(outcome, Stopped)]
    await unbegun.note_settled(
        connection, [case.unbegun for case in over if case.unbegun is not None and case.session.id in ended]
    )
    await _note_ended(connection, ended, now)
    for case, verdict in judged:
        if verdict.ends:
            log.info("transaction-reaped", station_id=case.session.station_id, because=verdict.because)
    return [(case.session, verdict) for case, verdict in judged]


# The judgement


def judge(case: Case, now: datetime, patience: Patience) -> Verdict:
    """What to do about a silent transaction."""
    long_silent = now - case.sign_at >= patience.gone
    if case.connected is None or case.connected.left_at is not None:
        left_at = case.connected.left_at if case.connected else None
        is_gone = long_silent and (left_at is None or now - left_at >= patience.gone)
        return Verdict("station-gone", ends=True) if is_gone else Verdict("station-away")
    if case.asked is None:
        return Verdict("asked", asks=True)
    command, asked_at = case.asked
    if command.state.is_open:
        return Verdict("asked")
    if command.state is CommandState.ANSWERED and command.action == "GetTransactionStatus":
        said = msgspec.json.decode(command.answer, type=dict[str, Any])
        if said.get("messagesInQueue"):
            return _again("messages-to-come", asked_at, now, patience)
        if said.get("ongoingIndicator"):
            return _again("goes-on", asked_at, now, patience)
        return Verdict("station-denies", ends=True)
    if command.answered_at is not None and now - command.answered_at < SETTLES:
        return Verdict("asked")
    return _by_the_outlet(case, asked_at, now, patience, long_silent=long_silent)


def _by_the_outlet(case: Case, asked_at: datetime, now: datetime, patience: Patience, *, long_silent: bool) -> Verdict:
    """The station could not say: what its outlet does decides."""
    outlet = [each.status for each in case.statuses if each.evse_no == case.session.connector_no]
    if case.session.superseded:
        return Verdict("next-began", ends=True)
    if outlet and all(status == "Available" for status in outlet):
        return Verdict("outlet-free", ends=True)
    rebooted = case.booted_at is not None and case.booted_at > case.sign_at
    if rebooted and outlet and not any(status in IN_USE for status in outlet):
        return Verdict("station-restarted", ends=True)
    if long_silent:
        return Verdict("silent-too-long", ends=True)
    return _again("not-known", asked_at, now, patience)


def _again(because: str, asked_at: datetime, now: datetime, patience: Patience) -> Verdict:
    return Verdict(because, asks=now - asked_at >= patience.silent)


# What is known


async def _cases(connection: AsyncConnection, now: datetime, patience: Patience) -> list[Case]:
    silent_since = now - patience.silent
    sessions = await silent_sessions(connection, silent_since, limit=SESSIONS_MAX)
    never_begun = {
        each.session_id: each for each in await unbegun.silent(connection, silent_since, now, limit=SESSIONS_MAX)
    }
    sessions += [each.session() for each in never_begun.values()]
    if not sessions:
        return []
    stations = sorted({each.station_id for each in sessions})
    told = await _newest_events(connection, sessions)
    connected = await _connected(connection, stations)
    said = await boots_and_statuses(connection, stations)
    noticed = await _noticed(connection, sessions)
    ids = [each.command_id for each in noticed.values() if each.command_id is not None]
    commands = {command.id: command for command in await find_commands(connection, ids) if command is not None}
    cases = []
    for session in sessions:
        event_at = told.get((session.station_id, session.transaction_id), session.updated_at)
        # A clock that runs ahead is no sign of life.
        sign_at = session.updated_at if event_at > now else max(session.updated_at, event_at)
        if sign_at > silent_since:
            continue
        booted_at, statuses = said.get(session.station_id, (None, ()))
        asked = _asked(noticed.get(session.id), sign_at, commands)
        there = connected.get(session.station_id)
        cases.append(Case(session, sign_at, there, booted_at, statuses, asked, never_begun.get(session.id)))
    return cases


def _asked(
    noticed: Noticed | None, sign_at: datetime, commands: Mapping[UUID, Command]
) -> tuple[Command, datetime] | None:
    """What was asked before a sign of life that came since says nothing any more."""
    if noticed is None or noticed.command_id is None or noticed.asked_at is None or noticed.sign_at < sign_at:
        return None
    command = commands.get(noticed.command_id)
    return None if command is None else (command, noticed.asked_at)


async def _newest_events(
    connection: AsyncConnection, sessions: Sequence[OpenSession]
) -> dict[tuple[str, str], datetime]:
    found = await connection.execute(
        text("""
            SELECT station_id, transaction_id, newest_at
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
            JOIN ocpp.transactions ON (station_id, transaction_id) = (asked.station, asked.transaction)
        """),
        {
            "stations": [each.station_id for each in sessions],
            "transactions": [each.transaction_id for each in sessions],
        },
    )
    return {(row[0], row[1]): row[2] for row in found}


async def _connected(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, Connected]:
    found = await connection.execute(
        text("""
            SELECT station_id, version, disconnected_at FROM ocpp.connections
            WHERE station_id = ANY(CAST(:stations AS text[]))
        """),
        {"stations": list(stations)},
    )
    return {row[0]: Connected(row[1], row[2]) for row in found}


async def _noticed(connection: AsyncConnection, sessions: Sequence[OpenSession]) -> dict[str, Noticed]:
    found = await connection.execute(
        text("""
            SELECT session_id::text, sign_at, command_id, asked_at FROM ocpp.stuck_transactions
            WHERE session_id = ANY(CAST(:ids AS uuid[]))
        """),
        {"ids": [each.id for each in sessions]},
    )
    return {row[0]: Noticed(*row[1:]) for row in found}


# What is done


async def _ask(connection: AsyncConnection, cases: Sequence[Case], now: datetime) -> dict[str, UUID]:
    """By session, the command that asks its station."""
    requests = [_question(case, now) for case in cases]
    outcomes = await submit(connection, requests, requested_by=REQUESTED_BY, now=now) if requests else []
    return {
        case.session.id: outcome.id
        for case, outcome in zip(cases, outcomes, strict=True)
        if isinstance(outcome, Command)
    }


def _question(case: Case, now: datetime) -> CommandRequest:
    session = case.session
    assert case.connected is not None, "only a station that is there is asked"
    action, payload = "GetTransactionStatus", JsonObject(transactionId=session.transaction_id)
    if case.connected.version == "1.6":
        action, payload = "TriggerMessage", JsonObject(requestedMessage="StatusNotification")
        if session.connector_no:
            payload["connectorId"] = session.connector_no
    return CommandRequest(session.station_id, action, payload, now + ASKED_WITHIN, repeatable=True)


async def _note(
    connection: AsyncConnection, judged: Sequence[tuple[Case, Verdict]], asked: Mapping[str, UUID], now: datetime
) -> None:
    if not judged:
        return
    await connection.execute(
        text("""
            INSERT INTO ocpp.stuck_transactions AS known
                (session_id, station_id, transaction_id, noticed_at, sign_at, command_id, asked_at, verdict)
            SELECT session, station, transaction, :now, sign, command,
                   CASE WHEN command IS NOT NULL THEN CAST(:now AS timestamptz) END, verdict
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
            "sessions": [case.session.id for case, _ in judged],
            "stations": [case.session.station_id for case, _ in judged],
            "transactions": [case.session.transaction_id for case, _ in judged],
            "signs": [case.sign_at for case, _ in judged],
            "commands": [asked.get(case.session.id) for case, _ in judged],
            "verdicts": [verdict.because for _, verdict in judged],
        },
    )


async def _note_ended(connection: AsyncConnection, sessions: Sequence[str], now: datetime) -> None:
    if sessions:
        await connection.execute(
            text(
                "UPDATE ocpp.stuck_transactions SET ended_at = :now WHERE session_id = ANY(CAST(:sessions AS uuid[]))"
            ),
            {"now": now, "sessions": list(sessions)},
        )


class StuckTransaction(Struct, frozen=True):
    """What the reaper found; `ended_at` is None while it only watches."""

    session_id: str
    station_id: str
    transaction_id: str
    noticed_at: datetime
    verdict: str
    ended_at: datetime | None


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
            SELECT session_id::text, station_id, transaction_id, noticed_at, verdict, ended_at
            FROM ocpp.stuck_transactions WHERE {" AND ".join(conditions)}
            ORDER BY noticed_at DESC, session_id DESC LIMIT :limit
        """),
        {"station": station_id, "before": before, "limit": limit},
    )
    return [StuckTransaction(*row) for row in found]
