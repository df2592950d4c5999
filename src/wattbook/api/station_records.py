"""What stations keep, as far as they told or agreed: settings, reservations, profiles, tariffs, controls, payments.

It is shown as it is known here, with the moment; the station itself is asked by a command.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.bodies import answer
from wattbook.api.changes import Limit
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.ocpp.kept.availability import availability_of
from wattbook.ocpp.kept.device_model import variables_of
from wattbook.ocpp.kept.generation import alarms_of, controls_of
from wattbook.ocpp.kept.payments import payments_of, web_payments_of
from wattbook.ocpp.kept.profiles import profiles_of, schedules_of
from wattbook.ocpp.kept.reservations import reservations_of
from wattbook.ocpp.kept.settings import configuration_of
from wattbook.ocpp.kept.tariffs import tariffs_of
from wattbook.ocpp.told.tariffs_in_force import told_of
from wattbook.ocpp.transactions.stuck import StuckTransaction, stuck_transactions

Read = Callable[[AsyncConnection, str, int], Awaitable[Any]]
Component = Annotated[str | None, Query(max_length=50)]

LISTS: Final[dict[str, tuple[str, Read, str]]] = {
    "configuration": (
        "keys",
        lambda connection, station, limit: configuration_of(connection, station, limit=limit),
        "Its settings, of a station that speaks 1.6, by key.",
    ),
    "reservations": (
        "reservations",
        lambda connection, station, limit: reservations_of(connection, station, limit=limit),
        "Its reservations with what became of them, the latest changed first.",
    ),
    "availability": (
        "places",
        lambda connection, station, limit: availability_of(connection, station, limit=limit),
        "Which of its places were opened and closed from here; EVSE 0 is the station.",
    ),
    "charging-profiles": (
        "profiles",
        lambda connection, station, limit: profiles_of(connection, station, limit=limit),
        "Its charging profiles, ours and those of others that it told, by place and stack level.",
    ),
    "composite-schedules": (
        "schedules",
        lambda connection, station, limit: schedules_of(connection, station, limit=limit),
        "What it said it would offer when it was asked last (GetCompositeSchedule), by place.",
    ),
    "tariffs": (
        "tariffs",
        lambda connection, station, limit: tariffs_of(connection, station, limit=limit),
        "Tariffs that it has (2.1), by EVSE.",
    ),
    "settlements": (
        "settlements",
        lambda connection, station, limit: payments_of(connection, station, limit=limit),
        "Payments at its terminal as it told them (2.1), the newest first.",
    ),
    "der-controls": (
        "controls",
        lambda connection, station, limit: controls_of(connection, station, limit=limit),
        "Its controls of energy fed in (2.1), by type.",
    ),
}
"""Last part of the path → name of the list, how it is read, what it is."""


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    for path, (name, read, says) in LISTS.items():
        routes.add_api_route(
            f"/stations/{{station:path}}/{path}", _listing(services, name, read), name=path, description=says
        )

    @routes.get("/stations/{station:path}/variables")
    async def variables(station: str, component: Component = None) -> Response:
        """The device model of a station that speaks 2.x, as far as it was reported; of one component, or all of it."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await variables_of(connection, station)
        return answer({"variables": [each for each in found if component in (None, each.component)]})

    @routes.get("/stations/{station:path}/told-tariffs")
    async def told_tariffs(station: str) -> Response:
        """Which tariff each EVSE was told by itself, and what the station made of it."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer({"tariffs": await told_of(connection, [station])})

    @routes.get("/stations/{station:path}/der-alarms")
    async def alarms(station: str) -> Response:
        """What it told last of each type of control (2.1)."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer({"alarms": await alarms_of(connection, station)})

    @routes.get("/stations/{station:path}/web-payments")
    async def web_payments(station: str) -> Response:
        """Its EVSEs that wait for a payment on the web now (2.1)."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer({"payments": await web_payments_of(connection, station, clock())})

    @routes.get("/stations/{station:path}/stuck-transactions")
    async def stuck_of(station: str, before: UUID | None = None, limit: Limit = 100) -> Response:
        """Transactions that nobody ended, and what was done about them; the newest first."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return _stuck(await stuck_transactions(connection, station, before=before, limit=limit), limit)

    @routes.get("/stuck-transactions")
    async def stuck(before: UUID | None = None, limit: Limit = 100) -> Response:
        """The same of all stations."""
        async with database.snapshot() as connection:
            return _stuck(await stuck_transactions(connection, before=before, limit=limit), limit)

    return routes


def _listing(services: Services, name: str, read: Read) -> Callable[..., Awaitable[Response]]:
    async def shown(station: str, limit: Limit = 1_000) -> Response:
        async with services.database.snapshot() as connection:
            await require_station(connection, station)
            return answer({name: await read(connection, station, limit)})

    return shown


def _stuck(found: list[StuckTransaction], limit: int) -> Response:
    """`next` is the `before` of the following page."""
    return answer({"transactions": found, "next": found[-1].session_id if len(found) == limit else None})
