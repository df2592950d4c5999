"""Houses page by page, in the order of their ids, each with its latest bill: two look-ups by index for a page."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.bills.dues import due_of_day
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Money
from wattbook.registry.contracts import Contract, contracts_of_households
from wattbook.registry.households import Household, next_households
from wattbook.tariffs.period import BillingPeriod

SHOWN_MAX: Final = 1_000


class LatestBill(NamedTuple):
    """The bill of a house for its latest days; `owed` is what it comes to after its credit notes."""

    period: BillingPeriod
    owed: Money
    stage: str


class ListedHouse(NamedTuple):
    """Attributes:
    house: with the customer and the tariff of today.
    is_vacant: it has contracts, and none for today.
    bill: None: it was never billed.
    """

    house: Household
    is_vacant: bool
    bill: LatestBill | None


async def houses_after(
    connection: AsyncConnection, after: str, *, now: datetime, zone: ZoneInfo, limit: int = 50
) -> list[ListedHouse]:
    """The houses whose ids come after this one.

    Raises:
        InvalidInput: a limit that is none.
    """
    if not 0 < limit <= SHOWN_MAX:
        raise InvalidInput(f"1 to {SHOWN_MAX} houses can be asked for, not {limit}")
    today = now.astimezone(zone).date()
    houses = await next_households(connection, after, limit)
    ids = [house.id for house in houses]
    contracts = await contracts_of_households(connection, ids)
    bills = await _latest_bills(connection, ids)
    return [_listed(house, contracts.get(house.id, ()), today, bills.get(house.id)) for house in houses]


def _listed(house: Household, contracts: Sequence[Contract], today: date, bill: LatestBill | None) -> ListedHouse:
    due = due_of_day(house, contracts, today)
    customer = due.customer or house.customer
    let = replace(house, customer=customer, tariff=due.tariff, contract_w=due.contract_w)
    return ListedHouse(let, bool(contracts) and due.customer is None, bill)


async def _latest_bills(connection: AsyncConnection, households: Sequence[str]) -> dict[str, LatestBill]:
    found = await connection.execute(
        text("""
            SELECT asked.household, bill.first_day, bill.last_day, bill.currency,
                   bill.total - coalesce(notes.total, 0) AS owed, coalesce(notes.estimated_mwh, bill.estimated_mwh)
            FROM unnest(CAST(:households AS text[])) AS asked(household)
            CROSS JOIN LATERAL (
                SELECT * FROM household.bills WHERE household = asked.household ORDER BY first_day DESC LIMIT 1
            ) AS bill
            LEFT JOIN LATERAL (
                SELECT sum(total)::bigint AS total,
                       (array_agg(estimated_mwh ORDER BY revision DESC)
                           FILTER (WHERE estimated_mwh IS NOT NULL))[1] AS estimated_mwh
                FROM household.credit_notes WHERE bill = bill.id
            ) AS notes ON true
        """),
        {"households": list(households)},
    )
    return {
        row[0]: LatestBill(
            BillingPeriod(row[1], row[2]), Money(row[4], Currency.of(row[3])), "provisional" if row[5] else "final"
        )
        for row in found
    }
