"""All that a clearance looks at, gathered for a batch of requests by one statement.

A driver shows a token at an EVSE. Whether power may flow depends on the station, its site and health, the meter and
whose network it hangs on, the tariff, the token with its customer and vehicle, and who supplies that vehicle. What is
missing or ambiguous is reported as such; to clear or refuse is the charging room's to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import readable, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.registry import store
from wattbook.registry.customers import Customer, Holder, Token, folded_uid, holder_of
from wattbook.registry.meters import Meter, network_operator_of
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.presence import Status
from wattbook.registry.sites import Site
from wattbook.registry.stations import NUMBER_MAX, Connector, Evse, Station, StationTariff
from wattbook.registry.terms import AccountTerms
from wattbook.registry.units import Allocation, Unit, allocation_of
from wattbook.registry.validity import Ambiguous, Missing, only


@dataclass(frozen=True, slots=True)
class ClearanceRequest:
    """Who wants power where and when.

    Attributes:
        evse_no: the station's number of the EVSE: EVSE id of OCPP 2.x, connectorId of OCPP 1.6.
        token_uid: in any case.
        at: the moment by which validities are judged.
    """

    station: str
    evse_no: int
    token_uid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ClearanceFacts:
    """What the registry knows of a request; None where nothing is registered.

    Attributes:
        connectors: of the EVSE, by number.
        last_seen_at: when the station was last heard of.
        statuses: of the station itself (`evse_no` 0), the EVSE and its connectors, as far as they were told.
        tariff: the version in force; None also if the EVSE names no tariff.
        meter: the one meter of the EVSE.
        network_operator: of that meter.
        holder: the token, its customer and its vehicle.
        allocation: supplier and balance group of that vehicle.
        payer: the customer that pays in the place of the token's.
        terms: of whoever pays: the payer, the customer, or the token's contract where it has no customer.
    """

    station: Station | None
    site: Site | None
    evse: Evse | None
    connectors: tuple[Connector, ...]
    last_seen_at: datetime | None
    statuses: tuple[Status, ...]
    tariff: StationTariff | None
    meter: Meter | Missing | Ambiguous[Meter]
    network_operator: NetworkOperator | Missing | Ambiguous[NetworkOperator]
    holder: Holder | Missing | Ambiguous[Holder]
    allocation: Allocation | Missing | Ambiguous[Allocation]
    payer: Customer | None = None
    terms: AccountTerms | None = None


async def clearance_facts(connection: AsyncConnection, requests: Sequence[ClearanceRequest]) -> list[ClearanceFacts]:
    """The facts of each request, in order. A uid that no token can have is like one that is not registered."""
    if not requests:
        return []
    rows = await store.clearance(
        connection,
        [request.station for request in requests],
        [request.evse_no if 0 < request.evse_no <= NUMBER_MAX else 0 for request in requests],
        [_folded_or_unknown(request.token_uid) for request in requests],
        [utc(request.at) for request in requests],
    )
    return [_facts(request, _ROWS.decode(row)) for request, row in zip(requests, rows, strict=True)]


@dataclass(frozen=True, slots=True)
class _MeterRow:
    meter: Meter
    networks: tuple[NetworkOperator, ...]


@dataclass(frozen=True, slots=True)
class _TokenRow:
    token: Token
    customer: Customer | None
    unit: Unit | None
    supplies: tuple[Allocation, ...]
    terms: AccountTerms | None = None
    payer: Customer | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """As the statement answers: lists where more than one may be found."""

    station: Station | None
    site: Site | None
    evse: Evse | None
    connectors: tuple[Connector, ...]
    last_seen_at: datetime | None
    statuses: tuple[Status, ...]
    tariff: StationTariff | None
    meters: tuple[_MeterRow, ...]
    tokens: tuple[_TokenRow, ...]


_ROWS: Final = msgspec.json.Decoder(_Row, float_hook=Decimal)
"""A tariff's document is read with exact numbers."""


def _facts(request: ClearanceRequest, row: _Row) -> ClearanceFacts:
    place = f"EVSE {request.evse_no} of station {request.station}"
    return ClearanceFacts(
        row.station,
        row.site,
        row.evse,
        row.connectors,
        row.last_seen_at,
        row.statuses,
        row.tariff,
        only(
            [each.meter for each in row.meters],
            missing=f"no meter is on record for {place} at {readable(request.at)}",
            ambiguous=f"several meters are on record for {place} at {readable(request.at)}",
        ),
        _network_operator(request, place, row.meters),
        holder_of(request.token_uid, [Holder(each.token, each.customer, each.unit) for each in row.tokens]),
        _allocation(request, row.tokens),
        row.tokens[0].payer if len(row.tokens) == 1 else None,
        row.tokens[0].terms if len(row.tokens) == 1 else None,
    )


def _network_operator(
    request: ClearanceRequest, place: str, meters: Sequence[_MeterRow]
) -> NetworkOperator | Missing | Ambiguous[NetworkOperator]:
    if len(meters) != 1:
        return Missing(f"no network operator can be told for {place} without its one meter")
    return network_operator_of(meters[0].meter.number, request.at, True, meters[0].networks)


def _allocation(request: ClearanceRequest, tokens: Sequence[_TokenRow]) -> Allocation | Missing | Ambiguous[Allocation]:
    if len(tokens) != 1:
        return Missing(f"no supplier can be told for token {request.token_uid!r} without its one record")
    unit = tokens[0].unit
    if unit is None:
        return Missing(f"no unit is on record for token {request.token_uid!r}")
    return allocation_of(unit.id, request.at, True, tokens[0].supplies)


def _folded_or_unknown(uid: str) -> str:
    try:
        return folded_uid(uid)
    except InvalidInput:
        return ""
