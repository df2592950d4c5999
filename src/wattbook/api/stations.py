"""What an operator does to stations: take one in, also one that only knocked, and let it work.

Each change is written with who made it, in the same transaction, and every gateway hears of it at once.
"""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, Text, note
from wattbook.api.services import Services
from wattbook.kernel.errors import NotFound
from wattbook.ocpp.gateway.onboarding import dismiss, find_knock, list_knocks, welcome
from wattbook.registry import sites, stations
from wattbook.registry.parties import Party, Role, add_parties, find_parties
from wattbook.registry.protection import Placement
from wattbook.registry.sites import Site, SiteKind
from wattbook.registry.stations import Acceptance, Connector, Evse, PowerType, Station


class SiteDocument(Document):
    """Where stations stand; the operator is this deployment's own party unless said otherwise."""

    id: Text
    name: Text
    kind: SiteKind
    address: Text
    country: Text
    time_zone: Text
    operator: Text | None = None
    latitude: Decimal | None = None
    longitude: Decimal | None = None


class ConnectorDocument(Document):
    number: int = 1
    standard: Text
    power_type: PowerType
    max_voltage_v: int
    max_current_a: int
    max_power_w: int


class EvseDocument(Document):
    """`number` is the station's own: EVSE id of OCPP 2.x, connectorId of 1.6."""

    id: Text
    number: int
    tariff: Text | None = None
    connectors: list[ConnectorDocument] = Field(default=[], max_length=100)


class NewcomerDocument(Document):
    """A station that knocked; `site` is the id of a known site, or the site itself."""

    site: Text | SiteDocument
    placement: Placement
    ip_code: Text
    vendor: Text | None = None
    model: Text | None = None
    acceptance: Acceptance = Acceptance.ACCEPTED
    evses: list[EvseDocument] = Field(default=[], max_length=1_000)


class StationDocument(NewcomerDocument):
    """A station to take in."""

    id: Text


class AcceptanceDocument(Document):
    acceptance: Acceptance


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database = services.database

    async def take_in(station_id: str, document: NewcomerDocument, request: Request) -> Response:
        async with database.transaction() as connection:
            (before,) = await stations.find_stations(connection, [station_id])
            station = await _register(connection, services, station_id, document)
            await welcome(connection, [station_id])
            after = {"id": station_id} | document.model_dump(mode="json")
            await note(connection, services, request, "station.registered", station_id, _plain(before), after)
        return answer(asdict(station), 200 if before is not None else 201)

    @routes.post("/stations", status_code=201)
    async def register(document: StationDocument, request: Request) -> Response:
        """201 with the station, or 200 when one of this id was there and is replaced. It is let in at once."""
        return await take_in(document.id, document, request)

    @routes.get("/stations/unknown")
    async def unknown(limit: Limit = 100) -> Response:
        """Who knocked and is not registered, the latest first."""
        async with database.snapshot() as connection:
            return answer({"stations": await list_knocks(connection, limit=limit)})

    @routes.post("/stations/unknown/{station:path}", status_code=201)
    async def adopt(station: str, document: NewcomerDocument, request: Request) -> Response:
        """Take in a station that knocked, under the name by which it did; 404 for one that did not."""
        async with database.snapshot() as connection:
            if await find_knock(connection, station) is None:
                raise NotFound(f"no station knocked as {station[:64]!r}")
        return await take_in(station, document, request)

    @routes.delete("/stations/unknown/{station:path}", status_code=204)
    async def turn_away(station: str, request: Request) -> Response:
        """Take it off the list; it comes back when it knocks again."""
        async with database.transaction() as connection:
            if not await dismiss(connection, station):
                raise NotFound(f"no station knocked as {station[:64]!r}")
            await note(connection, services, request, "station.dismissed", station)
        return Response(status_code=204)

    @routes.get("/stations/{station:path}/acceptance")
    async def acceptance(station: str) -> Response:
        """What its BootNotification is answered."""
        async with database.snapshot() as connection:
            (known,) = await stations.find_stations(connection, [station])
        if known is None:
            raise NotFound(f"station {station[:64]!r} is not registered")
        return answer({"station_id": station, "acceptance": known.acceptance})

    @routes.put("/stations/{station:path}/acceptance")
    async def accept(station: str, document: AcceptanceDocument, request: Request) -> Response:
        """What BootNotification is answered: `accepted`, `pending`, or `blocked` (Rejected)."""
        async with database.transaction() as connection:
            (before,) = await stations.find_stations(connection, [station])
            await stations.set_acceptance(connection, [(station, document.acceptance)])
            await welcome(connection, [station])
            was = None if before is None else before.acceptance
            await note(connection, services, request, "station.acceptance", station, was, document.acceptance)
        return answer({"station_id": station, "acceptance": document.acceptance})

    return routes


async def _register(
    connection: AsyncConnection, services: Services, station_id: str, document: NewcomerDocument
) -> Station:
    site = await _site(connection, services, document.site)
    maker = document.vendor, document.model
    station = Station(station_id, site, document.placement, document.ip_code, *maker, document.acceptance)
    await stations.add_stations(connection, [station])
    await stations.add_evses(
        connection, [Evse(each.id, station.id, each.number, each.tariff) for each in document.evses]
    )
    await stations.add_connectors(
        connection,
        [Connector(evse.id, **each.model_dump()) for evse in document.evses for each in evse.connectors],
    )
    return station


async def _site(connection: AsyncConnection, services: Services, site: str | SiteDocument) -> str:
    """The id of the site, which is registered now, with this deployment's own party if that is its operator.

    Raises:
        NotFound: an id of no site.
    """
    if isinstance(site, str):
        (known,) = await sites.find_sites(connection, [site])
        if known is None:
            raise NotFound(f"site {site[:64]!r} is not registered; send the whole site to register it")
        return site
    settings = services.settings
    operator = site.operator or settings.party
    (party,) = await find_parties(connection, [operator])
    if party is None and operator == settings.party:
        await add_parties(connection, [Party(operator, settings.name, (Role(settings.role),))])
    await sites.add_sites(connection, [Site(**(site.model_dump() | {"operator": operator}))])
    return site.id


def _plain(station: Station | None) -> dict[str, Any] | None:
    return None if station is None else asdict(station)
