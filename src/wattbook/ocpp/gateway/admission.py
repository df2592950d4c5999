"""Who may connect: the stations of the registry, kept in memory, because an upgrade must be decided at once.

The list is read again every few seconds, and at once (at most once a second) when an unknown station knocks: one that
was just registered is let in on its next try. So it is when a known one shows a password or certificate that is not
right: it may just have been given it. What a known station must prove, the guard judges.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from wattbook.db.engine import Database
from wattbook.db.rounds import surviving
from wattbook.ocpp.security.guard import Guard
from wattbook.ocpp.wire.server import Admission, Rejection, UpgradeRequest
from wattbook.registry.stations import Acceptance, acceptances

REFRESH_S: Final = 10.0
REFRESH_ON_MISS_S: Final = 1.0


class Door:
    """Answers for each station whether it is known and is who it says, and whether it was accepted."""

    def __init__(self, database: Database, guard: Guard, turn_out: Callable[[str], None]) -> None:
        """`turn_out` is told of stations that came in by a password or certificate that is not valid any more."""
        self._database = database
        self._turn_out = turn_out
        self._guard = guard
        self._known: dict[str, Acceptance] = {}
        self._read_at = 0.0
        self._missed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name="door")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with surviving("door-events-not-kept"):
            await self._write_down()

    async def refresh(self) -> None:
        """Read the stations of the registry and what they must prove; write down what happened at the door."""
        await self._write_down()
        async with self._database.snapshot() as connection:
            self._known = await acceptances(connection)
            outdated = await self._guard.refresh(connection)
        self._read_at = time.monotonic()
        for station_id in outdated:
            self._turn_out(station_id)

    async def _write_down(self) -> None:
        if self._guard.has_to_write:
            await self._guard.write_down(self._database)

    def admit(self, request: UpgradeRequest) -> Admission | Rejection:
        """OCPP-J 1.6, 3.2: an unknown identity gets 404; one that does not prove who it is, 401 or 403."""
        if request.identity not in self._known:
            self._missed.set()
            return Rejection(404, "this station is not registered")
        rejection = self._guard.judge(request)
        if rejection is not None:
            self._missed.set()
            return rejection
        return Admission(request.identity)

    def is_accepted(self, station_id: str) -> bool:
        return self._known.get(station_id) is Acceptance.ACCEPTED

    def is_pending(self, station_id: str) -> bool:
        return self._known.get(station_id) is Acceptance.PENDING

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._missed.wait(), REFRESH_S)
                await asyncio.sleep(max(0.0, self._read_at + REFRESH_ON_MISS_S - time.monotonic()))
            except TimeoutError:
                pass
            self._missed.clear()
            with surviving("stations-not-read"):
                await self.refresh()
