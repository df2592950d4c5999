"""Attendance: which stations are there. A station is there while anything is heard from it, a pong too (R3).

It is told to the registry for all stations at once every few seconds, not with every message: what is asked of it is
"in the last minutes?", and a write for each message would double the work of the database.
"""

import asyncio
import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from wattbook.db.engine import Database
from wattbook.db.rounds import surviving
from wattbook.kernel.clock import Clock
from wattbook.ocpp.connections.connection import Connection
from wattbook.registry.presence import touch

LOOK_EVERY_S: Final = 5.0
TOLD_AGAIN_AFTER_S: Final = 15.0


class Attendance:
    """`open` it after the port, `close` it after the last connection; `left` hears of each that ended."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        connections: Iterable[Connection],
        *,
        look_every_s: float = LOOK_EVERY_S,
        told_again_after_s: float = TOLD_AGAIN_AFTER_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._connections = connections
        self._look_every_s = look_every_s
        self._told_again_after_s = told_again_after_s
        self._told: dict[str, float] = {}  # station → when it was heard, as it was told last; in the loop's time
        self._gone: dict[str, float] = {}  # the same of those that left since
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._keep_looking(), name="attendance")

    async def close(self) -> None:
        """Tell who was there until now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._look(everybody=True)

    def left(self, connection: Connection) -> None:
        """A station is gone; when it was last heard is told with the others."""
        self._gone[connection.station_id] = connection.heard_at

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            await self._look()

    async def _look(self, *, everybody: bool = False) -> None:
        least = 0.0 if everybody else self._told_again_after_s
        gone, self._gone = self._gone, {}
        news = dict(gone)
        for present in self._connections:
            heard_at = present.heard_at
            if heard_at - self._told.get(present.station_id, -math.inf) > least:
                news[present.station_id] = heard_at
        if not news:
            return
        now, ticks = self._clock(), asyncio.get_running_loop().time()
        seen = [(station, now - timedelta(seconds=ticks - heard_at)) for station, heard_at in sorted(news.items())]
        is_kept = False
        with surviving("attendance-not-kept", stations=len(seen)):
            async with self._database.transaction() as connection:
                await touch(connection, seen)
            is_kept = True
        if not is_kept:
            self._gone = gone | self._gone
            return
        self._told |= news
        for station in gone.keys() - self._gone.keys():
            self._told.pop(station, None)
