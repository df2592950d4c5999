"""A house of real profiles: three months and three weeks, paid charging, bills, payments that came late."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.home import live, local, pay, read
from tests.household.village import UTILITY
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.documents import Bill
from wattbook.household.readings.intervals import IntervalStore
from wattbook.simulate.households import Car, House, home_quarters
from wattbook.tariffs.period import BillingPeriod

SEOUL = "Asia/Seoul"
HOUSE = "hill-3"
NOW = local(SEOUL, 2026, 11, 21, 9)
BILLED = ("2026-08", "2026-09", "2026-10")


async def play(connection: AsyncConnection, store: IntervalStore) -> None:
    """Two who go to work, with a small car whose charging is paid at the wallbox; the last week of October late."""
    since, until = local(SEOUL, 2026, 8, 1), NOW
    early = local(SEOUL, 2026, 10, 25)
    await live(connection, store, HOUSE, since, early, profile=House.EMPLOYEES, car=Car.SMALL)
    more = home_quarters(House.EMPLOYEES, Car.SMALL, early, until, SEOUL)
    await read(connection, store, HOUSE, more)
    for month in BILLED:
        period = BillingPeriod.of_month(month)
        after = local(SEOUL, period.last.year, period.last.month, period.last.day) + timedelta(days=3)
        (bill,) = await bill_period(connection, store, [HOUSE], period, UTILITY, now=after)
        assert isinstance(bill, Bill), bill
    await pay(connection, store, HOUSE, more, until)
