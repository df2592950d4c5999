"""One command on its way over one connection, and what became of it."""

from uuid import UUID

from wattbook.kernel.errors import InvalidInput, LimitExceeded
from wattbook.ocpp.commands.records import Claimed, CommandState, Outcome
from wattbook.ocpp.commands.submission import check_command, decode_payload, encode_payload
from wattbook.ocpp.connections.connection import Connection
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.errors import CallTimedOut, ConnectionLost, InvalidAnswer, PeerRefused, RpcError
from wattbook.ocpp.wire.schemas import Part


async def carry(connection: Connection, command: Claimed) -> Outcome:
    """Send a command and wait for what becomes of it."""
    payload = decode_payload(command.payload)
    try:
        check_command(connection.version, command.action, payload)
    except InvalidInput as fault:
        return Outcome(command.id, CommandState.UNDELIVERABLE, None, fault.code, fault.message, was_sent=False)
    try:
        answering = connection.rpc.call(command.action, payload, command.answer_within_s, str(command.id))
    except (ConnectionLost, LimitExceeded):
        return Outcome(command.id, CommandState.ACCEPTED, was_sent=False)
    try:
        return _answered(connection, command, encode_payload(await answering).decode())
    except PeerRefused as refusal:
        return refused(command.id, refusal)
    except CallTimedOut as silence:
        return Outcome(command.id, CommandState.TIMED_OUT, None, "timed-out", silence.message)
    except ConnectionLost as loss:
        if command.repeatable:
            return Outcome(command.id, CommandState.ACCEPTED)
        return Outcome(command.id, CommandState.UNKNOWN, None, "connection-lost", loss.message)
    except InvalidAnswer as fault:
        return Outcome(command.id, CommandState.ANSWERED, None, "invalid-answer", fault.message)


def _answered(connection: Connection, command: Claimed, answer: str) -> Outcome:
    """The answer is kept as it came; when it breaks its schema, that is said beside it."""
    try:
        schemas.check(schemas.validator(connection.version, command.action, Part.ANSWER), decode_payload(answer))
    except RpcError as fault:
        connection.rpc.refuse_answer(str(command.id), command.action, fault)
        return Outcome(command.id, CommandState.ANSWERED, answer, "invalid-answer", fault.message)
    return Outcome(command.id, CommandState.ANSWERED, answer)


def refused(command: UUID, refusal: PeerRefused, *, late: bool = False) -> Outcome:
    """As the station spelled it."""
    return Outcome(command, CommandState.REFUSED, None, refusal.wire_code, refusal.description, late=late)
