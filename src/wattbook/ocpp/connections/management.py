"""The management system's end: a listening port, and the register of the stations that came through it."""

import asyncio
from collections.abc import Callable

import structlog

from wattbook.ocpp.connections.connection import Connection, Connections, Entity
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.messages import End
from wattbook.ocpp.wire.server import Admission, Admit, Server, ServerTls, listen
from wattbook.ocpp.wire.transport import SOCKET_LIMITS, Socket, SocketLimits
from wattbook.ocpp.wire.turnstile import ARRIVAL_LIMITS, ArrivalLimits

log = structlog.get_logger(__name__)


DRAIN_WITHIN_S = 10.0
"""What is being handled when the end closes has this long to be answered."""


def _unheard(_: Connection) -> None:
    pass


def _as_all(_: str) -> tuple[float | None, float | None]:
    return None, None


class ManagementEnd:
    """Accepts stations in every version spoken here.

    Attributes:
        connections: who is connected now; `connections.get(station_id).call(...)` reaches a station.

    `on_open` hears of each new connection, `on_close` of each present connection that ended; neither may raise. A
    connection that was replaced is not reported closed: its station is still there. `deadlines_of` tells of a station
    after how many seconds of silence it is pinged and after how many more it is dropped; None: as all others.
    """

    def __init__(
        self,
        entity: Entity,
        admit: Admit,
        *,
        on_open: Callable[[Connection], None] = _unheard,
        on_close: Callable[[Connection], None] = _unheard,
        limits: SocketLimits = SOCKET_LIMITS,
        arrivals: ArrivalLimits = ARRIVAL_LIMITS,
        deadlines_of: Callable[[str], tuple[float | None, float | None]] = _as_all,
    ) -> None:
        assert entity.end is End.MANAGEMENT, "this is the management system's end"
        self._entity = entity
        self._admit = admit
        self._on_open = on_open
        self._on_close = on_close
        self._limits = limits
        self._arrivals = arrivals
        self._deadlines_of = deadlines_of
        self._closing = False
        self._server: Server | None = None
        self._tls_server: Server | None = None
        self.connections = Connections()

    @property
    def port(self) -> int:
        assert self._server is not None, "not listening"
        return self._server.port

    async def listen(self, host: str, port: int, *, shared: bool = False) -> None:
        """Serve at `/ocpp/<station id>`; port 0 takes any free one, and a shared port may have other processes too.

        Raises:
            OSError: the port is taken.
        """
        self._server = await self._listen(host, port, None, shared)

    @property
    def tls_port(self) -> int | None:
        """None while nobody listens for TLS."""
        return None if self._tls_server is None else self._tls_server.port

    async def listen_tls(self, host: str, port: int, tls: ServerTls, *, shared: bool = False) -> None:
        """Serve the same at a second port, over TLS.

        Raises:
            OSError: the port is taken.
        """
        self._tls_server = await self._listen(host, port, tls, shared)

    async def _listen(self, host: str, port: int, tls: ServerTls | None, shared: bool) -> Server:
        return await listen(
            host,
            port,
            self._admit,
            tuple(DIALECTS),
            self._attach,
            limits=self._limits,
            arrivals=self._arrivals,
            tls=tls,
            shared=shared,
        )

    async def close(self, drain_within_s: float = DRAIN_WITHIN_S) -> None:
        """Take nothing more, answer what was taken, then close every connection and wait for their ends."""
        self._closing = True
        servers = [server for server in (self._server, self._tls_server) if server is not None]
        for server in servers:
            server.stop_listening()
        answering = [task for connection in self.connections if (task := connection.rpc.drain()) is not None]
        if answering:
            _, unanswered = await asyncio.wait(answering, timeout=drain_within_s)
            if unanswered:
                log.warning("closed-unanswered", connections=len(unanswered))
        await asyncio.gather(*(server.close() for server in servers))

    def _attach(self, socket: Socket, admission: Admission, subprotocol: str) -> Connection:
        connection = Connection(
            socket,
            self._entity,
            DIALECTS[subprotocol],
            admission.station_id,
            self.connections.next_epoch(),
            self._lost,
        )
        if self._closing:
            connection.rpc.drain()
        socket.set_deadlines(*self._deadlines_of(admission.station_id))
        replaced = self.connections.enter(connection)
        log.info(
            "station-connected",
            station_id=connection.station_id,
            epoch=connection.epoch,
            version=connection.version.name,
            replaced=replaced.epoch if replaced else None,
        )
        self._on_open(connection)
        return connection

    def _lost(self, connection: Connection, reason: str) -> None:
        gone = self.connections.leave(connection)
        log.info("station-disconnected", station_id=connection.station_id, epoch=connection.epoch, reason=reason)
        if gone:
            self._on_close(connection)
