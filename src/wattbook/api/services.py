"""What the routes need, handed in by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Services:
    """Attributes:
    proof: makes the proof, of this moment, with the checks of all rooms.
    """

    database: Database
    settings: Settings
    clock: Clock
    proof: Callable[[], Awaitable[Proof]]
