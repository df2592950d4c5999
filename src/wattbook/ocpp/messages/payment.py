"""Block C, payment at a terminal (2.1)."""

from __future__ import annotations

from wattbook.ocpp.messages.base import Answer, Json, Request


class VatNumberAnswer(Answer, frozen=True):
    """`company` as 2.1 writes it, if it is known; `valid`: the number has its form and its check digits."""

    vat_number: str
    evse: int | None = None
    company: Json = None
    valid: bool = False


class VatNumberQuestion(Request[VatNumberAnswer], frozen=True):
    """A driver typed a VAT number at a payment terminal (2.1): whose is it?"""

    vat_number: str
    evse: int | None = None
