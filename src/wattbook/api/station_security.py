"""What a station must prove: its password and security profile, and what happened at the door.

Nothing secret is ever answered but once: a password that was made here, to whoever asked for it.
"""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import caller
from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, Text, note
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.gateway.onboarding import welcome
from wattbook.ocpp.security.changeover import (
    NetworkChoice,
    made_password,
    password_call,
    plan_profile,
    profile_calls,
    require_version,
    version_of,
)
from wattbook.ocpp.security.guard import EventKind, door_events
from wattbook.ocpp.security.passwords import (
    Security,
    accept_hex_passwords,
    require_profile,
    security_of,
    set_password,
)


class PasswordDocument(Document):
    """A password as text, or as the bytes of an OCPP 1.6 key in hexadecimal; without either, one is made.

    It is sent to the station, unless `send` is false or the station never connected. The passwords before stay valid
    until the station comes with the new one; `at_once` ends them now.
    """

    password: Text | None = None
    password_hex: Text | None = None
    at_once: bool = False
    send: bool = True

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.password is not None and self.password_hex is not None:
            raise ValueError("either a password or its bytes in hexadecimal")
        return self


class SecurityDocument(Document):
    """What the station must come with at least; what is left out stays as it is.

    `profile` null: what the house asks of all. Going down is refused unless `lower` says that it is meant.
    """

    profile: Annotated[int, Field(ge=0, le=3)] | None = None
    lower: bool = False
    hex_passwords: bool | None = None


class UpgradeDocument(Document):
    """Tell the station to connect with a higher profile; a station of 2.x is also told where.

    `csms_url` is without the station's id, e.g. `wss://charging.example:9001/ocpp`.
    """

    profile: Annotated[int, Field(ge=1, le=3)]
    csms_url: Annotated[str, Field(max_length=512)] | None = None
    slot: Annotated[int, Field(ge=0, le=100)] = 1
    interface: Text = "Wired0"
    message_timeout_s: Annotated[int, Field(ge=1, le=600)] = 30


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    @routes.put("/stations/{station:path}/password")
    async def give_password(station: str, document: PasswordDocument, request: Request) -> Response:
        """A password that was made here is in the answer, and nowhere else; `command` is how it goes to the station."""
        given = _password(document)
        async with database.transaction() as connection:
            version = await version_of(connection, station)
            password = given or made_password(version)
            await set_password(connection, station, password, at_once=document.at_once)
            sent: list[Command] = []
            if document.send and version is not None:
                call = password_call(station, version, password, clock())
                sent = await _tell(connection, services, request, [call])
            await welcome(connection, [station])
            after = {"at_once": document.at_once, "sent": bool(sent)}
            await note(connection, services, request, "station.password", station, None, after)
        shown: dict[str, Any] = {"station_id": station, "command": sent[0].id if sent else None}
        if given is None:
            text = password.decode("ascii", errors="replace")
            shown |= {"password": text} if text.isprintable() and text.isascii() else {"password_hex": password.hex()}
        return answer(shown)

    @routes.get("/stations/{station:path}/security")
    async def security(station: str) -> Response:
        """What the station must prove, and what it is on its way to."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer(_shown(await security_of(connection, station), services))

    @routes.put("/stations/{station:path}/security")
    async def demand(station: str, document: SecurityDocument, request: Request) -> Response:
        """Ask more of the station at the door, from now on; it is not told. 409 when it would be less."""
        async with database.transaction() as connection:
            await require_station(connection, station)
            before = _shown(await security_of(connection, station), services)
            if "profile" in document.model_fields_set:
                await require_profile(connection, station, document.profile, may_lower=document.lower)
            if document.hex_passwords is not None:
                await accept_hex_passwords(connection, station, document.hex_passwords)
            after = _shown(await security_of(connection, station), services)
            await welcome(connection, [station])
            await note(connection, services, request, "station.security", station, before, after)
        return answer(after)

    @routes.post("/stations/{station:path}/security-upgrade", status_code=202)
    async def upgrade(station: str, document: UpgradeDocument, request: Request) -> Response:
        """Tell the station to go up; it must come with the higher profile once it has done so, and not before."""
        where = document.csms_url
        network = (
            None
            if where is None
            else NetworkChoice(where, document.slot, document.interface, document.message_timeout_s)
        )
        async with database.transaction() as connection:
            await require_station(connection, station)
            version = require_version(station, await version_of(connection, station))
            await plan_profile(connection, station, document.profile)
            calls = profile_calls(station, version, document.profile, network, clock())
            sent = await _tell(connection, services, request, calls)
            await welcome(connection, [station])
            after = {"next_profile": document.profile}
            await note(connection, services, request, "station.security-upgrade", station, None, after)
        return answer({"station_id": station, "next_profile": document.profile, "commands": sent}, 202)

    @routes.get("/security-events")
    async def events(
        station: str | None = None, kind: EventKind | None = None, before: int | None = None, limit: Limit = 100
    ) -> Response:
        """Who was not let in, why, and how often, the newest first."""
        async with database.snapshot() as connection:
            found = await door_events(connection, station, kind=kind, before=before, limit=limit)
        listed = [
            {
                "id": number,
                "station_id": event.station_id,
                "kind": event.kind,
                "detail": event.detail,
                "times": event.times,
                "first_at": event.first_at,
                "last_at": event.last_at,
            }
            for number, event in found
        ]
        return answer({"events": listed, "next": found[-1][0] if len(found) == limit else None})

    return routes


async def _tell(
    connection: AsyncConnection, services: Services, request: Request, calls: list[CommandRequest]
) -> list[Command]:
    """Raises:
    WattbookError: why a command is not accepted.
    """
    outcomes = await submit(connection, calls, requested_by=caller(request), now=services.clock())
    sent = []
    for outcome in outcomes:
        if isinstance(outcome, WattbookError):
            raise outcome
        sent.append(outcome)
    return sent


def _shown(security: Security, services: Services) -> dict[str, Any]:
    return {
        "station_id": security.station_id,
        "profile": security.profile,
        "next_profile": security.next_profile,
        "least_profile_of_all": services.settings.ocpp_security_profile,
        "hex_passwords": security.hex_passwords,
        "valid_passwords": security.valid_passwords,
    }


def _password(document: PasswordDocument) -> bytes | None:
    if document.password_hex is None:
        return None if document.password is None else document.password.encode()
    try:
        return bytes.fromhex(document.password_hex)
    except ValueError:
        raise InvalidInput("password_hex is no hexadecimal text") from None
