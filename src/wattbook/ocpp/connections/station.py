"""The station's end: what a charging station says and hears, on the same connection as the management system's."""

import base64
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast
from urllib.parse import quote

import structlog
from msgspec.structs import replace

from wattbook.kernel.clock import Clock, system_clock
from wattbook.ocpp.connections.connection import CALL_TIMEOUT_S, Connection, Entity, Line, new_message_id
from wattbook.ocpp.connections.ports import InboundMessage, LateAnswer, RejectedFrame
from wattbook.ocpp.connections.rpc import RPC_LIMITS, RpcLimits
from wattbook.ocpp.connections.station_transactions import ANSWERS, Transactions
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import (
    Answer,
    Authorize,
    AuthorizeAnswer,
    BootAnswer,
    BootNotification,
    ConnectorStatus,
    End,
    Heartbeat,
    HeartbeatAnswer,
    IdToken,
    MeterValues,
    MeterValuesAnswer,
    Request,
    Sample,
    StatusAnswer,
    StatusNotification,
    StopReason,
    TransactionEvent,
    TransactionStarted,
    TransactionStartedAnswer,
    TransactionStopped,
    TransactionStoppedAnswer,
)
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.transport import SOCKET_LIMITS, Socket, SocketLimits, connect
from wattbook.ocpp.wire.versions import V16

NORMAL = 1000  # RFC 6455, 7.4.1

AnswerT = TypeVar("AnswerT", bound=Answer)
Commands = Mapping[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]
"""What the station does on each command; one that is missing is answered NotSupported."""

log = structlog.get_logger(__name__)


class Station:
    """One connection of one station; `Station.connect` opens it.

    It speaks whichever version was negotiated: transactions are said the same way in all of them.
    """

    def __init__(self, socket: Socket, connection: Connection, transactions: Transactions, clock: Clock) -> None:
        self._socket = socket
        self._transactions = transactions
        self._clock = clock
        self._tells_events = DIALECTS[connection.version.subprotocol].speaks(TransactionEvent)
        self.connection = connection

    @classmethod
    async def connect(
        cls,
        url: str,
        station_id: str,
        commands: Commands | None = None,
        *,
        password: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        subprotocols: Sequence[str] = (V16.subprotocol,),
        clock: Clock = system_clock,
        new_id: Callable[[], str] = new_message_id,
        limits: SocketLimits = SOCKET_LIMITS,
        rpc_limits: RpcLimits = RPC_LIMITS,
        transactions: Transactions | None = None,
        compress: bool = False,
        rewrite: Callable[[bytes], bytes] | None = None,
    ) -> "Station":
        """Connect to `<url>/<station id>`, with HTTP Basic authentication when there is a password.

        Pass the same `transactions` to each connection of a station that goes on with what it had begun.
        `tls` is for a wss URL: what the station trusts, and its own certificate if it has one. With `compress` the
        station offers to compress messages. `rewrite` has the last word on each frame.

        Raises:
            Unavailable: refused, not reachable, or no common sub-protocol.
        """
        connections: list[Connection] = []
        entity = Entity(End.STATION, _inbox(commands or {}), _rejected, _late, clock, new_id, rpc_limits)

        def attach(socket: Socket, subprotocol: str) -> Connection:
            wire = socket if rewrite is None else _RewrittenWire(socket, rewrite)
            connections.append(Connection(wire, entity, DIALECTS[subprotocol], station_id, 1, _ended))
            return connections[0]

        headers = {} if password is None else {"Authorization": _basic(station_id, password)}
        address = f"{url.rstrip('/')}/{quote(station_id, safe='')}"
        socket = await connect(
            address, subprotocols, attach, headers=headers, limits=limits, tls=tls, compress=compress
        )
        return cls(socket, connections[0], transactions or Transactions(station_id), clock)

    async def call(
        self, request: Request[AnswerT], timeout_s: float = CALL_TIMEOUT_S, *, offline: bool = False
    ) -> AnswerT:
        """Say anything; see `Connection.call` for what it raises. The methods below say the usual things.

        Where transactions are told as events, what is said of one goes out as its event; `offline` tells of it that it
        happened while there was no connection (E12).
        """
        if self._tells_events and (event := self._transactions.event(request)) is not None:
            if offline:
                event = replace(event, offline=True)
            answer = await self.connection.call(event, timeout_s)
            return cast(AnswerT, ANSWERS[event.phase](event, answer))
        return await self.connection.call(request, timeout_s)

    async def boot(self, vendor: str, model: str, **details: str) -> BootAnswer:
        """Introduce the station; `details` are further fields of `BootNotification`."""
        return await self.call(BootNotification(vendor, model, **details))

    async def heartbeat(self) -> HeartbeatAnswer:
        return await self.call(Heartbeat())

    async def status(self, evse: int, status: ConnectorStatus, *, error: str = "NoError") -> StatusAnswer:
        occurred_at = self._clock() if self._tells_events else None  # only 2.x asks for it
        return await self.call(StatusNotification(evse, status, error, occurred_at))

    async def authorize(self, token: IdToken) -> AuthorizeAnswer:
        return await self.call(Authorize(token))

    async def start_transaction(
        self, evse: int, token: IdToken, meter_mwh: int, started_at: datetime
    ) -> TransactionStartedAnswer:
        return await self.call(TransactionStarted(evse, token, meter_mwh, started_at))

    async def meter_values(
        self, evse: int, samples: Sequence[Sample], transaction_id: str | None = None
    ) -> MeterValuesAnswer:
        return await self.call(MeterValues(evse, tuple(samples), transaction_id))

    async def stop_transaction(
        self,
        transaction_id: str,
        meter_mwh: int,
        stopped_at: datetime,
        reason: StopReason = StopReason.LOCAL,
        *,
        token: IdToken | None = None,
        samples: Sequence[Sample] = (),
    ) -> TransactionStoppedAnswer:
        stopped = TransactionStopped(transaction_id, meter_mwh, stopped_at, reason, token, tuple(samples))
        return await self.call(stopped)

    @property
    def closed_because(self) -> str | None:
        """Why the connection ended; None while it lives."""
        return self.connection.rpc.closed_because

    async def wait_closed(self) -> None:
        """Until the socket has ended, from whichever side."""
        await self._socket.wait_ended()

    async def close(self) -> None:
        """Say goodbye and wait for the end."""
        self.connection.close(NORMAL, "the station leaves")
        await self.wait_closed()

    def cut(self) -> None:
        """End without a goodbye, as a power failure does."""
        self._socket.cut()


class _RewrittenWire:
    """A wire whose outgoing frames are changed."""

    def __init__(self, wire: Line, rewrite: Callable[[bytes], bytes]) -> None:
        self._wire = wire
        self._rewrite = rewrite
        self.close = wire.close
        self.set_reading = wire.set_reading

    @property
    def heard_at(self) -> float:
        return self._wire.heard_at

    def send(self, frame: bytes) -> None:
        self._wire.send(self._rewrite(frame))


def _inbox(commands: Commands) -> Callable[[InboundMessage], Awaitable[Answer]]:
    async def handle(inbound: InboundMessage) -> Answer:
        command = commands.get(type(inbound.message))
        if command is None:
            raise RpcError(ErrorCode.NOT_SUPPORTED, "this station does not do that")
        return await command(inbound.message)

    return handle


def _basic(station_id: str, password: bytes) -> str:
    """RFC 7617; in OCPP 1.6 (security extension, 2.3) the password may be any bytes."""
    return "Basic " + base64.b64encode(station_id.encode() + b":" + password).decode()


def _rejected(frame: RejectedFrame) -> None:
    log.warning("frame-rejected", station_id=frame.station_id, code=frame.error_code, reason=frame.reason)


def _late(answer: LateAnswer) -> None:
    log.warning("late-answer", station_id=answer.station_id, action=answer.action, unique_id=answer.unique_id)


def _ended(connection: Connection, reason: str) -> None:
    log.debug("station-ended", station_id=connection.station_id, reason=reason)
