"""Block E, the events of a transaction that goes on as expected: nearly all there are, in one statement a batch.

Such an event shows no token and names nothing that begins or ends, and it is the next one of a session that this
process remembers. So it can only say how far the transaction has come. Whatever else there is goes all the steps of
`transaction_events`.
"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.identity import session_of_transaction
from wattbook.charging.meter_values import record_next
from wattbook.charging.running import Next
from wattbook.charging.views import find_sessions
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.controllers.metering import readings
from wattbook.ocpp.messages import Phase, TransactionEvent, TransactionEventAnswer
from wattbook.ocpp.told.costs import mark_told

NOTED: Final = TransactionEventAnswer()


async def move_on(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> list[TransactionEventAnswer | None]:
    """The answer to each event that was of this kind; the others are left as they were: None."""
    told: list[tuple[int, Next]] = []
    for place, inbound in enumerate(batch):
        said = cast(TransactionEvent, inbound.message)
        if _only_progresses(said):
            samples = readings(said.samples)
            told.append((place, Next(inbound.station_id, said.transaction_id, said.seq_no, said.occurred_at, samples)))
    answers: list[TransactionEventAnswer | None] = [None] * len(batch)
    if not told:
        return answers
    done = await record_next(
        connection,
        [each for _, each in told],
        now=context.now,
        policy=context.policy,
        subscribers=context.subscribers,
        remembered=context.remembered,
    )
    noted = [each for each, is_done in zip(told, done, strict=True) if is_done]
    for place, _ in noted:
        answers[place] = NOTED
    for place, answer in (await _costs(connection, noted, context)).items():
        answers[place] = answer
    return answers


def _only_progresses(said: TransactionEvent) -> bool:
    return (
        said.phase is Phase.UPDATED
        and said.token is None
        and said.remote_start_id is None
        and said.reservation_id is None
        and said.cost_details is None
    )


async def _costs(
    connection: AsyncConnection, noted: Sequence[tuple[int, Next]], context: Context
) -> dict[int, TransactionEventAnswer]:
    """I02: by place, what a transaction costs so far, where its driver has not heard it for a while."""
    every = context.policy.change_interval
    due = {
        place: (said.station_id, said.transaction_id)
        for place, said in noted
        if context.costs_told.due((said.station_id, said.transaction_id), context.now, every)
    }
    if not due:
        return {}
    sessions = await find_sessions(connection, [session_of_transaction(*key) for key in due.values()])
    await mark_told(connection, list(due.values()), context.now)
    context.costs_told.tell(due.values(), context.now)
    return {
        place: TransactionEventAnswer(session.cost_after_tax)
        for place, session in zip(due, sessions, strict=True)
        if session is not None and session.cost_after_tax is not None
    }
