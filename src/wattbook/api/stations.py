"""What an operator does to stations: take one in, let it work, give it a password, see what it sent.

Each change is written with who made it, in the same transaction, and every gateway hears of it at once.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import caller
from wattbook.api.bodies import answer
from wattbook.api.commands import require_station
from wattbook.api.queries import in_utc
from wattbook.api.services import Services
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.ocpp.journal import JournalledFrame, frames_of
from wattbook.ocpp.onboarding import list_knocks, welcome
from wattbook.ocpp.options import StationOptions, all_options, set_options
from wattbook.ocpp.rejections import list_rejected
from wattbook.ocpp.security.passwords import new_passphrase, set_password
from wattbook.registry import sites, stations
from wattbook.registry.changes import Change, list_changes, record_changes
from wattbook.registry.parties import Party, Role, add_parties, find_parties
from wattbook.registry.protection import Placement
from wattbook.registry.sites import Site, SiteKind
from wattbook.registry.stations import Acceptance, Connector, Evse, PowerType, Station

PAGE_SIZE_MAX: Final = 1_000

Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]
Text = Annotated[str, Field(max_length=255)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SiteDocument(_Document):
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


class ConnectorDocument(_Document):
    number: int = 1
    standard: Text
    power_type: PowerType
    max_voltage_v: int
    max_current_a: int
    max_power_w: int


class EvseDocument(_Document):
    """`number` is the station's own: EVSE id of OCPP 2.x, connectorId of 1.6."""

    id: Text
    number: int
    tariff: Text | None = None
    connectors: list[ConnectorDocument] = []


class StationDocument(_Document):
    """A station to take in; `site` is the id of a known site, or the site itself."""

    id: Text
    site: Text | SiteDocument
    placement: Placement
    ip_code: Text
    vendor: Text | None = None
    model: Text | None = None
    acceptance: Acceptance = Acceptance.ACCEPTED
    evses: Annotated[list[EvseDocument], Field(max_length=1_000)] = []


class AcceptanceDocument(_Document):
    acceptance: Acceptance


class PasswordDocument(_Document):
    """A password as text, or as the bytes of an OCPP 1.6 key in hexadecimal; without either, one is made.

    `at_once` ends the passwords before; else they stay valid until the station comes with the new one.
    """

    password: Text | None = None
    password_hex: Text | None = None
    at_once: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.password is not None and self.password_hex is not None:
            raise ValueError("either a password or its bytes in hexadecimal")
        return self


class OptionsDocument(_Document):
    """Names of quirk profiles, whether its frames are kept, and the seconds of silence before a ping and after it."""

    quirks: Annotated[list[Text], Field(max_length=100)] = []
    journal: bool | None = None
    ping_after_s: int | None = None
    pong_within_s: int | None = None


class FrameDocument(Struct, frozen=True):
    """`direction` is `in` for what the station said; bytes that are no UTF-8 are replaced."""

    at: datetime
    direction: str
    version: str
    frame: str

    @classmethod
    def of(cls, kept: JournalledFrame) -> Self:
        return cls(kept.at, kept.direction.value, kept.version, kept.raw.decode(errors="replace"))


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    async def note(
        connection: AsyncConnection, request: Request, what: str, subject: str, before: Any, after: Any
    ) -> None:
        await record_changes(connection, [Change(clock(), caller(request), what, subject, before, after)])

    @routes.post("/stations", status_code=201)
    async def take_in(document: StationDocument, request: Request) -> Response:
        """201 with the station, or 200 when one of this id was there and is replaced. It is let in at once."""
        async with database.transaction() as connection:
            (before,) = await stations.find_stations(connection, [document.id])
            site = await _site(connection, services, document.site)
            station = Station(
                document.id,
                site,
                document.placement,
                document.ip_code,
                document.vendor,
                document.model,
                document.acceptance,
            )
            await stations.add_stations(connection, [station])
            await stations.add_evses(
                connection, [Evse(each.id, station.id, each.number, each.tariff) for each in document.evses]
            )
            await stations.add_connectors(
                connection,
                [Connector(evse.id, **each.model_dump()) for evse in document.evses for each in evse.connectors],
            )
            await welcome(connection, [station.id])
            after = document.model_dump(mode="json")
            await note(connection, request, "station.registered", station.id, _plain(before), after)
        return answer(asdict(station), 200 if before is not None else 201)

    @routes.get("/stations/unknown")
    async def unknown(limit: Limit = 100) -> Response:
        """Who knocked and is not registered, the latest first."""
        async with database.snapshot() as connection:
            return answer({"stations": await list_knocks(connection, limit=limit)})

    @routes.put("/stations/{station:path}/acceptance")
    async def accept(station: str, document: AcceptanceDocument, request: Request) -> Response:
        """What BootNotification is answered: `accepted`, `pending`, or `blocked` (Rejected)."""
        async with database.transaction() as connection:
            (before,) = await stations.find_stations(connection, [station])
            await stations.set_acceptance(connection, [(station, document.acceptance)])
            await welcome(connection, [station])
            was = None if before is None else before.acceptance
            await note(connection, request, "station.acceptance", station, was, document.acceptance)
        return answer({"station_id": station, "acceptance": document.acceptance})

    @routes.put("/stations/{station:path}/password")
    async def give_password(station: str, document: PasswordDocument, request: Request) -> Response:
        """A password that was made here is in the answer, and nowhere else."""
        password = _password(document)
        async with database.transaction() as connection:
            await set_password(connection, station, password or (made := new_passphrase()), at_once=document.at_once)
            await welcome(connection, [station])
            await note(connection, request, "station.password", station, None, {"at_once": document.at_once})
        shown = {} if password else {"password": made.decode()}
        return answer({"station_id": station} | shown)

    @routes.get("/stations/{station:path}/frames")
    async def frames(station: str, before: AwareDatetime | None = None, limit: Limit = 100) -> Response:
        """What went over the wire, both ways, the newest first; `next` is the `before` of the following page."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            latest = clock() + timedelta(seconds=1) if before is None else in_utc(before)
            found = await frames_of(connection, station, before=latest, limit=limit)
        documents = [FrameDocument.of(each) for each in found]
        return answer({"frames": documents, "next": found[-1].at if len(found) == limit else None})

    @routes.put("/stations/{station:path}/options")
    async def choose(station: str, document: OptionsDocument, request: Request) -> Response:
        """What is special about a station; all of it is replaced, and what is left out is as for all others."""
        chosen = StationOptions(tuple(document.quirks), document.journal, document.ping_after_s, document.pong_within_s)
        async with database.transaction() as connection:
            await require_station(connection, station)
            before = (await all_options(connection)).get(station)
            await set_options(connection, {station: chosen})
            await note(connection, request, "station.options", station, before, chosen)
        return answer(chosen)

    @routes.get("/stations/{station:path}/rejected-frames")
    async def rejected(station: str, before: int | None = None, limit: Limit = 100) -> Response:
        """Frames that could not be accepted, the newest first; `next` is the `before` of the following page."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await list_rejected(connection, station, before=before, limit=limit)
        return answer({"frames": found, "next": found[-1].id if len(found) == limit else None})

    @routes.get("/changes")
    async def changes(subject: str | None = None, before: int | None = None, limit: Limit = 100) -> Response:
        """Who changed what, the newest first."""
        async with database.snapshot() as connection:
            found = await list_changes(connection, subject=subject, before=before, limit=limit)
        return answer({"changes": found, "next": found[-1].id if len(found) == limit else None})

    return routes


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


def _password(document: PasswordDocument) -> bytes | None:
    if document.password_hex is None:
        return None if document.password is None else document.password.encode()
    try:
        return bytes.fromhex(document.password_hex)
    except ValueError:
        raise InvalidInput("password_hex is no hexadecimal text") from None


def _plain(station: Station | None) -> dict[str, Any] | None:
    return None if station is None else asdict(station)
