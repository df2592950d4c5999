"""WebSockets: from an open socket to whole text frames, for both ends; and how a station opens one.

A socket counts as alive while anything is heard from it. After a silence it is pinged, and when nothing follows within
the deadline it is dropped: a dead mobile network sends no goodbye.

Messages are compressed when the client offers it (`deflate`). What a socket may send is bounded in size and in number.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import picows
import structlog
from msgspec import Struct, structs
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from wattbook.kernel.errors import InvalidInput, Unavailable
from wattbook.ocpp.wire import deflate
from wattbook.ocpp.wire.deflate import BadDeflate, Deflate, Inflated

TEXT = WSMsgType.TEXT
SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"
EXTENSIONS_HEADER = "Sec-WebSocket-Extensions"
CLOSE_REASON_BYTES_MAX = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code

log = structlog.get_logger(__name__)


class SocketLimits(Struct, frozen=True):
    """Bounds of one socket.

    Attributes:
        frame_bytes_max: of one message, whole or in fragments, and after it is inflated; OCPP-J 2.1 expects 2 kB to
            hold 99 % of them.
        frames_per_s_max: of any kind, over time; far above what an honest station has to say.
        frames_burst_max: at once, and what may be saved up in silence.
        ping_after_s: silence after which a ping is sent.
        pong_within_s: silence after the ping at which the socket is dropped.
        close_within_s: time for the opposite end to answer a close.
        handshake_within_s: time for the HTTP upgrade.
        compress: whether a server compresses when a client offers it.
    """

    frame_bytes_max: int = 1 << 20
    frames_per_s_max: int = 1_000
    frames_burst_max: int = 10_000
    ping_after_s: float = 60.0
    pong_within_s: float = 30.0
    close_within_s: float = 2.0
    handshake_within_s: float = 10.0
    compress: bool = True


SOCKET_LIMITS = SocketLimits()


class Receiver(Protocol):
    """Who listens to a socket."""

    def receive(self, data: bytes) -> None: ...

    def set_writable(self, writable: bool) -> None: ...

    def lost(self, reason: str) -> None: ...


class Socket(WSListener):
    """One WebSocket after its upgrade; `attach` gives its receiver as soon as it is open."""

    def __init__(
        self, attach: Callable[["Socket"], Receiver | None], limits: SocketLimits, compression: Deflate | None = None
    ) -> None:
        super().__init__()
        self._attach = attach
        self._limits = limits
        self._deflate = compression
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._receiver: Receiver | None = None
        self._fragments: bytearray | None = None
        self._fragments_deflated = False
        self._heard_at = self._pinged_at = self._refilled_at = self._loop.time()
        self._frames_left = limits.frames_burst_max
        self._reading = self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self._ended_because: str | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()

    # The wire, as the connection above sees it

    @property
    def heard_at(self) -> float:
        """When anything was last heard, a pong too; in the loop's time."""
        return self._heard_at

    def send(self, frame: bytes) -> None:
        if self._transport is None:
            return
        if self._deflate is not None and len(frame) > deflate.PLAIN_BYTES_MAX:
            self._transport.send(TEXT, self._deflate.compress(frame), rsv1=True)
        else:
            self._transport.send(TEXT, frame)

    def set_deadlines(self, ping_after_s: float | None, pong_within_s: float | None) -> None:
        """How long this one may be silent, where it differs from others."""
        if ping_after_s is not None:
            self._limits = structs.replace(self._limits, ping_after_s=ping_after_s)
        if pong_within_s is not None:
            self._limits = structs.replace(self._limits, pong_within_s=pong_within_s)
        if self._transport is not None and self._ended_because is None:
            self._schedule(self._limits.ping_after_s, self._check_alive)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and end; an opposite end that does not answer is cut off."""
        if self._transport is None or self._ended_because is not None:
            return
        self._ended_because = reason
        self._transport.send_close(WSCloseCode(code), _close_reason(reason))
        self._schedule(self._limits.close_within_s, self.cut)

    def cut(self) -> None:
        """End without a goodbye."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def wait_ended(self) -> None:
        await asyncio.shield(self._ended)

    def when_ended(self, then: Callable[[], object]) -> None:
        self._ended.add_done_callback(lambda _: then())

    def set_reading(self, reading: bool) -> None:
        if self._transport is None or self._transport.is_disconnected:
            return
        self._reading = reading
        self._heard_at = self._loop.time()
        if reading:
            self._transport.underlying_transport.resume_reading()
        else:
            self._transport.underlying_transport.pause_reading()

    @property
    def channel(self) -> ssl.SSLObject | None:
        """The TLS channel under this socket, if there is one."""
        return None if self._transport is None else self._transport.underlying_transport.get_extra_info("ssl_object")

    # What picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._schedule(self._limits.ping_after_s, self._check_alive)
        self._receiver = self._attach(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard_at = self._loop.time()
        self._frames_left -= 1
        if self._frames_left < 0:
            self._refill()
        if frame.msg_type is TEXT and frame.fin and self._fragments is None and not frame.rsv1:
            if self._receiver is not None:
                self._receiver.receive(frame.get_payload_as_bytes())
        else:
            self._rare_frame(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._receiver is not None:
            self._receiver.lost(self._ended_because or _said_at_close(transport) or "the opposite end went away")
        self._receiver = None
        self._ended.set_result(None)

    def pause_writing(self) -> None:
        self._set_writable(False)

    def resume_writing(self) -> None:
        self._set_writable(True)

    # Inside

    def _rare_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv2 or frame.rsv3 or (frame.rsv1 and (self._deflate is None or kind != TEXT)):
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set that was not negotiated")
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            said = frame.get_close_reason() or "no reason given"
            self._ended_because = self._ended_because or f"the opposite end closed: {said}"
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind == WSMsgType.BINARY:
            self._refuse(WSCloseCode.UNSUPPORTED_DATA, "OCPP-J is text; binary frames are not understood")
        elif kind != WSMsgType.PONG:
            self._part(frame)

    def _part(self, frame: WSFrame) -> None:
        """Gather a message that comes in parts (RFC 6455, 5.4) or compressed; the bit is on its first part."""
        if self._receiver is None:  # refused, and about to end
            return
        starts = frame.msg_type == TEXT
        if starts is not (self._fragments is None):
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
            return
        if self._fragments is None:
            self._fragments, self._fragments_deflated = bytearray(), frame.rsv1
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > self._limits.frame_bytes_max:
            self._refuse_size()
        elif frame.fin:
            message, self._fragments = bytes(self._fragments), None
            self._whole(message)

    def _whole(self, message: bytes) -> None:
        if self._fragments_deflated and self._receiver is not None:
            assert self._deflate is not None, "checked with the first part"
            try:
                message = self._deflate.inflate(message, self._limits.frame_bytes_max)
            except Inflated:
                self._refuse_size()
            except BadDeflate:
                self._refuse(WSCloseCode.INVALID_TEXT, "the compressed data cannot be read")
        if self._receiver is not None:
            self._receiver.receive(message)

    def _refill(self) -> None:
        """A token bucket that is looked at only when it is empty, so that a frame in time costs one subtraction."""
        earned = int((self._heard_at - self._refilled_at) * self._limits.frames_per_s_max)
        self._refilled_at = self._heard_at
        self._frames_left += min(earned, self._limits.frames_burst_max)
        if self._frames_left < 0:
            self._refuse(WSCloseCode.POLICY_VIOLATION, f"more than {self._limits.frames_per_s_max} frames a second")

    def _refuse_size(self) -> None:
        self._refuse(WSCloseCode.MESSAGE_TOO_BIG, f"more than {self._limits.frame_bytes_max} bytes")

    def _refuse(self, code: WSCloseCode, reason: str) -> None:
        """End because of what was sent, and listen no more."""
        if self._ended_because is not None:
            return
        log.warning("socket-refused", reason=reason)
        if self._receiver is not None:
            self._receiver.lost(reason)
            self._receiver = None
        self.close(int(code.value), reason)

    def _set_writable(self, writable: bool) -> None:
        self._writable = writable
        if not writable and self._ended_because is None:
            self._schedule(self._limits.pong_within_s, self._check_alive)
        if self._receiver is not None:
            self._receiver.set_writable(writable)

    def _check_alive(self) -> None:
        assert self._transport is not None, "timers start with the socket"
        now = self._loop.time()
        silence = now - self._heard_at
        if not self._writable and silence >= self._limits.pong_within_s:
            self._drop(f"nothing could be sent for {silence:.0f} s")
        elif not self._reading or silence < self._limits.ping_after_s:
            wait = self._limits.ping_after_s - (silence if self._reading else 0)
            self._schedule(wait if self._writable else self._limits.pong_within_s, self._check_alive)
        elif self._pinged_at <= self._heard_at:
            self._pinged_at = now
            self._transport.send_ping()
            self._schedule(self._limits.pong_within_s, self._check_alive)
        else:
            self._drop(f"nothing was heard for {silence:.0f} s")

    def _drop(self, reason: str) -> None:
        log.info("socket-dropped", reason=reason)
        self._ended_because = self._ended_because or reason
        self.cut()

    def _schedule(self, wait_s: float, what: Callable[[], None]) -> None:
        """The one timer of a socket."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(wait_s, what)


async def connect(
    url: str,
    subprotocols: Sequence[str],
    attach: Callable[[Socket, str], Receiver],
    *,
    headers: Mapping[str, str] | None = None,
    limits: SocketLimits = SOCKET_LIMITS,
    tls: ssl.SSLContext | None = None,
    compress: bool = False,
) -> Socket:
    """Open a socket to a management system, offering the sub-protocols in this order; `tls` is for a wss URL.

    With `compress` it also offers to compress messages; the management system decides.

    Raises:
        InvalidInput: the URL is none of a WebSocket.
        Unavailable: refused, not reachable, or no common sub-protocol; the reason is in the message.
    """

    def upgraded(_: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse) -> Socket:
        chosen: str = response.headers.get(SUBPROTOCOL_HEADER, "none")
        if chosen not in subprotocols:
            raise Unavailable(f"no common sub-protocol: offered {', '.join(subprotocols)}, answered {chosen}")
        try:
            terms = deflate.accepted(response.headers.getall(EXTENSIONS_HEADER, ()))
        except BadDeflate as error:
            raise Unavailable(f"the extensions of the socket are not understood: {error}") from error
        if terms is not None and not compress:
            raise Unavailable("the management system compresses though it was not asked to")
        return Socket(lambda socket: attach(socket, chosen), limits, terms.for_client() if terms else None)

    asked = {EXTENSIONS_HEADER: deflate.offer()} if compress else {}
    try:
        _, socket = await picows.ws_connect(
            upgraded,
            url,
            extra_headers={SUBPROTOCOL_HEADER: ", ".join(subprotocols), **asked, **(headers or {})},
            enable_auto_pong=False,
            max_frame_size=limits.frame_bytes_max,
            max_redirects=0,
            websocket_handshake_timeout=limits.handshake_within_s,
            read_buffer_init_size=4096,
            logger_name="ocpp",
            ssl_context=tls,
        )
    except picows.WSHandshakeError as error:
        status = f"HTTP {error.response.status.value}" if error.response is not None else str(error)
        raise Unavailable(f"the management system refused the connection: {status}") from error
    except OSError as error:
        raise Unavailable(f"the management system cannot be reached: {error}") from error
    except (picows.WSInvalidURL, ValueError) as error:  # the latter of a port or a host that cannot be
        raise InvalidInput(f"{url[:200]!r} is no address of a management system: {error}") from error
    if not isinstance(socket, Socket):  # TLS 1.3: a server tells only afterwards that it refuses our certificate
        raise Unavailable("the management system ended the connection before its upgrade")
    return socket


def _said_at_close(transport: WSTransport) -> str | None:
    """The reason picows gave when it closed by itself, for a frame that breaks RFC 6455 or is too big."""
    handshake = transport.close_handshake
    return handshake.sent.reason if handshake is not None and handshake.sent is not None else None


def _close_reason(text: str) -> str:
    return text.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
