"""What every controller has in common: its face, and what it is given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner
from wattbook.charging.events import Subscriber
from wattbook.charging.meter_values import Remembered
from wattbook.charging.policy import Policy
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.ports import Certificates
from wattbook.ocpp.messages import Answer


@dataclass(frozen=True, slots=True)
class Context:
    """The same for all messages of a batch.

    Attributes:
        now: our clock when the batch began.
        heartbeat_interval_s: what stations are told at boot.
        subscribers: hear of sessions inside the batch's transaction.
        certificates: signs for stations and vouches for vehicles.
        remembered: running sessions, as this process wrote them last.
    """

    now: datetime
    heartbeat_interval_s: int
    policy: Policy
    subscribers: Sequence[Subscriber]
    certificates: Certificates
    remembered: Remembered = field(default_factory=Remembered)


Outcome = Answer | AskPartner | WattbookError
"""The answer; or a partner must consent first, and the message comes again; or what its sender is told."""

Controller = Callable[[AsyncConnection, Sequence[InboundMessage], Context], Awaitable[Sequence[Outcome]]]
