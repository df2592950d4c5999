"""Houses looked at from time to time, for what nobody would tell them otherwise.

A house is told when its running period is expected to end in a higher tier than it is in, and when readings of a whole
day have not come. Houses are looked at in the order of their ids, some at a time with one pass over the interval files
for all of them, and again from the first when the last was seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.accounts.account import days_of
from wattbook.household.accounts.day_parts import Asked, HouseUse, use_of_houses
from wattbook.household.accounts.forecast import LIKE_DAYS_WITHIN, Forecast, forecast
from wattbook.household.bills.dues import due_of_day
from wattbook.household.bills.notices import About, Notice, tell
from wattbook.household.paid.charges import charges_in_time
from wattbook.household.readings.demand import peaks_of_schedules
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import WattbookError
from wattbook.registry.contracts import Contract, contracts_of_households
from wattbook.registry.households import Household, next_households
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds
from wattbook.tariffs.schedule import Schedule

HOUSES_AT_ONCE: Final = 50
KNOWN_DAYS_MIN: Final = 3
"""Of a period, before its end is told: fewer say little of it."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one look did.

    Attributes:
        after: the last house that was looked at; empty when there is none after it.
        told: how many notices are new.
    """

    after: str
    houses: int
    told: int


async def look_at_houses(
    connection: AsyncConnection,
    intervals: IntervalStore,
    after: str = "",
    *,
    now: datetime,
    limit: int = HOUSES_AT_ONCE,
) -> Round:
    """Look at the next houses after an id, and tell them what there is to tell."""
    now = utc(now)
    houses = await next_households(connection, after, limit)
    contracts = await contracts_of_households(connection, [house.id for house in houses])
    running = [_running(house, contracts.get(house.id, ()), now) for house in houses]
    watched = [found for found in running if found is not None]
    asked = [
        Asked(house.id, schedule.tariff, schedule.period.first - LIKE_DAYS_WITHIN, schedule.period)
        for house, schedule in watched
    ]
    uses = await use_of_houses(connection, intervals, asked, now=now) if asked else []
    times = [(house.id, *bounds(schedule)) for house, schedule in watched]
    charged = (
        await charges_in_time(connection, intervals, times, [schedule for _, schedule in watched]) if times else []
    )
    powers = await peaks_of_schedules(
        connection, intervals, [(house.id, schedule) for house, schedule in watched], now=now
    )
    told: list[Notice] = []
    for (house, schedule), use, charges, peak_w in zip(watched, uses, charged, powers, strict=True):
        told += _missing(house, schedule, use, now)
        try:
            foretold = forecast(schedule, use.uses, charges, now, house.contract_w, peak_w)
            told += _tier(house, schedule, foretold, now)
        except WattbookError:
            continue  # the tariff cannot rate the house; a bill would say why
    return Round(houses[-1].id if len(houses) == limit else "", len(houses), await tell(connection, told))


def _running(house: Household, contracts: Sequence[Contract], now: datetime) -> tuple[Household, Schedule] | None:
    """The house as it is let now and the period that runs; None if its tariff is not known or has no prices for it."""
    try:
        today = now.astimezone(ZoneInfo(household_tariff(house.tariff).time_zone)).date()
        due = due_of_day(house, contracts, today)
        return replace(house, tariff=due.tariff, contract_w=due.contract_w), due.schedule
    except WattbookError:
        return None


def _tier(house: Household, schedule: Schedule, foretold: Forecast | None, now: datetime) -> Iterator[Notice]:
    if foretold is None or foretold.tier is None or foretold.ends_in is None:
        return
    ends = foretold.ends_in
    if ends.number <= foretold.tier.number or foretold.known_days < KNOWN_DAYS_MIN:
        return
    begins = next((each.on for each in foretold.ahead if each.tier.number == ends.number), None)
    on = f" on about {begins}" if begins else ""
    words = (
        f"The month is expected to pass {float(ends.above_kwh):g} kWh{on} and to end in tier {ends.number}."
        f" The bill is expected to be {foretold.assessed.bill.total_money()}."
    )
    yield Notice(f"tier:{house.id}:{schedule.period.first}:{ends.number}", house.id, About.TIER, words, now)


def _missing(house: Household, schedule: Schedule, use: HouseUse, now: datetime) -> Iterator[Notice]:
    """One notice for days in a row, named by the first of them: it is not told again as the days become more.

    Of a house of which nothing came in all the weeks that are looked at, one in each billing period.
    """
    days = list(days_of(use.uses, now))
    begins = [day.day for before, day in pairwise(days) if day.missing_minutes and not before.missing_minutes]
    if any(day.missing_minutes for day in days) and not any(day.metered_mwh for day in days):
        begins = [schedule.period.first]
    for day in begins:
        words = f"Readings of {day} have not come. Until they do, the bill will have an estimate in their place."
        yield Notice(f"missing:{house.id}:{day}", house.id, About.MISSING, words, now)
