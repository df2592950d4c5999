"""Simulated stations: what a driver and a management system see of one, played over the real protocol.

A station keeps its meters, its connection and at most one session an outlet. It does what it is told in the simplest
honest way (`commands`): what it accepts, it does; what it does not do, it refuses.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, NotFound, Refused, Unavailable, WattbookError
from wattbook.ocpp.errors import ConnectionLost
from wattbook.ocpp.messages import (
    Answer,
    BootNotification,
    ConnectorStatus,
    Heartbeat,
    Registration,
    Request,
    StatusNotification,
    StopReason,
)
from wattbook.ocpp.station import Station
from wattbook.ocpp.station_transactions import Transactions
from wattbook.ocpp.versions import V16
from wattbook.simulate.commands import commands_of
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Outcome, Pace, Session, Wish
from wattbook.simulate.vehicles import Vehicle

VENDOR, MODEL = "wattbook", "simulated station"
HEARTBEAT_S = 300
"""Between heartbeats, when the management system leaves it to the station (1.6, 6.8: interval 0)."""

AnswerT = TypeVar("AnswerT", bound=Answer)
AnyT = TypeVar("AnyT")

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


class SimulatedStation:
    """One station; its outlets are numbered from 1.

    Attributes:
        clock: simulated time, which sessions pull along; may be shared by several stations.
        pace: of sessions that do not say their own.
        heartbeat_s: real time between heartbeats.
        tally: of everything said; may be shared.

    `subprotocols` are offered in this order; the session is played in whichever is chosen.
    """

    def __init__(
        self,
        station_id: str,
        clock: ManualClock,
        evses: Sequence[Evse] | None = None,
        *,
        pace: Pace | None = None,
        tally: Tally | None = None,
        subprotocols: Sequence[str] = (V16.subprotocol,),
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.station_id = station_id
        self.clock = clock
        self.pace: Pace = pace or Pace()
        self.tally = tally or Tally()
        self.heartbeat_s: int = HEARTBEAT_S
        self._evses = dict(enumerate(evses or [Evse()], start=1))
        self._subprotocols = tuple(subprotocols)
        self._transactions = Transactions(station_id)
        self._timer = timer
        self._connection: Station | None = None
        self._address: tuple[str, bytes | None] = ("", None)
        self._running: dict[int, Session] = {}
        self._remote: list[asyncio.Task[Outcome]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    # The connection

    async def connect(self, url: str, password: bytes | None = None) -> None:
        """Connect to `<url>/<station id>`, introduce the station, report every outlet, and keep the heart beating.

        Raises:
            Unavailable: refused, or not reachable.
            Refused: connected, but the registration is pending or rejected.
        """
        if self.is_connected:
            raise Conflict(f"{self.station_id} is connected already")
        self._address = (url, password)
        self._connection = await Station.connect(
            url,
            self.station_id,
            commands_of(self),
            password=password,
            subprotocols=self._subprotocols,
            clock=self.clock,
            transactions=self._transactions,
        )
        try:
            boot = await self.call(BootNotification(VENDOR, MODEL, serial_number=self.station_id[:25]))
            if boot.status is not Registration.ACCEPTED:
                raise Refused(f"the registration of {self.station_id} is {boot.status}", reason=boot.status.value)
            self.heartbeat_s = boot.interval_s or HEARTBEAT_S
            await self.call(StatusNotification(0, ConnectorStatus.AVAILABLE, occurred_at=self.clock()))
            for number in self._evses:
                await self.rest(number)
        except WattbookError:
            await self._connection.close()
            raise
        self.spawn(self._beat())

    async def leave(self) -> None:
        """Stop every session in order, say goodbye and wait for the end."""
        await self.stop_sessions(StopReason.LOCAL)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    def cut(self) -> None:
        """Lose the network: no goodbye, and what runs goes on unheard."""
        if self._connection is not None:
            self._connection.cut()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.closed_because is None

    async def call(self, request: Request[AnswerT]) -> AnswerT:
        """Say something and wait for the answer; see `Connection.call` for what it raises."""
        if self._connection is None:
            raise Unavailable(f"{self.station_id} is not connected")
        self.tally.sent += 1
        asked_at = self._timer()
        answer = await self._connection.call(request)
        self.tally.latencies_s.append(self._timer() - asked_at)
        self.tally.acknowledged += 1
        return answer

    async def heartbeat(self) -> None:
        await self.call(Heartbeat())

    # Outlets

    @property
    def evses(self) -> dict[int, Evse]:
        """Number → outlet."""
        return dict(self._evses)

    def evse(self, number: int) -> Evse:
        """
        Raises:
            NotFound: the station has no such outlet.
        """
        if number not in self._evses:
            raise NotFound(f"{self.station_id} has no EVSE {number}")
        return self._evses[number]

    async def plug_in(self, vehicle: Vehicle, evse: int = 1) -> None:
        """Leave a vehicle at an outlet, for a remote start to find."""
        if self.evse(evse).vehicle is not None:
            raise Conflict(f"EVSE {evse} of {self.station_id} holds a vehicle already")
        self.evse(evse).vehicle = vehicle
        await self.rest(evse)

    async def unplug(self, evse: int = 1) -> Vehicle | None:
        """Drive away with what is plugged in; a session that runs ends with it."""
        await self.stop_session(evse, StopReason.EV_DISCONNECTED)
        vehicle, self.evse(evse).vehicle = self.evse(evse).vehicle, None
        await self.rest(evse)
        return vehicle

    async def rest(self, number: int) -> None:
        """Report what an outlet is while no session runs there."""
        evse = self.evse(number)
        evse.status = evse.resting_status
        await self.call(StatusNotification(number, evse.status, occurred_at=self.clock()))

    # Sessions

    async def charge(
        self,
        token: str,
        vehicle: Vehicle,
        *,
        evse: int = 1,
        energy_mwh: int | None = None,
        lasting: timedelta | None = None,
        power_w_max: int | None = None,
        pace: Pace | None = None,
    ) -> Outcome:
        """A driver comes, charges and drives away. Without energy and time, until the battery is full.

        Args:
            energy_mwh: the session ends when so much was drawn, or the battery is full.
            lasting: it ends after this simulated time, and lasts so long even when the battery is full before.

        Raises:
            NotFound, Conflict: no such outlet, out of service, or in use.
            InvalidInput: a limit that is not above zero.
        """
        wish = Wish(token, energy_mwh_max=energy_mwh, lasting=lasting, power_w_max=power_w_max)
        return await self._visit(evse, vehicle, wish, pace)

    async def feed_in(
        self,
        token: str,
        vehicle: Vehicle,
        *,
        evse: int = 1,
        energy_mwh: int | None = None,
        lasting: timedelta | None = None,
        power_w_max: int | None = None,
        pace: Pace | None = None,
    ) -> Outcome:
        """A driver comes, gives energy to the grid and drives away; like `charge`, in the other direction.

        Raises:
            Refused: the outlet or the vehicle cannot feed in.
        """
        wish = Wish(token, feeds_in=True, energy_mwh_max=energy_mwh, lasting=lasting, power_w_max=power_w_max)
        if not self.evse(evse).feed_in_max_w:
            raise Refused(f"EVSE {evse} of {self.station_id} cannot feed in", reason="outlet")
        if not vehicle.model.feed_in_max_w:
            raise Refused(f"a {vehicle.model.name} cannot feed in", reason="vehicle")
        return await self._visit(evse, vehicle, wish, pace)

    def session(self, evse: int) -> Session | None:
        """What runs at an outlet now."""
        return self._running.get(evse)

    def start_remotely(self, evse: int, token: str) -> None:
        """Charge what is plugged in, until it is full or somebody stops it; see `remote_outcomes`."""
        vehicle = self.evse(evse).vehicle
        if vehicle is None:
            raise Conflict(f"no vehicle is plugged in at EVSE {evse} of {self.station_id}")
        session = self._session(evse, vehicle, Wish(token, shows_token=False), None)
        self._remote.append(self.spawn(self._run(evse, session, stays=True)))

    async def remote_outcomes(self) -> list[Outcome]:
        """Wait for every session that was started remotely, oldest first."""
        return [await task for task in self._remote]

    async def stop_session(self, evse: int, reason: StopReason) -> None:
        """End what runs at an outlet and wait for its end."""
        session = self._running.get(evse)
        if session is not None:
            session.stop(reason)
            await session.finished.wait()

    async def stop_sessions(self, reason: StopReason) -> None:
        for evse in list(self._running):
            await self.stop_session(evse, reason)

    async def restart(self, reason: StopReason) -> None:
        """End every session, then connect anew."""
        url, password = self._address
        await self.stop_sessions(reason)
        await self.leave()
        await self.connect(url, password)

    def spawn(self, work: Coroutine[Any, Any, AnyT]) -> "asyncio.Task[AnyT]":
        """Do this beside everything else, until the station leaves."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    # Inside

    async def _visit(self, number: int, vehicle: Vehicle, wish: Wish, pace: Pace | None) -> Outcome:
        evse = self.evse(number)
        if evse.vehicle is not None:
            raise Conflict(f"EVSE {number} of {self.station_id} holds a vehicle already")
        session = self._session(number, vehicle, wish, pace)
        evse.vehicle = vehicle
        return await self._run(number, session, stays=False)

    def _session(self, number: int, vehicle: Vehicle, wish: Wish, pace: Pace | None) -> Session:
        """Take an outlet for a session."""
        evse = self.evse(number)
        if not evse.operative:
            raise Conflict(f"EVSE {number} of {self.station_id} is out of service")
        if number in self._running:
            raise Conflict(f"EVSE {number} of {self.station_id} is in use")
        session = Session(self.call, number, evse, vehicle, wish, self.clock, pace or self.pace)
        self._running[number] = session
        return session

    async def _run(self, number: int, session: Session, *, stays: bool) -> Outcome:
        """Play it and free the outlet; one whose vehicle stays rests as it ended (1.6, 4.9: Finishing)."""
        evse = self._evses[number]
        try:
            outcome = await session.run()
            if not stays:
                evse.vehicle = None
            if not stays or not evse.operative:
                with suppress(WattbookError):  # the outcome is what counts, and it names a lost connection
                    await self.rest(number)
            return outcome
        finally:
            evse.vehicle = evse.vehicle if stays else None
            del self._running[number]
            session.finished.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_s)
            try:
                await self.heartbeat()
            except ConnectionLost:
                return
            except WattbookError as error:
                log.warning("heartbeat-not-answered", station_id=self.station_id, reason=error.message)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("station-work-failed", station_id=self.station_id, reason=str(error))
