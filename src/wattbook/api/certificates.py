"""Certificates of stations and the authority that signs them: listed, renewed, revoked; its roots shown and rotated."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import administrator, caller
from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, note
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.db.listener import notify
from wattbook.kernel.errors import Conflict, NotFound, Unavailable
from wattbook.ocpp.commands.records import Command
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.gateway.onboarding import welcome
from wattbook.ocpp.security.authority import Authority, Root
from wattbook.ocpp.security.changeover import root_call, versions_of
from wattbook.ocpp.security.renewal import ask
from wattbook.ocpp.security.signing import (
    RevokedBecause,
    find_certificate,
    issued_to,
    renewal_states,
    revoke,
)
from wattbook.ocpp.security.tls import ROOTS_CHANGED
from wattbook.registry.stations import acceptances

SOON_DAYS: Final = 60

Days = Annotated[int, Query(ge=1, le=3_650)]


class RevocationDocument(Document):
    """Why (RFC 5280, 5.3.1)."""

    because: RevokedBecause = RevokedBecause.UNSPECIFIED


class RotationDocument(Document):
    """`install`: let every station that ever connected install the new root."""

    install: bool = True


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    def authority() -> Authority:
        settings = services.settings
        return Authority.open(settings.authority_folder, settings.name, clock())

    @routes.get("/stations/{station:path}/certificates")
    async def certificates(station: str) -> Response:
        """What our authority issued to the station, the newest first."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer({"certificates": await issued_to(connection, station)})

    @routes.post("/stations/{station:path}/certificates/renewal", status_code=202)
    async def renew(station: str, request: Request) -> Response:
        """Tell the station to ask for another certificate now; by itself this is done before the last one ends."""
        async with database.transaction() as connection:
            await require_station(connection, station)
            if not await ask(connection, [station], requested_by=caller(request), now=clock()):
                raise Unavailable("the station never connected, or too many commands wait for it")
            await note(connection, services, request, "certificate.renewal-asked", station)
        return answer({"station_id": station}, 202)

    @routes.get("/certificates/expiring")
    async def expiring(within_days: Days = SOON_DAYS, limit: Limit = 100) -> Response:
        """Stations whose last certificate ends soon, the first to end first, and when they were told to renew it."""
        async with database.snapshot() as connection:
            within = timedelta(days=within_days)
            found = await renewal_states(connection, now=clock(), within=within, limit=limit)
        return answer({"stations": found})

    @routes.post("/certificates/{serial_number}/revocation")
    async def end(serial_number: str, document: RevocationDocument, request: Request) -> Response:
        """Refuse a certificate from now on, for good; 409 when it was revoked before."""
        async with database.transaction() as connection:
            issued = await find_certificate(connection, serial_number)
            if issued is None:
                raise NotFound(f"no certificate {serial_number[:64]!r} was issued here")
            if not await revoke(connection, [issued.serial_number], document.because, now=clock()):
                raise Conflict(f"the certificate was revoked before, because of {issued.revoked_because}")
            after = {"serial_number": issued.serial_number, "because": document.because}
            await note(connection, services, request, "certificate.revoked", issued.station_id, None, after)
            await welcome(connection, [issued.station_id])
            return answer(await find_certificate(connection, serial_number))

    @routes.get("/authority")
    async def roots() -> Response:
        """The roots of our own authority, the newest first: it signs, all that have not expired are trusted."""
        ours = authority()
        return answer({"roots": [_root(ours, root) for root in reversed(ours.roots)]})

    @routes.post("/authority/roots", status_code=201, dependencies=[Depends(administrator)])
    async def rotate(document: RotationDocument, request: Request) -> Response:
        """Make a new root. Gateways sign with it and trust it at once; our TLS port keeps its certificate until that
        is due, so that stations have the time to install the root."""
        ours = authority()
        root = ours.rotate(clock())
        async with database.transaction() as connection:
            batch = uuid4()
            commands = await _install(connection, services, request, root, batch) if document.install else []
            after = {"root": root.number, "commands": len(commands)}
            await note(connection, services, request, "authority.rotated", f"root-{root.number}", None, after)
            await notify(connection, ROOTS_CHANGED, [str(root.number)])
        told = {"batch_id": batch if commands else None, "commands": len(commands)}
        return answer(_root(ours, root) | told, 201)

    return routes


async def _install(
    connection: AsyncConnection, services: Services, request: Request, root: Root, batch: Any
) -> list[Command]:
    stations = sorted(await acceptances(connection))
    versions = await versions_of(connection, stations)
    calls = [root_call(station, version, root.certificate, services.clock()) for station, version in versions.items()]
    outcomes = await submit(connection, calls, requested_by=caller(request), now=services.clock(), batch_id=batch)
    return [each for each in outcomes if isinstance(each, Command)]


def _root(authority: Authority, root: Root) -> dict[str, Any]:
    link = authority.link(root.number)
    return {
        "number": root.number,
        "signs": root is authority.newest,
        "valid_from": root.certificate.not_valid_before_utc,
        "valid_to": root.certificate.not_valid_after_utc,
        "pem": root.certificate.public_bytes(Encoding.PEM).decode(),
        "signed_by_root_before": None if link is None else link.decode(),
    }
