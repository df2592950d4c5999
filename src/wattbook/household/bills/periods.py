"""The billing periods of a house: from one reading day to the day before the next, in the days of its tariff.

A period is named by the month in which it begins. A month without the reading day is read on its last day.
"""

from calendar import monthrange
from datetime import date, timedelta
from typing import Final

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.period import BillingPeriod

ONE_DAY = timedelta(days=1)
READING_DAYS: Final = range(1, 32)


def period_of_month(month: str, reading_day: int) -> BillingPeriod:
    """The period that begins in a month such as `2026-10`.

    Raises:
        InvalidInput: not a month, or the last one of the calendar.
    """
    calendar = BillingPeriod.of_month(month)
    try:
        return _from(calendar.first, reading_day)
    except OverflowError:
        raise InvalidInput(f"{month} is beyond the calendar") from None


def period_of_day(day: date, reading_day: int) -> BillingPeriod:
    """The period that holds the day.

    Raises:
        InvalidInput: the period is not within the calendar.
    """
    try:
        period = _from(day, reading_day)
        return period if period.first <= day else _from(day.replace(day=1) - ONE_DAY, reading_day)
    except OverflowError:
        raise InvalidInput(f"{day} is beyond the calendar") from None


def _from(day: date, reading_day: int) -> BillingPeriod:
    """The period that begins in the month of a day."""
    next_month = day.replace(day=monthrange(day.year, day.month)[1]) + ONE_DAY
    return BillingPeriod(_read_in(day, reading_day), _read_in(next_month, reading_day) - ONE_DAY)


def _read_in(day: date, reading_day: int) -> date:
    return day.replace(day=min(reading_day, monthrange(day.year, day.month)[1]))
