"""Every message that has no struct of its own: kept as it came, and answered that it was noted."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.dialects.actions import ACTIONS
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import Verbatim, VerbatimAnswer
from wattbook.ocpp.notices import Notice, keep


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
    return [VerbatimAnswer(dict(ACTIONS[message.action].answer)) for message in said]
