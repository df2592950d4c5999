"""Who takes part: parties of roaming, power suppliers with their balance groups, network operators."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import fetch
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import Eic, PartyId
from wattbook.registry import checks, store, tables


class Role(StrEnum):
    """OCPI 2.2.1, credentials module, Role."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


@dataclass(frozen=True, slots=True)
class Party:
    """An operator, provider or hub.

    Attributes:
        id: country and party of OCPI, `KR*WTB`.
    """

    id: str
    name: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who sells power to a vehicle's keeper, and buys what it feeds in.

    Attributes:
        id: 13 digits of a market partner, or a party.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class BalanceGroup:
    """The account of energy in which a supplier must balance what its customers draw and feed in.

    Attributes:
        id: an EIC.
    """

    id: str
    supplier: str


@dataclass(frozen=True, slots=True)
class NetworkOperator:
    """Who runs the distribution network that a meter hangs on.

    Attributes:
        id: 13 digits of a market partner, or a party.
        balancing_area: an EIC.
    """

    id: str
    name: str
    balancing_area: str | None = None


async def add_parties(connection: AsyncConnection, parties: Sequence[Party]) -> None:
    """Add parties, by id; one that is known is replaced.

    Raises:
        InvalidInput: no identifier of a party, no name or no role.
    """
    await store.upsert(connection, tables.parties, [asdict(_checked_party(party)) for party in parties])


async def add_suppliers(connection: AsyncConnection, suppliers: Sequence[Supplier]) -> None:
    """Add suppliers, by id; one that is known is replaced.

    Raises:
        InvalidInput: no identifier of a market party, or no name.
    """
    checked = [
        Supplier(checks.market_party(each.id, "supplier"), checks.plain_text(each.name, f"name of supplier {each.id}"))
        for each in suppliers
    ]
    await store.upsert(connection, tables.suppliers, [asdict(each) for each in checked])


async def add_balance_groups(connection: AsyncConnection, balance_groups: Sequence[BalanceGroup]) -> None:
    """Add balance groups, by EIC; one that is known is replaced.

    Raises:
        InvalidInput: no EIC.
        NotFound: the supplier is not registered.
    """
    checked = [
        BalanceGroup(checks.identifier(Eic, each.id, "balance group"), checks.market_party(each.supplier, "supplier"))
        for each in balance_groups
    ]
    await store.upsert(connection, tables.balance_groups, [asdict(each) for each in checked])


async def add_network_operators(connection: AsyncConnection, network_operators: Sequence[NetworkOperator]) -> None:
    """Add network operators, by id; one that is known is replaced.

    Raises:
        InvalidInput: no identifier of a market party, no name, or a balancing area that is no EIC.
    """
    checked = [_checked_network_operator(each) for each in network_operators]
    await store.upsert(connection, tables.network_operators, [asdict(each) for each in checked])


async def find_parties(connection: AsyncConnection, ids: Sequence[str]) -> list[Party | None]:
    """The party of each id, in order.

    Raises:
        InvalidInput: not the form of a party.
    """
    keys = [checks.identifier(PartyId, each, "party") for each in ids]
    return await store.find(connection, tables.parties, Party, keys)


async def find_suppliers(connection: AsyncConnection, ids: Sequence[str]) -> list[Supplier | None]:
    """The supplier of each id, in order.

    Raises:
        InvalidInput: not the form of a market party.
    """
    keys = [checks.market_party(each, "supplier") for each in ids]
    return await store.find(connection, tables.suppliers, Supplier, keys)


async def balance_groups_of(connection: AsyncConnection, supplier: str) -> list[str]:
    """The EICs of a supplier's balance groups, in order.

    Raises:
        InvalidInput: not the form of a market party.
    """
    owner = checks.market_party(supplier, "supplier")
    rows = await fetch(connection, "SELECT id FROM registry.balance_groups WHERE supplier = %s ORDER BY id", (owner,))
    return [row[0] for row in rows]


async def find_network_operators(connection: AsyncConnection, ids: Sequence[str]) -> list[NetworkOperator | None]:
    """The network operator of each id, in order.

    Raises:
        InvalidInput: not the form of a market party.
    """
    keys = [checks.market_party(each, "network operator") for each in ids]
    return await store.find(connection, tables.network_operators, NetworkOperator, keys)


def _checked_party(party: Party) -> Party:
    if not party.roles:
        raise InvalidInput(f"party {party.id} has no role: one of {', '.join(Role)} is needed")
    return replace(
        party,
        id=checks.identifier(PartyId, party.id, "party"),
        name=checks.plain_text(party.name, f"name of party {party.id}"),
        roles=tuple(sorted(set(party.roles))),
    )


def _checked_network_operator(operator: NetworkOperator) -> NetworkOperator:
    area = operator.balancing_area
    return NetworkOperator(
        checks.market_party(operator.id, "network operator"),
        checks.plain_text(operator.name, f"name of network operator {operator.id}"),
        None if area is None else checks.identifier(Eic, area, "balancing area"),
    )
