"""A charge that a card paid for, given back: the credit note and the money, in one act.

What was captured has been spent: the card's account paid the session with it. So the session is credited first, which
returns its price to that account, and from there it goes back the way it came. The credit note, what is set aside, and
the question to the provider are one transaction, known again by its reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing.credits import credit, is_credited
from wattbook.billing.documents import Document
from wattbook.billing.receipts import receipt_of_session
from wattbook.book.statements import balances
from wattbook.charging.sold import sold_to
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.kernel.units import Currency, Money
from wattbook.payments import checkout
from wattbook.payments.cards import operator_of, round_away
from wattbook.payments.ledger import refund_fact, wallet
from wattbook.payments.records import Operation, Payment, Purpose

CLOCKS_DIFFER: Final = timedelta(days=1)
"""How far the times that a station tells may be off ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRefund:
    """What is to be given back.

    Attributes:
        reference: the caller's own, by which the refund is known again.
        reason: stands on the credit note.
        positions: lines of the only document of the charge, counted from 1; None: all that is not credited yet.
    """

    channel: str
    payment: str
    reference: str
    reason: str
    positions: tuple[int, ...] | None = None

    @property
    def content(self) -> dict[str, Any]:
        return {"reason": self.reason, "positions": None if self.positions is None else list(self.positions)}


async def refund_charge(
    connection: AsyncConnection, asked: ChargeRefund, *, zone: ZoneInfo, now: datetime
) -> Operation:
    """Credit what the payment paid for, and have the provider give it back; `credit_notes` of the question's arguments
    are the numbers of the notes.

    Once every line is credited, all that is left of the payment goes back, to the coin: what documents round is
    rounded away. A refund that failed is asked for again under another reference; nothing is credited twice.

    Raises:
        NotFound: no such payment, session or line; the operator has no legal name and address on record.
        InvalidInput: the payment is for something else, or no reason is given.
        Conflict: it was not captured yet, nothing is left of it, a line was credited already, the charge stands on
            several documents, or the reference stands for another refund.
    """
    payment = await checkout.lock_payment(connection, asked.channel, asked.payment)
    before = await checkout.find_refund(connection, asked.channel, asked.reference)
    if before is not None:
        said = {name: before.arguments.get(name) for name in asked.content}
        if before.payment != payment.id or said != asked.content:
            raise Conflict(f"refund {asked.reference} came before with another content", reference=asked.reference)
        return before
    if payment.purpose is not Purpose.SESSION:
        raise InvalidInput(f"payment {payment.id} is for no charge at a station: give back an amount of it")
    left = await checkout.refundable(connection, payment)
    if not left:
        raise Conflict(f"nothing is left of payment {payment.id} to give back", payment=payment.id)
    documents = await _documents(connection, payment, zone, now)
    notes = await _credited(connection, documents, asked, zone, now)
    money = await _given_back(connection, payment, documents, notes, left, asked, now)
    return await checkout.refund(
        connection,
        asked.channel,
        payment.id,
        money,
        asked.reference,
        now=now,
        arguments=asked.content | {"credit_notes": [note.number for note in notes]},
    )


async def _documents(connection: AsyncConnection, payment: Payment, zone: ZoneInfo, now: datetime) -> list[Document]:
    """On which the sessions stand that the payment paid for; receipts are issued where there are none."""
    assert payment.owner is not None, "a payment for a session has an account"
    operator = await operator_of(connection, payment.subject)
    start, end = payment.received_at - CLOCKS_DIFFER, payment.updated_at + CLOCKS_DIFFER
    sold = await sold_to(connection, operator, [payment.owner], start, end)
    if not sold:
        raise NotFound(f"payment {payment.id} paid for no session that is priced", payment=payment.id)
    found = [await receipt_of_session(connection, each.cdr_id, zone=zone, now=now) for each in sold]
    return list({document.number: document for document in found}.values())


async def _credited(
    connection: AsyncConnection, documents: Sequence[Document], asked: ChargeRefund, zone: ZoneInfo, now: datetime
) -> list[Document]:
    """The notes of this refund; none where all was credited before."""
    if asked.positions is not None and len(documents) > 1:
        numbers = ", ".join(document.number for document in documents)
        raise Conflict(f"the charge stands on {numbers}: name no lines, or credit each by itself")
    return [
        await credit(connection, document.number, reason=asked.reason, zone=zone, now=now, positions=asked.positions)
        for document in documents
        if asked.positions is not None or not await is_credited(connection, document)
    ]


async def _given_back(
    connection: AsyncConnection,
    payment: Payment,
    documents: Sequence[Document],
    notes: Sequence[Document],
    left: int,
    asked: ChargeRefund,
    now: datetime,
) -> Money:
    """What the notes return; once all is credited what is left, which the account then holds to the coin."""
    assert payment.owner is not None, "a payment for a session has an account"
    assert payment.currency is not None, "an account has a currency"
    currency = Currency.of(payment.currency)
    if not all([await is_credited(connection, document) for document in documents]):
        return Money(min(-sum(note.total for note in notes), left), currency)
    account = wallet(payment.owner, payment.currency)
    over = (await balances(connection, [account]))[account].available - left
    # Each line, and the tax of each rate, was rounded by half a coin at most, and so was what was captured.
    roundings = 1 + sum(len(document.lines) + len(document.taxes) for document in documents)
    if 2 * abs(over) <= roundings * currency.coin:
        await round_away(connection, payment, over, refund_fact(asked.channel, asked.reference), now=now)
    return Money(left, currency)
