"""Simulated stations: what a driver and a management system see of one, played over the real protocol.

A station keeps its meters, its connection and at most one session an outlet. It does what it is told in the simplest
honest way (`commands`): what it accepts, it does; what it does not do, it refuses.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, NotFound, Refused, WattbookError
from wattbook.ocpp.kept.charging_limits import ChargingProfiles
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    ConnectorStatus,
    Heartbeat,
    Request,
    StatusNotification,
    StopReason,
    TransactionStartedAnswer,
)
from wattbook.ocpp.wire.versions import V16
from wattbook.simulate.commands import VerbatimCommand, commands_of
from wattbook.simulate.evses import Evse
from wattbook.simulate.line import Address, Line, Speech, Tally
from wattbook.simulate.network import Network
from wattbook.simulate.outbox import Retries
from wattbook.simulate.sessions import Limits, Outcome, Pace, Session, Wish
from wattbook.simulate.tariffs import Tariffs
from wattbook.simulate.vehicles import Vehicle

AnswerT = TypeVar("AnswerT", bound=Answer)
AnyT = TypeVar("AnyT")

log = structlog.get_logger(__name__)


class SimulatedStation:
    """One station; its outlets are numbered from 1.

    Attributes:
        clock: simulated time, which sessions pull along; may be shared by several stations.
        pace: of sessions that do not say their own.
        line: what it says goes over this.
        profiles: the charging profiles it was given.
        tariffs: the tariffs and costs it was told (2.1).
        further_commands: action → what it does on commands beyond the usual ones.

    With a `network` of its own it outlives the loss of its connection; see `line`. `subprotocols` are offered in this
    order, and the same is said in whichever is chosen; `rewrite` has the last word on each frame.
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
        rewrite: Callable[[bytes], bytes] | None = None,
        network: Network | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.station_id = station_id
        self.clock = clock
        self.pace: Pace = pace or Pace()
        self.profiles = ChargingProfiles()
        self.tariffs = Tariffs()
        self.further_commands: dict[str, VerbatimCommand] = {}
        self._evses = dict(enumerate(evses or [Evse()], start=1))
        self._running: dict[int, Session] = {}
        self._remote: list[asyncio.Task[Outcome]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.line = Line(
            station_id,
            clock,
            commands_of(self),
            self._reports,
            self._named,
            speech=Speech(subprotocols, rewrite),
            tally=tally or Tally(),
            network=network,
            timer=timer,
        )

    # The connection

    async def connect(self, url: str, password: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Connect to `<url>/<station id>`, introduce the station, report every outlet, and keep the heart beating.

        Raises:
            Unavailable: refused, or not reachable.
            Refused: connected, but the registration is pending or rejected.
        """
        await self.line.connect(Address(url, password, tls))
        self.spawn(self.line.beat())

    async def leave(self) -> None:
        """Stop every session in order, say goodbye and wait for the end."""
        await self.stop_sessions(StopReason.LOCAL)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.line.hang_up()

    def cut(self) -> None:
        """Lose the network: no goodbye, and what runs goes on unheard."""
        self.line.cut()

    @property
    def is_connected(self) -> bool:
        return self.line.is_connected

    @property
    def tally(self) -> Tally:
        return self.line.tally

    async def call(self, request: Request[AnswerT]) -> AnswerT:
        """Say something and wait for the answer; see `Line.call`."""
        return await self.line.call(request)

    async def heartbeat(self) -> None:
        await self.call(Heartbeat())

    async def introduce(self) -> None:
        """Once more.

        Raises:
            Refused: the registration is pending or rejected.
        """
        await self.line.introduce()

    @property
    def heartbeat_s(self) -> int:
        """Real time between heartbeats."""
        return self.line.heartbeat_s

    @heartbeat_s.setter
    def heartbeat_s(self, seconds: int) -> None:
        self.line.heartbeat_s = seconds

    @property
    def retries(self) -> Retries:
        """How often what concerns a transaction is said when it was not processed."""
        return self.line.outbox.retries

    @retries.setter
    def retries(self, retries: Retries) -> None:
        self.line.outbox.retries = retries

    def _reports(self) -> Iterator[StatusNotification]:
        """The station, and each outlet as it is now."""
        yield StatusNotification(0, ConnectorStatus.AVAILABLE, occurred_at=self.clock())
        for number, evse in self._evses.items():
            if number not in self._running:
                evse.status = evse.resting_status
            yield StatusNotification(number, evse.status, occurred_at=self.clock())

    def _named(self, own_name: str, answer: TransactionStartedAnswer) -> None:
        """A transaction that began unheard has its name now, or ends for want of consent.

        1.6 calls the latter StopTransactionOnInvalidId, 2.x StopTxOnInvalidId.
        """
        for session in self._running.values():
            if session.transaction_id == own_name:
                session.transaction_id = answer.transaction_id
                if answer.token_info.status is not Authorization.ACCEPTED:
                    session.stop(StopReason.DEAUTHORIZED)

    # Outlets

    @property
    def waits(self) -> bool:
        """Whether something of a transaction is still to be said."""
        return len(self.line.outbox) > 0

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
        await self.report(number)

    async def report(self, number: int) -> None:
        """Report what an outlet is now."""
        await self.call(StatusNotification(number, self.evse(number).status, occurred_at=self.clock()))

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
        turns_after: timedelta | None = None,
        tells_needs: bool = False,
        pace: Pace | None = None,
    ) -> Outcome:
        """A driver comes, charges and drives away. Without energy and time, until the battery is full.

        Args:
            energy_mwh: the session ends when so much was drawn, or the battery is full.
            turns_after: from then on the vehicle feeds in.
            tells_needs: the vehicle tells what it needs, for a schedule to be made (since 2.0.1: K15).
            lasting: it ends after this simulated time, and lasts so long even when the battery is full before.

        Raises:
            NotFound, Conflict: no such outlet, out of service, or in use.
            InvalidInput: a limit that is not above zero.
            Refused: the outlet or the vehicle cannot feed in.
        """
        wish = Wish(
            token,
            energy_mwh_max=energy_mwh,
            lasting=lasting,
            power_w_max=power_w_max,
            turns_after=turns_after,
            tells_needs=tells_needs,
        )
        if turns_after is not None:
            self._require_feed_in(evse, vehicle)
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
        self._require_feed_in(evse, vehicle)
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
        address = self.line.address
        assert address is not None, "somebody told it so over its line"
        await self.stop_sessions(reason)
        await self.leave()
        await self.connect(address.url, address.password, address.tls)

    def spawn(self, work: Coroutine[Any, Any, AnyT]) -> "asyncio.Task[AnyT]":
        """Do this beside everything else, until the station leaves."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    # Inside

    def _require_feed_in(self, evse: int, vehicle: Vehicle) -> None:
        if not self.evse(evse).feed_in_max_w:
            raise Refused(f"EVSE {evse} of {self.station_id} cannot feed in", reason="outlet")
        if not vehicle.model.feed_in_max_w:
            raise Refused(f"a {vehicle.model.name} cannot feed in", reason="vehicle")

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
        session = Session(self.call, number, evse, vehicle, wish, self.clock, pace or self.pace, self._limits(number))
        self._running[number] = session
        return session

    def _limits(self, number: int) -> Limits:
        """What an outlet may offer by its charging profiles; the limit of the station is shared by all that charge."""
        return lambda session, moment: self.profiles.limit(
            number, moment, session.started_at, session.transaction_id, sharing=max(1, len(self._running))
        )

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
            self.profiles.end_transaction(number)
            self.tariffs.end_transaction(session.transaction_id or "")
            del self._running[number]
            session.finished.set()

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("station-work-failed", station_id=self.station_id, reason=str(error))
