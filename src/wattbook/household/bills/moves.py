"""People who move in and out of houses, and houses that change to another tariff, on days.

The days of a house that are billed stay as they were billed: what is told of them later is refused, and names the bill.
What lies ahead of them decides who gets the next bills (`dues`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.household.bills import documents
from wattbook.kernel.errors import Conflict, NotFound
from wattbook.registry.contracts import ALWAYS, Contract, add_contract, contracts_of_households, end_contract
from wattbook.registry.households import Household, find_households, meters_of_households
from wattbook.registry.validity import Missing
from wattbook.tariffs.catalogue import household_tariff

ONE_DAY: Final = timedelta(days=1)


async def move_in(connection: AsyncConnection, contract: Contract) -> tuple[Contract, ...]:
    """Begin a contract; the contracts of the house as they are then.

    A contract of the same customer that runs ends the day before: the tariff, or the contracted power, changes. Who
    lived in a house before it had any contract on record is the customer of its record: he gets one up to that day.

    Raises:
        InvalidInput: a field is out of its form.
        NotFound: the house, the customer or the tariff is not known.
        Conflict: somebody else lives there, who has to move out first; or one of the days is billed.
    """
    household_tariff(contract.tariff)
    known = await _open_days(connection, contract.household, contract.first_day)
    if contract in known:
        return tuple(known)
    if not known:
        await _keep_who_was_there(connection, contract)
    for other in known:
        if other.customer == contract.customer and other.last_day is None and other.first_day < contract.first_day:
            await end_contract(connection, other.household, contract.first_day - ONE_DAY)
    await add_contract(connection, contract)
    return await _contracts(connection, contract.household)


async def move_out(connection: AsyncConnection, household: str, last_day: date) -> Contract:
    """End the contract that runs with this day, or that of the customer of the house's record; the one that ended.

    Raises:
        NotFound: the house is not known, or nobody has a contract on that day.
        Conflict: the contract ends on another day already; or a day after this one is billed.
    """
    known = await _open_days(connection, household, last_day + ONE_DAY)
    if known:
        return await end_contract(connection, household, last_day)
    house = await _house(connection, household)
    ended = Contract(house.id, house.customer, house.tariff, ALWAYS, last_day, house.contract_w)
    await add_contract(connection, ended)
    return ended


def house_on(house: Household, contracts: Sequence[Contract], day: date) -> Household:
    """The house with the customer and the tariff of a day; as its record says where no contract does."""
    for contract in contracts:
        if contract.covers(day):
            return replace(house, customer=contract.customer, tariff=contract.tariff, contract_w=contract.contract_w)
    return house


async def _open_days(connection: AsyncConnection, household: str, first: date) -> tuple[Contract, ...]:
    """The contracts of a house of which no day from the first one on is billed; nobody bills it meanwhile.

    Raises:
        NotFound: the house is not known.
        Conflict: a bill has one of these days.
    """
    house = await _house(connection, household)
    await store.lock_houses(connection, [house.id])
    for bill in await documents.bills_of_households(connection, [house.id]):
        if bill.period.last >= first:
            words = f"household {household} is billed for {bill.period}: what is billed stays as it was"
            raise Conflict(words, bill=bill.id)
    return await _contracts(connection, household)


async def _keep_who_was_there(connection: AsyncConnection, contract: Contract) -> None:
    """Somebody was, if a meter measured the house the day before."""
    house = await _house(connection, contract.household)
    before = datetime.combine(contract.first_day - ONE_DAY, time(), UTC)
    (places,) = await meters_of_households(connection, [(house.id, before - ONE_DAY, before)])
    if not isinstance(places, Missing) and places:
        last_day = contract.first_day - ONE_DAY
        await add_contract(
            connection, Contract(house.id, house.customer, house.tariff, ALWAYS, last_day, house.contract_w)
        )


async def _house(connection: AsyncConnection, household: str) -> Household:
    (house,) = await find_households(connection, [household])
    if house is None:
        raise NotFound(f"household {household[:64]!r} is not registered", household=household)
    return house


async def _contracts(connection: AsyncConnection, household: str) -> tuple[Contract, ...]:
    return (await contracts_of_households(connection, [household])).get(household, ())
