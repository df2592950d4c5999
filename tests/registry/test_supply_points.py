"""Supply points: one row for a plain house, and None for whatever needs a closer look."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household import village
from tests.household.village import GRID, YEAR
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput
from wattbook.registry import households, meters, parties
from wattbook.registry.contracts import ALWAYS, Contract, add_contract
from wattbook.registry.households import Household
from wattbook.registry.meters import OBIS_IMPORT, Measures, Meter, MeterNetwork, MeterPlace
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.supply_points import Billable, Cycle, SupplyPoint, billable_households, supply_points

SINCE, MIDDLE, UNTIL = (datetime(2026, 10, day, tzinfo=UTC) for day in (1, 15, 31))
DAYS = date(2026, 10, 1), date(2026, 10, 30)
LOW = village.TARIFF.name


async def ask(connection: AsyncConnection, *houses: str) -> list[SupplyPoint | None]:
    return await supply_points(connection, houses, SINCE, UNTIL, DAYS)


async def test_a_plain_house_has_its_meter_its_network_and_its_power(database: Database) -> None:
    async with database.transaction() as connection:
        await village.found(connection, "b", "a")
        await households.add_households(
            connection, [Household("b", "kim", "1 Hill", village.TARIFF.name, contract_w=5_000)]
        )
        assert await ask(connection, "a", "b") == [
            SupplyPoint("M-a", OBIS_IMPORT, GRID, None, LOW, None),
            SupplyPoint("M-b", OBIS_IMPORT, GRID, 5_000, LOW, None),
        ]


async def test_what_is_not_plain_needs_a_closer_look(database: Database) -> None:
    async with database.transaction() as connection:
        await village.found(connection, "plain", "two-meters")
        for house in ("no-meter", "moved-in", "network-changed", "feeds-only", "no-network"):
            await households.add_households(connection, [Household(house, "kim", "1 Hill", village.TARIFF.name)])
        await village.add_meter(connection, "M-second", "two-meters", YEAR)
        await village.add_meter(connection, "M-late", "moved-in", MIDDLE)
        await parties.add_network_operators(connection, [NetworkOperator("KR*OTH", "Other grid")])
        await meters.add_meters(
            connection,
            [
                Meter("M-changed", Measures.HOUSEHOLD),
                Meter("M-feeds", Measures.HOUSEHOLD, obis_import=None, obis_export=meters.OBIS_EXPORT),
                Meter("M-loose", Measures.HOUSEHOLD),
            ],
        )
        await meters.assign_meter_networks(
            connection,
            [
                MeterNetwork("M-changed", GRID, YEAR, MIDDLE),
                MeterNetwork("M-changed", "KR*OTH", MIDDLE),
                MeterNetwork("M-feeds", GRID, YEAR),
            ],
        )
        await meters.assign_meter_places(
            connection,
            [
                MeterPlace("M-changed", None, "network-changed", YEAR),
                MeterPlace("M-feeds", None, "feeds-only", YEAR),
                MeterPlace("M-loose", None, "no-network", YEAR),
            ],
        )
        odd = ["two-meters", "no-meter", "moved-in", "network-changed", "feeds-only", "no-network"]
        assert await ask(connection, *odd) == [None] * len(odd)
        assert await ask(connection, "plain") == [SupplyPoint("M-plain", OBIS_IMPORT, GRID, None, LOW, None)]


async def test_houses_are_listed_by_tariff_and_meter(database: Database) -> None:
    async with database.transaction() as connection:
        await village.found(connection)
        jeju = [Household("z", "kim", "9 Shore", "kr-jeju-time-of-use"), Household("none", "kim", "0", "other")]
        low = [Household(house, "kim", "1 Hill", village.TARIFF.name) for house in ("a", "b")]
        await households.add_households(connection, jeju + low)
        for meter, house in (("M-2", "a"), ("M-1", "b"), ("M-3", "z")):
            await village.add_meter(connection, meter, house, YEAR)
        await village.add_meter(connection, "M-0", "z", datetime(2027, 1, 1, tzinfo=UTC))
        cycles = [Cycle(1, *DAYS, SINCE, UNTIL)]
        assert await billable_households(connection, cycles) == [
            Billable("z", "kr-jeju-time-of-use", "M-3", *DAYS, DAYS[:1]),
            Billable("b", LOW, "M-1", *DAYS, DAYS[:1]),
            Billable("a", LOW, "M-2", *DAYS, DAYS[:1]),
        ]
        assert await billable_households(connection, cycles, ["none", "a"]) == [
            Billable("a", LOW, "M-2", *DAYS, DAYS[:1]),
            Billable("none", "other", "", *DAYS, DAYS[:1]),
        ]


async def test_houses_are_listed_by_their_reading_day_and_their_contracts(database: Database) -> None:
    """One is read on the 5th; in another people move, and the tariff changes; nobody lives in a third."""
    fifth = Cycle(5, date(2026, 10, 5), date(2026, 11, 4), SINCE, UNTIL)
    async with database.transaction() as connection:
        await village.found(connection, "calm", "busy", "empty", "fifth")
        await households.add_households(connection, [Household("fifth", "kim", "5 Hill", LOW, reading_day=5)])
        for contract in (
            Contract("busy", "kim", LOW, ALWAYS, date(2026, 10, 9)),
            Contract("busy", "lee", LOW, date(2026, 10, 10), date(2026, 10, 19)),
            Contract("busy", "lee", "kr-jeju-time-of-use", date(2026, 10, 20), contract_w=3_000),
            Contract("calm", "lee", LOW, ALWAYS, contract_w=4_000),
            Contract("empty", "kim", LOW, ALWAYS, date(2026, 9, 30)),
        ):
            await add_contract(connection, contract)
        assert await billable_households(connection, [Cycle(1, *DAYS, SINCE, UNTIL), fifth]) == [
            Billable("busy", "kr-jeju-time-of-use", "M-busy", *DAYS, (date(2026, 10, 20),)),
            Billable("busy", LOW, "M-busy", *DAYS, (date(2026, 10, 1), date(2026, 10, 10))),
            Billable("calm", LOW, "M-calm", *DAYS, DAYS[:1]),
            Billable("fifth", LOW, "M-fifth", *fifth[1:3], (date(2026, 10, 5),)),
        ]
        assert await ask(connection, "calm", "busy", "empty") == [
            SupplyPoint("M-calm", OBIS_IMPORT, GRID, 4_000, LOW, "lee"),
            None,
            None,
        ]


@pytest.mark.parametrize("watts", [-1, 10_000_001])
async def test_a_contracted_power_has_bounds(database: Database, watts: int) -> None:
    async with database.transaction() as connection:
        await village.found(connection)
        with pytest.raises(InvalidInput, match="contracted power"):
            await households.add_households(
                connection, [Household("a", "kim", "1 Hill", village.TARIFF.name, contract_w=watts)]
            )
