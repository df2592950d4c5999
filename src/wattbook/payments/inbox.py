"""Events that a provider pushes: verified, kept as they came, applied, and acknowledged after the commit.

An event is known by its id: the same again is acknowledged and changes nothing. One that speaks of what is not known
yet waits for it; one that contradicts what is known is kept, refused, and acknowledged too, because sending it again
would not help. What is not credibly the provider's is answered with an error.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.payments import quarantine, store
from wattbook.payments.news import Outcome, apply
from wattbook.payments.provider import Provider, ProviderEvent
from wattbook.payments.records import StoredEvent
from wattbook.payments.senders import NotSigned

EVENT_BYTES_MAX: Final = 1_048_576

KNOWN: Final = "known"
REFUSED: Final = "refused"

log = structlog.get_logger(__name__)


async def receive(database: Database, provider: Provider, body: bytes, headers: Mapping[str, str], clock: Clock) -> str:
    """Take in an event; `known`, or what became of it, after the commit.

    Raises:
        NotSigned: it is not the provider's. InvalidInput: it cannot be understood. Both are kept in quarantine.
    """
    now = clock()
    try:
        provider.verify_event(body, headers, now=now)
        event = provider.read_event(body)
    except (NotSigned, InvalidInput) as error:
        async with database.transaction() as connection:
            await quarantine.keep(connection, provider.name, "webhook", body, error, now=now)
        raise
    async with database.transaction() as connection:
        stored = StoredEvent(
            channel=provider.name,
            id=event.id,
            kind=event.kind,
            received_at=now,
            raw=body,
            about=event.about,
            state=Outcome.WAITING.value,
        )
        if not await store.add_event(connection, stored):
            return KNOWN
        await _settle(connection, stored, event, now)
        if event.about is not None and stored.state == Outcome.APPLIED:
            await look_again(connection, provider, event.about, now=now)
    return stored.state


async def look_again(connection: AsyncConnection, provider: Provider, about: str, *, now: datetime) -> None:
    """At the events that wait for news of a payment, as long as one of them is news itself."""
    while True:
        moved = False
        for stored in await store.waiting_events(connection, provider.name, about):
            await _settle(connection, stored, provider.read_event(stored.raw), now)
            moved |= stored.state == Outcome.APPLIED
        if not moved:
            return


async def _settle(connection: AsyncConnection, stored: StoredEvent, event: ProviderEvent, now: datetime) -> None:
    """Apply it, and write down what became of it."""
    try:
        async with connection.begin_nested():
            outcome = Outcome.IGNORED
            if event.news is not None:
                outcome = await apply(connection, stored.channel, event.news, now=now)
        stored.state = outcome.value
    except WattbookError as error:
        log.warning("event-refused", channel=stored.channel, id=stored.id, kind=stored.kind, reason=error.message)
        stored.state, stored.error = REFUSED, error.message[:1_000]
        await quarantine.keep(connection, stored.channel, "webhook", stored.raw, error, now=now)
    await store.save(connection, stored)
