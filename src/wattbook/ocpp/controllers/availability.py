"""Block G, availability: what a station says of its connectors."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.messages import StatusAnswer, StatusNotification
from wattbook.registry.presence import Status, record_statuses


async def status(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[StatusAnswer]:
    """Keep the newest status of each connector (OCPP 1.6, 4.9); a station's clock that runs ahead counts as now."""
    await record_statuses(connection, [_status(inbound) for inbound in batch])
    return [StatusAnswer()] * len(batch)


def _status(inbound: InboundMessage) -> Status:
    said = cast(StatusNotification, inbound.message)
    return Status(
        station=inbound.station_id,
        evse_no=said.evse,
        connector_no=said.connector or 0,
        status=said.status,
        error_code=None if said.error == "NoError" else said.error,
        at=min(said.occurred_at or inbound.received_at, inbound.received_at),
    )
