"""One connection on a bench: a wire that keeps what was sent, and a handler that answers by a function."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import msgspec

from wattbook.ocpp.connections.ports import Reply
from wattbook.ocpp.connections.rpc import RPC_LIMITS, RpcConnection, RpcLimits
from wattbook.ocpp.dialects.plain import PlainCall
from wattbook.ocpp.wire.errors import (
    MalformedFrame,
    PeerRefused,
)
from wattbook.ocpp.wire.frames import Call, CallResultError, JsonObject, Send
from wattbook.ocpp.wire.versions import V16, Version

OnCall = Callable[[Call], Awaitable[JsonObject | Reply]]


class Cable:
    """A wire that keeps what was sent, and delivers it to the other end if there is one."""

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.changed = asyncio.Event()
        self.closed: list[tuple[int, str]] = []
        self.reading: list[bool] = []
        self.other: RpcConnection | None = None

    def send(self, frame: bytes) -> None:
        self.sent.append(msgspec.json.decode(frame))
        self.changed.set()
        if self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.receive, frame)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def set_reading(self, reading: bool) -> None:
        self.reading.append(reading)


class Handler:
    """Answers by a function and keeps what it was told."""

    def __init__(self, answer: OnCall) -> None:
        self._answer = answer
        self.bad: list[tuple[bytes, MalformedFrame]] = []
        self.late: list[tuple[str, str, JsonObject | PeerRefused]] = []
        self.late_fault: Exception | None = None
        self.refused: list[CallResultError] = []

    def read_plain(self, raw: bytes) -> PlainCall | None:
        return None

    def on_plain_call(self, call: PlainCall, raw: bytes, answered: Callable[[PlainCall, bytes], None]) -> None:
        raise AssertionError("nothing is plain here; see test_plain")

    async def on_call(self, call: Call, raw: bytes) -> JsonObject | Reply:
        return await self._answer(call)

    async def on_send(self, send: Send, raw: bytes) -> None:
        await self._answer(Call(send.unique_id, send.action, send.payload))

    def on_answer_refused(self, refused: CallResultError, raw: bytes) -> None:
        self.refused.append(refused)

    def on_bad_frame(self, raw: bytes, error: MalformedFrame) -> None:
        self.bad.append((raw, error))

    def on_late_answer(self, unique_id: str, action: str, answer: JsonObject | PeerRefused) -> Exception | None:
        self.late.append((unique_id, action, answer))
        return self.late_fault


class Bench:
    """One connection on the bench, with everything it touches."""

    def __init__(
        self, answer: OnCall | None = None, *, version: Version = V16, limits: RpcLimits = RPC_LIMITS, prefix: str = "m"
    ) -> None:
        numbers = count(1)
        self.wire = Cable()
        self.handler = Handler(answer or echo)
        self.rpc = RpcConnection(
            self.wire, version, self.handler, new_id=lambda: f"{prefix}{next(numbers)}", limits=limits
        )

    def hear(self, *frames: object) -> None:
        for frame in frames:
            self.rpc.receive(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))

    async def sent(self, number: int) -> list[list[Any]]:
        """What was sent, once it is this many frames."""
        async with asyncio.timeout(5):
            while len(self.wire.sent) < number:
                self.wire.changed.clear()
                await self.wire.changed.wait()
        assert len(self.wire.sent) == number
        return self.wire.sent


async def echo(call: Call) -> JsonObject:
    return {"heard": call.action}


def linked(one: Bench, other: Bench) -> None:
    one.wire.other, other.wire.other = other.rpc, one.rpc


class Gate:
    """A handler that answers each CALL when it is told to."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.waiting: asyncio.Queue[asyncio.Future[JsonObject]] = asyncio.Queue()

    async def __call__(self, call: Call) -> JsonObject:
        self.started.append(call.unique_id)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait(answer)
        return await answer

    async def open(self) -> None:
        (await self.waiting.get()).set_result({})
