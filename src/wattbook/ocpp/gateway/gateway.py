"""The gateway: the management system's end of OCPP, put together.

Stations connect through the door, speak through the message handler, and are answered out of the inbox after its
commit.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from wattbook.charging.events import Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.ports import PartnerConsent
from wattbook.db.engine import Database
from wattbook.db.rounds import surviving
from wattbook.kernel.clock import Clock
from wattbook.ocpp.connections.connection import Connection, Connections, Entity
from wattbook.ocpp.connections.management import ManagementEnd
from wattbook.ocpp.connections.message_handler import Tolerance
from wattbook.ocpp.connections.ports import AnswerThen, Done, InboundMessage, LateAnswer
from wattbook.ocpp.connections.rpc import POLICY_VIOLATION
from wattbook.ocpp.controllers.ports import Certificates
from wattbook.ocpp.gateway.admission import Door
from wattbook.ocpp.gateway.attendance import Attendance
from wattbook.ocpp.gateway.candidates import Candidates
from wattbook.ocpp.gateway.delivery import LOOK_EVERY_S, SETTLE_S, Delivery
from wattbook.ocpp.gateway.inbox import Inbox
from wattbook.ocpp.gateway.onboarding import CHANGED, Knocks
from wattbook.ocpp.gateway.options import Options
from wattbook.ocpp.journal.frames import KEEP_DAYS, FrameJournal
from wattbook.ocpp.messages import Answer, BootNotification, End
from wattbook.ocpp.security.guard import NO_PROFILE, Guard
from wattbook.ocpp.security.signing_keys import SigningKeys
from wattbook.ocpp.security.tls import ROOTS_CHANGED, ListeningTls
from wattbook.ocpp.security.witness import Witness
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.server import Admission, Rejection, UpgradeRequest
from wattbook.ocpp.wire.transport import SOCKET_LIMITS, SocketLimits
from wattbook.ocpp.wire.turnstile import ARRIVAL_LIMITS, ArrivalLimits

log = structlog.get_logger(__name__)


def _no_roots() -> None:
    pass


class Gateway:
    """Opens the port; stations come and go; `close` commits and answers what was taken."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        heartbeat_interval_s: int,
        partners: PartnerConsent | None = None,
        subscribers: Sequence[Subscriber] = (),
        policy: Policy = POLICY,
        security_profile: int = NO_PROFILE,
        certificates: Certificates | None = None,
        journal: bool = True,
        journal_days: int = KEEP_DAYS,
        limits: SocketLimits = SOCKET_LIMITS,
        arrivals: ArrivalLimits = ARRIVAL_LIMITS,
        read_roots: Callable[[], None] = _no_roots,
        settle_s: float = SETTLE_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`read_roots` is called when our own authority has another root: to trust it, and to sign with it."""
        self._read_roots = read_roots
        self._door = Door(database, Guard(clock, time.monotonic, default_profile=security_profile), self._turn_out)
        self._inbox = Inbox(
            database,
            clock,
            heartbeat_interval_s=heartbeat_interval_s,
            partners=partners,
            subscribers=subscribers,
            policy=policy,
            certificates=certificates,
        )
        self._knocks = Knocks(database, clock)
        self._candidates = Candidates(clock)
        self._delivery = Delivery(
            database,
            clock,
            blocked=lambda station_id: not self._door.is_accepted(station_id),
            asked=self._candidates.asked,
            heard={CHANGED: self._registry_changed, ROOTS_CHANGED: lambda _: self._read_roots()},
            settle_s=settle_s,
            look_every_s=look_every_s,
        )
        self._options = Options(database, journal=journal)
        self._signing_keys = SigningKeys(database)
        self._witness = Witness(database, self._signing_keys)
        self._journal = FrameJournal(database, clock, keeps=self._options.keeps_frames, keep_days=journal_days)
        entity = Entity(
            End.MANAGEMENT,
            self._receive,
            self._inbox.quarantine,
            self._late,
            clock,
            tolerance=Tolerance(self._options.rules_of, self._signing_keys.of_messages, self._witness),
            journal=self._journal,
            post=self._post,
        )
        self._end = ManagementEnd(
            entity,
            self._admit,
            on_open=self._delivery.opened,
            on_close=self._left,
            limits=limits,
            arrivals=arrivals,
            deadlines_of=self._options.deadlines_of,
        )
        self._attendance = Attendance(database, clock, self._end.connections)
        self._refreshing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._end.port

    @property
    def tls_port(self) -> int | None:
        """None while nobody listens for TLS."""
        return self._end.tls_port

    @property
    def connections(self) -> Connections:
        """Who is connected now."""
        return self._end.connections

    async def refresh_stations(self) -> None:
        """Read the registry, and what is set for stations, now; both are read by themselves every few seconds."""
        await self._door.refresh()
        await self._options.refresh()
        await self._signing_keys.refresh()

    async def open(self, host: str, port: int, *, shared: bool = False) -> None:
        """Serve at `/ocpp/<station id>`; port 0 takes any free one, and a shared port may have other gateways too.

        Raises:
            OSError: the port is taken.
        """
        await self._door.open()
        await self._options.open()
        await self._signing_keys.open()
        self._witness.start()
        await self._journal.open()
        self._inbox.start()
        self._knocks.open()
        await self._delivery.open()
        await self._end.listen(host, port, shared=shared)
        self._attendance.open()

    async def open_tls(self, host: str, port: int, tls: ListeningTls, *, shared: bool = False) -> None:
        """Serve the same at a second port, over TLS; after `open`.

        Raises:
            OSError: the port is taken.
        """
        await self._end.listen_tls(host, port, tls, shared=shared)

    async def close(self) -> None:
        """Take nothing more, commit and answer what was taken, then let the stations go."""
        await self._delivery.drain()
        await self._end.close()
        await self._attendance.close()
        await self._delivery.close()
        await self._knocks.close()
        await self._inbox.stop()
        await self._witness.stop()
        await self._signing_keys.close()
        await self._journal.close()
        await self._options.close()
        await self._door.close()

    def _admit(self, request: UpgradeRequest) -> Admission | Rejection:
        verdict = self._door.admit(request)
        if isinstance(verdict, Rejection) and verdict.status == 404:
            self._knocks.note(request)
        return verdict

    def _left(self, connection: Connection) -> None:
        self._candidates.forget(connection.station_id)
        self._delivery.closed(connection)
        self._attendance.left(connection)

    def _receive(self, inbound: InboundMessage) -> Awaitable[Answer | AnswerThen]:
        if isinstance(inbound.message, BootNotification):
            return self._boot(inbound)
        self._require_accepted(inbound)
        return self._inbox(inbound)

    def _post(self, inbound: InboundMessage, done: Done) -> None:
        self._require_accepted(inbound)
        self._inbox.post(inbound, done)

    def _require_accepted(self, inbound: InboundMessage) -> None:
        if self._door.is_accepted(inbound.station_id):
            return
        if self._door.is_pending(inbound.station_id) and self._candidates.may_say(inbound.station_id, inbound.message):
            return
        # OCPP-J 1.6, errata 3.8; 2.0.1, B02, B03
        raise RpcError(
            ErrorCode.SECURITY_ERROR,
            "this station is not accepted yet: BootNotification is heard, and what it is asked",
        )

    async def _boot(self, inbound: InboundMessage) -> AnswerThen:
        """No command goes out before the station has its answer (R10, R15)."""
        answer = await self._inbox(inbound)
        return AnswerThen(answer, partial(self._delivery.booted, inbound.station_id, inbound.epoch, answer))

    def _late(self, answer: LateAnswer) -> None:
        log.warning("late-answer", station_id=answer.station_id, action=answer.action, unique_id=answer.unique_id)
        self._delivery.late(answer)

    def _turn_out(self, station_id: str) -> None:
        connection = self.connections.get(station_id)
        if connection is not None:
            connection.close(POLICY_VIOLATION, "what the station came in by is not valid any more")

    def _registry_changed(self, _: Sequence[str]) -> None:
        task = asyncio.create_task(self._refresh_quietly(), name="refresh-stations")
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def _refresh_quietly(self) -> None:
        with surviving("stations-not-read"):
            await self._door.refresh()
            await self._signing_keys.refresh()
