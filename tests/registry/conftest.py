"""A small country: one operator with a car park, one customer with a car, one house, two suppliers, two networks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.kernel.identifiers import Eic
from wattbook.registry import customers, households, meters, parties, sites, stations, units
from wattbook.registry.customers import AccountKind, Customer, Token, TokenType
from wattbook.registry.households import Household
from wattbook.registry.meters import Measures, Meter, MeterNetwork, MeterPlace
from wattbook.registry.parties import BalanceGroup, NetworkOperator, Party, Role, Supplier
from wattbook.registry.protection import Placement
from wattbook.registry.sites import Site, SiteKind
from wattbook.registry.stations import Connector, Evse, PowerType, Station, StationTariff
from wattbook.registry.units import Unit, UnitSupply

YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAR = "NLTNMC00122045K"
SOUTH_GROUP = "11XSOUTH-------" + Eic.check_of("11XSOUTH-------")
NORTH_GROUP = "11XNORTH-------" + Eic.check_of("11XNORTH-------")
CAR_PARK = Site("park-1", "KR*WTB", "Han river car park", SiteKind.CAR_PARK, "1 Riverside, Seoul", "KR", "Asia/Seoul")
STATION = Station("WTB-0001", "park-1", Placement.OUTDOOR, "IP54")
EVSE = Evse("KR*WTB*E1", "WTB-0001", 1, "flat")
TOKEN = Token("KR*WTB", TokenType.RFID, "04A2B3C4D5E6F7", CAR, customer="kim", unit=CAR)


async def settle(connection: AsyncConnection) -> None:
    """The country's records; what each test needs more, it adds."""
    await parties.add_parties(
        connection,
        [Party("KR*WTB", "Operator A", (Role.CPO, Role.EMSP)), Party("KR*BBB", "Operator B", (Role.EMSP,))],
    )
    await parties.add_suppliers(connection, [Supplier("9900000000003", "South"), Supplier("KR*NTH", "North")])
    await parties.add_balance_groups(
        connection, [BalanceGroup(SOUTH_GROUP, "9900000000003"), BalanceGroup(NORTH_GROUP, "KR*NTH")]
    )
    await parties.add_network_operators(
        connection,
        [NetworkOperator("9900000000010", "City grid", "10YDE-VE-------2"), NetworkOperator("KR*GRD", "Hills")],
    )
    await sites.add_sites(connection, [CAR_PARK])
    tariff = {"id": "flat", "currency": "KRW", "elements": [{"price_components": [{"type": "ENERGY", "price": 347.2}]}]}
    await stations.add_station_tariffs(connection, [StationTariff("KR*WTB", "flat", YEAR, "KRW", tariff)])
    await stations.add_stations(connection, [STATION])
    await stations.add_evses(connection, [EVSE])
    await stations.add_connectors(
        connection, [Connector("KR*WTB*E1", 1, "IEC_62196_T2", PowerType.AC_3_PHASE, 230, 32, 22_000)]
    )
    await units.add_units(connection, [Unit(CAR, "blue car", 60_000_000, True)])
    await customers.add_customers(connection, [Customer("kim", "KR*WTB", "Kim", "ko", AccountKind.PREPAID, "KRW")])
    await customers.add_tokens(connection, [TOKEN])
    await households.add_households(
        connection, [Household("house-1", "kim", "2 Hill, Seoul", "kr-residential-low-voltage", 15)]
    )
    await meters.add_meters(
        connection, [Meter("M-EVSE", Measures.EVSE, obis_export="1-0:2.8.0"), Meter("M-HOUSE", Measures.HOUSEHOLD)]
    )


async def connect_to_grid(connection: AsyncConnection) -> None:
    """The car has a supplier, the EVSE and the house have meters, the meters hang on a network."""
    await units.assign_unit_supplies(connection, [UnitSupply(CAR, "9900000000003", SOUTH_GROUP, YEAR)])
    await meters.assign_meter_networks(
        connection, [MeterNetwork("M-EVSE", "9900000000010", YEAR), MeterNetwork("M-HOUSE", "9900000000010", YEAR)]
    )
    await meters.assign_meter_places(
        connection,
        [MeterPlace("M-EVSE", "KR*WTB*E1", None, YEAR), MeterPlace("M-HOUSE", None, "house-1", YEAR)],
    )


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction in which the country is settled."""
    async with database.transaction() as opened:
        await settle(opened)
        yield opened
