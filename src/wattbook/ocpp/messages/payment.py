"""Block C, payment at a terminal (2.1)."""

from __future__ import annotations

from wattbook.ocpp.messages.base import Answer, Json, Request


class VatNumberAnswer(Answer, frozen=True):
    """`company` as 2.1 writes it; None when the number could not be verified."""

    vat_number: str
    evse: int | None = None
    company: Json = None


class VatNumberQuestion(Request[VatNumberAnswer], frozen=True):
    """A driver typed a VAT number at a payment terminal (2.1): whose is it?"""

    vat_number: str
    evse: int | None = None
