"""A management system's end on a loopback port, with an inbox that a test can read and hold."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from wattbook.kernel.clock import ManualClock
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.connection import Connection, Entity
from wattbook.ocpp.connections.management import ManagementEnd
from wattbook.ocpp.connections.ports import InboundMessage, LateAnswer, RejectedFrame
from wattbook.ocpp.connections.rpc import RPC_LIMITS, RpcLimits
from wattbook.ocpp.wire.server import Admission, Rejection, UpgradeRequest
from wattbook.ocpp.wire.transport import SOCKET_LIMITS, SocketLimits
from wattbook.ocpp.wire.turnstile import ARRIVAL_LIMITS, ArrivalLimits

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
ACCEPTED = m.TokenInfo(m.Authorization.ACCEPTED)

Answering = Callable[[InboundMessage], Awaitable[m.Answer]]


async def friendly(inbound: InboundMessage) -> m.Answer:
    """Says yes to everything."""
    match inbound.message:
        case m.BootNotification():
            return m.BootAnswer(m.Registration.ACCEPTED, NOW, 300)
        case m.Heartbeat():
            return m.HeartbeatAnswer(NOW)
        case m.StatusNotification():
            return m.StatusAnswer()
        case m.Authorize():
            return m.AuthorizeAnswer(ACCEPTED)
        case m.TransactionStarted():
            return m.TransactionStartedAnswer("4711", ACCEPTED)
        case m.MeterValues():
            return m.MeterValuesAnswer()
        case m.TransactionStopped():
            return m.TransactionStoppedAnswer(ACCEPTED)
        case m.DataTransfer():
            return m.DataTransferAnswer(m.DataTransferStatus.UNKNOWN_VENDOR)
    raise AssertionError(inbound)


class Central:
    """What happened at the management system's end."""

    def __init__(self, answering: Answering = friendly) -> None:
        self.answering = answering
        self.heard: list[InboundMessage] = []
        self.rejected: list[RejectedFrame] = []
        self.late: asyncio.Queue[LateAnswer] = asyncio.Queue()
        self.opened: asyncio.Queue[Connection] = asyncio.Queue()
        self.closed: asyncio.Queue[Connection] = asyncio.Queue()
        self.knocks: list[UpgradeRequest] = []
        self.end: ManagementEnd

    async def inbox(self, inbound: InboundMessage) -> m.Answer:
        self.heard.append(inbound)
        return await self.answering(inbound)

    def admit(self, request: UpgradeRequest) -> Admission | Rejection:
        self.knocks.append(request)
        if request.identity.startswith("unknown"):
            return Rejection(404, "no such station")
        if request.identity.startswith("broken"):
            raise RuntimeError("a secret of the house")
        return Admission(request.identity)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.end.port}/ocpp"

    @property
    def messages(self) -> list[m.Request[m.Answer]]:
        return [inbound.message for inbound in self.heard]


@asynccontextmanager
async def running(
    answering: Answering = friendly,
    *,
    limits: SocketLimits = SOCKET_LIMITS,
    rpc_limits: RpcLimits = RPC_LIMITS,
    arrivals: ArrivalLimits = ARRIVAL_LIMITS,
) -> AsyncIterator[Central]:
    """A management system's end that ends with the block."""
    central = Central(answering)
    entity = Entity(
        m.End.MANAGEMENT,
        central.inbox,
        central.rejected.append,
        central.late.put_nowait,
        ManualClock(NOW),
        limits=rpc_limits,
    )
    central.end = ManagementEnd(
        entity,
        central.admit,
        on_open=central.opened.put_nowait,
        on_close=central.closed.put_nowait,
        limits=limits,
        arrivals=arrivals,
    )
    await central.end.listen("127.0.0.1", 0)
    try:
        yield central
    finally:
        await central.end.close()
