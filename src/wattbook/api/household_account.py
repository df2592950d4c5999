"""The account of a house over HTTP: a billing period, a day of it, what the running one will come to, and notices."""

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from wattbook.api.household_documents import (
    AccountDocument,
    DayDocument,
    ForecastDocument,
    HouseDocument,
    NoticeDocument,
    sources_of,
)
from wattbook.api.services import Services
from wattbook.billing.houses import numbers_of
from wattbook.household.accounts.account import account_of, day_of, house_of
from wattbook.household.accounts.listing import houses_after
from wattbook.household.bills import notices
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import NotFound

Month = Annotated[
    str, Query(max_length=16, description="In which the billing period begins, such as 2026-10; or a day of it.")
]
After = Annotated[str, Query(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=notices.SHOWN_MAX)]


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock
    intervals = IntervalStore(services.settings.data / "intervals")

    @routes.get("/households")
    async def houses(after: After = "", limit: Limit = 100) -> list[HouseDocument]:
        """Houses by id from the one after `after`, each with the customer and tariff of today and its latest bill."""
        zone = ZoneInfo(services.settings.time_zone)
        async with database.snapshot() as connection:
            found = await houses_after(connection, after, now=clock(), zone=zone, limit=limit)
        return [HouseDocument.of(each) for each in found]

    @routes.get("/households/{household}/account")
    async def account(household: str, month: Month | None = None) -> AccountDocument:
        """A billing period of the house; without `month`, the running one."""
        async with database.snapshot() as connection:
            found = await account_of(connection, intervals, household, month, now=clock())
            sources = [source for billed in found.billed for source in sources_of(billed)]
            numbers = await numbers_of(connection, sources)
        return AccountDocument.of(found, numbers)

    @routes.get("/households/{household}/days/{day}")
    async def one_day(household: str, day: date) -> DayDocument:
        """A day of the house, reading by reading, with what was paid elsewhere of each."""
        async with database.snapshot() as connection:
            return DayDocument.of(await day_of(connection, intervals, household, day, now=clock()))

    @routes.get("/households/{household}/forecast")
    async def forecast(household: str) -> ForecastDocument:
        """What the running billing period is expected to come to. 404 while no day is known to be like others."""
        async with database.snapshot() as connection:
            found = await account_of(connection, intervals, household, now=clock())
        if found.forecast is None:
            raise NotFound(f"nothing can be expected of {household} yet: no whole day of it is known")
        return ForecastDocument.of(found, found.forecast)

    @routes.get("/households/{household}/notices")
    async def told(household: str, limit: Limit = 100) -> list[NoticeDocument]:
        """What the house was told: bills, credits, tiers that lie ahead, missing readings; the newest first."""
        async with database.snapshot() as connection:
            await house_of(connection, household)
            return [
                NoticeDocument.of(each) for each in await notices.notices_of_house(connection, household, limit=limit)
            ]

    return routes
