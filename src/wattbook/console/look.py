"""What all browsers look at together: the state of the deployment and its proof, each at its own pace."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.console.pacing import Paced, Seen
from wattbook.console.snapshot import Snapshot, take_snapshot
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock

REFRESH_S: Final = 2.0
AUDIT_S: Final = 10.0
PATIENCE_S: Final = 1.5
"""A page is not kept waiting for longer; NiceGUI gives up on one after three seconds."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof and the moment at which it was complete."""

    proof: Proof
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What the page shows at one moment; both come at their own pace."""

    state: Seen[Snapshot]
    audit: Seen[Proven]


class Overview:
    """What all browsers look at together."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, proof: Callable[[], Awaitable[Proof]]
    ) -> None:
        self.settings = settings
        self.zone = ZoneInfo(settings.time_zone)
        self._state: Paced[Snapshot] = Paced(lambda: take_snapshot(database, settings, clock()), REFRESH_S)
        self._audit: Paced[Proven] = Paced(lambda: _prove(proof, clock), AUDIT_S)

    async def look(self) -> Look:
        """Within `PATIENCE_S`; a proof that takes longer is shown when it is there."""
        return Look(*await asyncio.gather(self._state.look(PATIENCE_S), self._audit.look(PATIENCE_S)))

    async def close(self) -> None:
        await self._state.close()
        await self._audit.close()


async def _prove(proof: Callable[[], Awaitable[Proof]], clock: Clock) -> Proven:
    return Proven(await proof(), clock())
