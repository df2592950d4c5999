"""Whom a payment may be for: rooms that stand beside each other meet here, where all are known."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing.documents import Kind
from wattbook.billing.listing import find_document
from wattbook.config import Settings
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import bills_of_households
from wattbook.household.paid.payments import PaymentInformation, PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import NotFound
from wattbook.payments.ports import Debtor, HousePayment, HouseReceipt, Neighbours


class HouseBills:
    """Payments for charging at a house leave its bill; a bill of a house can be paid by its id.

    Args:
        intervals: what charges that came with their own course are held against, so that a billed period with one is
            assessed at once; None: such a period is noted, and assessed when readings are tended.
    """

    def __init__(self, intervals: IntervalStore | None = None) -> None:
        self._intervals = intervals

    async def forward(self, connection: AsyncConnection, payments: Sequence[HousePayment]) -> list[HouseReceipt]:
        receipts = await receive_payments(connection, [_information(payment) for payment in payments], self._intervals)
        return [HouseReceipt(receipt.household, receipt.error) for receipt in receipts]

    async def debtors(self, connection: AsyncConnection, numbers: Sequence[str]) -> list[Debtor | None]:
        """A bill is numbered by its house and its first day."""
        houses = sorted({number.rpartition(":")[0] for number in numbers})
        bills = {bill.id: bill for bill in await bills_of_households(connection, houses)}
        found = [bills.get(number) for number in numbers]
        return [None if bill is None else Debtor(bill.debtor, "receivable", bill.currency) for bill in found]


class IssuedInvoices:
    """Invoices by their number, and the bills of houses by their id."""

    async def debtors(self, connection: AsyncConnection, numbers: Sequence[str]) -> list[Debtor | None]:
        bills = await HouseBills().debtors(connection, numbers)
        return [bill or await self._of_invoice(connection, number) for bill, number in zip(bills, numbers, strict=True)]

    async def _of_invoice(self, connection: AsyncConnection, number: str) -> Debtor | None:
        try:
            document = await find_document(connection, number)
        except NotFound:
            return None
        return Debtor(document.recipient.id, "receivable", document.currency) if document.kind is Kind.INVOICE else None


def neighbours(settings: Settings) -> Neighbours:
    """Of a deployment that has every room."""
    return Neighbours(HouseBills(IntervalStore(settings.data / "intervals")), IssuedInvoices())


def _information(payment: HousePayment) -> PaymentInformation:
    taken = PaymentInformation(
        server=payment.server,
        id=payment.id,
        household=payment.household,
        meter=payment.meter,
        energy_mwh=payment.energy_mwh,
        started_at=payment.started_at,
        ended_at=payment.ended_at,
        received_at=payment.received_at,
        amount=payment.amount,
    )
    return replace(taken, state=PaymentState.WITHDRAWN) if payment.withdrawn else taken
