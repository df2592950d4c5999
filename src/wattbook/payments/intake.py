"""Payments that a sender tells of: each taken in once, or kept in quarantine with the reason its sender hears.

What a payment does depends on what it is for. A top-up is the customer's at once. A payment for a session makes an
account of its own that the driver charges on, under the token that the station will show. A payment for an invoice
pays what its debtor owes. A payment for charging at a house is handed on to the house's bill.

A withdrawal takes the whole payment back: from the account it went to, or, when that has been spent, as a debt. It is
final, also when it overtakes the payment it withdraws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, WattbookError
from wattbook.kernel.units import Money
from wattbook.payments import quarantine, store
from wattbook.payments.cards import close_card_account, open_card_account
from wattbook.payments.debtors import debtor_of
from wattbook.payments.documents import Announced, read
from wattbook.payments.ports import Debtor, HousePayment, Neighbours
from wattbook.payments.posting import is_floor, post_one
from wattbook.payments.records import Payment, PaymentState, Purpose, Refund, RefundState
from wattbook.payments.wallets import checked_reference, funds

DOCUMENTS_MAX: Final = 1_000


class Outcome(StrEnum):
    TAKEN = "taken"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    KNOWN = "known"
    """It came before; nothing changed."""
    REFUSED = "refused"
    """`error` says why; it is kept in quarantine."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a payment.

    Attributes:
        payment: the sender's id of it; None when it could not be read.
        owner: of the account it went to; for a house: the house.
    """

    outcome: Outcome
    payment: str | None = None
    owner: str | None = None
    error: WattbookError | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment as it stands, for its sender.

    Attributes:
        left: of a payment for a session: what was not charged, held for a running session included; None for others.
    """

    payment: Payment
    left: Money | None


async def take_in(
    connection: AsyncConnection,
    sender: str,
    contents: Sequence[bytes],
    neighbours: Neighbours,
    *,
    now: datetime,
    source: str = "http",
) -> list[Receipt]:
    """Take in documents of a sender who is known to be it, in order; a receipt for each.

    Raises:
        InvalidInput: more than 1000 in one call.
    """
    if len(contents) > DOCUMENTS_MAX:
        raise InvalidInput(f"at most {DOCUMENTS_MAX} payments are taken in at once, not {len(contents)}")
    return [await _take_in_one(connection, sender, content, neighbours, utc(now), source) for content in contents]


async def standing(connection: AsyncConnection, sender: str, payment_id: str) -> Standing:
    """Raises: NotFound. InvalidInput: no such id can be."""
    checked_reference(payment_id)
    payment = await store.find(connection, Payment, channel=sender, id=payment_id)
    if payment is None:
        raise NotFound(f"no payment {payment_id[:64]!r} of {sender} is known", payment=payment_id[:64])
    left = None
    if payment.purpose is Purpose.SESSION and payment.owner and payment.currency:
        account = await funds(connection, payment.owner, payment.currency)
        left = account.available + account.held
    return Standing(payment, left)


async def _take_in_one(
    connection: AsyncConnection, sender: str, content: bytes, neighbours: Neighbours, now: datetime, source: str
) -> Receipt:
    payment_id = None
    try:
        announced = read(content)
        payment_id = announced.id
        async with connection.begin_nested():
            return await _taken(connection, sender, announced, neighbours, now)
    except WattbookError as error:
        await quarantine.keep(connection, sender, source, content, error, now=now)
        return Receipt(Outcome.REFUSED, payment_id, error=error)


async def _taken(
    connection: AsyncConnection, sender: str, said: Announced, neighbours: Neighbours, now: datetime
) -> Receipt:
    debtor = await _debtor(connection, sender, said, neighbours)
    payment = _payment(sender, said, debtor, now)
    is_new = await store.add(connection, payment)
    known = payment if is_new else await store.lock(connection, Payment, channel=sender, id=said.id)
    assert known is not None, "it was added, now or before"
    if known.content != said.content:
        raise Conflict(
            f"payment {said.id} of {sender} is known with another content: {_difference(known, said)}",
            payment=said.id,
        )
    if said.status == "returned":
        return await _return_rest(connection, known, said, now)
    if said.status == "withdrawn":
        return await _withdraw(connection, known, said, neighbours, now, is_new=is_new)
    if not is_new:
        return Receipt(Outcome.KNOWN, said.id, known.owner or known.subject)
    if said.purpose is Purpose.HOUSE:
        return Receipt(Outcome.TAKEN, said.id, await _forward(connection, payment, said, neighbours))
    if said.purpose is Purpose.SESSION:
        await open_card_account(connection, payment, said.token or "", now=now)
    await post_one(connection, [payment.movement(_event_at(said, now)).coming_in(payment.fact, _memo(said))], now=now)
    return Receipt(Outcome.TAKEN, said.id, payment.owner)


async def _debtor(connection: AsyncConnection, sender: str, said: Announced, neighbours: Neighbours) -> Debtor | None:
    """Whose account a payment goes to; None for a house."""
    if said.purpose is Purpose.HOUSE:
        return None
    assert said.money is not None, "read with an amount"
    code = said.money.currency.code
    return await debtor_of(connection, neighbours.invoices, sender, said.id, said.purpose, said.subject, code)


def _payment(sender: str, said: Announced, debtor: Debtor | None, now: datetime) -> Payment:
    return Payment(
        channel=sender,
        id=said.id,
        purpose=said.purpose,
        subject=said.subject,
        owner=debtor.owner if debtor else None,
        account=debtor.account if debtor else None,
        currency=said.money.currency.code if said.money else None,
        amount=said.money.amount if said.money else None,
        state=PaymentState.WITHDRAWN if said.status == "withdrawn" else PaymentState.PAID,
        content=said.content,
        received_at=now,
        updated_at=now,
    )


async def _withdraw(
    connection: AsyncConnection,
    known: Payment,
    said: Announced,
    neighbours: Neighbours,
    now: datetime,
    *,
    is_new: bool,
) -> Receipt:
    """Take it back, once; one that was withdrawn before it came is only noted."""
    owner = known.owner or known.subject
    if not is_new and known.state is PaymentState.WITHDRAWN:
        return Receipt(Outcome.KNOWN, said.id, owner)
    if known.purpose is Purpose.HOUSE:
        owner = await _forward(connection, known, said, neighbours)
    elif not is_new:
        if await store.refunded_amount(connection, known.channel, known.id):
            raise Conflict(f"payment {said.id} was returned in part and cannot be withdrawn", payment=said.id)
        await _take_back(connection, known, now)
        if known.purpose is Purpose.SESSION:
            await close_card_account(connection, known, said.token or "", now=now)
    known.state, known.updated_at = PaymentState.WITHDRAWN, now
    await store.save(connection, known)
    return Receipt(Outcome.WITHDRAWN, said.id, owner)


async def _take_back(connection: AsyncConnection, known: Payment, now: datetime) -> None:
    """From where it went; what has been spent is owed."""
    fact = f"{known.fact}:withdrawn"
    try:
        async with connection.begin_nested():
            await post_one(connection, [known.movement(now).going_out(fact, "withdrawn")], now=now)
    except WattbookError as error:
        if not is_floor(error):
            raise
        owed = known.movement(now, account="receivable")
        await post_one(connection, [owed.going_out(fact, "withdrawn, and spent before")], now=now)


async def _return_rest(connection: AsyncConnection, known: Payment, said: Announced, now: datetime) -> Receipt:
    """The driver has the rest of what was paid for a session back."""
    assert said.returned is not None, "read with the amount returned"
    if known.purpose is not Purpose.SESSION:
        raise InvalidInput("only the rest of a payment for a session is returned; withdraw the payment instead")
    if known.state is not PaymentState.PAID:
        raise Conflict(f"payment {said.id} is {known.state}: nothing of it can be returned", payment=said.id)
    movement = known.movement(now, said.returned.amount)
    refund = Refund(
        channel=known.channel,
        id=known.id,
        payment=known.id,
        owner=movement.owner,
        account=movement.account,
        currency=movement.currency,
        amount=movement.amount,
        state=RefundState.DONE,
        requested_at=now,
        updated_at=now,
    )
    if await store.add(connection, refund):
        await post_one(connection, [movement.going_out(refund.fact, "rest returned")], now=now)
        return Receipt(Outcome.RETURNED, said.id, known.owner)
    before = await store.find(connection, Refund, channel=refund.channel, id=refund.id)
    if before is None or before.amount != refund.amount:
        raise Conflict(f"another rest of payment {said.id} was returned before", payment=said.id)
    return Receipt(Outcome.KNOWN, said.id, known.owner)


async def _forward(connection: AsyncConnection, payment: Payment, said: Announced, neighbours: Neighbours) -> str:
    """To the house's bill; the house. What it refuses is not taken in here either."""
    assert said.started_at is not None, "read with both times"
    assert said.ended_at is not None, "read with both times"
    (receipt,) = await neighbours.houses.forward(
        connection,
        [
            HousePayment(
                server=payment.channel,
                id=payment.id,
                household=said.household,
                meter=said.meter,
                energy_mwh=said.energy_mwh,
                started_at=said.started_at,
                ended_at=said.ended_at,
                received_at=payment.updated_at,
                amount=said.money,
                withdrawn=said.status == "withdrawn",
            )
        ],
    )
    if receipt.error is not None:
        raise receipt.error
    return receipt.household or payment.subject


def _difference(known: Payment, said: Announced) -> str:
    names = sorted(known.content.keys() | said.content.keys())
    pairs = [(name, known.content.get(name), said.content.get(name)) for name in names]
    return ", ".join(f"{name} {was} against {now}" for name, was, now in pairs if was != now)


def _event_at(said: Announced, now: datetime) -> datetime:
    """When it was paid, unless that is in the future by our clock."""
    return now if said.paid_at is None else min(said.paid_at, now)


def _memo(said: Announced) -> str:
    return f"{said.purpose} {said.subject}"
