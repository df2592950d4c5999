"""Accounting periods: calendar months in UTC, closed in order and never opened again."""

from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book import store
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput


def first_of_month(moment: datetime) -> date:
    """The period a moment in UTC belongs to, named by its first day."""
    return date(moment.year, moment.month, 1)


def next_month(period: date) -> date:
    return date(period.year + period.month // 12, period.month % 12 + 1, 1)


async def close_period(connection: AsyncConnection, period: date, *, now: datetime) -> None:
    """Close a month and every one before it. Waits for the postings in flight; later ones see it closed.

    Raises:
        InvalidInput: not the first day of a month, or a month that is not over.
        Conflict: the month is closed already.
    """
    if period.day != 1:
        raise InvalidInput(f"a period is named by the first day of its month, not {period}")
    if first_of_month(utc(now)) <= period:
        raise InvalidInput(f"{period:%Y-%m} is not over yet")
    closed_through = await store.lock_closing(connection)
    if period <= closed_through:
        raise Conflict(f"{period:%Y-%m} is closed already")
    await store.close_through(connection, period, utc(now))
