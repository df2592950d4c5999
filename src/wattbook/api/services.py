"""What the routes need, handed in by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.ocpp.outcomes import Outcomes


@dataclass(frozen=True, slots=True)
class Services:
    """Attributes:
    proof: makes the proof, of this moment, with the checks of all rooms.
    outcomes: tells when a command to a station is done; without it, nobody can wait for one here.
    """

    database: Database
    settings: Settings
    clock: Clock
    proof: Callable[[], Awaitable[Proof]]
    outcomes: Outcomes | None = None
