"""Master data for a load: as many stations, meters, drivers and cars as asked, all of them in order.

For benchmarks and for tests under load; a real estate comes through the API of an operator.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer
from wattbook.kernel.identifiers import Eic, Emaid
from wattbook.kernel.units import Money
from wattbook.registry.customers import AccountKind, Customer, Token, TokenType, add_customers, add_tokens
from wattbook.registry.meters import (
    Measures,
    Meter,
    MeterNetwork,
    MeterPlace,
    add_meters,
    assign_meter_networks,
    assign_meter_places,
)
from wattbook.registry.parties import (
    BalanceGroup,
    NetworkOperator,
    Party,
    Role,
    Supplier,
    add_balance_groups,
    add_network_operators,
    add_parties,
    add_suppliers,
)
from wattbook.registry.protection import Placement
from wattbook.registry.sites import Site, SiteKind, add_sites
from wattbook.registry.stations import (
    Connector,
    Evse,
    PowerType,
    Station,
    StationTariff,
    add_connectors,
    add_evses,
    add_station_tariffs,
    add_stations,
)
from wattbook.registry.units import Unit, UnitSupply, add_units, assign_unit_supplies

OPERATOR: Final = "KR*WTB"
SUPPLIER: Final = "KR*DON"
NETWORK: Final = "KR*GRD"
TARIFF: Final = "flat"
CURRENCY: Final = "KRW"
SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
FUNDS: Final = Money.of(100_000_000, CURRENCY)
_GROUP: Final = "11XESTATE------"
GROUP: Final = _GROUP + Eic.check_of(_GROUP)


@dataclass(frozen=True, slots=True)
class Estate:
    """What was furnished: station n belongs to driver n. Stations are named as `load` names them."""

    size: int

    def station(self, n: int) -> str:
        return f"LOAD-{n + 1:05}"

    def token(self, n: int) -> str:
        return f"04{n:012X}"

    def customer(self, n: int) -> str:
        return f"driver-{n:06d}"

    def evse(self, n: int) -> str:
        return f"{OPERATOR}*E{n:06d}"

    def meter(self, n: int) -> str:
        return f"M-{n:06d}"

    def unit(self, n: int) -> str:
        return Emaid(f"KRWTBC{n:08d}").text


async def furnish(connection: AsyncConnection, size: int) -> Estate:
    """Write the estate; a second time changes nothing."""
    estate, numbers = Estate(size), range(size)
    document = {
        "country_code": OPERATOR[:2],
        "party_id": OPERATOR[3:],
        "id": TARIFF,
        "currency": CURRENCY,
        "elements": [{"price_components": [{"type": "ENERGY", "price": 324.4, "vat": 10, "step_size": 1}]}],
        "last_updated": "2026-01-01T00:00:00Z",
    }
    await add_parties(connection, [Party(OPERATOR, "Load", (Role.CPO, Role.EMSP))])
    await add_suppliers(connection, [Supplier(SUPPLIER, "Supplier")])
    await add_balance_groups(connection, [BalanceGroup(GROUP, SUPPLIER)])
    await add_network_operators(connection, [NetworkOperator(NETWORK, "Grid")])
    await add_sites(connection, [Site("load", OPERATOR, "Load", SiteKind.CAR_PARK, "Load", "KR", "Asia/Seoul")])
    await add_station_tariffs(connection, [StationTariff(OPERATOR, TARIFF, SINCE, CURRENCY, document)])
    await add_stations(connection, [Station(estate.station(n), "load", Placement.OUTDOOR, "IP54") for n in numbers])
    await add_evses(connection, [Evse(estate.evse(n), estate.station(n), 1, TARIFF) for n in numbers])
    outlet = ("IEC_62196_T2", PowerType.AC_3_PHASE, 230, 32, 22_000)
    await add_connectors(connection, [Connector(estate.evse(n), 1, *outlet) for n in numbers])
    await add_meters(connection, [Meter(estate.meter(n), Measures.EVSE) for n in numbers])
    await assign_meter_networks(connection, [MeterNetwork(estate.meter(n), NETWORK, SINCE) for n in numbers])
    await assign_meter_places(connection, [MeterPlace(estate.meter(n), estate.evse(n), None, SINCE) for n in numbers])
    await add_customers(
        connection,
        [Customer(estate.customer(n), OPERATOR, f"Driver {n}", "ko", AccountKind.PREPAID, CURRENCY) for n in numbers],
    )
    await add_units(connection, [Unit(estate.unit(n), "car") for n in numbers])
    await assign_unit_supplies(connection, [UnitSupply(estate.unit(n), SUPPLIER, GROUP, SINCE) for n in numbers])
    await add_tokens(
        connection,
        [
            Token(OPERATOR, TokenType.RFID, estate.token(n), estate.unit(n), estate.customer(n), estate.unit(n))
            for n in numbers
        ],
    )
    outcomes = await post(connection, [[_top_up(estate, n)] for n in numbers], booked_at=SINCE)
    assert all(isinstance(outcome, Posted) for outcome in outcomes), "a top-up has no reason to be refused"
    return estate


def _top_up(estate: Estate, n: int) -> Transfer:
    return Transfer(
        fact=f"top-up:{estate.customer(n)}",
        debit=Account("bank", "cash", CURRENCY),
        credit=Account(estate.customer(n), "wallet", CURRENCY),
        amount=FUNDS.amount,
        event_at=SINCE,
    )
