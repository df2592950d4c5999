"""The turnstile before the door: how many sockets there may be, and how fast they may come.

After a power cut every station comes back within seconds (R6). Who is let in then must be answered in time; who cannot
be is told at once, and when to try again, before a request is parsed or a database asked. A socket that opens and says
nothing is counted as a handshake under way until its time is up.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from msgspec import Struct
from picows import WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]

from wattbook.kernel.telemetry import TURNED_AWAY

REFUSAL_WITHIN_S = 2.0
"""How long one that is turned away has for its request; an answer before it would be lost in the reset."""

TLS_MARGIN_S = 1.0
"""How long after its time a TLS handshake is surely over."""


class ArrivalLimits(Struct, frozen=True):
    """Bounds of one port.

    Attributes:
        connections_max: open at once, handshakes included.
        handshakes_max: accepted, and not yet upgraded or refused.
        arrivals_per_s_max: over time.
        arrivals_burst_max: at once.
        retry_after_s: what one that is turned away is told (RFC 9110, 10.2.3).
        backlog: connections the kernel holds until they are accepted.
    """

    connections_max: int = 100_000
    handshakes_max: int = 5_000
    arrivals_per_s_max: int = 2_000
    arrivals_burst_max: int = 10_000
    retry_after_s: int = 10
    backlog: int = 4_096


ARRIVAL_LIMITS = ArrivalLimits()


class Turnstile:
    """Counts who comes and goes; `now` is a clock in seconds that never goes back."""

    def __init__(self, limits: ArrivalLimits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._tokens = float(limits.arrivals_burst_max)
        self._refilled_at = now()
        self.connections = 0
        self.handshakes = 0
        self.turned_away = 0

    def enter(self) -> str | None:
        """Count one in; or why it is turned away."""
        limits = self._limits
        now = self._now()
        earned = (now - self._refilled_at) * limits.arrivals_per_s_max
        self._tokens = min(self._tokens + earned, limits.arrivals_burst_max)
        self._refilled_at = now
        refusal = None
        if self.connections >= limits.connections_max:
            refusal = f"more than {limits.connections_max} connections"
        elif self.handshakes >= limits.handshakes_max:
            refusal = f"more than {limits.handshakes_max} handshakes at once"
        elif self._tokens < 1:
            refusal = f"more than {limits.arrivals_per_s_max} new connections a second"
        if refusal is not None:
            self.turned_away += 1
            TURNED_AWAY.inc()
            return refusal
        self._tokens -= 1
        self.connections += 1
        self.handshakes += 1
        return None

    def upgraded(self) -> None:
        """A handshake has come to its end, good or bad."""
        self.handshakes -= 1
        assert self.handshakes >= 0, "who ends a handshake began one"

    def leave(self) -> None:
        """A socket has ended."""
        self.connections -= 1
        assert self.connections >= 0, "who leaves came in"


Upgrade = Callable[[WSUpgradeRequest], WSUpgradeResponseWithListener]


class Arrival(WSProtocol):  # type: ignore[misc]
    """One that came in: picows' protocol, counted from its acceptance to its end.

    Behind TLS nobody says when its handshake fails: the protocol is made and never used. So one that has not been
    connected when the time for that is over has left.
    """

    __slots__ = ("_counted", "_handshaking", "_tls_timer", "_turnstile")

    def __init__(
        self,
        turnstile: Turnstile,
        upgrade: Upgrade,
        *,
        handshake_within_s: float,
        frame_bytes_max: int,
        logger: "logging.LoggerAdapter[Any]",
        tls: bool = False,
    ) -> None:
        self._turnstile = turnstile
        self._counted = True
        self._handshaking = True
        self._tls_timer: asyncio.TimerHandle | None = None
        if tls:
            loop = asyncio.get_running_loop()
            self._tls_timer = loop.call_later(handshake_within_s + TLS_MARGIN_S, self._leave)

        def answered(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            self._end_handshake()
            return upgrade(request)

        # Pings are ours, and pongs too: see `transport`. The last is the read buffer, per socket.
        never = (False, 1.0, 1.0, WSAutoPingStrategy.PING_WHEN_IDLE, False)
        super().__init__(
            None, None, False, answered, logger, True, handshake_within_s, *never, frame_bytes_max, None, 4_096
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._tls_timer is not None:
            self._tls_timer.cancel()
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._end_handshake()
        if self._counted:
            self._counted = False
            self._turnstile.leave()

    def _end_handshake(self) -> None:
        if self._handshaking:
            self._handshaking = False
            self._turnstile.upgraded()


class TurnedAway(asyncio.Protocol):
    """One that did not: told to come again, and ended."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        body = reason.encode()
        self._response = (
            b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            b"Retry-After: %d\r\nContent-Length: %d\r\n\r\n%b" % (retry_after_s, len(body), body)
        )
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(REFUSAL_WITHIN_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._response)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
