"""What every controller has in common: its face, and what it is given."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner
from wattbook.charging.counting import Key
from wattbook.charging.events import Subscriber
from wattbook.charging.meter_values import Remembered
from wattbook.charging.policy import Policy
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.ports import Certificates
from wattbook.ocpp.messages import Answer

COSTS_TOLD_MAX = 50_000


class CostsTold:
    """A driver is to hear now and then what a transaction costs so far; to forget when he did costs another telling."""

    def __init__(self) -> None:
        self._told_at: dict[Key, datetime] = {}

    def due(self, transaction: Key, now: datetime, every: timedelta) -> bool:
        told_at = self._told_at.get(transaction)
        return told_at is None or now - told_at >= every

    def tell(self, transactions: Iterable[Key], now: datetime) -> None:
        self._told_at.update(dict.fromkeys(transactions, now))
        while len(self._told_at) > COSTS_TOLD_MAX:
            del self._told_at[next(iter(self._told_at))]


@dataclass(frozen=True, slots=True)
class Context:
    """The same for all messages of a batch.

    Attributes:
        now: our clock when the batch began.
        heartbeat_interval_s: what stations are told at boot.
        subscribers: hear of sessions inside the batch's transaction.
        certificates: signs for stations and vouches for vehicles.
        remembered: running sessions, as this process wrote them last.
        costs_told: when this process last told what a transaction costs so far.
    """

    now: datetime
    heartbeat_interval_s: int
    policy: Policy
    subscribers: Sequence[Subscriber]
    certificates: Certificates
    remembered: Remembered = field(default_factory=Remembered)
    costs_told: CostsTold = field(default_factory=CostsTold)


Outcome = Answer | AskPartner | WattbookError
"""The answer; or a partner must consent first, and the message comes again; or what its sender is told."""

Controller = Callable[[AsyncConnection, Sequence[InboundMessage], Context], Awaitable[Sequence[Outcome]]]
