"""A real management end on a loopback port, whose inbox is a small ledger in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from wattbook.kernel.clock import ManualClock, parse_rfc3339
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.connection import Entity
from wattbook.ocpp.connections.management import ManagementEnd
from wattbook.ocpp.connections.ports import InboundMessage, RejectedFrame
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.server import Admission

NOW = parse_rfc3339("2026-10-01T12:00:00Z")
GOOD, BLOCKED, UNKNOWN = "GOOD", "BLOCKED", "UNKNOWN"
VERDICTS = {GOOD: m.Authorization.ACCEPTED, BLOCKED: m.Authorization.BLOCKED}

AnswerT = TypeVar("AnswerT", bound=m.Answer)
RequestT = TypeVar("RequestT", bound=m.Request[Any])


@dataclass
class Central:
    """What a management system saw of its stations, and what it tells them.

    `on_message` hears of each message before it is answered; it may raise.
    """

    end: ManagementEnd | None = None
    heard: list[InboundMessage] = field(default_factory=list)
    rejected: list[RejectedFrame] = field(default_factory=list)
    registration: m.Registration = m.Registration.ACCEPTED
    start_verdict: m.Authorization | None = None
    on_message: Callable[[InboundMessage], None] = lambda _: None
    _heard_more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        assert self.end is not None
        return f"ws://127.0.0.1:{self.end.port}/ocpp"

    def said(self, kind: type[RequestT]) -> list[RequestT]:
        """All messages of this kind, in order."""
        return [inbound.message for inbound in self.heard if isinstance(inbound.message, kind)]

    async def hears(self, kind: type[m.Request[Any]], times: int = 1) -> None:
        """Wait until so many messages of this kind have come."""
        while len(self.said(kind)) < times:
            self._heard_more.clear()
            await self._heard_more.wait()

    async def tell(self, station_id: str, request: m.Request[AnswerT]) -> AnswerT:
        assert self.end is not None
        connection = self.end.connections.get(station_id)
        assert connection is not None, f"{station_id} is not connected"
        return await connection.call(request)

    async def handle(self, inbound: InboundMessage) -> m.Answer:
        self.heard.append(inbound)
        self._heard_more.set()
        self.on_message(inbound)
        match inbound.message:
            case m.BootNotification():
                return m.BootAnswer(self.registration, NOW, 300)
            case m.Heartbeat():
                return m.HeartbeatAnswer(NOW)
            case m.StatusNotification():
                return m.StatusAnswer()
            case m.Authorize(token):
                return m.AuthorizeAnswer(self._verdict(token))
            case m.TransactionStarted(token=token):
                number = len(self.said(m.TransactionStarted))
                return m.TransactionStartedAnswer(str(number), self._verdict(token, self.start_verdict))
            case m.MeterValues():
                return m.MeterValuesAnswer()
            case m.TransactionStopped():
                return m.TransactionStoppedAnswer()
            case m.TransactionEvent(token=token):
                info = None if token is None else self._verdict(token, self.start_verdict)
                return m.TransactionEventAnswer(token_info=info)
        raise RpcError(ErrorCode.NOT_SUPPORTED, "not here")

    def _verdict(self, token: m.IdToken, instead: m.Authorization | None = None) -> m.TokenInfo:
        return m.TokenInfo(instead or VERDICTS.get(token.value, m.Authorization.INVALID))


@pytest.fixture
async def central() -> AsyncIterator[Central]:
    memory = Central()
    entity = Entity(m.End.MANAGEMENT, memory.handle, memory.rejected.append, lambda _: None, lambda: NOW)
    memory.end = ManagementEnd(entity, lambda request: Admission(request.identity))
    await memory.end.listen("127.0.0.1", 0)
    yield memory
    await memory.end.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW - timedelta(days=1))
