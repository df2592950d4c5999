"""Live connections: one conversation with a station, and the register of which conversation is the present one.

A station that lost its network comes back on a new socket long before the old one is known to be dead. So the newest
wins at once: the older is closed, its CALLs fail, and when its socket ends at last, that end says nothing about the
station any more. Each connection bears an epoch, and only the connection that is registered can leave the register.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeVar, cast

from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.ocpp.connections.message_handler import TOLERANCE, MessageHandler, Tolerance
from wattbook.ocpp.connections.ports import Inbox, OnLateAnswer, Post, Quarantine, Wire
from wattbook.ocpp.connections.rpc import POLICY_VIOLATION, RPC_LIMITS, RpcConnection, RpcCounts, RpcLimits
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.messages import Answer, End, Request
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.errors import InvalidAnswer
from wattbook.ocpp.wire.versions import Version

CALL_TIMEOUT_S = 30.0

AnswerT = TypeVar("AnswerT", bound=Answer)


def new_message_id() -> str:
    return str(uuid.uuid4())


class Line(Wire, Protocol):
    """A wire that says when anything was last heard on it, in the loop's time."""

    @property
    def heard_at(self) -> float: ...


class Direction(Enum):
    """Of a frame, as the end that keeps it sees it."""

    IN = "in"
    OUT = "out"


class Journal(Protocol):
    """Keeps raw frames. It neither waits nor raises: what it keeps is for people to read, never for money."""

    def recorder(self, station_id: str, version: str) -> Callable[[Direction, bytes], None]:
        """Who keeps the frames of one connection."""
        ...


@dataclass(frozen=True)
class Entity:
    """One end of OCPP: what all its connections share.

    Attributes:
        end: which of the two it is.
        inbox: handles what the opposite ends ask.
        quarantine: keeps what could not be accepted.
        on_late_answer: told of answers nobody waits for any more.
        clock: the time of day.
        new_id: message ids of our CALLs, at most 36 characters.
        limits: bounds of each connection.
        tolerance: what is accepted that is not quite right.
        journal: keeps every frame, if there is one.
        post: the inbox for plain messages of stations; without it they go to `inbox` as well.
    """

    end: End
    inbox: Inbox
    quarantine: Quarantine
    on_late_answer: OnLateAnswer
    clock: Clock
    new_id: Callable[[], str] = new_message_id
    limits: RpcLimits = RPC_LIMITS
    tolerance: Tolerance = TOLERANCE
    journal: Journal | None = None
    post: Post | None = None

    @property
    def opposite(self) -> End:
        return End.MANAGEMENT if self.end is End.STATION else End.STATION


class _NotedWire:
    """A wire whose outgoing frames are kept."""

    __slots__ = ("_note", "_wire", "close", "set_reading")

    def __init__(self, wire: Wire, note: Callable[[Direction, bytes], None]) -> None:
        self._wire = wire
        self._note = note
        self.close = wire.close
        self.set_reading = wire.set_reading

    def send(self, frame: bytes) -> None:
        self._note(Direction.OUT, frame)
        self._wire.send(frame)


class Connection:
    """One conversation, from the handshake to the end of its socket, as either end sees it."""

    __slots__ = (
        "_handler",
        "_line",
        "_new_id",
        "_on_lost",
        "epoch",
        "receive",
        "rpc",
        "set_writable",
        "station_id",
        "version",
    )

    def __init__(
        self,
        line: Line,
        entity: Entity,
        dialect: Dialect,
        station_id: str,
        epoch: int,
        on_lost: Callable[["Connection", str], None],
    ) -> None:
        self.station_id = station_id
        self.epoch = epoch
        self.version: Version = dialect.version
        self._on_lost = on_lost
        self._handler = MessageHandler(
            station_id,
            epoch,
            dialect,
            entity.opposite,
            inbox=entity.inbox,
            quarantine=entity.quarantine,
            on_late_answer=entity.on_late_answer,
            clock=entity.clock,
            tolerance=entity.tolerance,
            post=entity.post,
        )
        self._new_id = entity.new_id
        self._line = line
        note = None if entity.journal is None else entity.journal.recorder(station_id, dialect.version.name)
        wire: Wire = line if note is None else _NotedWire(line, note)
        self.rpc = RpcConnection(wire, dialect.version, self._handler, new_id=entity.new_id, limits=entity.limits)
        self.receive = self.rpc.receive if note is None else partial(_receive_noted, note, self.rpc.receive)
        self.set_writable = self.rpc.set_writable

    @property
    def heard_at(self) -> float:
        """When anything was last heard on the socket, a pong too; in the loop's time."""
        return self._line.heard_at

    @property
    def counts(self) -> RpcCounts:
        return self.rpc.counts

    async def call(
        self, request: Request[AnswerT], timeout_s: float = CALL_TIMEOUT_S, unique_id: str | None = None
    ) -> AnswerT:
        """Ask the opposite end.

        Raises:
            InvalidInput: this version has no such message, or its schema no place for such a value.
            PeerRefused: the opposite end answered with an error.
            CallTimedOut, ConnectionLost: no answer.
            InvalidAnswer: an answer that does not fit its schema.
            LimitExceeded: too many CALLs wait already.
        """
        translation, payload = self._handler.write_request(request)
        action = translation.exchange.action
        unique_id = self._new_id() if unique_id is None else unique_id
        said = await self.rpc.call(action, payload, timeout_s, unique_id)
        try:
            return cast(AnswerT, await self._handler.answered(translation, said))
        except InvalidAnswer as fault:
            cause = fault.__cause__
            self.rpc.refuse_answer(unique_id, action, cause if isinstance(cause, WattbookError) else fault)
            raise

    def send(self, request: Request[Any]) -> None:
        """Tell the opposite end something that it does not answer (2.1).

        Raises:
            InvalidInput: this version does not send such a message, or its schema has no place for such a value.
            ConnectionLost: the connection has ended.
            LimitExceeded: too much waits already.
        """
        translation, payload = self._handler.write_request(request)
        action = translation.exchange.action
        if schemas.is_answered(self.version, action):
            raise InvalidInput(f"{action} is called, not sent, in OCPP {self.version.name}")
        self.rpc.send(action, payload)

    def close(self, code: int, reason: str) -> None:
        self.rpc.close(code, reason)

    def lost(self, reason: str) -> None:
        """The socket has ended."""
        self.rpc.lost(reason)
        self._on_lost(self, self.rpc.closed_because or reason)


def _receive_noted(note: Callable[[Direction, bytes], None], receive: Callable[[bytes], None], frame: bytes) -> None:
    note(Direction.IN, frame)
    receive(frame)


class Connections:
    """The present connection of each station of this process."""

    def __init__(self, epochs: Iterator[int] | None = None) -> None:
        self._present: dict[str, Connection] = {}
        self._epochs = count(1) if epochs is None else epochs

    def __len__(self) -> int:
        return len(self._present)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._present.values()))

    def next_epoch(self) -> int:
        return next(self._epochs)

    def get(self, station_id: str) -> Connection | None:
        """The present connection, if the station is connected here."""
        return self._present.get(station_id)

    def enter(self, connection: Connection) -> Connection | None:
        """Make this the present connection; the one it replaces, if any, is closed and returned."""
        replaced = self._present.get(connection.station_id)
        assert replaced is None or replaced.epoch < connection.epoch, "epochs only grow"
        self._present[connection.station_id] = connection
        if replaced is not None:
            replaced.close(POLICY_VIOLATION, "replaced by a newer connection of the same station")
        return replaced

    def leave(self, connection: Connection) -> bool:
        """Whether the station is gone with this connection; not when a newer one has taken its place."""
        present = self._present.get(connection.station_id)
        if present is None or present.epoch != connection.epoch:
            return False
        del self._present[connection.station_id]
        return True
