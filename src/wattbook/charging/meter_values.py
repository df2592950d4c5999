"""Meter values: every reading is kept, whether its session is known or not, and a running session moves on with it.

This is the path that every message of every charging station takes. A batch costs three statements, and one more for
the sessions that are announced: those that moved and were not announced within the policy's interval. A station has
at most one item in a batch.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import store
from wattbook.charging.events import Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.running import Running, Samples
from wattbook.charging.views import announce
from wattbook.kernel.clock import utc


async def record_samples(
    connection: AsyncConnection,
    batch: Sequence[Samples],
    *,
    now: datetime,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
) -> list[str | None]:
    """Keep every reading and move the running sessions on.

    Returns, one an item: the id of its session, or None when no session is known for it.
    """
    if not batch:
        return []
    now = utc(now)
    while True:
        sessions, moved = await _move(connection, batch)
        due = [each for each in moved if subscribers and now - each.announced_at >= policy.change_interval]
        for session in due:
            session.announced_at = now
        if await store.update_running(connection, moved, now) == len(moved):
            break  # else another writer was at one of these sessions: look again, for a reading moves a session once
    await store.copy_meter_values(connection, batch, sessions, now)
    await announce(connection, [session.id for session in due if session.state == "active"], subscribers, policy)
    return sessions


async def _move(connection: AsyncConnection, batch: Sequence[Samples]) -> tuple[list[str | None], list[Running]]:
    """The session of each item, and those that its readings move, moved on but not yet written."""
    asked = [(samples.station_id, samples.transaction_id) for samples in batch if samples.transaction_id is not None]
    known = await store.running(connection, asked)
    found = [known.get((samples.station_id, samples.transaction_id or "")) for samples in batch]
    moved: dict[str, Running] = {}
    for samples, session in zip(batch, found, strict=True):
        if session is not None and session.state != "completed" and samples.readings:
            for reading in samples.readings:
                session.advance(reading)
            moved[session.id] = session
    return [session.id if session else None for session in found], list(moved.values())
