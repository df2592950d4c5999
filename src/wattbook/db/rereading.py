"""What a process keeps in memory of the database: read before anybody asks, and again every few seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from wattbook.db.rounds import surviving

EVERY_S: Final = 10.0


class Rereading:
    """Reads again and again by `refresh`; while the database is away, what was read last holds.

    `name` is what is read; it stands in the log.
    """

    def __init__(self, refresh: Callable[[], Awaitable[None]], name: str, *, every_s: float = EVERY_S) -> None:
        self._refresh = refresh
        self._name = name
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the first time; what stands in the way of that is raised."""
        await self._refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name=self._name)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            with surviving(f"{self._name}-not-read"):
                await self._refresh()
