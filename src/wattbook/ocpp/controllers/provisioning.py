"""Block B, provisioning: stations introduce themselves and say that they are there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.kept.device_model import record_variables
from wattbook.ocpp.messages import (
    BootAnswer,
    BootNotification,
    HeartbeatAnswer,
    Registration,
    VariablesAnswer,
    VariablesReported,
)
from wattbook.registry.presence import Boot, record_boots
from wattbook.registry.stations import Acceptance

REGISTRATIONS: Final = {
    Acceptance.ACCEPTED: Registration.ACCEPTED,
    Acceptance.PENDING: Registration.PENDING,
    Acceptance.BLOCKED: Registration.REJECTED,
    None: Registration.REJECTED,
}


async def boot(connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context) -> Sequence[BootAnswer]:
    """Keep what the station says of itself, and tell it whether it is taken in (OCPP 1.6, 4.2)."""
    boots = [_boot(inbound, context.now) for inbound in batch]
    acceptances = await record_boots(connection, boots)
    return [
        BootAnswer(REGISTRATIONS[acceptance], context.now, context.heartbeat_interval_s) for acceptance in acceptances
    ]


def _boot(inbound: InboundMessage, now: datetime) -> Boot:
    said = cast(BootNotification, inbound.message)
    serial = said.serial_number or said.box_serial_number
    return Boot(inbound.station_id, said.vendor, said.model, serial, said.firmware_version, now)


async def heartbeat(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[HeartbeatAnswer]:
    """The station sets its clock by the answer (OCPP 1.6, 4.6). That it is there, `attendance` tells."""
    return [HeartbeatAnswer(context.now)] * len(batch)


async def report(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[VariablesAnswer]:
    """B07, B08: part of a report becomes part of the station's device model."""
    said = [(inbound.station_id, cast(VariablesReported, inbound.message)) for inbound in batch]
    await record_variables(connection, [(station, part.generated_at, part.variables) for station, part in said])
    return [VariablesAnswer()] * len(batch)
