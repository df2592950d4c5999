"""Block E, transactions: charging begins and ends."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Samples
from wattbook.charging.starting import SessionStart, Started, note_commands
from wattbook.charging.starting import start as start_sessions
from wattbook.charging.stop_rights import STOPPED_BY_STRANGER, StopRequest, StopVerdict, judge_stops
from wattbook.charging.stopping import SessionStop
from wattbook.charging.stopping import stop as stop_sessions
from wattbook.kernel.errors import Refused, WattbookError
from wattbook.ocpp.commands.remote_starts import Begun, match
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.authorization import UNNAMED_EVSE, accepted_info, refused_info, stop_info
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.controllers.metering import readings
from wattbook.ocpp.kept.reservations import USED, change
from wattbook.ocpp.messages import (
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)


async def start(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """A transaction gets its id, accepted or not (OCPP 1.6, 4.8), so that a refused one that runs is still seen."""
    outcomes = await start_sessions(
        connection,
        [_start(inbound) for inbound in batch],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
    )
    await _note_commands(connection, batch, outcomes, context)
    await _note_reservations(connection, batch, context)
    return [_started(outcome) for outcome in outcomes]


async def _note_commands(
    connection: AsyncConnection,
    batch: Sequence[InboundMessage],
    outcomes: Sequence[Started | AskPartner | WattbookError],
    context: Context,
) -> None:
    """F01: which command began which of them."""
    begun = {
        (inbound.station_id, outcome.transaction_id): (outcome.session_id, cast(TransactionStarted, inbound.message))
        for inbound, outcome in zip(batch, outcomes, strict=True)
        if isinstance(outcome, Started) and not outcome.repeated
    }
    asked = [Begun(*key, None, said.token.value, said.evse) for key, (_, said) in begun.items()]
    commands = await match(connection, asked, context.now)
    await note_commands(connection, {begun[key][0]: command for key, command in commands.items()})


async def _note_reservations(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> None:
    used = [
        (inbound.station_id, said.reservation_id, USED)
        for inbound in batch
        for said in [cast(TransactionStarted, inbound.message)]
        if said.reservation_id is not None
    ]
    await change(connection, used, context.now)


def _start(inbound: InboundMessage) -> SessionStart:
    said = cast(TransactionStarted, inbound.message)
    return SessionStart(
        station_id=inbound.station_id,
        connector_no=said.evse,
        token_uid=said.token.value,
        meter_start_mwh=said.meter_mwh,
        started_at=said.started_at,
    )


def _started(outcome: Started | AskPartner | WattbookError) -> Outcome:
    if isinstance(outcome, Started):
        return TransactionStartedAnswer(outcome.transaction_id, accepted_info(outcome))
    if isinstance(outcome, Refused):
        return TransactionStartedAnswer(outcome.details["transaction_id"], refused_info(outcome))
    return outcome


async def stop(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[Outcome]:
    """Every stop is acknowledged, also of a transaction nobody knows (OCPP 1.6, 4.10).

    What the station kept of the transaction counts first, as if it had come in meter values.
    """
    kept = [samples for inbound in batch if (samples := _kept(inbound)) is not None]
    if kept:
        await record_samples(connection, kept, now=context.now, policy=context.policy)
    verdicts = await judge_stops(
        connection,
        [
            StopRequest(inbound.station_id, said.transaction_id, said.token.value if said.token else None)
            for inbound in batch
            for said in [cast(TransactionStopped, inbound.message)]
        ],
        now=context.now,
        policy=context.policy,
    )
    outcomes = await stop_sessions(
        connection,
        [_stop(inbound, verdict) for inbound, verdict in zip(batch, verdicts, strict=True)],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
    )
    return [
        outcome if isinstance(outcome, WattbookError) else TransactionStoppedAnswer(stop_info(verdict))
        for outcome, verdict in zip(outcomes, verdicts, strict=True)
    ]


def _kept(inbound: InboundMessage) -> Samples | None:
    said = cast(TransactionStopped, inbound.message)
    if not said.samples:
        return None
    return Samples(inbound.station_id, UNNAMED_EVSE, said.transaction_id, readings(said.samples))


def _stop(inbound: InboundMessage, verdict: StopVerdict | None) -> SessionStop:
    said = cast(TransactionStopped, inbound.message)
    exported = [sample.export_mwh for sample in said.samples if sample.export_mwh is not None]
    return SessionStop(
        station_id=inbound.station_id,
        transaction_id=said.transaction_id,
        meter_stop_mwh=said.meter_mwh,
        export_stop_mwh=exported[-1] if exported else None,
        stopped_at=said.stopped_at,
        reason=said.reason,
        token_uid=said.token.value if said.token else None,
        flags=(STOPPED_BY_STRANGER,) if isinstance(verdict, Refused) else (),
    )
