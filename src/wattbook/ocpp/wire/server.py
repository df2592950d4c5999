"""The port that stations come to: from the HTTP upgrade to their sockets.

The server decides before it upgrades. The station's identity is the last element of the path, percent-encoded (OCPP-J
1.6, 3.1.1). An unknown one gets its HTTP status. The sub-protocol is the first of the station's list that is spoken
here; if there is none, the handshake is completed without the header and the socket closed at once (OCPP-J 1.6, 3.1.2).

How many sockets there may be, and how fast they may come, is the matter of the turnstile before the door.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

import aiofastnet
import picows
import structlog
from msgspec import Struct
from picows import WSCloseCode

from wattbook.ocpp.wire import deflate
from wattbook.ocpp.wire.transport import (
    EXTENSIONS_HEADER,
    SOCKET_LIMITS,
    SUBPROTOCOL_HEADER,
    Receiver,
    Socket,
    SocketLimits,
)
from wattbook.ocpp.wire.turnstile import ARRIVAL_LIMITS, Arrival, ArrivalLimits, TurnedAway, Turnstile

log = structlog.get_logger(__name__)
_quiet = logging.LoggerAdapter(logging.getLogger("picows.ocpp"), {})
"""An adapter, because picows makes a logger a socket out of anything that is one itself."""


class TlsPeer(Struct, frozen=True):
    """Who is at the other end of a TLS channel: the certificate that the handshake proved (DER), if it gave one."""

    channel: ssl.SSLObject
    certificate: bytes | None


class ServerTls(Protocol):
    """How a port speaks TLS."""

    @property
    def context(self) -> ssl.SSLContext: ...


class UpgradeRequest(Struct, frozen=True):
    """A station at the door.

    Attributes:
        identity: who it says it is.
        subprotocols: what it speaks, in its order.
        headers: of the HTTP request.
        tls: the channel it came by, if it is one of TLS.
        address: where it comes from.
    """

    identity: str
    subprotocols: tuple[str, ...]
    headers: Mapping[str, str]
    tls: TlsPeer | None = None
    address: str = ""


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

Attach = Callable[[Socket, Admission, str], Receiver]
"""Makes the receiver of a new socket and its sub-protocol."""


class Server:
    """A listening port and the sockets that came through it."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile
        self._sockets: set[Socket] = set()
        self._listener: asyncio.Server | None = None

    async def open(self, host: str, port: int, arrive: Callable[[], asyncio.BaseProtocol], **terms: Any) -> None:
        """`arrive` makes the protocol of each connection; the terms are those of `asyncio`."""
        loop = asyncio.get_running_loop()
        if loop.get_exception_handler() is None:
            loop.set_exception_handler(_unless_it_only_hung_up)
        self._listener = await aiofastnet.create_server(loop, arrive, host, port, **terms)

    @property
    def port(self) -> int:
        assert self._listener is not None, "not listening"
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def stop_listening(self) -> None:
        """Let nobody in any more; who is in stays."""
        if self._listener is not None:
            self._listener.close()

    async def close(self) -> None:
        """Listen no more, close every socket as going away, and wait until they have ended."""
        self.stop_listening()
        sockets = list(self._sockets)
        for socket in sockets:
            socket.close(WSCloseCode.GOING_AWAY.value, "the management system is going down")
        await asyncio.gather(*(socket.wait_ended() for socket in sockets))

    def keep(self, socket: Socket) -> None:
        """This one is open, until it has ended."""
        self._sockets.add(socket)
        socket.when_ended(lambda: self._sockets.discard(socket))


async def listen(
    host: str,
    port: int,
    admit: Admit,
    subprotocols: Sequence[str],
    attach: Attach,
    *,
    limits: SocketLimits = SOCKET_LIMITS,
    arrivals: ArrivalLimits = ARRIVAL_LIMITS,
    path_prefix: str = "/ocpp/",
    tls: ServerTls | None = None,
    shared: bool = False,
) -> Server:
    """Serve stations; port 0 takes any free one.

    With `shared` other processes may listen at the same port, and the kernel deals the stations out among them.

    Raises:
        OSError: the port is taken.
    """
    server = Server(Turnstile(arrivals, asyncio.get_running_loop().time))
    await server.open(
        host,
        port,
        _Door(server, admit, subprotocols, attach, limits, arrivals, path_prefix, tls=tls is not None).arrive,
        backlog=arrivals.backlog,
        reuse_port=shared or None,
        ssl=None if tls is None else tls.context,
        ssl_handshake_timeout=None if tls is None else limits.handshake_within_s,
    )
    return server


@dataclass(frozen=True, slots=True)
class _Door:
    """What a connection goes through before it is a socket of a station."""

    server: Server
    admit: Admit
    subprotocols: Sequence[str]
    attach: Attach
    limits: SocketLimits
    arrivals: ArrivalLimits
    path_prefix: str
    tls: bool

    def arrive(self) -> asyncio.BaseProtocol:
        """The protocol of a connection that has just come."""
        refusal = self.server.turnstile.enter()
        if refusal is not None:
            return TurnedAway(refusal, self.arrivals.retry_after_s)
        arrival = Arrival(
            self.server.turnstile,
            lambda request: self._upgrade(request, arrival.transport.underlying_transport),
            handshake_within_s=self.limits.handshake_within_s,
            frame_bytes_max=self.limits.frame_bytes_max,
            logger=_quiet,
            tls=self.tls,
        )
        return arrival

    def _upgrade(
        self, request: picows.WSUpgradeRequest, wire: asyncio.Transport
    ) -> picows.WSUpgradeResponseWithListener:
        identity = identity_of(request.path, self.path_prefix)
        if identity is None:
            return _reject(Rejection(404, "stations connect at " + self.path_prefix + "<station id>"))
        offered = tuple(
            name.strip() for header in request.headers.getall(SUBPROTOCOL_HEADER, ()) for name in header.split(",")
        )
        knock = UpgradeRequest(identity, offered, request.headers, _tls_peer(wire), _address(wire))
        verdict = _ask(self.admit, knock)
        if isinstance(verdict, Rejection):
            log.info("station-rejected", identity=identity, status=verdict.status, reason=verdict.reason)
            return _reject(verdict)
        # picows takes "Upgrade" only where RFC 7230 (6.1) allows a list such as "keep-alive, Upgrade".
        if "upgrade" in [token.strip().lower() for token in request.headers.get("Connection", "").split(",")]:
            request.headers["Connection"] = "Upgrade"
        subprotocol = next((name for name in offered if name in self.subprotocols), None)
        headers = {SUBPROTOCOL_HEADER: subprotocol} if subprotocol else {}
        agreed = deflate.answer(request.headers.getall(EXTENSIONS_HEADER, ())) if self.limits.compress else None
        compression = None
        if agreed is not None:
            headers[EXTENSIONS_HEADER], terms = agreed
            compression = terms.for_server()
        socket = Socket(partial(self._open, admission=verdict, subprotocol=subprotocol), self.limits, compression)
        return picows.WSUpgradeResponseWithListener(
            picows.WSUpgradeResponse.create_101_response(extra_headers=headers), socket
        )

    def _open(self, socket: Socket, admission: Admission, subprotocol: str | None) -> Receiver | None:
        self.server.keep(socket)
        if subprotocol is None:
            log.warning("no-common-subprotocol", station_id=admission.station_id)
            spoken = ", ".join(self.subprotocols)
            socket.close(WSCloseCode.PROTOCOL_ERROR.value, "no common sub-protocol; spoken: " + spoken)
            return None
        return self.attach(socket, admission, subprotocol)


def _unless_it_only_hung_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what the loop has to say, but not of each health check that opens a port of TLS and closes it again.

    aiofastnet names the kind of error then, not an error, which the loop cannot even print.
    """
    said = context.get("exception")
    if not (isinstance(said, type) and issubclass(said, ConnectionError)):
        loop.default_exception_handler(context)


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


def _address(wire: asyncio.Transport) -> str:
    peer: Any = wire.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _tls_peer(wire: asyncio.Transport) -> TlsPeer | None:
    channel: ssl.SSLObject | None = wire.get_extra_info("ssl_object")
    return None if channel is None else TlsPeer(channel, channel.getpeercert(binary_form=True))
