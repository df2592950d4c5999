"""Contracts: who lives in a house from which day to which, and the tariff that holds there.

People move and tariffs are changed on days, those of the tariff's own calendar, and a day belongs to one contract. A
house without any contract on record is that of the customer of its own record, under the tariff of its own record, at
all times. A house with contracts is nobody's on the days that none covers: it is vacant.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Final

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry import checks, tables
from wattbook.registry.customers import find_customers
from wattbook.registry.households import CONTRACT_W_MAX, find_households

ALWAYS: Final = date(1970, 1, 1)
"""The first day of who lived in a house before anybody wrote down since when."""
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Contract:
    """A customer's time in a house under one tariff, first and last day both inside; without a last day it runs on.

    Attributes:
        contract_w: contracted power in watts, where the tariff charges for it.
    """

    household: str
    customer: str
    tariff: str
    first_day: date
    last_day: date | None = None
    contract_w: int | None = None

    def covers(self, day: date) -> bool:
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)

    def overlaps(self, first: date, last: date) -> bool:
        return self.first_day <= last and (self.last_day is None or first <= self.last_day)


async def add_contract(connection: AsyncConnection, contract: Contract) -> None:
    """Put a contract on record. The very same one again changes nothing.

    Raises:
        InvalidInput: the last day is before the first, or a field is out of its form.
        NotFound: the house or the customer is not registered.
        Conflict: another contract has one of its days.
    """
    checked = _checked(contract)
    if (await find_customers(connection, [checked.customer]))[0] is None:
        raise NotFound(f"customer {checked.customer!r} is not registered", customer=checked.customer)
    known = await _locked(connection, checked.household)
    if checked in known:
        return
    last = checked.last_day or date.max
    for other in known:
        if other.overlaps(checked.first_day, last):
            until = other.last_day or "an open end"
            words = f"{other.customer} has household {other.household} from {other.first_day} to {until}"
            raise Conflict(f"{words}; end that first", household=other.household)
    await connection.execute(insert(tables.household_contracts), [asdict(checked)])


async def end_contract(connection: AsyncConnection, household: str, last_day: date) -> Contract:
    """Let the contract that holds on a day end with it; the contract as it is now.

    Raises:
        NotFound: the house is not registered, or has no contract on that day.
        Conflict: the contract ends already, on an earlier or a later day.
    """
    for contract in await _locked(connection, household):
        if not contract.covers(last_day):
            continue
        if contract.last_day == last_day:
            return contract
        if contract.last_day is not None:
            raise Conflict(f"the contract of {contract.customer} ends on {contract.last_day} already")
        await connection.execute(
            text("""
                UPDATE registry.household_contracts SET last_day = :last
                WHERE household = :household AND first_day = :first
            """),
            {"household": household, "first": contract.first_day, "last": last_day},
        )
        return replace(contract, last_day=last_day)
    raise NotFound(f"household {household} has no contract on {last_day}", household=household)


async def contracts_of_households(
    connection: AsyncConnection, households: Sequence[str]
) -> dict[str, tuple[Contract, ...]]:
    """All contracts of these houses, by their first day; a house that has none is not there."""
    columns = tables.household_contracts.c
    found = await connection.execute(
        select(tables.household_contracts)
        .where(columns.household.in_(list(households)))
        .order_by(columns.household, columns.first_day)
    )
    contracts: dict[str, tuple[Contract, ...]] = {}
    for row in found.mappings():
        contract = Contract(**row)
        contracts[contract.household] = (*contracts.get(contract.household, ()), contract)
    return contracts


async def _locked(connection: AsyncConnection, household: str) -> tuple[Contract, ...]:
    """The contracts of a house; nobody else changes them before this transaction ends."""
    if (await find_households(connection, [household]))[0] is None:
        raise NotFound(f"household {household!r} is not registered", household=household)
    await connection.execute(
        text("SELECT FROM registry.households WHERE id = :household FOR NO KEY UPDATE"), {"household": household}
    )
    return (await contracts_of_households(connection, [household])).get(household, ())


def _checked(contract: Contract) -> Contract:
    what = f"of the contract of household {contract.household}"
    if contract.last_day is not None and contract.last_day < contract.first_day:
        raise InvalidInput(f"a contract cannot end on {contract.last_day} when it begins on {contract.first_day}")
    if contract.first_day < ALWAYS:
        raise InvalidInput(f"the first day {what} is {contract.first_day}: {ALWAYS} at the earliest")
    return replace(
        contract,
        tariff=checks.plain_text(contract.tariff, f"tariff {what}"),
        contract_w=None
        if contract.contract_w is None
        else checks.whole(contract.contract_w, f"contracted power {what}", 0, CONTRACT_W_MAX),
    )
