"""A small world to charge in: one operator with stations on meters, customers with vehicles and wallets."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.audit import Proof, audit
from wattbook.book.posting import Posted, post
from wattbook.book.statements import balances
from wattbook.book.transfers import Transfer
from wattbook.charging.checks import CHECKS
from wattbook.charging.events import Event
from wattbook.db.engine import Database
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

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KWH = 1_000_000

US, PARTNER = "KR*WTB", "KR*EVB"
SUPPLIER, BALANCE_GROUP = "9900000000003", "12X-SAK-N------6"
GRID = "9900000000010"
PRICE, VAT, FEED_IN_PRICE = Decimal(300), Decimal(10), Decimal(120)


def tariff_document(currency: str = "KRW") -> dict[str, Any]:
    """300 a kWh and 10 % tax; 120 is paid for a kWh fed in."""
    return {
        "country_code": "KR",
        "party_id": "WTB",
        "id": "plain",
        "currency": currency,
        "elements": [{"price_components": [{"type": "ENERGY", "price": 300, "vat": 10, "step_size": 1}]}],
        "wattbook_feed_in": [{"price_components": [{"type": "ENERGY_EXPORT", "price": 120, "step_size": 1}]}],
    }


def won(amount: int | Decimal | str) -> int:
    """In stored units."""
    return Money.of(amount, "KRW").amount


async def build(connection: AsyncConnection, *, stations: int = 1, customers: Sequence[str] = ("kim",)) -> None:
    """Stations CP1, CP2, … with one EVSE of 22 kW each; each customer prepaid, with a token and a car of that name."""
    await add_parties(connection, [Party(US, "Wattbook", (Role.CPO,)), Party(PARTNER, "Partner", (Role.EMSP,))])
    await add_suppliers(connection, [Supplier(SUPPLIER, "Sun")])
    await add_balance_groups(connection, [BalanceGroup(BALANCE_GROUP, SUPPLIER)])
    await add_network_operators(connection, [NetworkOperator(GRID, "City grid")])
    await add_sites(connection, [Site("park", US, "Car park", SiteKind.CAR_PARK, "Street 1", "KR", "Asia/Seoul")])
    await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR, "KRW", tariff_document())])
    numbers = range(1, stations + 1)
    await add_stations(connection, [Station(f"CP{n}", "park", Placement.OUTDOOR, "IP54") for n in numbers])
    await add_evses(connection, [Evse(f"KR*WTB*E{n}", f"CP{n}", 1, "plain") for n in numbers])
    await add_connectors(
        connection,
        [Connector(f"KR*WTB*E{n}", 1, "IEC_62196_T2", PowerType.AC_3_PHASE, 230, 32, 22_000) for n in numbers],
    )
    await add_meters(connection, [Meter(f"M{n}", Measures.EVSE, obis_export="1-0:2.8.0") for n in numbers])
    await assign_meter_networks(connection, [MeterNetwork(f"M{n}", GRID, YEAR) for n in numbers])
    await assign_meter_places(connection, [MeterPlace(f"M{n}", f"KR*WTB*E{n}", None, YEAR) for n in numbers])
    await add_units(connection, [Unit(f"car-{name}", "car", can_feed_in=True) for name in customers])
    await assign_unit_supplies(
        connection, [UnitSupply(f"car-{name}", SUPPLIER, BALANCE_GROUP, YEAR) for name in customers]
    )
    await add_customers(connection, [Customer(name, US, name, "ko", AccountKind.PREPAID, "KRW") for name in customers])
    await add_tokens(
        connection,
        [Token(US, TokenType.RFID, f"T-{name}", f"C-{name}", name, f"car-{name}") for name in customers],
    )


async def top_up(connection: AsyncConnection, customer: str, amount: int, *, fact: str = "first") -> None:
    """Stored units."""
    transfer = Transfer(
        fact=f"top-up:{customer}:{fact}",
        debit=Account("bank", "cash", "KRW"),
        credit=Account(customer, "wallet", "KRW"),
        amount=amount,
        event_at=NOW,
    )
    assert await post(connection, [[transfer]], booked_at=NOW) == [Posted.NEW]


async def funds(connection: AsyncConnection, owner: str, purpose: str, commodity: str = "KRW") -> tuple[int, int]:
    """Posted, available."""
    account = Account(owner, purpose, commodity)
    found = (await balances(connection, [account]))[account]
    return found.posted, found.available


async def posted(connection: AsyncConnection, owner: str, purpose: str, commodity: str = "KRW") -> int:
    return (await funds(connection, owner, purpose, commodity))[0]


async def prove(database: Database) -> Proof:
    """The proof, which holds."""
    async with database.snapshot() as connection:
        proof = await audit(connection, CHECKS)
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]
    return proof


class Listener:
    """A subscriber that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, _: AsyncConnection, events: Sequence[Event]) -> None:
        self.events += events
