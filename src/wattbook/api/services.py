"""What the routes need, handed in by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.payments.operations import Providers


@dataclass(frozen=True, slots=True)
class Services:
    """Attributes:
    proof: makes the proof, of this moment, with the checks of all rooms.
    outcomes: tells when a command to a station is done; without it, nobody can wait for one here.
    providers: of payments, by channel.
    """

    database: Database
    settings: Settings
    clock: Clock
    proof: Callable[[], Awaitable[Proof]]
    outcomes: Outcomes | None = None
    providers: Providers = field(default_factory=dict)
