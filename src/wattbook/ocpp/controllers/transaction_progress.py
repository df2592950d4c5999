"""Block E, the events of a transaction that goes on: nearly all there are, and handled with the fewest statements.

Such an event shows no token and names nothing that begins or ends; its transaction is one that charging knows as
running. Then it can only say how far the transaction has come. Whatever else there is goes all the steps of
`transaction_events`.
"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.identity import session_of_transaction
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import REGISTER_MWH_MAX, Samples
from wattbook.charging.views import find_sessions
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.controllers.metering import readings
from wattbook.ocpp.messages import Phase, TransactionEvent, TransactionEventAnswer
from wattbook.ocpp.transactions import event_log
from wattbook.ocpp.transactions.event_log import Progress

NOTED: Final = TransactionEventAnswer()


async def move_on(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> list[TransactionEventAnswer | None]:
    """The answer to each event that was of this kind; the others are left as they were: None."""
    events = [cast(TransactionEvent, inbound.message) for inbound in batch]
    told = [(place, _progress(batch[place].station_id, said)) for place, said in enumerate(events) if _is_plain(said)]
    if not told:
        return [None] * len(batch)
    found = await event_log.note_progress(
        connection, [each for _, each in told], now=context.now, cost_interval=context.policy.change_interval
    )
    answers: list[TransactionEventAnswer | None] = [None] * len(batch)
    kept: list[Samples] = []
    due: list[int] = []
    for (place, progress), known in zip(told, found, strict=True):
        if known is None:
            continue
        answers[place] = NOTED
        if known.cost_due:
            due.append(place)
        samples = events[place].samples
        if known.fresh and samples:
            kept.append(Samples(progress.station_id, known.evse_no, progress.transaction_id, readings(samples)))
    await record_samples(
        connection,
        kept,
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
        remembered=context.remembered,
    )
    if due:
        keys = [session_of_transaction(batch[place].station_id, events[place].transaction_id) for place in due]
        for place, session in zip(due, await find_sessions(connection, keys), strict=True):
            if session is not None and session.cost_after_tax is not None:
                answers[place] = TransactionEventAnswer(session.cost_after_tax)
    return answers


def _is_plain(said: TransactionEvent) -> bool:
    """Nothing in it asks for anything."""
    return (
        said.phase is Phase.UPDATED
        and said.token is None
        and said.remote_start_id is None
        and said.reservation_id is None
        and said.cost_details is None
    )


def _progress(station_id: str, said: TransactionEvent) -> Progress:
    drawn = [mwh for sample in said.samples if (mwh := register(sample.import_mwh)) is not None]
    least, greatest = (min(drawn), max(drawn)) if drawn else (None, None)
    return Progress(station_id, said.transaction_id, said.seq_no, said.occurred_at, least, greatest)


def register(mwh: int | None) -> int | None:
    """None also for what no meter shows: it counts as not read."""
    return mwh if mwh is not None and 0 <= mwh <= REGISTER_MWH_MAX else None
