"""Block C, payment at a terminal (2.1): whose VAT number it is, and what was settled."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing.parties import LegalParty
from wattbook.billing.registers import recipients_by_vat_id
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context
from wattbook.ocpp.controllers.vat import checked_vat_number
from wattbook.ocpp.messages import VatNumberAnswer, VatNumberQuestion
from wattbook.ocpp.wire.frames import JsonObject

TEXT_LENGTH_MAX = 100  # AddressType
NAME_LENGTH_MAX = 50


async def vat_number(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[VatNumberAnswer]:
    """Accepted when its form and its check digits are right; with the company, if we bill it (C25)."""
    said = [cast(VatNumberQuestion, inbound.message) for inbound in batch]
    numbers = [checked_vat_number(question.vat_number) for question in said]
    companies = await recipients_by_vat_id(connection, [number for number in numbers if number is not None])
    return [
        VatNumberAnswer(
            question.vat_number, question.evse, _company(companies.get(number or "")), valid=number is not None
        )
        for question, number in zip(said, numbers, strict=True)
    ]


def _company(party: LegalParty | None) -> JsonObject | None:
    """As 2.1 writes it; a company without an address on record is not told."""
    if party is None or not party.street or not party.city:
        return None
    company = {
        "name": party.name[:NAME_LENGTH_MAX],
        "address1": party.street[:TEXT_LENGTH_MAX],
        "city": party.city[:TEXT_LENGTH_MAX],
        "country": party.country,
    }
    return company | ({"postalCode": party.postcode[:20]} if party.postcode else {})
