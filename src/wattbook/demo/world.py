"""The world of the demonstration: made-up parties, sites, vehicles and one house with a wallbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer
from wattbook.kernel.errors import WattbookError
from wattbook.kernel.identifiers import Eic, Emaid
from wattbook.kernel.units import MWH_PER_KWH, Money, div_ceil
from wattbook.registry.customers import AccountKind, Customer, Token, TokenType, add_customers, add_tokens
from wattbook.registry.households import Household, add_households
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

OPERATOR_A: Final = Party("KR*HAN", "Hangang Charging", (Role.CPO, Role.EMSP))
OPERATOR_B: Final = Party("KR*BRM", "Baram Mobility", (Role.EMSP,))
HUB: Final = Party("KR*HUB", "Nuri Hub", (Role.HUB,))
UTILITY: Final = Party("KR*DON", "Dongne Power", (Role.OTHER,))

CURRENCY: Final = "KRW"
SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)

HAN_SUPPLY: Final = Supplier("KR*DON", "Dongne Power")
SOLAR_SUPPLY: Final = Supplier("KR*SUN", "Haetbit Solar")
GRID: Final = NetworkOperator("KR*GRD", "Nuri Grid")


def eic(body: str) -> str:
    """An EIC with its check character."""
    padded = body.ljust(15, "-")
    return padded + Eic.check_of(padded)


DONGNE_GROUP: Final = BalanceGroup(eic("11XDONGNE"), HAN_SUPPLY.id)
HAETBIT_GROUP: Final = BalanceGroup(eic("11XHAETBIT"), SOLAR_SUPPLY.id)


def contract(party: Party, number: int) -> str:
    """An EMAID of this provider, which also names the vehicle."""
    return Emaid(f"{party.id.replace('*', '')}C{number:08d}").text


@dataclass(frozen=True, slots=True)
class Driver:
    """A person with a card and a car."""

    name: str
    provider: Party
    customer: str
    token: str
    number: int
    supplied_by: BalanceGroup | None

    @property
    def contract(self) -> str:
        return contract(self.provider, self.number)


JIWOO: Final = Driver("Jiwoo", OPERATOR_A, "jiwoo", "04A1B2C3D4E5F6", 1, DONGNE_GROUP)
MINJUN: Final = Driver("Minjun", OPERATOR_A, "minjun", "04F0E1D2C3B4A5", 2, HAETBIT_GROUP)
STRANGER: Final = Driver("a stranger", OPERATOR_A, "stranger", "04DEADBEEF0001", 3, None)
SEOYEON: Final = Driver("Seoyeon", OPERATOR_B, "seoyeon", "04B7B7B7B7B7B7", 1, HAETBIT_GROUP)

STATION_STREET: Final = "HAN-ROAD-01"
STATION_MALL: Final = "HAN-MALL-01"
HOUSE: Final = "house-12"
HOUSE_METER: Final = "DP-2026-000012"
WALLBOX_SERVER: Final = "wallbox-pay.example"
TARIFF_STREET: Final = "street"
TARIFF_BOTH_WAYS: Final = "both-ways"
TOP_UP: Final = Money.of(60_000, CURRENCY)


def tariff_document(tariff_id: str, components: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A tariff object of OCPI as an operator could publish it."""
    return {
        "country_code": OPERATOR_A.id[:2],
        "party_id": OPERATOR_A.id[3:],
        "id": tariff_id,
        "currency": CURRENCY,
        "elements": [{"price_components": list(components)}],
        "last_updated": "2026-01-01T00:00:00Z",
        **more,
    }


def tariffs() -> list[StationTariff]:
    """By the roadside a small fee and energy; at the mall energy only, and what feeding in earns."""
    fee = {"type": "FLAT", "price": 300, "vat": 10, "step_size": 1}
    energy = {"type": "ENERGY", "price": 324.4, "vat": 10, "step_size": 1}
    feed_in = [{"price_components": [{"type": "ENERGY_EXPORT", "price": 210, "step_size": 1}]}]
    documents = (
        tariff_document(TARIFF_STREET, [fee, energy]),
        tariff_document(TARIFF_BOTH_WAYS, [energy], wattbook_feed_in=feed_in),
    )
    return [StationTariff(OPERATOR_A.id, document["id"], SINCE, CURRENCY, document) for document in documents]


async def furnish_operator_a(connection: AsyncConnection) -> None:
    """Operator A: two sites, its own customers, the house that its utility bills."""
    await _furnish_market(connection, (OPERATOR_A, OPERATOR_B, HUB))
    await add_sites(
        connection,
        [
            Site("road", OPERATOR_A.id, "Seongsu roadside", SiteKind.ROADSIDE, "7 Seongsu-ro, Seoul", "KR",
                 "Asia/Seoul"),
            Site("mall", OPERATOR_A.id, "Mapo mall", SiteKind.SHOPPING_CENTRE, "21 Mapo-daero, Seoul", "KR",
                 "Asia/Seoul", Decimal("37.544600"), Decimal("126.951200")),
        ],
    )  # fmt: skip
    await add_station_tariffs(connection, tariffs())
    street = Outlet("E1001", 7_000, PowerType.AC_1_PHASE, "IEC_62196_T2", TARIFF_STREET)
    await _install(connection, Station(STATION_STREET, "road", Placement.OUTDOOR, "IP54"), street)
    mall = Outlet("E1002", 50_000, PowerType.DC, "IEC_62196_T2_COMBO", TARIFF_BOTH_WAYS)
    await _install(connection, Station(STATION_MALL, "mall", Placement.INDOOR, "IP44"), mall)
    await _admit(connection, (JIWOO, MINJUN, STRANGER))
    await add_customers(
        connection, [Customer("house-12-owner", OPERATOR_A.id, "Park", "ko", AccountKind.POSTPAID, CURRENCY)]
    )
    await add_households(
        connection, [Household(HOUSE, "house-12-owner", "12 Dongne-gil, Seoul", "kr-residential-low-voltage")]
    )
    await add_meters(connection, [Meter(HOUSE_METER, Measures.HOUSEHOLD)])
    await assign_meter_networks(connection, [MeterNetwork(HOUSE_METER, GRID.id, SINCE)])
    await assign_meter_places(connection, [MeterPlace(HOUSE_METER, None, HOUSE, SINCE)])


async def furnish_operator_b(connection: AsyncConnection) -> None:
    """Operator B: a provider with a customer and no station."""
    await _furnish_market(connection, (OPERATOR_A, OPERATOR_B, HUB))
    await _admit(connection, (SEOYEON,))


async def furnish_hub(connection: AsyncConnection) -> None:
    """The hub knows who takes part, and nobody's customers."""
    await _furnish_market(connection, (OPERATOR_A, OPERATOR_B, HUB))


async def top_up(connection: AsyncConnection, driver: Driver, *, now: datetime) -> None:
    """Money on a prepaid account, as an operator books a bank transfer."""
    bank = Account("bank", "cash", CURRENCY)
    wallet = Account(driver.customer, "wallet", CURRENCY)
    fact = f"top-up:{driver.customer}:1"
    transfer = Transfer(fact=fact, debit=bank, credit=wallet, amount=TOP_UP.amount, event_at=now, memo="bank transfer")
    (outcome,) = await post(connection, [[transfer]], booked_at=now)
    if isinstance(outcome, WattbookError):
        raise outcome
    assert outcome in (Posted.NEW, Posted.KNOWN), "a top-up posts once"


async def _furnish_market(connection: AsyncConnection, parties: Sequence[Party]) -> None:
    """What everybody in the market knows: who is who, who supplies, whose the grid is."""
    await add_parties(connection, [*parties, UTILITY])
    await add_suppliers(connection, [HAN_SUPPLY, SOLAR_SUPPLY])
    await add_balance_groups(connection, [DONGNE_GROUP, HAETBIT_GROUP])
    await add_network_operators(connection, [GRID])


@dataclass(frozen=True, slots=True)
class Outlet:
    """What a station of this world has one of."""

    number: str
    power_w: int
    power: PowerType
    standard: str
    tariff: str


async def _install(connection: AsyncConnection, station: Station, outlet: Outlet) -> None:
    """A station with its outlet, a meter that counts both ways, and the network it hangs on."""
    evse, meter = f"{OPERATOR_A.id}*{outlet.number}", f"M-{outlet.number}"
    await add_stations(connection, [station])
    await add_evses(connection, [Evse(evse, station.id, 1, outlet.tariff)])
    volts = 500 if outlet.power is PowerType.DC else 230
    amperes = div_ceil(outlet.power_w, volts)
    await add_connectors(
        connection, [Connector(evse, 1, outlet.standard, outlet.power, volts, amperes, outlet.power_w)]
    )
    await add_meters(connection, [Meter(meter, Measures.EVSE, obis_export="1-0:2.8.0")])
    await assign_meter_networks(connection, [MeterNetwork(meter, GRID.id, SINCE)])
    await assign_meter_places(connection, [MeterPlace(meter, evse, None, SINCE)])


async def _admit(connection: AsyncConnection, drivers: Sequence[Driver]) -> None:
    """Customers with a card, a car, and, but for strangers, a supplier."""
    for driver in drivers:
        await add_customers(
            connection,
            [Customer(driver.customer, driver.provider.id, driver.name, "ko", AccountKind.PREPAID, CURRENCY)],
        )
        await add_units(connection, [Unit(driver.contract, f"{driver.name}'s car", 60 * MWH_PER_KWH, can_feed_in=True)])
        token = Token(
            driver.provider.id, TokenType.RFID, driver.token, driver.contract, driver.customer, driver.contract
        )
        await add_tokens(connection, [token])
        if driver.supplied_by is not None:
            supply = UnitSupply(driver.contract, driver.supplied_by.supplier, driver.supplied_by.id, SINCE)
            await assign_unit_supplies(connection, [supply])
