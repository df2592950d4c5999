"""Sessions that pay as they run: what is set aside keeps ahead of the cost, drivers are warned, stations told to stop.

A subscriber of charging: it works inside the transaction that moved the sessions, so a hold, a warning and the order to
stop stand with the reading that caused them, or not at all. A card at the charger is settled when its session ends.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.drawing import Drawn, draw
from wattbook.charging.events import Event, SessionChanged, SessionEnded, Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import WattbookError
from wattbook.kernel.units import Currency, Money
from wattbook.ocpp.commands.orders import order
from wattbook.ocpp.messages import RemoteStop, Request
from wattbook.payments.cards import settle
from wattbook.payments.wallets import warn

STOP_WITHIN: Final = timedelta(minutes=10)
"""A station that is away longer ends by itself, or is ended by what is known of it."""

REQUESTED_BY: Final = "balance"

log = structlog.get_logger(__name__)


def prepaid_subscriber(clock: Clock, policy: Policy = POLICY) -> Subscriber:
    """Looks after sessions of customers with wallets and of cards."""

    async def look(connection: AsyncConnection, events: Sequence[Event]) -> None:
        now = clock()
        moved = [each.session.id for each in events if isinstance(each, SessionChanged) and _is_half_used(each)]
        for drawn in await draw(connection, moved, now=now, policy=policy) if moved else []:
            await warn(connection, drawn.owner, drawn.kind, drawn.session_id, _words(drawn), now=now)
            if drawn.stop:
                await _stop(connection, drawn, now)
        for each in events:
            if isinstance(each, SessionEnded) and each.session.token_type == "AD_HOC_USER" and each.session.contract_id:
                await settle(connection, each.session.contract_id, now=now)

    return look


def _is_half_used(changed: SessionChanged) -> bool:
    """Whether a closer look may find something to do: most sessions, most of the time, have enough set aside."""
    prepaid, cost = changed.session.prepaid, changed.session.cost_after_tax
    return prepaid is not None and cost is not None and cost * 2 >= prepaid


async def _stop(connection: AsyncConnection, drawn: Drawn, now: datetime) -> None:
    request: Request[Any] = RemoteStop(drawn.transaction_id)
    (outcome,) = await order(
        connection,
        [drawn.station_id],
        request,
        requested_by=REQUESTED_BY,
        now=now,
        expires_at=now + STOP_WITHIN,
        repeatable=True,
    )
    if isinstance(outcome, WattbookError):
        log.warning("prepaid-stop-not-sent", station=drawn.station_id, reason=outcome.message)


def _words(drawn: Drawn) -> str:
    """For the driver."""
    left = Money(drawn.left, Currency.of(drawn.currency))
    where = f"charging at {drawn.evse_id or drawn.station_id}"
    if drawn.kind == "low":
        return f"{where}: the balance is low, {left} are left for this charge"
    return f"{where}: the balance is used up" + (" and charging ends" if drawn.stop else "")
