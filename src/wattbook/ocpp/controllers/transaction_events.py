"""Block E, transactions of OCPP 2.x: one message for begin, progress and end, in whichever order they come.

The log merges what events tell. As soon as it is known who charges, where, since when and from which register, charging
begins the session; as soon as its end is known too, it is stopped. So a begin that comes late, after the end even, is
made good when it comes; until then the end is kept as an orphan, and all of it is acknowledged.

A transaction may begin before anybody is known (E02: a cable is plugged in) or before a place is (E03: a card is shown
first); the session begins with the event that completes them. What ended without anybody is begun and ended as what it
is: energy that nobody may be billed for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.cases import ClearanceRequest
from wattbook.charging.clearance import AskPartner, Cleared, Decision, StopOnly, clear
from wattbook.charging.identity import session_of_transaction
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import REGISTER_MWH_MAX, Samples
from wattbook.charging.starting import SessionStart, Started, note_commands
from wattbook.charging.starting import start as start_sessions
from wattbook.charging.stop_rights import STOPPED_BY_STRANGER, StopRequest, StopVerdict, judge_stops
from wattbook.charging.stopping import SessionStop
from wattbook.charging.stopping import stop as stop_sessions
from wattbook.charging.views import find_sessions
from wattbook.kernel.errors import Refused, WattbookError
from wattbook.ocpp.commands.remote_starts import Begun, began_by, match
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.authorization import UNNAMED_EVSE, accepted_info, refused_info, stop_info
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.controllers.metering import readings
from wattbook.ocpp.controllers.transaction_progress import NOTED, move_on
from wattbook.ocpp.journal import notices
from wattbook.ocpp.kept.reservations import USED, change
from wattbook.ocpp.messages import (
    Phase,
    Sample,
    StopReason,
    TokenInfo,
    TransactionEvent,
    TransactionEventAnswer,
)
from wattbook.ocpp.transactions import event_log
from wattbook.ocpp.transactions.event_log import Known, Told

NOBODY = ""
"""The token of a transaction that ended without one."""


@dataclass(slots=True)
class _Event:
    """One event, what is known of its transaction, and what became of it."""

    inbound: InboundMessage
    said: TransactionEvent
    known: Known
    start: Started | AskPartner | WattbookError | None = None
    decision: Decision | None = None
    stop_verdict: StopVerdict | None = None
    stop_error: WattbookError | None = None
    cost: Decimal | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.inbound.station_id, self.said.transaction_id

    @property
    def session_id(self) -> str:
        return session_of_transaction(*self.key)

    @property
    def may_begin(self) -> bool:
        known = self.known
        if known.begun or known.started_at is None:
            return False
        if known.ended_at is not None:
            return True
        return None not in (known.token_uid, known.evse_no, known.register_start_mwh)

    @property
    def is_asked_again(self) -> bool:
        """The event shows the token that the session began with: the verdict is the session's."""
        if self.said.token is None or not self.known.begun or self.shows_token_to_stop:
            return False
        return self.said.token.value == self.known.token_uid

    @property
    def shows_token_to_stop(self) -> bool:
        """Who may end the session need not be who may begin one (C09, C16)."""
        return self.said.token is not None and (
            self.said.phase is Phase.ENDED or self.said.trigger in ("StopAuthorized", "Deauthorized")
        )

    @property
    def has_begun(self) -> bool:
        return self.known.begun or isinstance(self.start, Started | Refused)

    @property
    def counts(self) -> bool:
        """Whether its samples are new: it was not heard before, or only now has a session to count for."""
        if isinstance(self.start, AskPartner):
            return False
        if self.known.counted:
            return self.known.fresh
        return self.known.fresh or (not self.known.begun and self.has_begun)


async def transaction_events(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[Outcome]:
    """E01 to E15: note what each event tells, move its session on, and answer what was asked."""
    outcomes: list[Outcome | None] = [*await move_on(connection, batch, context)]
    others = [place for place, outcome in enumerate(outcomes) if outcome is None]
    if others:
        handled = await _all_steps(connection, [batch[place] for place in others], context)
        for place, outcome in zip(others, handled, strict=True):
            outcomes[place] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


async def _all_steps(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[Outcome]:
    told = [_told(inbound) for inbound in batch]
    known = await event_log.note(connection, told, now=context.now, cost_interval=context.policy.change_interval)
    # What was counted has written its session anew.
    context.remembered.take([(each.station_id, each.transaction_id) for each in told])
    events = [
        _Event(inbound, cast(TransactionEvent, inbound.message), known[each.station_id, each.transaction_id])
        for inbound, each in zip(batch, told, strict=True)
    ]
    await _begin(connection, events, context)
    await _judge(connection, events, context)
    await _record(connection, events, context)
    await _end(connection, events, context)
    await _tell_costs(connection, events, context)
    await _keep_cost_details(connection, events)
    await change(
        connection,
        [
            (event.inbound.station_id, event.said.reservation_id, USED)
            for event in events
            if event.said.reservation_id is not None
        ],
        context.now,
    )
    return [_outcome(event) for event in events]


# What an event tells


def _told(inbound: InboundMessage) -> Told:
    said = cast(TransactionEvent, inbound.message)
    begins, ends = said.phase is Phase.STARTED, said.phase is Phase.ENDED
    drawn = [mwh for sample in said.samples if (mwh := _register(sample.import_mwh)) is not None]
    return Told(
        station_id=inbound.station_id,
        transaction_id=said.transaction_id,
        seq_no=said.seq_no,
        newest_at=said.occurred_at,
        evse_no=said.evse,
        token_uid=said.token.value if said.token is not None and not ends else None,
        started_at=said.occurred_at if begins else None,
        meter_start_mwh=drawn[0] if begins and drawn else None,
        export_start_mwh=_first_export(said.samples) if begins else None,
        register_min_mwh=min(drawn) if drawn else None,
        register_max_mwh=max(drawn) if drawn else None,
        ended_at=said.occurred_at if ends else None,
        meter_stop_mwh=drawn[-1] if ends and drawn else None,
        export_stop_mwh=_first_export(said.samples[::-1]) if ends else None,
        stop_reason=(said.stop_reason or StopReason.LOCAL).value if ends else None,
        stop_token_uid=said.token.value if said.token is not None and ends else None,
    )


def _first_export(samples: Sequence[Sample]) -> int | None:
    return next((mwh for sample in samples if (mwh := _register(sample.export_mwh)) is not None), None)


def _register(mwh: int | None) -> int | None:
    """None also for what no meter shows: it counts as not read."""
    return mwh if mwh is not None and 0 <= mwh <= REGISTER_MWH_MAX else None


# The steps


async def _begin(connection: AsyncConnection, events: Sequence[_Event], context: Context) -> None:
    """Begin what can begin now; what began before gives its verdict once more."""
    commands = await _commands(connection, events, context)
    chosen = [event for event in events if event.may_begin or event.is_asked_again]
    outcomes = await start_sessions(
        connection,
        [_start(event, commands.get(event.key)) for event in chosen],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
    )
    for event, outcome in zip(chosen, outcomes, strict=True):
        event.start = outcome
    begun = [event.key for event in chosen if event.has_begun and not event.known.begun]
    await event_log.mark_begun(connection, begun)


async def _commands(
    connection: AsyncConnection, events: Sequence[_Event], context: Context
) -> dict[tuple[str, str], UUID]:
    """F02: which command began each transaction; a session that has begun already is told."""
    named = [event for event in events if event.said.remote_start_id is not None]
    # One whose first event named it, and which begins only now (E02, E03).
    late = [event for event in events if event.may_begin and event.said.phase is not Phase.STARTED]
    commands = await match(
        connection, [Begun(*event.key, event.said.remote_start_id) for event in named], context.now
    ) | await began_by(connection, [event.key for event in late])
    told = {event.session_id: commands[event.key] for event in named if event.known.begun and event.key in commands}
    await note_commands(connection, told)
    return commands


def _start(event: _Event, command: UUID | None) -> SessionStart:
    known = event.known
    assert known.started_at is not None, "nothing begins without its begin"
    return SessionStart(
        station_id=event.inbound.station_id,
        connector_no=known.evse_no or UNNAMED_EVSE,
        token_uid=known.token_uid or known.stop_token_uid or NOBODY,
        meter_start_mwh=known.register_start_mwh or 0,
        started_at=known.started_at,
        transaction_id=event.said.transaction_id,
        export_start_mwh=known.export_start_mwh,
        command_id=None if command is None else str(command),
    )


async def _judge(connection: AsyncConnection, events: Sequence[_Event], context: Context) -> None:
    """Clear tokens that do not begin a session: nothing can begin yet, or another one is shown while it runs."""
    asked = [event for event in events if event.said.token is not None and event.start is None]
    stopping = [event for event in asked if event.shows_token_to_stop]
    verdicts = await judge_stops(
        connection,
        [StopRequest(*event.key, event.said.token.value) for event in stopping if event.said.token is not None],
        now=context.now,
        policy=context.policy,
    )
    for event, verdict in zip(stopping, verdicts, strict=True):
        event.stop_verdict = verdict
    chosen = [event for event in asked if event.stop_verdict is None]
    if not chosen:
        return
    requests = [
        ClearanceRequest(event.inbound.station_id, UNNAMED_EVSE, event.said.token.value)
        for event in chosen
        if event.said.token is not None
    ]
    decisions = await clear(connection, requests, now=context.now, policy=context.policy)
    for event, decision in zip(chosen, decisions, strict=True):
        event.decision = decision


async def _record(connection: AsyncConnection, events: Sequence[_Event], context: Context) -> None:
    kept = [
        Samples(event.inbound.station_id, event.known.evse_no or UNNAMED_EVSE, event.said.transaction_id, samples)
        for event in events
        if event.said.samples and event.counts and (samples := readings(event.said.samples))
    ]
    await record_samples(
        connection,
        kept,
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
        remembered=context.remembered,
    )


async def _end(connection: AsyncConnection, events: Sequence[_Event], context: Context) -> None:
    """Stop what has ended. What never began is stopped too: charging keeps it as an orphan."""
    chosen = [event for event in events if _is_to_stop(event)]
    outcomes = await stop_sessions(
        connection,
        [_stop(event) for event in chosen],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
    )
    for event, outcome in zip(chosen, outcomes, strict=True):
        event.stop_error = outcome if isinstance(outcome, WattbookError) else None
    settled = [event.key for event in chosen if event.has_begun and event.stop_error is None]
    await event_log.mark_settled(connection, settled)


def _is_to_stop(event: _Event) -> bool:
    known = event.known
    if known.ended_at is None or known.settled or isinstance(event.start, AskPartner):
        return False
    return event.has_begun or event.said.phase is Phase.ENDED


def _stop(event: _Event) -> SessionStop:
    known = event.known
    assert known.ended_at is not None, "only what ended is stopped"
    return SessionStop(
        station_id=event.inbound.station_id,
        transaction_id=event.said.transaction_id,
        meter_stop_mwh=known.register_stop_mwh or 0,
        stopped_at=known.ended_at,
        reason=known.stop_reason or StopReason.LOCAL.value,
        export_stop_mwh=known.export_stop_mwh,
        token_uid=known.stop_token_uid,
        flags=(STOPPED_BY_STRANGER,) if isinstance(event.stop_verdict, Refused) else (),
    )


async def _tell_costs(connection: AsyncConnection, events: Sequence[_Event], context: Context) -> None:
    """I02, I03: the final cost with the end, the running cost now and then."""
    chosen = [event for event in events if event.has_begun and _is_cost_told(event)]
    if not chosen:
        return
    sessions = await find_sessions(connection, [event.session_id for event in chosen])
    for event, session in zip(chosen, sessions, strict=True):
        event.cost = session.cost_after_tax if session is not None else None
    context.costs_told.tell([event.key for event in chosen], context.now)


def _is_cost_told(event: _Event) -> bool:
    return event.said.phase is Phase.ENDED or (event.said.phase is Phase.UPDATED and event.known.cost_due)


async def _keep_cost_details(connection: AsyncConnection, events: Sequence[_Event]) -> None:
    """What a station computed by itself (2.1, I12) is kept beside what we compute."""
    kept = [
        notices.Notice(
            event.inbound.station_id,
            event.inbound.version,
            "TransactionEvent",
            {"transactionId": event.said.transaction_id, "costDetails": event.said.cost_details},
            event.inbound.received_at,
        )
        for event in events
        if event.said.cost_details is not None and event.known.fresh
    ]
    if kept:
        await notices.keep(connection, kept)


# The answer


def _outcome(event: _Event) -> Outcome:
    for asked in (event.start, event.decision):
        if isinstance(asked, AskPartner) and may_ask(event.said):
            return asked
    error = event.stop_error or (event.start if not isinstance(event.start, Started | AskPartner | Refused) else None)
    if error is not None:
        return error
    info = _verdict(event) if event.said.token is not None else None
    if info is None and event.cost is None:
        return NOTED
    return TransactionEventAnswer(event.cost, info, event.start.cost_max if isinstance(event.start, Started) else None)


def may_ask(said: TransactionEvent) -> bool:
    """Whether a partner may be asked before the event is answered; what only reports progress need not wait."""
    return said.token is not None or said.phase is not Phase.UPDATED


def _verdict(event: _Event) -> TokenInfo:
    if (info := stop_info(event.stop_verdict)) is not None:
        return info
    verdict = event.start if event.start is not None else event.decision
    if isinstance(verdict, Refused):
        return refused_info(verdict)
    assert isinstance(verdict, Started | Cleared | StopOnly), "whoever must be asked was asked, and errors were told"
    return accepted_info(verdict)
