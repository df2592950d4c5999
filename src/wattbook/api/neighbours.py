"""Whom a payment may be for: rooms that stand beside each other meet here, where both are known."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household.corrections import receive_payments
from wattbook.household.documents import bills_of_households
from wattbook.household.payments import PaymentInformation, PaymentState
from wattbook.payments.ports import Debtor, HousePayment, HouseReceipt, Invoices, Neighbours


class HouseBills:
    """Payments for charging at a house leave its bill; a bill of a house is an invoice that can be paid."""

    async def forward(self, connection: AsyncConnection, payments: Sequence[HousePayment]) -> list[HouseReceipt]:
        receipts = await receive_payments(connection, [_information(payment) for payment in payments])
        return [HouseReceipt(receipt.household, receipt.error) for receipt in receipts]

    async def debtors(self, connection: AsyncConnection, numbers: Sequence[str]) -> list[Debtor | None]:
        """A bill is numbered by its house and its first day."""
        houses = sorted({number.rpartition(":")[0] for number in numbers})
        bills = {bill.id: bill for bill in await bills_of_households(connection, houses)}
        found = [bills.get(number) for number in numbers]
        return [None if bill is None else Debtor(bill.household, "receivable", bill.currency) for bill in found]


def neighbours(invoices: Invoices | None = None) -> Neighbours:
    """Houses; and who knows invoices, houses' bills where nobody else does."""
    houses = HouseBills()
    return Neighbours(houses, houses if invoices is None else invoices)


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
