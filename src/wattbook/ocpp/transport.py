"""WebSockets: from the HTTP upgrade to whole text frames, for both ends.

The server decides before it upgrades. The station's identity is the last element of the path, percent-encoded (OCPP-J
1.6, 3.1.1). An unknown one gets its HTTP status. The sub-protocol is the first of the station's list that is spoken
here; if there is none, the handshake is completed without the header and the socket closed at once (OCPP-J 1.6, 3.1.2).

A socket counts as alive while anything is heard from it. After a silence it is pinged, and when nothing follows within
the deadline it is dropped: a dead mobile network sends no goodbye.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol
from urllib.parse import unquote_to_bytes, urlsplit

import picows
import structlog
from msgspec import Struct
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from wattbook.kernel.errors import Unavailable

TEXT = WSMsgType.TEXT
SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"
CLOSE_REASON_BYTES_MAX = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code

log = structlog.get_logger(__name__)


class SocketLimits(Struct, frozen=True):
    """Bounds of one socket.

    Attributes:
        frame_bytes_max: of one message, whole or in fragments; OCPP-J 2.1 expects 2 kB to hold 99 % of them.
        ping_after_s: silence after which a ping is sent.
        pong_within_s: silence after the ping at which the socket is dropped.
        close_within_s: time for the opposite end to answer a close.
        handshake_within_s: time for the HTTP upgrade.
    """

    frame_bytes_max: int = 1 << 20
    ping_after_s: float = 60.0
    pong_within_s: float = 30.0
    close_within_s: float = 2.0
    handshake_within_s: float = 10.0


SOCKET_LIMITS = SocketLimits()


class TlsPeer(Struct, frozen=True):
    """Who is at the other end of a TLS channel: the certificate that the handshake proved (DER), if it gave one."""

    channel: ssl.SSLObject
    certificate: bytes | None


class ServerTls(Protocol):
    """How a port speaks TLS; `security.tls` has it. `peer` tells of the channel whose bytes are being handled."""

    @property
    def context(self) -> ssl.SSLContext: ...

    def peer(self) -> TlsPeer: ...


class UpgradeRequest(Struct, frozen=True):
    """A station at the door: who it says it is, what it speaks, in its order, the headers it came with, and the TLS
    channel, if it came by one."""

    identity: str
    subprotocols: tuple[str, ...]
    headers: Mapping[str, str]
    tls: TlsPeer | None = None


class Admission(Struct, frozen=True):
    """Come in; `station_id` is the house's own name of the station."""

    station_id: str


class Rejection(Struct, frozen=True):
    """Stay out, with this HTTP status."""

    status: int
    reason: str
    headers: Mapping[str, str] = {}


Admit = Callable[[UpgradeRequest], Admission | Rejection]
"""Decides at once: it runs inside the upgrade, so it looks at memory, not at a database."""


class Receiver(Protocol):
    """Who listens to a socket."""

    def receive(self, data: bytes) -> None: ...

    def set_writable(self, writable: bool) -> None: ...

    def lost(self, reason: str) -> None: ...


class Socket(WSListener):
    """One WebSocket after its upgrade; `attach` gives its receiver as soon as it is open."""

    def __init__(self, attach: Callable[["Socket"], Receiver | None], limits: SocketLimits) -> None:
        super().__init__()
        self._attach = attach
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._receiver: Receiver | None = None
        self._fragments: bytearray | None = None
        self._heard_at = self._pinged_at = self._loop.time()
        self._reading = self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self._ended_because: str | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()

    # The wire, as the connection above sees it

    def send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.send(TEXT, frame)

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
        if kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            said = frame.get_close_reason() or "no reason given"
            self._ended_because = self._ended_because or f"the opposite end closed: {said}"
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "compression was not negotiated")
        elif kind == WSMsgType.BINARY:
            self._refuse(WSCloseCode.UNSUPPORTED_DATA, "OCPP-J is text; binary frames are not understood")
        elif kind != WSMsgType.PONG:
            self._fragment(frame)

    def _fragment(self, frame: WSFrame) -> None:
        """Gather a message that comes in parts (RFC 6455, 5.4)."""
        starts = frame.msg_type == WSMsgType.TEXT
        if starts is not (self._fragments is None):
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
            return
        fragments = self._fragments = bytearray() if self._fragments is None else self._fragments
        fragments += frame.get_payload_as_memoryview()
        if len(fragments) > self._limits.frame_bytes_max:
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG, f"more than {self._limits.frame_bytes_max} bytes")
        elif frame.fin:
            self._fragments = None
            if self._receiver is not None:
                self._receiver.receive(bytes(fragments))

    def _refuse(self, code: WSCloseCode, reason: str) -> None:
        """End because of what was sent, and listen no more."""
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


class Server:
    """A listening port and the sockets that came through it."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._sockets: set[Socket] = set()
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._listener is not None, "not listening"
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Listen no more, close every socket as going away, and wait until they have ended."""
        if self._listener is not None:
            self._listener.close()
        sockets = list(self._sockets)
        for socket in sockets:
            socket.close(WSCloseCode.GOING_AWAY.value, "the management system is going down")
        await asyncio.gather(*(socket.wait_ended() for socket in sockets))


async def listen(
    host: str,
    port: int,
    admit: Admit,
    subprotocols: Sequence[str],
    attach: Callable[[Socket, Admission, str], Receiver],
    *,
    limits: SocketLimits = SOCKET_LIMITS,
    path_prefix: str = "/ocpp/",
    tls: ServerTls | None = None,
) -> Server:
    """Serve stations; port 0 takes any free one. `attach` makes the receiver of a new socket and its sub-protocol.

    Raises:
        OSError: the port is taken.
    """
    server = Server(limits)

    def upgrade(request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        identity = identity_of(request.path, path_prefix)
        if identity is None:
            return _reject(Rejection(404, "stations connect at " + path_prefix + "<station id>"))
        offered = tuple(
            name.strip() for header in request.headers.getall(SUBPROTOCOL_HEADER, ()) for name in header.split(",")
        )
        peer = None if tls is None else tls.peer()
        verdict = _ask(admit, UpgradeRequest(identity, offered, request.headers, peer))
        if isinstance(verdict, Rejection):
            log.info("station-rejected", identity=identity, status=verdict.status, reason=verdict.reason)
            return _reject(verdict)
        subprotocol = next((name for name in offered if name in subprotocols), None)
        # picows takes "Upgrade" only where RFC 7230 (6.1) allows a list such as "keep-alive, Upgrade".
        if "upgrade" in [token.strip().lower() for token in request.headers.get("Connection", "").split(",")]:
            request.headers["Connection"] = "Upgrade"
        socket = Socket(partial(_open, admission=verdict, subprotocol=subprotocol, peer=peer), limits)
        headers = {SUBPROTOCOL_HEADER: subprotocol} if subprotocol else {}
        return picows.WSUpgradeResponseWithListener(
            picows.WSUpgradeResponse.create_101_response(extra_headers=headers), socket
        )

    def _open(socket: Socket, admission: Admission, subprotocol: str | None, peer: TlsPeer | None) -> Receiver | None:
        server._sockets.add(socket)
        socket._ended.add_done_callback(lambda _: server._sockets.discard(socket))
        if peer is not None and socket.channel is not peer.channel:
            log.error("wrong-channel-judged", station_id=admission.station_id)
            socket.close(WSCloseCode.POLICY_VIOLATION.value, "the certificate of this channel was not judged")
            return None
        if subprotocol is None:
            log.warning("no-common-subprotocol", station_id=admission.station_id)
            socket.close(WSCloseCode.PROTOCOL_ERROR.value, "no common sub-protocol; spoken: " + ", ".join(subprotocols))
            return None
        return attach(socket, admission, subprotocol)

    server._listener = await picows.ws_create_server(
        upgrade,
        host,
        port,
        enable_auto_pong=False,
        max_frame_size=limits.frame_bytes_max,
        websocket_handshake_timeout=limits.handshake_within_s,
        read_buffer_init_size=4096,
        logger_name="ocpp",
        ssl=None if tls is None else tls.context,
        ssl_handshake_timeout=None if tls is None else limits.handshake_within_s,
    )
    return server


async def connect(
    url: str,
    subprotocols: Sequence[str],
    attach: Callable[[Socket, str], Receiver],
    *,
    headers: Mapping[str, str] | None = None,
    limits: SocketLimits = SOCKET_LIMITS,
    tls: ssl.SSLContext | None = None,
) -> Socket:
    """Open a socket to a management system, offering the sub-protocols in this order; `tls` is for a wss URL.

    Raises:
        Unavailable: refused, not reachable, or no common sub-protocol; the reason is in the message.
    """

    def upgraded(_: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse) -> Socket:
        chosen: str = response.headers.get(SUBPROTOCOL_HEADER, "none")
        if chosen not in subprotocols:
            raise Unavailable(f"no common sub-protocol: offered {', '.join(subprotocols)}, answered {chosen}")
        return Socket(lambda socket: attach(socket, chosen), limits)

    try:
        _, socket = await picows.ws_connect(
            upgraded,
            url,
            extra_headers={SUBPROTOCOL_HEADER: ", ".join(subprotocols), **(headers or {})},
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
    assert isinstance(socket, Socket), "picows returns the listener it was given"
    return socket


def identity_of(path: bytes, prefix: str) -> str | None:
    """The station's identity in the path of a request, decoded; None if there is none."""
    text = urlsplit(path.decode("latin-1")).path
    encoded = text.removeprefix(prefix)
    if encoded == text or not encoded or "/" in encoded:
        return None
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return None


def _ask(admit: Admit, request: UpgradeRequest) -> Admission | Rejection:
    try:
        return admit(request)
    except Exception as error:
        log.error("admission-failed", identity=request.identity, exc_info=error)
        return Rejection(503, "try again later")


def _reject(rejection: Rejection) -> picows.WSUpgradeResponseWithListener:
    response = picows.WSUpgradeResponse.create_error_response(
        rejection.status, rejection.reason.encode(), extra_headers=rejection.headers
    )
    return picows.WSUpgradeResponseWithListener(response, None)


def _said_at_close(transport: WSTransport) -> str | None:
    """The reason picows gave when it closed by itself, for a frame that breaks RFC 6455 or is too big."""
    handshake = transport.close_handshake
    return handshake.sent.reason if handshake is not None and handshake.sent is not None else None


def _close_reason(text: str) -> str:
    return text.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
