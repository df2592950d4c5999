"""Certificates that end soon: their stations are told to ask for another, and told again when nothing came of it.

The station makes a new key and sends SignCertificate; what follows is as the first time. So nothing is kept but when a
station was told.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.security import store
from wattbook.ocpp.security.changeover import renewal_call

AGAIN_AFTER: Final = timedelta(days=1)
ASKED_AT_ONCE_MAX: Final = 500
"""A fleet whose certificates were all made on one day is not made to renew them in one minute."""

REQUESTED_BY: Final = "certificate-renewal"

log = structlog.get_logger(__name__)


async def ask_for_renewals(
    connection: AsyncConnection,
    *,
    now: datetime,
    within: timedelta,
    again_after: timedelta = AGAIN_AFTER,
    limit: int = ASKED_AT_ONCE_MAX,
) -> list[str]:
    """Tell stations whose certificate ends within this time; those that were told, the first to end first."""
    due = await store.expiring(connection, now + within, now, asked_before=now - again_after, limit=limit)
    return await ask(connection, [each.station_id for each in due], requested_by=REQUESTED_BY, now=now)


async def ask(connection: AsyncConnection, stations: Sequence[str], *, requested_by: str, now: datetime) -> list[str]:
    """Tell these stations now; those that could be told. A station that is away hears of it when it comes."""
    if not stations:
        return []
    versions = await versions_spoken(connection, stations)
    calls = [renewal_call(station, versions[station], now) for station in stations if station in versions]
    outcomes = await submit(connection, calls, requested_by=requested_by, now=now)
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, WattbookError):
            log.warning("renewal-not-asked", station_id=call.station_id, because=outcome.message)
    # Also of those that could not be told now, so that they do not stand in the way of the others.
    await store.ask_renewal(connection, [call.station_id for call in calls], now)
    return [outcome.station_id for outcome in outcomes if not isinstance(outcome, WattbookError)]
