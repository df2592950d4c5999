"""Commands in the neutral vocabulary: the caller says what is meant, each station hears it in its own version.

For rooms and faces that do not care which version a station speaks: `order(connection, stations, RemoteStop("7"), …)`,
later `answer_of(command)`. A station's version is known since it first connected.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, InvalidInput, Unavailable, WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest, CommandState
from wattbook.ocpp.commands.remote_starts import next_ids
from wattbook.ocpp.commands.store import versions_spoken
from wattbook.ocpp.commands.submission import VERSION_OF, decode_payload, submit
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import Answer, RemoteStart, Request
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.errors import InvalidAnswer, PeerRefused, RpcError


async def order(
    connection: AsyncConnection,
    stations: Sequence[str],
    request: Request[Any],
    *,
    requested_by: str,
    now: datetime,
    expires_at: datetime,
    repeatable: bool = False,
    answer_within_s: int = 30,
    batch_id: UUID | None = None,
    new_id: Callable[[], UUID] = uuid4,
) -> list[Command | WattbookError]:
    """Accept the same command for stations of any version.

    Returns:
        for each station, the command; or why there is none: Unavailable for one that never connected, InvalidInput
        when its version cannot say it, and what `submit` says.
    """
    versions = await versions_spoken(connection, stations)
    if isinstance(request, RemoteStart) and not request.remote_start_id:
        request = replace(request, remote_start_id=(await next_ids(connection, 1))[0])
    written: dict[str, CommandRequest | WattbookError] = {}
    for station in stations:
        spoken = versions.get(station)
        if spoken is None:
            written[station] = Unavailable(f"station {station[:64]!r} never connected, so its version is not known")
            continue
        try:
            translation = DIALECTS[VERSION_OF[spoken].subprotocol].of(request)
            payload = translation.exchange.write_request(request)
        except InvalidInput as fault:
            written[station] = fault
            continue
        action = translation.exchange.action
        written[station] = CommandRequest(station, action, payload, expires_at, repeatable, answer_within_s)
    asked = [each for each in written.values() if isinstance(each, CommandRequest)]
    accepted = iter(
        await submit(connection, asked, requested_by=requested_by, now=now, batch_id=batch_id, new_id=new_id)
    )
    outcomes = {
        station: next(accepted) if isinstance(each, CommandRequest) else each for station, each in written.items()
    }
    return [outcomes[station] for station in stations]


def answer_of(command: Command) -> Answer:
    """The station's answer, read.

    Raises:
        Conflict: the command has no answer, or not yet.
        PeerRefused: the station answered with an error.
        InvalidAnswer: the answer does not fit its schema.
    """
    if command.state is CommandState.REFUSED:
        raise PeerRefused(command.error_code or "", command.error_description or "", {})
    if command.state is not CommandState.ANSWERED or command.version is None:
        raise Conflict(f"the command is {command.state}: it has no answer", state=command.state)
    translation = DIALECTS[VERSION_OF[command.version].subprotocol].by_action[command.action]
    try:
        payload = decode_payload(command.answer)
        schemas.check(translation.answer_schema, payload)
        answer: Answer = translation.exchange.read_answer(payload)
    except (RpcError, InvalidInput) as fault:
        raise InvalidAnswer(f"the answer to {command.action} is unfit: {fault.message}") from fault
    return answer
