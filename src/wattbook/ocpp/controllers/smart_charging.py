"""Block K, smart charging: what a vehicle needs is answered with a schedule."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.journal.notices import Notice, keep
from wattbook.ocpp.messages import ChargingNeeds, ChargingNeedsAnswer, NeedsStatus
from wattbook.ocpp.told import schedules


async def charging_needs(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[ChargingNeedsAnswer]:
    """K15, K16, K17: keep the needs, and send a profile for the running transaction: now, or anew when they change."""
    said = [cast(ChargingNeeds, inbound.message) for inbound in batch]
    await keep(connection, [_notice(inbound, needs) for inbound, needs in zip(batch, said, strict=True)])
    places = [(inbound.station_id, needs.evse) for inbound, needs in zip(batch, said, strict=True)]
    running = await schedules.running(
        connection, [station for station, _ in places], evses=[evse for _, evse in places]
    )
    offered = [
        number
        for number, (place, needs) in enumerate(zip(places, said, strict=True))
        if place in running and needs.power_max_w is not None
    ]
    sent = await schedules.offer(
        connection, [(running[places[number]], said[number]) for number in offered], context.now
    )
    answers = [ChargingNeedsAnswer(NeedsStatus.NO_PROFILE)] * len(batch)
    for number, is_sent in zip(offered, sent, strict=True):
        if is_sent:
            answers[number] = ChargingNeedsAnswer(NeedsStatus.ACCEPTED)
    return answers


def _notice(inbound: InboundMessage, needs: ChargingNeeds) -> Notice:
    return Notice(inbound.station_id, inbound.version, "NotifyEVChargingNeeds", needs.said, inbound.received_at)
