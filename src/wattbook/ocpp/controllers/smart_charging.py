"""Block K, smart charging: what a vehicle needs is answered with a schedule."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import format_rfc3339
from wattbook.ocpp import transaction_log
from wattbook.ocpp.command_records import CommandRequest
from wattbook.ocpp.commands import submit
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.frames import JsonObject
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import ChargingNeeds, ChargingNeedsAnswer, NeedsStatus
from wattbook.ocpp.notices import Notice, keep

PROFILE_WITHIN: Final = timedelta(seconds=60)
"""K15.FR.04: a station that has waited so long lets the vehicle charge without."""

DURATION_MAX: Final = timedelta(days=1)
STACK_LEVEL: Final = 0


async def charging_needs(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[ChargingNeedsAnswer]:
    """K15, K16, K17: keep the needs, and send a profile for the running transaction: now, or anew when they change."""
    said = [cast(ChargingNeeds, inbound.message) for inbound in batch]
    await keep(connection, [_notice(inbound, needs) for inbound, needs in zip(batch, said, strict=True)])
    places = [(inbound.station_id, needs.evse) for inbound, needs in zip(batch, said, strict=True)]
    running = await transaction_log.running_at(connection, places)
    answers = [ChargingNeedsAnswer(NeedsStatus.NO_PROFILE)] * len(batch)
    offered = [
        (number, _command(station, running[station, evse], needs, context.now))
        for number, ((station, evse), needs) in enumerate(zip(places, said, strict=True))
        if (station, evse) in running and needs.power_max_w is not None
    ]
    if not offered:
        return answers
    commands = await submit(
        connection, [command for _, command in offered], requested_by="smart-charging", now=context.now
    )
    for (number, _), command in zip(offered, commands, strict=True):
        if not isinstance(command, Exception):
            answers[number] = ChargingNeedsAnswer(NeedsStatus.ACCEPTED)
    return answers


def _notice(inbound: InboundMessage, needs: ChargingNeeds) -> Notice:
    return Notice(inbound.station_id, inbound.version, "NotifyEVChargingNeeds", needs.said, inbound.received_at)


def _command(station_id: str, transaction_id: str, needs: ChargingNeeds, now: datetime) -> CommandRequest:
    return CommandRequest(station_id, "SetChargingProfile", profile(transaction_id, needs, now), now + PROFILE_WITHIN)


def profile(transaction_id: str, needs: ChargingNeeds, now: datetime) -> JsonObject:
    """All the vehicle takes, until it wants to leave; the station keeps its own and its site's limits below that.

    A later profile of the same transaction has the same id and so takes the place of the one before (K01).
    """
    assert needs.power_max_w is not None, "nothing can be offered to a vehicle that does not say what it takes"
    schedule = {
        "id": 1,
        "startSchedule": format_rfc3339(now),
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": needs.power_max_w}],
    }
    if needs.departs_at is not None and timedelta(0) < needs.departs_at - now <= DURATION_MAX:
        schedule["duration"] = int((needs.departs_at - now).total_seconds())
    return {
        "evseId": needs.evse,
        "chargingProfile": {
            "id": zlib.crc32(transaction_id.encode()) & 0x7FFFFFFF,
            "stackLevel": STACK_LEVEL,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "transactionId": transaction_id,
            "chargingSchedule": [schedule],
        },
    }
