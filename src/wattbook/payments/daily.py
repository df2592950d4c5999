"""Every day's report against the book, by itself: days that are over are compared one after the other, each once."""

from datetime import date, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock, utc
from wattbook.kernel.errors import WattbookError
from wattbook.payments import store
from wattbook.payments.operations import Providers
from wattbook.payments.provider import Provider
from wattbook.payments.reconciliation import Reconciliation, reconcile
from wattbook.payments.wallets import checked_owner

REPORT_AFTER: Final = timedelta(hours=1)
"""From the end of a day (UTC) until its report is asked for: events of its last minutes come in first."""

LOOKS_BACK: Final = timedelta(days=31)
"""A day that was missed for so long is left to a person."""

DAYS_AT_ONCE: Final = 4

log = structlog.get_logger(__name__)


async def reconcile_due(database: Database, providers: Providers, clock: Clock) -> list[Reconciliation]:
    """Of each provider the oldest days that are due, at most four; each is kept in a transaction of its own.

    A provider that does not answer is asked again in the next round; the others are not kept waiting.
    """
    compared: list[Reconciliation] = []
    for channel, provider in providers.items():
        async with database.snapshot() as connection:
            due = await due_days(connection, channel, now=clock())
        for day in due[:DAYS_AT_ONCE]:
            try:
                compared.append(await _compare(database, provider, day, clock))
            except WattbookError as error:
                log.warning("report-not-compared", channel=channel, day=day.isoformat(), reason=error.message)
                break
    return compared


async def due_days(connection: AsyncConnection, channel: str, *, now: datetime) -> list[date]:
    """Days that are over and were not compared, the oldest first; none before the first payment there."""
    last = (utc(now) - REPORT_AFTER).date() - timedelta(days=1)
    return await store.unreconciled_days(connection, checked_owner(channel), last - LOOKS_BACK, last)


async def _compare(database: Database, provider: Provider, day: date, clock: Clock) -> Reconciliation:
    report = await provider.report(day)
    async with database.transaction() as connection:
        result = await reconcile(connection, provider.name, day, report, now=clock())
    say = log.warning if result.differences else log.info
    say("report-compared", channel=provider.name, day=day.isoformat(), differences=len(result.differences))
    return result
