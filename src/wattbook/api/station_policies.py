"""What stations are to do by themselves: the tokens and prices they know while they have no connection.

Each route makes commands; what the station says to them is at `GET /commands/{id}`.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import caller
from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Text, note
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.kernel.errors import NotFound, WattbookError
from wattbook.ocpp.commands.records import Command
from wattbook.ocpp.told.local_lists import LocalList, enrol, keep_in_step, lists_of, withdraw
from wattbook.ocpp.told.offline_policy import OfflinePolicy, send_policy
from wattbook.ocpp.told.tariffs import change_transaction_tariff, set_default_tariffs
from wattbook.registry.offers import offers
from wattbook.tariffs.ocpi import parse_tariff

EXPIRES_AFTER: Final = timedelta(hours=1)
STATIONS_MAX: Final = 1_000
EVSES_MAX: Final = 1_000

Stations = Annotated[list[Text], Field(min_length=1, max_length=STATIONS_MAX)]


class EnrolDocument(Document):
    """Stations that are to have a list of tokens."""

    stations: Stations


class PolicyDocument(Document):
    """What a station does with tokens while it is offline; what is left out stays as it is. See `OfflinePolicy`."""

    takes_known: bool | None = None
    takes_unknown: bool | None = None
    takes_known_at_once: bool | None = None
    ends_refused: bool | None = None
    remembers: bool | None = None
    remembers_for_s: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    keeps_list: bool | None = None
    master_pass_group: Annotated[str, Field(max_length=36)] | None = None


class PoliciesDocument(PolicyDocument):
    """The same for many."""

    stations: Stations


class EvsesDocument(Document):
    """Numbers of EVSEs; without any, all of the station that have a tariff in force."""

    evses: list[int] = Field(default=[], max_length=EVSES_MAX)


class TariffDocument(Document):
    """A tariff object of OCPI."""

    tariff: dict[str, Any]


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    @routes.get("/stations/{station:path}/local-list")
    async def local_list(station: str) -> Response:
        """Which tokens the station has on its list, as far as is known; 404 for one that is not enrolled."""
        async with database.snapshot() as connection:
            return answer(_list(await _enrolled(connection, station)))

    @routes.put("/stations/{station:path}/local-list")
    async def enrol_one(station: str, request: Request) -> Response:
        """Let the station have a list; it is told the whole of it now, and what changes from then on."""
        async with database.transaction() as connection:
            await require_station(connection, station)
            sent = await _enrol(connection, services, request, [station])
            known = _list(await _enrolled(connection, station))
        return answer(known | {"commands": sent})

    @routes.delete("/stations/{station:path}/local-list", status_code=204)
    async def leave_alone(station: str, request: Request) -> Response:
        """Keep its list in step no longer; what it has stays there until it is told otherwise."""
        async with database.transaction() as connection:
            if not await withdraw(connection, station):
                raise NotFound(f"station {station[:64]!r} has no list here")
            await note(connection, services, request, "station.local-list", station, "enrolled", None)
        return Response(status_code=204)

    @routes.post("/local-lists", status_code=202)
    async def enrol_many(document: EnrolDocument, request: Request) -> Response:
        """Let these stations have lists; all of them, or none. One that never connected is told when it comes."""
        stations = list(dict.fromkeys(document.stations))
        async with database.transaction() as connection:
            for station in stations:
                await require_station(connection, station)
            sent = await _enrol(connection, services, request, stations)
        return answer({"commands": sent}, 202)

    @routes.put("/stations/{station:path}/offline-policy", status_code=202)
    async def policy_of_one(station: str, document: PolicyDocument, request: Request) -> Response:
        """The commands that set it there: one a key in 1.6, one in all in 2.x. 503 for one that never connected."""
        async with database.transaction() as connection:
            await require_station(connection, station)
            found = await _send_policy(connection, services, request, [station], document)
            (outcomes,) = found.values()
            for each in outcomes:
                if isinstance(each, WattbookError):
                    raise each
        return answer({"commands": outcomes}, 202)

    @routes.post("/offline-policies", status_code=202)
    async def policy_of_many(document: PoliciesDocument, request: Request) -> Response:
        """The same for many: by station, its commands, or why there are none."""
        stations = list(dict.fromkeys(document.stations))
        async with database.transaction() as connection:
            found = await _send_policy(connection, services, request, stations, document)
        return answer(
            {
                "stations": [
                    {"station_id": station, "commands": [_entry(each) for each in outcomes]}
                    for station, outcomes in found.items()
                ]
            },
            202,
        )

    @routes.post("/stations/{station:path}/default-tariffs", status_code=202)
    async def default_tariffs(station: str, document: EvsesDocument, request: Request) -> Response:
        """Tell a station of 2.1 the tariffs in force at its EVSEs; for each, the command or why there is none."""
        now = clock()
        async with database.transaction() as connection:
            await require_station(connection, station)
            chosen = document.evses or [each.evse_no for each in await offers(connection, [station], now)]
            evses = list(dict.fromkeys(chosen))
            outcomes = await set_default_tariffs(
                connection,
                [(station, evse) for evse in evses],
                requested_by=caller(request),
                now=now,
                expires_at=now + EXPIRES_AFTER,
            )
            await note(connection, services, request, "station.default-tariffs", station, None, {"evses": evses})
        entries = [{"evse": evse} | _entry(outcome) for evse, outcome in zip(evses, outcomes, strict=True)]
        return answer({"evses": entries}, 202)

    @routes.put("/stations/{station:path}/transactions/{transaction}/tariff", status_code=202)
    async def transaction_tariff(
        station: str, transaction: str, document: TariffDocument, request: Request
    ) -> Response:
        """Tell a station of 2.1 by which tariff a transaction goes on; what it costs here is not changed by it."""
        tariff, now = parse_tariff(document.tariff), clock()
        async with database.transaction() as connection:
            outcome = await change_transaction_tariff(
                connection,
                station,
                transaction,
                tariff,
                requested_by=caller(request),
                now=now,
                expires_at=now + EXPIRES_AFTER,
            )
            if isinstance(outcome, WattbookError):
                raise outcome
            after = {"transaction": transaction, "tariff": tariff.id}
            await note(connection, services, request, "transaction.tariff", station, None, after)
        return answer(outcome, 202)

    return routes


async def _enrol(
    connection: AsyncConnection, services: Services, request: Request, stations: list[str]
) -> list[Command]:
    now = services.clock()
    await enrol(connection, stations, now)
    sent = await keep_in_step(connection, now, stations)
    for station in stations:
        await note(connection, services, request, "station.local-list", station, None, "enrolled")
    return sent


async def _enrolled(connection: AsyncConnection, station_id: str) -> LocalList:
    known = await lists_of(connection, [station_id])
    if not known:
        raise NotFound(f"station {station_id[:64]!r} has no list here")
    return known[0]


def _list(known: LocalList) -> dict[str, Any]:
    return {
        "station_id": known.station_id,
        "state": known.state,
        "version": known.version,
        "tokens": sorted(known.entries),
        "sent_version": known.sent_version,
        "command_id": known.command_id,
        "changed_at": known.changed_at,
    }


async def _send_policy(
    connection: AsyncConnection, services: Services, request: Request, stations: list[str], document: PolicyDocument
) -> dict[str, list[Command | WattbookError]]:
    chosen = document.model_dump(exclude={"stations"})
    now = services.clock()
    found = await send_policy(
        connection,
        stations,
        OfflinePolicy(**chosen),
        requested_by=caller(request),
        now=now,
        expires_at=now + EXPIRES_AFTER,
    )
    said = {name: value for name, value in chosen.items() if value is not None}
    for station, outcomes in found.items():
        if any(isinstance(each, Command) for each in outcomes):
            await note(connection, services, request, "station.offline-policy", station, None, said)
    return found


def _entry(outcome: Command | WattbookError) -> dict[str, Any]:
    if isinstance(outcome, Command):
        return {"command": outcome.id}
    return {"error": {"code": outcome.code, "message": outcome.message}}
