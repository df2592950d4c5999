"""Commands: CALLs of ours as rows, from the moment somebody asked until the station's answer, however late.

A row outlives its process. Whoever may call a station inserts one, on any node; the node that holds the socket is woken
and sends it (`gateway.delivery`). What can become of it:

    accepted ──► sent ──► answered       the station answered; `answer` is the payload
        │          ├────► refused        it answered with an error
        │          ├────► timed-out      no answer in time; one that comes later makes it answered or refused, late
        │          └────► unknown        the connection or our process ended; nobody knows whether it was carried out
        ├──► undeliverable               the station speaks a version that has no such command
        ├──► expired                     the station did not come in time
        └──► cancelled

A command that is `repeatable` waits again instead of being unknown: it is for what does no harm twice.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from msgspec import Raw
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.listener import notify
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, LimitExceeded, NotFound, WattbookError
from wattbook.ocpp.commands import remote_starts, store, webhooks
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState
from wattbook.ocpp.commands.secrets import holds_secret
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import End
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.errors import RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.versions import VERSIONS, Version
from wattbook.registry.stations import find_stations

EXPIRES_AFTER_MAX: Final = timedelta(days=30)
ANSWER_WITHIN_S_MAX: Final = 600
WAITING_MAX: Final = 1_000
"""Of one station."""
PAYLOAD_BYTES_MAX: Final = 256 * 1024

VERSION_OF: Final = {version.name: version for version in VERSIONS}

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode: Callable[[bytes | str | Raw], Any] = msgspec.json.Decoder(float_hook=Decimal).decode


async def submit(
    connection: AsyncConnection,
    requests: Sequence[CommandRequest],
    *,
    requested_by: str,
    now: datetime,
    batch_id: UUID | None = None,
    new_id: Callable[[], UUID] = uuid4,
) -> list[Command | WattbookError]:
    """Accept commands in this order, for stations here or away; they go out after the caller's commit.

    Returns:
        for each, the command; or why it was not accepted: InvalidInput in the words of the schema, NotFound for a
        station that is not registered, LimitExceeded when too many wait for it already.

    Raises:
        InvalidInput: a payload that the database cannot hold.
        LimitExceeded: too many different webhooks.
    """
    stations = list(dict.fromkeys(request.station_id for request in requests))
    registered = {station.id for station in await find_stations(connection, stations) if station is not None}
    versions = await store.versions_spoken(connection, stations)
    waiting = await store.waiting(connection, stations)
    judged: dict[tuple[int, str, str | None], WattbookError | None] = {}
    outcomes: list[Command | WattbookError] = []
    for request in requests:
        version = versions.get(request.station_id)
        key = (id(request.payload), request.action, version)
        if key not in judged:  # the same for many stations is checked once
            judged[key] = _fault_of(request, version)
        fault = judged[key] or _fault_of_terms(request, now)
        if request.station_id not in registered:
            fault = NotFound(f"station {request.station_id[:64]!r} is not registered", station=request.station_id)
        elif fault is None and waiting.get(request.station_id, 0) >= WAITING_MAX:
            fault = LimitExceeded(f"{WAITING_MAX} commands already wait for station {request.station_id}")
        if fault is not None:
            outcomes.append(fault)
            continue
        waiting[request.station_id] = waiting.get(request.station_id, 0) + 1
        outcomes.append(_accepted(request, version, requested_by, now, batch_id, new_id()))
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Command)]
    await webhooks.register(connection, [each.webhook_url for each in accepted if each.webhook_url is not None], now)
    try:
        await store.add(connection, accepted)
    except DataError:
        raise InvalidInput("the payload holds a number or text that cannot be kept") from None
    await remote_starts.note(
        connection,
        [
            (each, request.payload)
            for request, each in zip(requests, outcomes, strict=True)
            if isinstance(each, Command)
        ],
    )
    await notify(connection, store.COMMANDS, [command.station_id for command in accepted])
    return [_shown(outcome) if isinstance(outcome, Command) else outcome for outcome in outcomes]


async def find_commands(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Command | None]:
    rows = await store.find(connection, ids)
    return [None if row is None else _read(row) for row in rows]


async def commands_of_station(
    connection: AsyncConnection, station_id: str, *, before: UUID | None = None, limit: int = 100
) -> list[Command]:
    """The newest first; with `before`, those that were asked for before that one."""
    rows = await store.of_station(connection, station_id, before, limit)
    return [_read(row) for row in rows]


async def commands_of_batch(
    connection: AsyncConnection, batch_id: UUID, *, after: UUID | None = None, limit: int = 1_000
) -> list[Command]:
    """In the order in which they were asked for; with `after`, those that come after that one."""
    rows = await store.of_batch(connection, batch_id, after, limit)
    return [_read(row) for row in rows]


async def cancel(connection: AsyncConnection, ids: Sequence[UUID], *, now: datetime) -> list[Command | WattbookError]:
    """Take back commands that were not sent yet.

    Returns:
        for each, the command as it is now; NotFound, or Conflict when it is too late.
    """
    cancelled = await store.cancel(connection, ids, now)
    found = await find_commands(connection, ids)
    outcomes: list[Command | WattbookError] = []
    for asked, command in zip(ids, found, strict=True):
        if command is None:
            outcomes.append(NotFound(f"there is no command {asked}"))
        elif asked not in cancelled:
            outcomes.append(Conflict(f"the command is {command.state} and cannot be cancelled", state=command.state))
        else:
            outcomes.append(command)
    return outcomes


def check_command(version: Version, action: str, payload: JsonObject) -> None:
    """Whether a station of this version can be told so.

    Raises:
        InvalidInput: the version has no such action, a station says it and does not hear it, or the schema forbids the
            payload; in the schema's words.
    """
    if action not in schemas.actions(version):
        raise InvalidInput(f"OCPP {version.name} has no action {action[:64]!r}")
    translation = DIALECTS[version.subprotocol].by_action[action]
    if End.MANAGEMENT not in translation.exchange.senders or not schemas.is_answered(version, action):
        raise InvalidInput(f"{action} is nothing that a station is called with")
    try:
        schemas.check(translation.request_schema, payload)
    except RpcError as error:
        raise InvalidInput(f"{action} of OCPP {version.name}: {error.message}", version=version.name) from None


def decode_payload(text: Raw | bytes | str) -> JsonObject:
    """A JSON object with exact numbers."""
    payload: JsonObject = _decode(text)
    return payload


def encode_payload(payload: JsonObject) -> bytes:
    """Compact JSON."""
    return _encode(payload)


def _read(row: str) -> Command:
    """The payloads compact again, which the database spaces out."""
    command = msgspec.json.decode(row, type=Command)
    return _shown(msgspec.structs.replace(command, payload=_compact(command.payload), answer=_compact(command.answer)))


def _shown(command: Command) -> Command:
    return msgspec.structs.replace(command, payload=Raw(b"{}")) if command.secret else command


def _compact(json: Raw) -> Raw:
    return Raw(msgspec.json.format(bytes(json), indent=-1))


def _fault_of(request: CommandRequest, version: str | None) -> WattbookError | None:
    try:
        encoded = _encode(request.payload)
        if len(encoded) > PAYLOAD_BYTES_MAX:
            raise InvalidInput(f"a payload has at most {PAYLOAD_BYTES_MAX} bytes")
        if b"\\u0000" in encoded:
            raise InvalidInput("a text of the payload holds the character U+0000")
        if version is not None:
            check_command(VERSION_OF[version], request.action, request.payload)
        else:
            _check_in_any_version(request.action, request.payload)
        if request.action in remote_starts.ACTIONS:
            remote_starts.check(request.payload)
    except InvalidInput as fault:
        return fault
    except (ValueError, TypeError, RecursionError):
        return InvalidInput("the payload is no JSON that can be sent")
    return None


def _check_in_any_version(action: str, payload: JsonObject) -> None:
    """Of a station that never connected; it is checked again in the version that it turns out to speak.

    Raises:
        InvalidInput: no version of OCPP can say so; in the words of the newest that has the action.
    """
    versions = [version for version in VERSIONS if action in schemas.actions(version)]
    fault = InvalidInput(f"no version of OCPP has an action {action[:64]!r}")
    for version in versions:
        try:
            check_command(version, action, payload)
        except InvalidInput as unfit:
            fault = unfit
        else:
            return
    raise fault


def _fault_of_terms(request: CommandRequest, now: datetime) -> WattbookError | None:
    if not now < utc(request.expires_at) <= now + EXPIRES_AFTER_MAX:
        return InvalidInput(f"a command expires in the future, at most {EXPIRES_AFTER_MAX.days} days ahead")
    if not 1 <= request.answer_within_s <= ANSWER_WITHIN_S_MAX:
        return InvalidInput(f"a station has between 1 and {ANSWER_WITHIN_S_MAX} seconds to answer")
    return None


def _accepted(
    request: CommandRequest, version: str | None, requested_by: str, now: datetime, batch_id: UUID | None, new_id: UUID
) -> Command:
    return Command(
        id=new_id,
        station_id=request.station_id,
        action=request.action,
        payload=Raw(_encode(request.payload)),
        state=CommandState.ACCEPTED,
        requested_by=requested_by,
        batch_id=batch_id,
        repeatable=request.repeatable,
        answer_within_s=request.answer_within_s,
        webhook_url=request.webhook_url,
        version=version,
        sendings=0,
        created_at=now,
        expires_at=utc(request.expires_at),
        sent_at=None,
        answered_at=None,
        answer=Raw(b"null"),
        error_code=None,
        error_description=None,
        late=False,
        secret=holds_secret(request.action, request.payload),
    )
