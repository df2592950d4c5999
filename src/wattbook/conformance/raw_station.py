"""A station's end with nothing between the check and the wire: frames as they are, right or wrong.

Everything that comes is kept in the order it came. CALLs of the management system are answered at once with
NotSupported, unless the check wants to hold them.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from wattbook.conformance.outcome import Failed
from wattbook.conformance.versions import CALL, CALL_ERROR, CALL_RESULT, DESCRIPTION_LENGTH_MAX

Elements = list[Any]
FoundT = TypeVar("FoundT")

_encode = msgspec.json.Encoder(decimal_format="number").encode


class HandshakeRefused(Failed):
    """The management system answered the upgrade with an HTTP status; `status` is 0 when it only hung up."""

    def __init__(self, status: int, seen: str) -> None:
        super().__init__(seen)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What a CALL was answered with: the elements of its CALLRESULT or CALLERROR."""

    elements: Elements

    @property
    def is_result(self) -> bool:
        return bool(self.elements[0] == CALL_RESULT)

    @property
    def payload(self) -> Any:
        """Of a CALLRESULT.

        Raises:
            Failed: it is a CALLERROR.
        """
        if not self.is_result:
            raise Failed(f"answered {self}")
        return self.elements[2]

    @property
    def error_code(self) -> str | None:
        return None if self.is_result else str(self.elements[2])

    def __str__(self) -> str:
        return "CALLRESULT" if self.is_result else f"CALLERROR {self.elements[2]}: {self.elements[3]}"


class RawStation:
    """One socket of a station; `heard` is every frame that came, read as JSON."""

    def __init__(self, socket: ClientConnection, within_s: float) -> None:
        self._socket = socket
        self._within_s = within_s
        self._more = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.heard: list[Elements] = []
        self.calls: list[Elements] = []
        self.holds_calls = False
        self.is_closed = False

    # Said

    async def send(self, frame: Elements | str | bytes) -> None:
        """Send elements as a frame, text as it is, bytes as a binary frame."""
        with suppress(ConnectionClosed):  # what comes next will say so
            await self._socket.send(encode(frame) if isinstance(frame, list) else frame)

    async def send_parts(self, *parts: tuple[Opcode, bytes, bool]) -> None:
        """Send WebSocket frames one by one, each with whether it is the last of its message."""
        for opcode, data, is_last in parts:
            await self.send_bytes(wire_bytes(opcode, data, is_last=is_last))

    async def send_bytes(self, data: bytes) -> None:
        """Write bytes on the TCP connection, beneath the WebSocket."""
        self._socket.transport.write(data)
        await asyncio.sleep(0)

    async def ping(self) -> None:
        """Ping and wait for the pong.

        Raises:
            Failed: none came.
        """
        try:
            async with asyncio.timeout(self._within_s):
                await (await self._socket.ping())
        except (TimeoutError, ConnectionClosed):
            raise Failed(f"no pong within {self._within_s:g} s") from None

    def stop_reading(self) -> None:
        """Be as a station that lost its network: nothing is read, not even a close."""
        self._socket.transport.pause_reading()

    def resume_reading(self) -> None:
        self._socket.transport.resume_reading()

    def cut(self) -> None:
        """End the TCP connection without a goodbye."""
        self._socket.transport.abort()

    async def close(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(self._within_s):
                await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    # Heard

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    @property
    def extensions(self) -> str:
        """What the management system agreed to beside the sub-protocol."""
        response = self._socket.response
        return "" if response is None else response.headers.get("Sec-WebSocket-Extensions", "")

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code

    async def ask(self, unique_id: str, action: str, payload: Any) -> Answer:
        """Send a CALL and wait for its answer."""
        await self.send([CALL, unique_id, action, payload])
        return await self.answer_to(unique_id)

    async def answer_to(self, unique_id: str, number: int = 1) -> Answer:
        """The first answer that bears this id, or the second."""

        def find() -> Answer | None:
            found = [each for each in self.heard if each[0] != CALL and each[1] == unique_id]
            return Answer(found[number - 1]) if len(found) >= number else None

        return await self.until(find, f"no answer to {unique_id!r}")

    async def next_call(self) -> Elements:
        """The oldest CALL of the management system that was held and not taken yet."""
        return await self.until(lambda: self.calls.pop(0) if self.calls else None, "the system sent no CALL")

    async def until(self, find: Callable[[], FoundT | None], missing: str) -> FoundT:
        """Wait for something in what was heard.

        Raises:
            Failed: it did not come in time, or the connection ended before.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within_s):
                while (found := find()) is None:
                    if self.is_closed:
                        raise Failed(f"{missing}: the connection was closed with {self._socket.close_code}")
                    self._more.clear()
                    await self._more.wait()
                return found
        raise Failed(f"{missing} within {self._within_s:g} s")

    async def wait_closed(self) -> int | None:
        """Wait for the management system to close, and tell its code.

        Raises:
            Failed: it does not.
        """
        try:
            async with asyncio.timeout(self._within_s):
                await self._reading
        except TimeoutError:
            raise Failed(f"the connection was still open after {self._within_s:g} s") from None
        return self._socket.close_code

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self.heard.append(_frame(message))
                if self.heard[-1][0] == CALL:
                    await self._called(self.heard[-1])
                self._more.set()
        except ConnectionClosed:
            pass
        finally:
            self.is_closed = True
            self._more.set()

    async def _called(self, call: Elements) -> None:
        if self.holds_calls:
            self.calls.append(call)
        else:
            await self.send([CALL_ERROR, call[1], "NotSupported", "", {}])


def encode(frame: Any) -> str:
    return _encode(frame).decode()


def wire_bytes(opcode: Opcode, data: bytes, *, is_last: bool = True) -> bytes:
    """A WebSocket frame as a client writes it (RFC 6455, 5.2)."""
    return Frame(opcode, data, fin=is_last).serialize(mask=True)


def form_faults(elements: Elements, error_codes: frozenset[str]) -> list[str]:
    """What is wrong with the form of an answer (OCPP-J, 4.2): its elements, its code, its description."""
    match elements:
        case [3, str(), dict()]:
            return []
        case [4, str(), str() as code, str() as description, dict()]:
            faults = [] if code in error_codes else [f"no error code of this version: {code}"]
            if len(description) > DESCRIPTION_LENGTH_MAX:
                faults.append(f"errorDescription of {len(description)} characters")
            return faults
    return [f"no CALLRESULT and no CALLERROR: {encode(elements)[:200]}"]


def station_url(url: str, identity: str) -> str:
    """Where a station connects: its identity, percent-encoded, is the last element (OCPP-J 1.6, 3.1.1)."""
    return f"{url.rstrip('/')}/{quote(identity, safe='')}"


@asynccontextmanager
async def raw_station(
    url: str,
    subprotocols: Sequence[str],
    *,
    within_s: float,
    headers: Mapping[str, str] | None = None,
    compression: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawStation]:
    """Connect at exactly this URL.

    Raises:
        HandshakeRefused: the upgrade was answered with an HTTP status.
        Failed: nobody is there, or the handshake is no handshake.
    """
    try:
        socket = await connect(
            url,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=headers or {},
            compression=compression,
            ssl=tls,
            ping_interval=None,
            max_size=None,
            open_timeout=within_s,
            close_timeout=within_s,
            proxy=None,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise HandshakeRefused(status, f"HTTP {status}") from refused
    except InvalidHandshake as fault:
        raise HandshakeRefused(0, f"handshake failed: {fault}") from fault
    except (OSError, TimeoutError, EOFError) as fault:
        raise Failed(f"cannot connect: {fault!r}") from fault
    station = RawStation(socket, within_s)
    try:
        yield station
    finally:
        await station.close()


async def upgrade(url: str, lines: Sequence[str], *, within_s: float, tls: ssl.SSLContext | None = None) -> list[str]:
    """The lines of the response to an upgrade written by hand; `lines` are headers beside Host, Version and Key."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    key = b64encode(b"sixteen bytes it").decode()
    fixed = [
        f"GET {path} HTTP/1.1",
        f"Host: {parts.hostname}:{port}",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
    ]
    request = "\r\n".join([*fixed, f"Sec-WebSocket-Key: {key}", *lines, "", ""])
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
            try:
                writer.write(request.encode())
                head = await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError) as fault:
        raise Failed(f"no response to the upgrade: {fault!r}") from fault
    return head.decode("latin-1").split("\r\n")


def _frame(message: str | bytes) -> Elements:
    """A frame read as JSON; what is no array with a type and an id is shown as type 0."""
    try:
        elements = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [0, "", f"no JSON: {message[:200]!r}"]
    if isinstance(elements, list) and len(elements) >= 2:
        return elements
    return [0, "", f"no frame: {message[:200]!r}"]
