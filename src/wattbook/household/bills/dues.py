"""What one bill is due for: days of a house in one billing period, under one contract.

Nearly always that is the whole period. A period in which people move, or the tariff changes on a day, is cut at the
border: each part is billed to who lived there, by the tariff that held, as a part of a month. Its tier limits and
monthly amounts are scaled to its days over those of the whole period. Days on which nobody has a contract are nobody's.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.bills.periods import period_of_day, period_of_month
from wattbook.kernel.errors import InvalidInput, NotFound, Refused, WattbookError
from wattbook.registry.contracts import Contract, contracts_of_households
from wattbook.registry.households import Household, find_households
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household


class Due(NamedTuple):
    """Days of a house for which one bill is due.

    Attributes:
        period: the days.
        cycle: the billing period that they are, or are a part of.
        customer: who lives there, by contract; None: the house has no contracts and owes by itself.
        contract_w: contracted power in watts, where the tariff charges for it.
    """

    household: str
    period: BillingPeriod
    cycle: BillingPeriod
    tariff: str
    customer: str | None = None
    contract_w: int | None = None

    @property
    def id(self) -> str:
        """Of the bill."""
        return f"{self.household}:{self.period.first}"

    @property
    def debtor(self) -> str:
        """On whose account it is owed."""
        return self.customer or self.household

    @property
    def schedule(self) -> Schedule:
        """Raises:
        NotFound: no such tariff.
        InvalidInput: the tariff cannot rate the period.
        """
        return schedule_of(self.tariff, self.period, self.cycle)


def schedule_of(tariff: str, period: BillingPeriod, cycle: BillingPeriod | None) -> Schedule:
    """The tariff for the days of a bill, which are the whole of a billing period, or a part of one."""
    month_days = None if cycle in (None, period) else cycle.day_count
    return compile_household(household_tariff(tariff), period, month_days)


def dues_of_house(house: Household, contracts: Sequence[Contract], cycle: BillingPeriod) -> list[Due]:
    """The bills that are due for a house's billing period, by their first day; none if nobody lives there then.

    Args:
        contracts: all of the house, by their first day; of a house that has none, its own record holds.
    """
    if not contracts:
        return [Due(house.id, cycle, cycle, house.tariff, None, house.contract_w)]
    return [
        Due(house.id, _common(contract, cycle), cycle, contract.tariff, contract.customer, contract.contract_w)
        for contract in contracts
        if contract.overlaps(cycle.first, cycle.last)
    ]


def due_of_day(house: Household, contracts: Sequence[Contract], day: date) -> Due:
    """What is due for the days around one: the part of the house's period that holds it.

    On a day on which nobody lives there it is the whole period, by the house's own record.

    Raises:
        InvalidInput: the period is not within the calendar.
    """
    cycle = period_of_day(day, house.reading_day)
    by_record = Due(house.id, cycle, cycle, house.tariff, None, house.contract_w)
    parts = dues_of_house(house, contracts, cycle)
    return next((due for due in parts if due.period.first <= day <= due.period.last), by_record)


def due_of_month(house: Household, contracts: Sequence[Contract], month: str, today: date) -> Due:
    """What is due for the period that begins in a month; of several parts the last one that has begun.

    Raises:
        InvalidInput: not a month.
    """
    cycle = period_of_month(month, house.reading_day)
    parts = dues_of_house(house, contracts, cycle)
    begun = [due for due in parts if due.period.first <= today] or parts
    return begun[-1] if begun else due_of_day(house, (), cycle.first)


async def dues(
    connection: AsyncConnection, households: Sequence[str], period: BillingPeriod | str
) -> list[Due | WattbookError]:
    """What is due for each house, in order; several for one where people moved or the tariff changed.

    Args:
        period: days, or a month such as `2026-10`: the period of each house that begins in it by its reading day.

    Returns errors in the place of a house:
        NotFound: it is not known.
        InvalidInput: not a month.
        Refused: nobody has a contract on any of these days (`reason` `vacant`).
    """
    contracts = await contracts_of_households(connection, households)
    found: list[Due | WattbookError] = []
    for household, house in zip(households, await find_households(connection, households), strict=True):
        if house is None:
            found.append(NotFound(f"household {household} is not registered", household=household))
            continue
        try:
            cycle = period_of_month(period, house.reading_day) if isinstance(period, str) else period
        except InvalidInput as error:
            found.append(error)
            continue
        of_house = dues_of_house(house, contracts.get(household, ()), cycle)
        words = f"household {household}, {cycle}: nobody has a contract"
        found += of_house or [Refused(words, reason="vacant", household=household)]
    return found


def _common(contract: Contract, cycle: BillingPeriod) -> BillingPeriod:
    last = cycle.last if contract.last_day is None else min(contract.last_day, cycle.last)
    return BillingPeriod(max(contract.first_day, cycle.first), last)
