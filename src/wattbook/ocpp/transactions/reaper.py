"""The reaper: transactions that nobody ends (R26), ended by what is known of them.

A station that lost its power, its network for good or its memory never says that a transaction is over; its driver's
money stays set aside and its energy unbilled. So whatever has shown no sign of life for a while is looked at. A station
that is there is asked first: GetTransactionStatus in 2.x (E14), in 1.6 to say once more how the outlet does
(TriggerMessage). What it says, the state of the outlet, a later transaction in its place or a new start of the station
then decide; of a station that is gone, time alone. What is ended is ended at its last good reading, flagged, and made
good by a true stop that comes later; see `charging.differences`.

A pass is idempotent and one runs at a time, on whichever node comes first. It looks at so many at most, and the next
one at those that come after them: whatever cannot be ended does not stand in the way of the others. What the book or
the database does not let end is left as it is, alone, said to people, and tried again after ever longer pauses.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
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
from wattbook.charging.stopping import Orphaned, SessionStop, Stopped, stop
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState
from wattbook.ocpp.commands.submission import find_commands, submit
from wattbook.ocpp.transactions import stuck, unbegun
from wattbook.ocpp.transactions.stuck import Notice, Noticed
from wattbook.ocpp.transactions.unbegun import Unbegun
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.presence import Status, boots_and_statuses

SESSIONS_MAX: Final = 500
"""Looked at in one pass, the longest silent first; and as many that never began."""

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


@dataclass
class Turn:
    """Where the last pass came to: what it looked at last among sessions, and among what never began. None: to the end.

    Whoever makes passes keeps it from one to the next; without it each begins with the longest silent.
    """

    session: OpenSession | None = None
    unbegun: Unbegun | None = None


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
    turn: Turn | None = None,
) -> list[tuple[OpenSession, Verdict]]:
    """One pass; what was found of each silent transaction."""
    patience = patience or Patience()
    if not (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK})).scalar_one():
        return []
    cases = await _cases(connection, now, patience, turn or Turn())
    judged = [(case, judge(case, now, patience)) for case in cases]
    asked = await _ask(connection, [case for case, verdict in judged if verdict.asks], now)
    noticed = [Notice(case.session, case.sign_at, verdict.because) for case, verdict in judged]
    await stuck.note(connection, noticed, asked, now)
    ending = partial(_end, now=now, policy=policy, subscribers=subscribers)
    refused = await _end_each(connection, [case for case, verdict in judged if verdict.ends], ending)
    await stuck.note_ended(connection, refused, now)
    for case, verdict in judged:
        if verdict.ends and refused[case.session.id] is None:
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


async def _cases(connection: AsyncConnection, now: datetime, patience: Patience, turn: Turn) -> list[Case]:
    silent_since = now - patience.silent
    sessions = await silent_sessions(connection, silent_since, after=turn.session, limit=SESSIONS_MAX)
    turn.session = sessions[-1] if len(sessions) == SESSIONS_MAX else None
    silent = await unbegun.silent(connection, silent_since, now, after=turn.unbegun, limit=SESSIONS_MAX)
    turn.unbegun = silent[-1] if len(silent) == SESSIONS_MAX else None
    never_begun = {each.session_id: each for each in silent}
    sessions += [each.session() for each in silent]
    if not sessions:
        return []
    stations = sorted({each.station_id for each in sessions})
    told = await _newest_events(connection, sessions)
    connected = await _connected(connection, stations)
    said = await boots_and_statuses(connection, stations)
    noticed = await stuck.noticed(connection, [each.id for each in sessions])
    ids = [each.command_id for each in noticed.values() if each.command_id is not None]
    commands = {command.id: command for command in await find_commands(connection, ids) if command is not None}
    cases = []
    for session in sessions:
        event_at = told.get((session.station_id, session.transaction_id), session.updated_at)
        # A clock that runs ahead is no sign of life.
        sign_at = session.updated_at if event_at > now else max(session.updated_at, event_at)
        before = noticed.get(session.id)
        if sign_at > silent_since or (before is not None and before.rests(sign_at, now)):
            continue
        booted_at, statuses = said.get(session.station_id, (None, ()))
        asked = _asked(before, sign_at, commands)
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


async def _end_each(connection: AsyncConnection, cases: Sequence[Case], end: "_End") -> dict[str, str | None]:
    """By session, why it could not be ended; None where it was. One that fails takes no other with it."""
    if not cases:
        return {}
    try:
        async with connection.begin_nested():
            return await end(connection, cases)
    except Exception as error:
        if len(cases) == 1:
            log.error("transaction-not-reaped", station_id=cases[0].session.station_id, exc_info=error)
            return {cases[0].session.id: "something went wrong on our side; the log has it"}
    middle = len(cases) // 2
    return await _end_each(connection, cases[:middle], end) | await _end_each(connection, cases[middle:], end)


async def _end(
    connection: AsyncConnection,
    cases: Sequence[Case],
    *,
    now: datetime,
    policy: Policy,
    subscribers: Sequence[Subscriber],
) -> dict[str, str | None]:
    """All of them together; see `_end_each`."""
    never_begun = [case.unbegun for case in cases if case.unbegun is not None]
    refused = await unbegun.begin(connection, never_begun, now=now, policy=policy, subscribers=subscribers)
    ending = [case for case in cases if refused.get(case.session.id) is None]
    outcomes = await stop(
        connection, [case.ending() for case in ending], now=now, policy=policy, subscribers=subscribers
    )
    for case, outcome in zip(ending, outcomes, strict=True):
        refused[case.session.id] = None if isinstance(outcome, Stopped) else _why(outcome)
    await unbegun.note_settled(connection, [each for each in never_begun if refused[each.session_id] is None])
    return refused


def _why(outcome: Orphaned | WattbookError) -> str:
    return outcome.message if isinstance(outcome, WattbookError) else "no such session"


_End = Callable[[AsyncConnection, Sequence[Case]], Awaitable[dict[str, str | None]]]
