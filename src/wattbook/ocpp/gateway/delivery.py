"""Delivery of commands: from their rows to the stations whose sockets this process holds, and their outcomes back.

A station with something to hear has one worker. It claims the oldest command, sends it, waits for what becomes of it,
and in one step records that and claims the next; the steps of all stations share a group commit. A command is claimed
only by the process whose connection is the station's present one in the database, and it is marked as sent before it
leaves: after a crash it may be unknown whether it was sent, never unnoticed that it may have been.

A station hears nothing before its boot was answered, and nothing when it was rejected; one that does not boot again
after a lost connection, as the specification wants it, hears after a moment.

Each process has a number and holds an advisory lock of it while it lives. That is how others tell what it left behind.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct, structs
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.group_commit import GroupCommit
from wattbook.db.listener import Hear, Listener
from wattbook.db.rounds import surviving
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import LimitExceeded, Unavailable
from wattbook.ocpp.commands import store
from wattbook.ocpp.commands.records import Claimed, CommandState, Outcome
from wattbook.ocpp.commands.submission import decode_payload, encode_payload
from wattbook.ocpp.connections.connection import Connection
from wattbook.ocpp.connections.ports import LateAnswer
from wattbook.ocpp.connections.rpc import POLICY_VIOLATION
from wattbook.ocpp.gateway import answers
from wattbook.ocpp.gateway.candidates import WITHHELD
from wattbook.ocpp.gateway.carrying import carry, refused
from wattbook.ocpp.messages import Answer, BootAnswer, Registration
from wattbook.ocpp.wire.errors import InvalidAnswer, PeerRefused
from wattbook.ocpp.wire.frames import JsonObject

SETTLE_S: Final = 10.0
"""A station that has not booted this long after it connected is not going to."""

LOOK_EVERY_S: Final = 5.0
RETRY_AFTER_S: Final = 1.0
DRAIN_WITHIN_S: Final = 2.0
FORGOTTEN_AFTER: Final = timedelta(minutes=1)

log = structlog.get_logger(__name__)


def _nobody_listens(*_: object) -> None:
    pass


class _Place:
    """The present connection of a station, and what is known of it here."""

    __slots__ = ("connection", "entered", "pending", "ready", "timer", "woken", "worker")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.entered = False  # in the database
        self.ready = False  # to hear
        self.pending = False  # not accepted yet, and to hear all the same
        self.woken = False  # something may wait for it
        self.timer: asyncio.TimerHandle | None = None
        self.worker: asyncio.Task[None] | None = None


class _Move(Struct, frozen=True):
    """A station came, or went."""

    station_id: str
    version: str
    epoch: int
    came: bool


class _Step(Struct, frozen=True):
    """Record an outcome, claim the next command, or both."""

    station_id: str
    epoch: int
    version: str
    outcome: Outcome | None
    claims: bool


class Delivery:
    """Open it before the port, close it after; between them it hears of every connection.

    `blocked` says whether a station is kept out; `asked` hears what a Pending station is told; `heard` are further
    channels of the database to listen to.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        blocked: Callable[[str], bool],
        asked: Callable[[str, str, JsonObject], None] = _nobody_listens,
        heard: Mapping[str, Hear] | None = None,
        settle_s: float = SETTLE_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._blocked = blocked
        self._asked = asked
        self._settle_s = settle_s
        self._look_every_s = look_every_s
        self._node = 0
        self._places: dict[str, _Place] = {}
        self._in_flight: set[UUID] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._closing = False
        self._look = asyncio.Event()
        self._looker: asyncio.Task[None] | None = None
        self._moves = GroupCommit[_Move, None](database, self._handle_moves, lanes=1)
        self._steps = GroupCommit[_Step, Claimed | None](database, self._handle_steps)
        channels: dict[str, Hear] = {store.COMMANDS: self._wake, store.MOVED: self._moved}
        self._listener = Listener(database, channels | dict(heard or {}), connected=self._listening)

    async def open(self) -> None:
        await self._listener.__aenter__()
        self._moves.start()
        self._steps.start()
        await self._look_around()
        self._looker = asyncio.create_task(self._keep_looking(), name="delivery")

    async def drain(self, within_s: float = DRAIN_WITHIN_S) -> None:
        """Send nothing more, and give what was sent a moment to be answered; before the connections are closed."""
        self._closing = True
        if self._workers:
            await asyncio.wait(self._workers, timeout=within_s)

    async def close(self) -> None:
        """Record what became of everything that was sent; the connections have ended."""
        self._closing = True
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        for place in self._places.values():
            self._quieten(place)
        while self._workers:
            await asyncio.wait(self._workers)
        await self._moves.stop()
        await self._steps.stop()
        await self._listener.__aexit__()

    # What the gateway tells

    def opened(self, connection: Connection) -> None:
        """A station connected."""
        replaced = self._places.get(connection.station_id)
        if replaced is not None:
            self._quieten(replaced)
        place = self._places[connection.station_id] = _Place(connection)
        place.timer = asyncio.get_running_loop().call_later(self._settle_s, self._settled, place)
        self._enter(place)

    def closed(self, connection: Connection) -> None:
        """A station is gone."""
        place = self._places.get(connection.station_id)
        if place is not None and place.connection is connection:
            del self._places[connection.station_id]
            self._quieten(place)
            self._move(connection, came=False)

    def booted(self, station_id: str, epoch: int, answer: Answer) -> None:
        """A boot was answered. After Rejected nothing may be sent (OCPP 1.6, 4.2); Pending asks for configuration."""
        place = self._places.get(station_id)
        if place is None or place.connection.epoch != epoch or not isinstance(answer, BootAnswer):
            return
        self._quieten(place)
        place.ready = answer.status is not Registration.REJECTED
        place.pending = answer.status is Registration.PENDING
        self._start(place)

    def late(self, late: LateAnswer) -> None:
        """An answer came after its time."""
        try:
            command = UUID(late.unique_id)
        except ValueError:
            return
        if isinstance(late.answer, PeerRefused):
            outcome = refused(command, late.answer, late=True)
        elif late.payload is not None:
            outcome = Outcome(command, CommandState.ANSWERED, encode_payload(late.payload).decode(), late=True)
            if isinstance(late.answer, InvalidAnswer):
                outcome = structs.replace(outcome, error_code="invalid-answer", error_description=late.answer.message)
        else:
            return
        step = _Step(late.station_id, late.epoch, "", outcome, claims=False)
        try:
            self._steps.enqueue(step).add_done_callback(_heed)
        except (LimitExceeded, Unavailable) as error:
            log.warning("late-answer-not-kept", station_id=late.station_id, command=str(command), reason=error.message)

    # Coming and going

    def _enter(self, place: _Place) -> None:
        entering = self._move(place.connection, came=True)

        def entered(done: "asyncio.Future[None]") -> None:
            if not done.cancelled() and done.exception() is None:
                place.entered = True
                self._start(place)

        if entering is not None:
            entering.add_done_callback(entered)

    def _move(self, connection: Connection, *, came: bool) -> "asyncio.Future[None] | None":
        move = _Move(connection.station_id, connection.version.name, connection.epoch, came)
        try:
            moving = self._moves.enqueue(move)
        except (LimitExceeded, Unavailable) as error:
            log.warning("presence-not-kept", station_id=connection.station_id, came=came, reason=error.message)
            return None
        moving.add_done_callback(_heed)
        return moving

    async def _handle_moves(self, connection: AsyncConnection, moves: Sequence[_Move]) -> Sequence[None]:
        latest = {move.station_id: move for move in moves}.values()
        now = self._clock()
        came = [(move.station_id, move.version, move.epoch) for move in latest if move.came]
        await store.arrive(connection, self._node, came, now)
        gone = [(move.station_id, move.epoch) for move in latest if not move.came]
        await store.depart(connection, self._node, gone, now)
        return [None] * len(moves)

    def _settled(self, place: _Place) -> None:
        place.timer = None
        place.ready = not self._blocked(place.connection.station_id)
        self._start(place)

    def _quieten(self, place: _Place) -> None:
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None

    def _moved(self, words: Sequence[str]) -> None:
        """The station has connected to another node: what is still open here is dead."""
        for word in words:
            node, epoch, station_id = word.split(":", 2)
            place = self._places.get(station_id)
            if int(node) == self._node and place is not None and place.connection.epoch == int(epoch):
                place.connection.close(POLICY_VIOLATION, "replaced by a newer connection of the same station")

    # Sending

    def _wake(self, stations: Sequence[str]) -> None:
        for station_id in stations:
            place = self._places.get(station_id)
            if place is not None:
                self._start(place)

    def _start(self, place: _Place) -> None:
        place.woken = True
        if place.worker is None and place.entered and place.ready and not self._closing:
            place.worker = asyncio.create_task(self._work(place), name="commands")
            self._workers.add(place.worker)
            place.worker.add_done_callback(self._workers.discard)

    async def _work(self, place: _Place) -> None:
        outcome: Outcome | None = None
        try:
            while place.woken or outcome is not None:
                place.woken = False
                command = await self._step(place, outcome)
                if outcome is not None:
                    self._in_flight.discard(outcome.id)
                    outcome = None
                if command is not None:
                    self._in_flight.add(command.id)
                    if place.pending:
                        self._asked(command.station_id, command.action, decode_payload(command.payload))
                    outcome = await carry(place.connection, command)
                    place.woken |= outcome.was_sent
        except Exception as error:
            log.error("commands-stopped", station_id=place.connection.station_id, exc_info=error)
        finally:
            place.worker = None

    async def _step(self, place: _Place, outcome: Outcome | None) -> Claimed | None:
        """Record the outcome, however long it takes, and claim the next command if the connection lives."""
        connection = place.connection
        while True:
            present = self._places.get(connection.station_id) is place
            claims = present and not self._closing and connection.rpc.closed_because is None
            if outcome is None and not claims:
                return None
            step = _Step(connection.station_id, connection.epoch, connection.version.name, outcome, claims)
            try:
                return await self._steps.submit(step)
            except (Unavailable, LimitExceeded) as error:
                if outcome is None:
                    return None  # the next look around wakes us again
                if self._closing:
                    log.warning("outcome-not-kept", command=str(outcome.id), reason=error.message)
                    return None
                await asyncio.sleep(RETRY_AFTER_S)
            except DBAPIError as error:
                if outcome is None or outcome.answer is None:
                    raise
                log.warning("answer-not-kept", command=str(outcome.id), error=str(error.orig))
                words = "the answer holds what the database cannot keep"
                outcome = Outcome(outcome.id, outcome.state, None, "invalid-answer", words)

    async def _handle_steps(self, connection: AsyncConnection, steps: Sequence[_Step]) -> Sequence[Claimed | None]:
        now = self._clock()
        outcomes = [step.outcome for step in steps if step.outcome is not None]
        versions = {step.outcome.id: step.version for step in steps if step.outcome is not None and step.version}
        await store.conclude(connection, outcomes, versions, now)
        await answers.take(connection, [each.id for each in outcomes if each.answer is not None], now)
        wanted = [(step.station_id, step.epoch) for step in steps if step.claims]
        pending = [step.station_id for step in steps if (place := self._places.get(step.station_id)) and place.pending]
        claimed = await store.claim(connection, self._node, wanted, now, (pending, WITHHELD))
        return [claimed.get(step.station_id) if step.claims else None for step in steps]

    # Looking around

    async def _listening(self, connection: psycopg.AsyncConnection) -> None:
        if not self._node:
            found = await (await connection.execute("SELECT nextval('ocpp.node_numbers')")).fetchone()
            assert found is not None, "a sequence has a next value"
            self._node = found[0]
        # Shared, so that a session of ours that the server has not given up yet does not stand in the way.
        await connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (store.LOCKS, self._node))
        self._look.set()

    async def _keep_looking(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._look_every_s)
            self._look.clear()
            with surviving("commands-not-looked-after"):
                await self._look_around()

    async def _look_around(self) -> None:
        """What time and death do to commands; and wake who missed a notice."""
        async with self._database.transaction() as connection:
            now = self._clock()
            await store.abandon(connection, self._node, list(self._in_flight), now - FORGOTTEN_AFTER, now)
            await store.expire(connection, now)
            waiting = await store.waiting_here(connection, self._node)
        self._wake(waiting)
        for place in self._places.values():
            if not place.entered:
                self._enter(place)


def _heed(done: "asyncio.Future[None] | asyncio.Future[Claimed | None]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.warning("delivery-not-recorded", error=str(error))
