"""Block P, data transfer: a vendor's own messages. No vendor's are understood yet, and each is told so."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.messages import DataTransferAnswer, DataTransferStatus


async def data_transfer(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[DataTransferAnswer]:
    """OCPP 1.6, 4.3: a receiver that does not know the vendor says so."""
    return [DataTransferAnswer(DataTransferStatus.UNKNOWN_VENDOR)] * len(batch)
