"""A station's line to its management system: what it says, what waits, and how it comes back.

With a `Network` the line outlives the loss of its connection: what concerns a transaction waits in the outbox, whoever
speaks goes on, and as simulated time passes the line tries to connect again. Without one, the loss is the speaker's.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

import structlog

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, Refused, Unavailable, WattbookError
from wattbook.ocpp.connections.station import Commands, Station
from wattbook.ocpp.connections.station_transactions import Transactions
from wattbook.ocpp.messages import (
    Answer,
    BootNotification,
    Heartbeat,
    Registration,
    Request,
    StatusNotification,
    TransactionStartedAnswer,
)
from wattbook.ocpp.wire.errors import ConnectionLost
from wattbook.ocpp.wire.versions import V16
from wattbook.simulate.network import Network
from wattbook.simulate.outbox import Outbox, is_kept, offline_answer

HEARTBEAT_S = 300
"""Between heartbeats, when the management system leaves it to the station (1.6, 6.8: interval 0)."""

AnswerT = TypeVar("AnswerT", bound=Answer)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What was said, and how long each answer took, in real seconds."""

    sent: int = 0
    acknowledged: int = 0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Messages that were not answered, or with an error."""
        return self.sent - self.acknowledged


@dataclass(frozen=True, slots=True)
class Speech:
    """How a station speaks.

    Attributes:
        subprotocols: offered in this order; what is said is the same in whichever is chosen.
        rewrite: has the last word on each frame.
        vendor, model: as it introduces itself.
    """

    subprotocols: Sequence[str] = (V16.subprotocol,)
    rewrite: Callable[[bytes], bytes] | None = None
    vendor: str = "wattbook"
    model: str = "simulated station"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a station connects, and what it shows there."""

    url: str
    password: bytes | None = None
    tls: ssl.SSLContext | None = None


class Line:
    """Of one station, for as long as it lives.

    Attributes:
        heartbeat_s: real time between heartbeats; while connected, `beat` sends them.
        outbox: what was not answered yet.
        network: its own, which may be away for a time; None: the line does not come back by itself.
        tally: of everything said; may be shared.
        address: where it connected the last time.

    `commands` are what the station does when told; `reports` says what its outlets are, when it connects; `named` hears
    of transactions that are named after they began.
    """

    def __init__(
        self,
        station_id: str,
        clock: ManualClock,
        commands: Commands,
        reports: Callable[[], Iterable[StatusNotification]],
        named: Callable[[str, TransactionStartedAnswer], None],
        *,
        speech: Speech,
        tally: Tally,
        network: Network | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._station_id = station_id
        self._clock = clock
        self._commands = commands
        self._reports = reports
        self._speech = speech
        self._timer = timer
        self._transactions = Transactions(station_id)
        self._connection: Station | None = None
        self._returning = asyncio.Lock()
        self.heartbeat_s: int = HEARTBEAT_S
        self.outbox = Outbox(self._say, clock, named)
        self.network = network
        self.tally = tally
        self.address: Address | None = None

    # Connecting

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.closed_because is None

    @property
    def version(self) -> str:
        """Of OCPP, as it was negotiated."""
        assert self._connection is not None, "negotiated when it connected"
        return self._connection.connection.version.name

    async def connect(self, address: Address) -> None:
        """Connect, introduce the station, report every outlet and say what waits.

        Raises:
            Unavailable: refused, or not reachable.
            Refused: connected, but the registration is pending or rejected.
        """
        if self.is_connected:
            raise Conflict(f"{self._station_id} is connected already")
        self.address = address
        connection = await self._open(address)
        try:
            await self.introduce()
            await self._catch_up()
        except WattbookError:
            await connection.close()
            raise

    async def introduce(self) -> None:
        """
        Raises:
            Refused: the registration is pending or rejected.
        """
        boot = BootNotification(self._speech.vendor, self._speech.model, serial_number=self._station_id[:25])
        answer = await self._ask(boot)
        if answer.status is not Registration.ACCEPTED:
            raise Refused(f"the registration of {self._station_id} is {answer.status}", reason=answer.status.value)
        self.heartbeat_s = answer.interval_s or HEARTBEAT_S

    async def hang_up(self) -> None:
        """Say goodbye and wait for the end."""
        if self._connection is not None:
            await self._connection.close()

    def cut(self) -> None:
        """Lose the network: no goodbye, and what runs goes on unheard."""
        if self._connection is not None:
            self._connection.cut()

    async def lose(self) -> None:
        """Lose the network and wait until that is known."""
        if self._connection is not None:
            self._connection.cut()
            await self._connection.wait_closed()

    async def beat(self) -> None:
        """Keep the heart beating, over whichever connection."""
        while True:
            await asyncio.sleep(self.heartbeat_s)
            try:
                await self._ask(Heartbeat())
            except WattbookError as error:
                log.warning("heartbeat-not-answered", station_id=self._station_id, reason=error.message)

    async def _open(self, address: Address) -> Station:
        self._connection = await Station.connect(
            address.url,
            self._station_id,
            self._commands,
            password=address.password,
            tls=address.tls,
            subprotocols=self._speech.subprotocols,
            clock=self._clock,
            transactions=self._transactions,
            rewrite=self._speech.rewrite,
        )
        return self._connection

    async def _catch_up(self) -> None:
        """What is said over each new connection: how things stand, and what waits."""
        for report in self._reports():
            await self._ask(report)
        await self.outbox.deliver()

    # Speaking

    async def call(self, request: Request[AnswerT]) -> AnswerT:
        """Say something and wait for the answer; see `Connection.call` for what it raises.

        With a network of its own, a station goes on without an answer where it can.
        """
        await self._look_for_network()
        if is_kept(request):
            return cast(AnswerT, await self._post(request))
        try:
            return await self._ask(request)
        except ConnectionLost:
            own = offline_answer(request) if self.network is not None else None
            if own is None:
                raise
            return cast(AnswerT, own)

    async def _post(self, request: Request[Any]) -> Answer:
        """Say what concerns a transaction, behind everything that was to be said before."""
        kept = self.outbox.keep(request, offline=not self.is_connected)
        try:
            await self.outbox.deliver()
        except ConnectionLost:
            if self.network is None:
                self.outbox.forget(kept)
                raise
        if kept.error is not None:
            raise kept.error
        return self.outbox.go_on(kept) if kept.answer is None else kept.answer

    async def _ask(self, request: Request[AnswerT]) -> AnswerT:
        return cast(AnswerT, await self._say(request, False))

    async def _say(self, request: Request[Any], offline: bool) -> Answer:
        """Say it once."""
        if self._connection is None or not self.is_connected:
            raise ConnectionLost(f"{self._station_id} is not connected")
        self.tally.sent += 1
        asked_at = self._timer()
        answer: Answer = await self._connection.call(request, offline=offline)
        self.tally.latencies_s.append(self._timer() - asked_at)
        self.tally.acknowledged += 1
        return answer

    # Losing the network and coming back

    async def come_back(self) -> None:
        """Wait, in simulated time, until the station is connected and has said everything that waited.

        Raises:
            Unavailable: nobody is there after all the tries.
        """
        assert self.network is not None, "a station comes back to its network"
        for _ in range(self.network.back_off.tries_max):
            if not self.is_connected:
                self._clock.now = max(self._clock.now, self.network.next_try_at(self._clock.now))
            wait = await self._look_for_network()
            if self.is_connected:
                with suppress(ConnectionLost):
                    return await self.outbox.deliver()
            await asyncio.sleep(wait.total_seconds() * self.network.back_off.real_s_per_s)
        raise Unavailable(f"{self._station_id} cannot come back: nobody is there")

    async def _look_for_network(self) -> timedelta:
        """Lose the connection or come back, as it is time to.

        Answers how long it is until the next try, after one at which really nobody answered.
        """
        network = self.network
        if network is None or self.address is None:
            return timedelta(0)
        async with self._returning:
            now = self._clock()
            if self.is_connected:
                if not network.is_up(now):
                    await self.lose()
            elif network.is_due(now):
                if network.is_up(now):
                    return await self._return(network, self.address)
                network.failed(now)
            return timedelta(0)

    async def _return(self, network: Network, address: Address) -> timedelta:
        """A station that comes back need not introduce itself again (2.0.1, B01; 1.6, 4.2)."""
        try:
            await self._open(address)
        except Unavailable:
            return network.failed(self._clock())
        network.connected()
        with suppress(ConnectionLost):  # lost again: then it waits on
            await self._catch_up()
        return timedelta(0)
