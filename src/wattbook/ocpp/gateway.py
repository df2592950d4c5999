"""The gateway: the management system's end of OCPP, put together.

Stations connect through the door, speak through the message handler, and are answered out of the inbox after its
commit.
"""

from collections.abc import Awaitable, Sequence

import structlog

from wattbook.charging.events import Subscriber
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.ports import PartnerConsent
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.ocpp.admission import Door
from wattbook.ocpp.connections import Connections, Entity
from wattbook.ocpp.errors import ErrorCode, RpcError
from wattbook.ocpp.inbox import Inbox
from wattbook.ocpp.management import ManagementEnd
from wattbook.ocpp.message_handler import InboundMessage, LateAnswer
from wattbook.ocpp.messages import Answer, BootNotification, End

log = structlog.get_logger(__name__)


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
    ) -> None:
        self._door = Door(database)
        self._inbox = Inbox(
            database,
            clock,
            heartbeat_interval_s=heartbeat_interval_s,
            partners=partners,
            subscribers=subscribers,
            policy=policy,
        )
        entity = Entity(End.MANAGEMENT, self._receive, self._inbox.quarantine, _late, clock)
        self._end = ManagementEnd(entity, self._door.admit)

    @property
    def port(self) -> int:
        return self._end.port

    @property
    def connections(self) -> Connections:
        """Who is connected now."""
        return self._end.connections

    async def refresh_stations(self) -> None:
        """Read the registry now; it is read by itself every few seconds."""
        await self._door.refresh()

    async def open(self, host: str, port: int) -> None:
        """Serve at `/ocpp/<station id>`; port 0 takes any free one.

        Raises:
            OSError: the port is taken.
        """
        await self._door.open()
        self._inbox.start()
        await self._end.listen(host, port)

    async def close(self) -> None:
        await self._end.close()
        await self._inbox.stop()
        await self._door.close()

    def _receive(self, inbound: InboundMessage) -> Awaitable[Answer]:
        if not isinstance(inbound.message, BootNotification) and not self._door.is_accepted(inbound.station_id):
            # OCPP-J 1.6, errata 3.8
            raise RpcError(ErrorCode.SECURITY_ERROR, "this station is not accepted yet: only BootNotification is heard")
        return self._inbox(inbound)


def _late(answer: LateAnswer) -> None:
    log.warning("late-answer", station_id=answer.station_id, action=answer.action, unique_id=answer.unique_id)
