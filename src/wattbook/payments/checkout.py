"""Payments through a provider: begun here, confirmed by the payer at the provider, given back on demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from wattbook.kernel.units import Money
from wattbook.payments import store
from wattbook.payments.cards import check_place
from wattbook.payments.debtors import debtor_of
from wattbook.payments.ledger import refund_fact
from wattbook.payments.ports import Debtor, Invoices
from wattbook.payments.posting import post_one
from wattbook.payments.questions import ask
from wattbook.payments.records import (
    Operation,
    OperationKind,
    Payment,
    PaymentState,
    Purpose,
    Refund,
    RefundState,
)
from wattbook.payments.wallets import checked_reference, is_new, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What is to be paid.

    Attributes:
        channel: of the provider.
        reference: the caller's own, by which the checkout is known again.
        subject: the customer of a top-up, the station of a session, the number of an invoice.
        token: what the station will show; for a session, whose amount is authorised and captured in the end.
        method: of the provider, when the payer confirmed it before; None: the payer confirms on its own device.
    """

    channel: str
    reference: str
    purpose: Purpose
    subject: str
    money: Money
    token: str | None = None
    method: str | None = None

    @property
    def content(self) -> dict[str, Any]:
        said = {
            "purpose": self.purpose.value,
            "subject": self.subject,
            "token": self.token,
            "amount": self.money.amount,
            "currency": self.money.currency.code,
        }
        return {name: value for name, value in said.items() if value is not None}


async def begin(connection: AsyncConnection, checkout: Checkout, invoices: Invoices, *, now: datetime) -> Operation:
    """Write a payment down and have the provider asked for it; the question, also when it was asked before.

    Raises:
        InvalidInput, NotFound: no such customer, invoice or amount. Conflict: the reference stands for another payment.
    """
    checked_reference(checkout.reference)
    debtor = await _debtor(connection, checkout, invoices)
    payment = Payment(
        channel=checkout.channel,
        id=checkout.reference,
        purpose=checkout.purpose,
        subject=checkout.subject,
        owner=debtor.owner,
        account=debtor.account,
        currency=checkout.money.currency.code,
        amount=positive(checkout.money),
        state=PaymentState.CREATED,
        content=checkout.content,
        received_at=utc(now),
        updated_at=utc(now),
    )
    if await is_new(connection, payment) and checkout.token is not None:
        await check_place(connection, checkout.subject, checkout.token, debtor.owner, now=utc(now))
    arguments: dict[str, Any] = {"hold_only": checkout.purpose is Purpose.SESSION}
    if checkout.method is not None:
        arguments["method"] = checkout.method
    operation = Operation(
        id=f"wattbook:{payment.channel}:{payment.id}:create",
        channel=payment.channel,
        kind=OperationKind.CREATE,
        payment=payment.id,
        amount=payment.amount,
        arguments=arguments,
        asked_at=utc(now),
    )
    await ask(connection, operation)
    return await store.find(connection, Operation, id=operation.id) or operation


async def lock_payment(connection: AsyncConnection, channel: str, payment_id: str) -> Payment:
    """Nobody else changes it, or gives back of it, before the transaction ends.

    Raises:
        NotFound, InvalidInput: no such payment.
    """
    payment = await store.lock(connection, Payment, channel=channel, id=checked_reference(payment_id))
    if payment is None:
        raise NotFound(f"no payment {payment_id[:64]!r} of {channel} is known", payment=payment_id[:64])
    return payment


async def find_refund(connection: AsyncConnection, channel: str, reference: str) -> Operation | None:
    """What the provider was asked under this reference. Raises: InvalidInput: no such reference can be."""
    return await store.find(connection, Operation, id=_refund_key(channel, checked_reference(reference)))


async def refundable(connection: AsyncConnection, payment: Payment) -> int:
    """What was paid and not given back, nor is about to be; stored units.

    Raises:
        Conflict: it was not paid yet, or not at all.
    """
    if payment.state is not PaymentState.PAID or payment.amount is None:
        raise Conflict(f"payment {payment.id} is {payment.state}: there is nothing to give back", payment=payment.id)
    return payment.amount - await store.refunded_amount(connection, payment.channel, payment.id)


async def refund(
    connection: AsyncConnection,
    channel: str,
    payment_id: str,
    money: Money,
    reference: str,
    *,
    now: datetime,
    arguments: Mapping[str, Any] | None = None,
) -> Operation:
    """Give back a payment, or a part of it, the way it came. The money is set aside until the provider has answered.

    Args:
        arguments: what is kept with the question, for whoever looks at it later.

    Raises:
        NotFound, InvalidInput: no such payment, amount or reference.
        Refused: more than was paid, or than the account still has (`reason` `floor`).
        Conflict: it was not paid yet, or the reference stands for another refund.
    """
    payment = await lock_payment(connection, channel, payment_id)
    asked = Refund(
        channel=channel,
        id=checked_reference(reference),
        payment=payment.id,
        owner=payment.owner or "",
        account=payment.account or "",
        currency=money.currency.code,
        amount=positive(money),
        state=RefundState.REQUESTED,
        requested_at=utc(now),
        updated_at=utc(now),
    )
    before = await _asked_before(connection, asked)
    if before is not None:
        return before
    left = await refundable(connection, payment)
    if payment.currency != asked.currency:
        raise InvalidInput(f"payment {payment.id} was in {payment.currency}")
    if asked.amount > left:
        raise Refused(f"payment {payment.id} was less than what would be given back in all", reason="over-refund")
    await store.add(connection, asked)
    await post_one(connection, [asked.movement(utc(now)).held_back(refund_fact(channel, reference), "refund")], now=now)
    question = Operation(
        id=_refund_key(channel, reference),
        channel=channel,
        kind=OperationKind.REFUND,
        payment=payment.id,
        refund=reference,
        amount=asked.amount,
        arguments=dict(arguments or {}),
        asked_at=utc(now),
    )
    await ask(connection, question)
    return question


async def _asked_before(connection: AsyncConnection, asked: Refund) -> Operation | None:
    """The question about this very refund. Raises: Conflict: its reference stands for another one."""
    known = await store.find(connection, Refund, channel=asked.channel, id=asked.id)
    if known is None:
        return None
    if (known.payment, known.currency, known.amount) != (asked.payment, asked.currency, asked.amount):
        raise Conflict(f"refund {asked.id} came before with another content", reference=asked.id)
    operation = await find_refund(connection, asked.channel, asked.id)
    if operation is None:
        raise Conflict(f"refund {asked.id} was made at the provider", reference=asked.id)
    return operation


def _refund_key(channel: str, reference: str) -> str:
    return f"wattbook:{channel}:{reference}:refund"


async def _debtor(connection: AsyncConnection, checkout: Checkout, invoices: Invoices) -> Debtor:
    """Raises: InvalidInput: no token where one is needed, or one where none is; a house; and as `debtor_of`."""
    purpose = checkout.purpose
    if (purpose is Purpose.SESSION) != (checkout.token is not None):
        raise InvalidInput("a payment for a session, and no other, names the token that the station will show")
    if purpose is Purpose.HOUSE:
        raise InvalidInput("charging at a house is paid to its payment server")
    code = checkout.money.currency.code
    return await debtor_of(connection, invoices, checkout.channel, checkout.reference, purpose, checkout.subject, code)
