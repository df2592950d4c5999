"""Brings messages to their receivers: at once where somebody waits for the answer, else as a job that tries again.

What is to be delivered is stored in the transaction that caused it. A message is delivered when its receiver answered,
be it with a refusal; silence, an error of its server or a lost token leave it waiting. Jobs of one message need no
order: what is sent is always the latest version, receivers pass over what is older than what they know, and a record
that comes twice is known.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.jobs import Job, enqueue
from wattbook.kernel.errors import InvalidInput
from wattbook.roaming import clearing, partner_rows, store, tables
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.client import Answer, NoAnswer
from wattbook.roaming.partners import partner_for
from wattbook.roaming.records import Message, Partner, Trouble

DELIVER: Final = "roaming.deliver"
RESEND: Final = "roaming.resend"

ABANDONED_AFTER: Final = timedelta(hours=3)
"""Longer than any pause between two tries of one job, so nobody works on what was last tried before."""

TAKE_OVER_AFTER: Final = timedelta(seconds=30)
"""Longer than a sender waits, so that a job does not send what is just being sent."""

BATCH_MAX: Final = 1_000
TROUBLES_SHOWN_MAX: Final = 100
_VERSIONS_MAX: Final = 3
"""How often one try follows a message that changes while it is sent."""

log = structlog.get_logger(__name__)


def deliveries(messages: Sequence[int], at: datetime | None = None) -> list[Job]:
    return [Job(DELIVER, {"message": message}, at=at) for message in messages]


async def take_over(connection: AsyncConnection, messages: Sequence[int]) -> None:
    """Deliver by job what is not delivered while its sender waits; the job is there if we die meanwhile."""
    if messages:
        await enqueue(connection, deliveries(messages, await store.queue_time(connection) + TAKE_OVER_AFTER))


async def deliver(roaming: Roaming, message_id: int) -> Answer | None:
    """Bring a message to its receiver and keep what it answered.

    Returns:
        the receiver's answer; None if it was answered before.

    Raises:
        NoAnswer: the receiver did not answer; the message waits.
    """
    for _ in range(_VERSIONS_MAX):
        async with roaming.database.transaction() as connection:
            message = await store.message(connection, message_id)
            if message is None or message.answered_at is not None:
                return None
            partner = await partner_for(connection, message.receiver)
        try:
            answer = await _send(roaming, partner, message)
        except NoAnswer as trouble:
            async with roaming.database.transaction() as connection:
                await store.note_trouble(connection, message_id, trouble.message, roaming.clock())
                if partner is not None:
                    await partner_rows.note_reachable(connection, partner.id, False, None)
            raise
        async with roaming.database.transaction() as connection:
            if partner is not None and not partner.reachable:
                await partner_rows.note_reachable(connection, partner.id, True, None)
                await hasten(connection, partner)
            if await _conclude(connection, roaming, message, answer):
                return answer
    raise NoAnswer(f"message {message_id} changes faster than it is delivered")


async def hasten(connection: AsyncConnection, partner: Partner) -> None:
    """The partner is back: send what waits for it now, not when the next try is due."""
    receivers = None if partner.is_hub else [role.party for role in partner.roles]
    await enqueue(connection, deliveries(await store.waiting_for(connection, receivers, BATCH_MAX)))


async def list_troubles(connection: AsyncConnection, *, limit: int = TROUBLES_SHOWN_MAX) -> list[Trouble]:
    """What waits to be delivered, and what a receiver refused; the newest first."""
    return await store.troubles(connection, min(limit, TROUBLES_SHOWN_MAX))


async def resend_abandoned(roaming: Roaming) -> int:
    """Try again what every try of its job has failed for; the number of messages."""
    async with roaming.database.transaction() as connection:
        found = await store.abandoned(connection, roaming.clock() - ABANDONED_AFTER, BATCH_MAX)
        await enqueue(connection, deliveries(found))
    return len(found)


async def announce(roaming: Roaming) -> None:
    """Tell every partner that we are here, so that it sends what waits for us; for the start of the program."""
    async with roaming.database.transaction() as connection:
        partners = await partner_rows.partners(connection)
    for partner in partners:
        if partner.status != "registered" or partner.versions_url is None or partner.their_token is None:
            continue
        try:
            await roaming.client.call("GET", partner.versions_url, partner.their_token, roaming.unrouted())
        except (NoAnswer, InvalidInput) as trouble:
            log.info("roaming.partner_away", partner=partner.party, trouble=trouble.message)


async def _send(roaming: Roaming, partner: Partner | None, message: Message) -> Answer:
    endpoint = None if partner is None else partner.endpoint(message.module, "RECEIVER")
    if partner is None or partner.their_token is None:
        raise NoAnswer(f"no partner is registered that reaches {message.receiver}")
    if endpoint is None:
        raise NoAnswer(f"{partner.party} has no endpoint for {message.module}")
    answer = await roaming.client.call(
        message.method,
        endpoint.rstrip("/") + message.path,
        partner.their_token,
        roaming.routing(message.receiver, sender=message.sender, correlation_id=message.correlation_id),
        body=bytes(message.body),
    )
    if not answer.is_final:
        raise NoAnswer(f"{partner.party} answered {answer.http}/{answer.envelope.status_code}")
    return answer


async def _conclude(connection: AsyncConnection, roaming: Roaming, message: Message, answer: Answer) -> bool:
    """What follows from an answer; False if the message said something else meanwhile."""
    now = roaming.clock()
    said = answer.envelope
    if not await store.note_answer(connection, message, said.status_code, said.status_message, now):
        return False
    if answer.accepted:
        await _accepted(connection, roaming, message, now)
    else:
        log.warning("roaming.refused", module=message.module, object=message.object_id, said=said.status_message)
        await _refused(connection, roaming, message)
    return True


async def _accepted(connection: AsyncConnection, roaming: Roaming, message: Message, now: datetime) -> None:
    if message.module == "cdrs":
        await store.accept(connection, tables.cdrs, {"issuer": message.sender, "id": message.object_id}, now)
        if roaming.is_hub:
            await clearing.clear_cdr(connection, message.sender, message.object_id, now)
    elif message.module == "settlements":
        await store.accept(connection, tables.settlements, {"payer": message.sender, "id": message.object_id}, now)
        if roaming.is_hub:
            await clearing.set_off(connection, message.sender, message.object_id, now)


async def _refused(connection: AsyncConnection, roaming: Roaming, message: Message) -> None:
    """A hub takes out of its clearing what the receiver refused; the message keeps what was said."""
    if not roaming.is_hub:
        return
    if message.module == "cdrs":
        await store.drop_cdr(connection, message.sender, message.object_id)
    elif message.module == "settlements":
        await store.drop_settlement(connection, message.sender, message.object_id)
