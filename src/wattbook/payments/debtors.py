"""Whose account a payment goes to, by what it is for."""

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.payments.cards import card_account
from wattbook.payments.ports import Debtor, Invoices
from wattbook.payments.records import Purpose
from wattbook.payments.wallets import known_customer


async def debtor_of(
    connection: AsyncConnection,
    invoices: Invoices,
    channel: str,
    payment_id: str,
    purpose: Purpose,
    subject: str,
    currency: str,
) -> Debtor:
    """The customer of a top-up, the card of a session, whoever owes the invoice; a house has no account here.

    Raises:
        NotFound: no such customer or invoice. InvalidInput: the invoice is in another currency.
    """
    assert purpose is not Purpose.HOUSE, "charging at a house is handed on"
    if purpose is Purpose.TOP_UP:
        await known_customer(connection, subject)
        return Debtor(subject, "wallet", currency)
    if purpose is Purpose.SESSION:
        return Debtor(card_account(channel, payment_id), "wallet", currency)
    (debtor,) = await invoices.debtors(connection, [subject])
    if debtor is None:
        raise NotFound(f"no invoice {subject[:64]!r} was issued", invoice=subject[:64])
    if debtor.currency != currency:
        raise InvalidInput(f"invoice {subject} is in {debtor.currency}, not in {currency}")
    return debtor
