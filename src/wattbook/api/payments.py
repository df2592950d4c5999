"""`POST /payments`: payment information of a device or server that was paid for charging at a house.

The sender may repeat itself until it hears an answer. What cannot be taken in is told with the reason and kept in the
household room's quarantine, whether it could be read or not.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from wattbook.api.bodies import json_body
from wattbook.api.documents import CreditNoteDocument, Exact
from wattbook.api.errors import complaints
from wattbook.api.services import Services
from wattbook.household.bills.corrections import Outcome, Receipt, keep_unreadable_payment, receive_payments
from wattbook.household.paid.payments import PaymentInformation, PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, Money

BODY_BYTES_MAX: Final = 16_384

Text = Annotated[str, Field(max_length=1_000)]


class PaymentDocument(BaseModel):
    """One charge that was paid; fields that are not named here are passed over.

    Attributes:
        household: the house, or `meter`: the number of its meter; just one of them.
        kwh, amount: decimal strings; the amount is for information, in units of `currency`.
        started_at, ended_at: with an offset: a time without one may be anybody's.
    """

    server_id: Text
    payment_id: Text
    kwh: Text
    started_at: AwareDatetime
    ended_at: AwareDatetime
    status: Literal["paid", "withdrawn"] = "paid"
    household: Text | None = None
    meter: Text | None = None
    amount: Text | None = None
    currency: Text | None = None

    def information(self, received_at: datetime) -> PaymentInformation:
        """In the household room's words.

        Raises:
            InvalidInput: energy, amount or a time is out of form.
        """
        if (self.amount is None) != (self.currency is None):
            raise InvalidInput("an amount needs a currency, and a currency an amount")
        try:
            started_at, ended_at = utc(self.started_at), utc(self.ended_at)
        except OverflowError:
            raise InvalidInput("a time is beyond the calendar") from None
        return PaymentInformation(
            server=self.server_id,
            id=self.payment_id,
            household=self.household,
            meter=self.meter,
            energy_mwh=Energy.from_kwh(self.kwh).mwh,
            started_at=started_at,
            ended_at=ended_at,
            received_at=received_at,
            amount=None if self.amount is None else Money.of(self.amount, self.currency or ""),
            state=PaymentState(self.status),
        )


class ReceiptDocument(BaseModel):
    """`credit_notes` were issued now; `exception_kwh` is below zero by what was paid and never measured."""

    outcome: Outcome
    household: str | None
    credit_notes: list[CreditNoteDocument]
    exception_kwh: Exact

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptDocument":
        return cls(
            outcome=receipt.outcome,
            household=receipt.household,
            credit_notes=[CreditNoteDocument.of(note) for note in receipt.credit_notes],
            exception_kwh=Energy(receipt.exception_mwh).kwh,
        )


def router(services: Services) -> APIRouter:
    routes = APIRouter()

    @routes.post(
        "/payments",
        status_code=201,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": PaymentDocument.model_json_schema()}},
            }
        },
    )
    async def receive(request: Request, response: Response) -> ReceiptDocument:
        """201 when the payment is new, 200 when it is known or was withdrawn."""
        body = await json_body(request, BODY_BYTES_MAX)
        receipt = await _take_in(services, body)
        if receipt.error is not None:
            raise receipt.error
        if receipt.outcome is not Outcome.COUNTED:
            response.status_code = 200
        return ReceiptDocument.of(receipt)

    return routes


async def _take_in(services: Services, body: bytes) -> Receipt:
    """The receipt, after the commit; an error in it is committed too, as an entry in quarantine."""
    received_at = services.clock()
    try:
        payment = _read(body, received_at)
    except InvalidInput as error:
        async with services.database.transaction() as connection:
            await keep_unreadable_payment(connection, body, error, received_at=received_at)
        return Receipt(Outcome.REFUSED, error=error)
    async with services.database.transaction() as connection:
        (receipt,) = await receive_payments(connection, [payment], IntervalStore(services.settings.data / "intervals"))
    return receipt


def _read(body: bytes, received_at: datetime) -> PaymentInformation:
    try:
        document = PaymentDocument.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidInput(complaints(error.errors(include_url=False, include_input=False))) from None
    return document.information(received_at)
