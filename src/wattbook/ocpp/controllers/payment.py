"""Block C, payment at a terminal (2.1)."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import VatNumberAnswer, VatNumberQuestion


async def vat_number(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[VatNumberAnswer]:
    """Rejected: no register of companies is connected, and a number that nobody verified is on no invoice."""
    said = [cast(VatNumberQuestion, inbound.message) for inbound in batch]
    return [VatNumberAnswer(question.vat_number, question.evse) for question in said]
