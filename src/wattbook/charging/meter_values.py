"""Meter values: every reading is kept, whether its session is known or not, and a running session moves on with it.

This is the path that every message of every charging station takes. A batch costs one statement, one more to look up
sessions that are not remembered, and one for those that are announced: that moved and were not announced within the
policy's interval. A station has at most one item in a batch.
"""

from collections.abc import Sequence, Set
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import reading_rows
from wattbook.charging.events import Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.reading_rows import Key
from wattbook.charging.running import Next, Running, Samples
from wattbook.charging.views import announce
from wattbook.kernel.clock import utc

REMEMBERED_MAX = 50_000


class Remembered:
    """Running sessions as this process wrote them last, to save a look.

    They may be wrong: another process may have been at a session since, or the transaction was rolled back. Then the
    version of the row is another one, and `reading_rows.write` leaves it alone. Whoever takes a session out and fails
    does not put it back.
    """

    def __init__(self) -> None:
        self._sessions: dict[Key, Running] = {}

    def take(self, keys: Sequence[Key]) -> dict[Key, Running]:
        """Those that are remembered, and are not any more."""
        return {key: self._sessions.pop(key) for key in keys if key in self._sessions}

    def keep(self, sessions: dict[Key, Running]) -> None:
        self._sessions.update(sessions)
        while len(self._sessions) > REMEMBERED_MAX:
            del self._sessions[next(iter(self._sessions))]


async def record_samples(
    connection: AsyncConnection,
    batch: Sequence[Samples],
    *,
    now: datetime,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
    remembered: Remembered | None = None,
) -> list[str | None]:
    """Keep every reading and move the running sessions on.

    Returns, one an item: the id of its session, or None when no session is known for it.
    """
    if not batch:
        return []
    now = utc(now)
    remembered = Remembered() if remembered is None else remembered
    keys = [(samples.station_id, samples.transaction_id or "") for samples in batch]
    known = remembered.take(keys)
    known |= await reading_rows.running(connection, {key for key in keys if key[1]} - known.keys())
    sessions = [known[key].id if key in known else None for key in keys]
    to_keep = list(zip(batch, sessions, strict=True))
    writer = _Writer(connection, now, policy, subscribers, remembered)
    open_ = list(zip(keys, batch, strict=True))
    while True:
        moved = _move(open_, known)
        fresh = await writer.write(moved, to_keep)
        if len(fresh) == len(moved):
            break
        # Another writer was at the others of these sessions: look again, for a reading moves a session once.
        open_ = [(key, samples) for key, samples in open_ if key in moved.keys() - fresh]
        known = await reading_rows.running(connection, {key for key, _ in open_})
        to_keep = []
    await announce(connection, writer.announced, subscribers, policy)
    return sessions


async def record_next(
    connection: AsyncConnection,
    batch: Sequence[Next],
    *,
    now: datetime,
    policy: Policy = POLICY,
    subscribers: Sequence[Subscriber] = (),
    remembered: Remembered,
) -> list[bool]:
    """Move those sessions on that this process remembers and whose next message this is, and keep its readings.

    That a message is the next one is all there is to ask: it was not heard before. So one statement does, where others
    have to be counted first (`counting.count`). It writes nothing of a session that anybody else has written since.

    Returns, one a message: whether that was done; else nothing was done for it.
    """
    keys = [(said.station_id, said.transaction_id) for said in batch]
    known = remembered.take(keys)
    moved: dict[Key, Running] = {}
    kept: list[tuple[Samples, str | None]] = []
    for key, said in zip(keys, batch, strict=True):
        session = known.get(key)
        if session is not None and session.take(said):
            moved[key] = session
            kept.append(
                (Samples(said.station_id, session.connector_no, said.transaction_id, said.readings), session.id)
            )
    if not moved:
        return [False] * len(batch)
    writer = _Writer(connection, utc(now), policy, subscribers, remembered)
    fresh = await writer.write(moved, kept, counted=True)
    await announce(connection, writer.announced, subscribers, policy)
    return [key in fresh for key in keys]


class _Writer:
    """Writes sessions that moved, remembers them, and gathers who is to be announced."""

    def __init__(
        self,
        connection: AsyncConnection,
        now: datetime,
        policy: Policy,
        subscribers: Sequence[Subscriber],
        remembered: Remembered,
    ) -> None:
        self._connection = connection
        self._now = now
        self._announced_before = now - policy.change_interval if subscribers else None
        self._remembered = remembered
        self.announced: list[str] = []

    async def write(
        self, moved: dict[Key, Running], kept: Sequence[tuple[Samples, str | None]], *, counted: bool = False
    ) -> Set[Key]:
        """Those that were as they had been seen, and only they, are written."""
        before = self._announced_before
        due = frozenset(each.id for each in moved.values() if before is not None and each.announced_at <= before)
        sessions = list(moved.values())
        written = await reading_rows.write(self._connection, sessions, due, kept, self._now, counted=counted)
        there = list(moved)
        fresh = {there[place]: sessions[place] for place in written}
        for session in fresh.values() if due else ():
            if session.id in due:
                session.announced_at = self._now
                self.announced += [session.id] if session.state == "active" else []
        self._remembered.keep(fresh)
        return fresh.keys()


def _move(batch: Sequence[tuple[Key, Samples]], known: dict[Key, Running]) -> dict[Key, Running]:
    """The sessions that readings move, moved on but not yet written."""
    moved: dict[Key, Running] = {}
    for key, samples in batch:
        session = known.get(key)
        if session is not None and session.state != "completed" and samples.readings:
            for reading in samples.readings:
                session.advance(reading)
            moved[key] = session
    return moved
