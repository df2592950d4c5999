"""Every message that has no struct of its own: kept as it came, and answered that it was noted."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, cast

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.dialects.actions import ACTIONS
from wattbook.ocpp.dialects.fields import whole
from wattbook.ocpp.journal.notices import Notice, keep
from wattbook.ocpp.kept import generation
from wattbook.ocpp.kept.payments import settled
from wattbook.ocpp.kept.profiles import reported
from wattbook.ocpp.kept.reservations import change
from wattbook.ocpp.messages import Verbatim, VerbatimAnswer
from wattbook.ocpp.told.schedules import external_limit, external_limit_cleared

log = structlog.get_logger(__name__)


async def _reservation(connection: AsyncConnection, notice: Notice) -> None:
    """H: a reservation expired, or its place is out of order."""
    said = notice.payload
    number = whole(said, "reservationId")
    await change(connection, [(notice.station_id, number, said["reservationUpdateStatus"])], notice.received_at)


async def _profiles(connection: AsyncConnection, notice: Notice) -> None:
    """K09."""
    await reported(connection, notice.station_id, notice.payload, notice.received_at)


async def _settlement(connection: AsyncConnection, notice: Notice) -> None:
    """C20 to C24."""
    await settled(connection, notice.station_id, notice.payload, notice.received_at)


async def _control_report(connection: AsyncConnection, notice: Notice) -> None:
    """R: what controls it has."""
    await generation.reported(connection, notice.station_id, notice.payload, notice.received_at)


async def _control_change(connection: AsyncConnection, notice: Notice) -> None:
    """R: a control began or ended."""
    await generation.started_or_stopped(connection, notice.station_id, notice.payload, notice.received_at)


async def _control_alarm(connection: AsyncConnection, notice: Notice) -> None:
    """R: a fault of the grid."""
    await generation.alarmed(connection, notice.station_id, notice.payload, notice.received_at)


TAKERS: Final[Mapping[str, Callable[[AsyncConnection, Notice], Awaitable[None]]]] = {
    "ReservationStatusUpdate": _reservation,
    "ReportChargingProfiles": _profiles,
    "NotifySettlement": _settlement,
    "ReportDERControl": _control_report,
    "NotifyDERStartStop": _control_change,
    "NotifyDERAlarm": _control_alarm,
    "NotifyChargingLimit": external_limit,
    "ClearedChargingLimit": external_limit_cleared,
}
"""What some of them tell of what the station keeps."""


async def notices(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[VerbatimAnswer]:
    """The answer is the action's, in `ACTIONS`."""
    said = [cast(Verbatim, inbound.message) for inbound in batch]
    kept = [
        Notice(inbound.station_id, inbound.version, message.action, message.payload, inbound.received_at)
        for inbound, message in zip(batch, said, strict=True)
    ]
    await keep(connection, kept)
    for notice in kept:
        if (taker := TAKERS.get(notice.action)) is not None:
            try:
                await taker(connection, notice)
            except InvalidInput as fault:
                log.warning(
                    "notice-not-taken", station_id=notice.station_id, action=notice.action, because=fault.message
                )
    return [VerbatimAnswer(dict(ACTIONS[message.action].answer)) for message in said]
