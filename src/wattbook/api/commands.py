"""Commands to stations: any CALL of any version by action and payload, waited for, or told later.

A command is accepted whether the station is connected or not. `POST` answers 200 with the outcome when it is known
within `wait_s`, else 202; where it stands is at `GET /commands/{id}`, or is posted to a webhook.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import caller
from wattbook.api.bodies import answer, read_body
from wattbook.api.services import Services
from wattbook.kernel.addresses import check_url
from wattbook.kernel.errors import LimitExceeded, NotFound, Unavailable, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import (
    cancel,
    commands_of_batch,
    commands_of_station,
    encode_payload,
    find_commands,
    submit,
)
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.stations import acceptances, find_stations

BODY_BYTES_MAX: Final = 4 << 20
WAIT_S_MAX: Final = 300
PAGE_SIZE_MAX: Final = 1_000
STATIONS_MAX: Final = 100_000
BATCH_BYTES_MAX: Final = 64 << 20
"""Of all payloads of one request: each station has its own row."""

Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]
Waiting = Annotated[float, Query(ge=0, le=WAIT_S_MAX)]


class CallDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to send.

    Attributes:
        action, payload: as the station's version of OCPP has them.
        wait_s: how long this request may wait for the outcome.
        expires_in_s: not sent after this time; an hour, unless said otherwise.
        answer_within_s: the station's time for its answer, once it was sent.
        repeatable: it may be sent again when the connection was lost before the answer.
        webhook: a URL that is told of the outcome by POST.
    """

    action: Annotated[str, Meta(min_length=1, max_length=64)]
    payload: dict[str, Any] = {}
    wait_s: Annotated[float, Meta(ge=0, le=WAIT_S_MAX)] = 0
    expires_in_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] = 3_600
    answer_within_s: Annotated[int, Meta(ge=1, le=600)] = 30
    repeatable: bool = False
    webhook: str | None = None


class BatchDocument(CallDocument, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for many: `stations` are ids, or `all`."""

    stations: Annotated[list[str], Meta(min_length=1, max_length=STATIONS_MAX)] | Literal["all"]


class BatchEntry(Struct, frozen=True, omit_defaults=True):
    """What was accepted for a station, or why it was not."""

    station_id: str
    id: UUID | None = None
    error: dict[str, str] | None = None


def _described(kind: type[Struct]) -> dict[str, Any]:
    """For the description of the API."""
    schema = msgspec.json.schema(kind, ref_template="#/components/schemas/{name}")
    definition = schema.get("$defs", {}).get(kind.__name__, schema)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": definition}}}}


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    def request_for(station_id: str, document: CallDocument) -> CommandRequest:
        return CommandRequest(
            station_id,
            document.action,
            document.payload,
            clock() + timedelta(seconds=document.expires_in_s),
            document.repeatable,
            document.answer_within_s,
            document.webhook,
        )

    def checked(document: CallDocument) -> None:
        if document.webhook is not None:
            check_url(document.webhook, allow_private=services.settings.allow_private_webhooks)

    async def outcome(command_id: UUID, wait_s: float) -> Command:
        if services.outcomes is None or wait_s <= 0:
            async with database.snapshot() as connection:
                (found,) = await find_commands(connection, [command_id])
            if found is None:
                raise NotFound(f"there is no command {command_id}")
            return found
        return await services.outcomes.wait(command_id, wait_s)

    @routes.post("/stations/{station:path}/calls", openapi_extra=_described(CallDocument))
    async def call(station: str, request: Request) -> Response:
        """200 with the outcome, or 202 when it is not known within `wait_s`."""
        document = await read_body(request, CallDocument, BODY_BYTES_MAX)
        checked(document)
        if document.wait_s > 0 and services.outcomes is None:
            raise Unavailable("nobody waits for outcomes in this process")
        async with database.transaction() as connection:
            (accepted,) = await submit(
                connection, [request_for(station, document)], requested_by=caller(request), now=clock()
            )
            if isinstance(accepted, WattbookError):
                raise accepted
        known = await outcome(accepted.id, document.wait_s)
        return answer(known, 202 if known.state.is_open else 200, {"Location": f"/api/v1/commands/{known.id}"})

    @routes.post("/calls", status_code=202, openapi_extra=_described(BatchDocument))
    async def call_many(request: Request) -> Response:
        """An entry a station: the id of its command, or why there is none."""
        document = await read_body(request, BatchDocument, BODY_BYTES_MAX)
        checked(document)
        batch = uuid4()
        async with database.transaction() as connection:
            stations = sorted(await acceptances(connection)) if document.stations == "all" else document.stations
            requests = [request_for(station, document) for station in dict.fromkeys(stations)]
            if len(encode_payload(document.payload)) * len(requests) > BATCH_BYTES_MAX:
                raise LimitExceeded(f"all payloads together have at most {BATCH_BYTES_MAX} bytes: tell fewer at once")
            outcomes = await submit(connection, requests, requested_by=caller(request), now=clock(), batch_id=batch)
        entries = [_entry(each.station_id, become) for each, become in zip(requests, outcomes, strict=True)]
        return answer({"batch_id": batch, "commands": entries}, 202)

    @routes.get("/commands/{command}")
    async def one(command: UUID, wait_s: Waiting = 0) -> Response:
        """Where a command stands; with `wait_s`, as soon as its outcome is known."""
        return answer(await outcome(command, wait_s))

    @routes.delete("/commands/{command}")
    async def take_back(command: UUID, request: Request) -> Response:
        """Cancel a command that was not sent yet; 409 when it is too late."""
        async with database.transaction() as connection:
            (cancelled,) = await cancel(connection, [command], now=clock())
            if isinstance(cancelled, WattbookError):
                raise cancelled
            change = Change(clock(), caller(request), "command.cancelled", str(command), "accepted", cancelled.state)
            await record_changes(connection, [change])
        return answer(cancelled)

    @routes.get("/commands")
    async def of_batch(batch: UUID, after: UUID | None = None, limit: Limit = PAGE_SIZE_MAX) -> Response:
        """The commands of one request for many stations; `next` is the `after` of the following page."""
        async with database.snapshot() as connection:
            found = await commands_of_batch(connection, batch, after=after, limit=limit)
        return answer({"commands": found, "next": found[-1].id if len(found) == limit else None})

    @routes.get("/stations/{station:path}/commands")
    async def of_station(station: str, before: UUID | None = None, limit: Limit = 100) -> Response:
        """The newest first; `next` is the `before` of the following page."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await commands_of_station(connection, station, before=before, limit=limit)
        return answer({"commands": found, "next": found[-1].id if len(found) == limit else None})

    return routes


async def require_station(connection: AsyncConnection, station_id: str) -> None:
    """Raises:
    NotFound: the station is not registered.
    """
    (known,) = await find_stations(connection, [station_id])
    if known is None:
        raise NotFound(f"station {station_id[:64]!r} is not registered", station=station_id[:64])


def _entry(station_id: str, outcome: Command | WattbookError) -> BatchEntry:
    if isinstance(outcome, Command):
        return BatchEntry(station_id, outcome.id)
    return BatchEntry(station_id, error={"code": outcome.code, "message": outcome.message})
