"""Wallets: what a customer may still spend, and what it, or an operator for it, may do with that.

Every operation has a reference of the caller's, by which it is known again: an answer that was lost may be asked for
by doing the same once more. What raises leaves half of it done: the caller's transaction has to be undone.

The floor of a wallet is zero less the credit its terms give, so a postpaid account with a limit is a wallet that may go
below zero; one without a limit owes on its receivable.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.statements import Statement, balances, set_floor, statement
from wattbook.book.transfers import OWNER_LENGTH_MAX, Transfer
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from wattbook.kernel.units import Currency, Money
from wattbook.payments import store
from wattbook.payments.ledger import DESK, WALLET, wallet
from wattbook.payments.posting import post_one
from wattbook.payments.records import Payment, PaymentState, Purpose, Refund, RefundState
from wattbook.registry.customers import Customer, find_customers
from wattbook.registry.terms import AccountTerms, find_terms, set_terms

REFERENCE_LENGTH_MAX: Final = 64
LIST_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Funds:
    """A wallet as it stands.

    Attributes:
        balance: posted; below zero is owed.
        held: set aside for what runs, such as a charging session.
        available: what may still be spent, with the credit of its terms.
    """

    owner: str
    currency: str
    balance: Money
    held: Money
    credit_limit: Money
    available: Money


@dataclass(frozen=True, slots=True)
class Warned:
    """What a customer was warned of."""

    kind: str
    cause: str
    message: str
    at: datetime


async def funds(connection: AsyncConnection, owner: str, currency: str) -> Funds:
    """Of an owner without any wallet: zeros."""
    checked_owner(owner)
    money = Currency.of(currency)
    account = wallet(owner, currency)
    found = (await balances(connection, [account]))[account]
    (terms,) = await find_terms(connection, [owner])
    limit = terms.credit_limit if terms is not None and terms.currency == currency else 0
    return Funds(
        owner,
        currency,
        Money(found.posted, money),
        Money(found.debits_pending, money),
        Money(limit, money),
        Money(found.available + limit, money),
    )


async def wallet_statement(
    connection: AsyncConnection, owner: str, currency: str, start: datetime, end: datetime
) -> Statement:
    """What was booked in [start, end), with opening and closing balance."""
    Currency.of(currency)
    checked_owner(owner)
    if not utc(start) < utc(end):
        raise InvalidInput("a statement ends after it starts")
    return await statement(connection, wallet(owner, currency), start, end)


async def top_up(connection: AsyncConnection, customer: str, amount: Money, reference: str, *, now: datetime) -> bool:
    """Money that came to the desk or the bank; whether it is new.

    Raises:
        InvalidInput, NotFound: no such amount, reference or customer.
        Conflict: the reference came before with another content.
    """
    await known_customer(connection, customer)
    payment = _received(DESK, checked_reference(reference), customer, amount, now)
    if not await is_new(connection, payment):
        return False
    await post_one(connection, [payment.movement(now).coming_in(payment.fact, "top-up")], now=now)
    return True


async def give_back(
    connection: AsyncConnection, customer: str, amount: Money, reference: str, *, now: datetime
) -> bool:
    """Money of a wallet goes back over the desk; whether it is new.

    Raises:
        Refused: `reason` `floor`: there is not as much, what is held counted as gone; and as `top_up`.
    """
    await known_customer(connection, customer)
    refund = Refund(
        channel=DESK,
        id=checked_reference(reference),
        payment=None,
        owner=customer,
        account="wallet",
        currency=amount.currency.code,
        amount=positive(amount),
        state=RefundState.DONE,
        requested_at=utc(now),
        updated_at=utc(now),
    )
    if not await store.add(connection, refund):
        known = await store.find(connection, Refund, channel=DESK, id=refund.id)
        if known is None or (known.owner, known.currency, known.amount) != (
            refund.owner,
            refund.currency,
            refund.amount,
        ):
            raise Conflict(f"refund {reference} came before with another content", reference=reference)
        return False
    await post_one(connection, [refund.movement(now).going_out(refund.fact, "given back")], now=now)
    await _refuse_credit(connection, customer, refund.currency)
    return True


async def transfer(
    connection: AsyncConnection, giver: str, taker: str, amount: Money, reference: str, *, now: datetime
) -> bool:
    """From one wallet to another, such as from a fleet to a driver; whether it is new.

    Raises:
        Refused: `reason` `floor`; and as `top_up`.
    """
    await known_customer(connection, giver)
    await known_customer(connection, taker)
    if giver == taker:
        raise InvalidInput("a wallet cannot give to itself")
    code = amount.currency.code
    payment = _received(WALLET, f"{giver}/{checked_reference(reference)}", taker, amount, now)
    payment.content["giver"] = giver
    if not await is_new(connection, payment):
        return False
    entry = Transfer(
        fact=payment.fact,
        debit=wallet(giver, code),
        credit=wallet(taker, code),
        amount=positive(amount),
        event_at=utc(now),
        memo=f"transfer {reference}",
    )
    await post_one(connection, [entry], now=now)
    await _refuse_credit(connection, giver, code)
    return True


async def change_terms(connection: AsyncConnection, terms: AccountTerms) -> None:
    """Set terms, and the floor of the wallet with them. A wallet that is below its new floor may only rise.

    Raises:
        InvalidInput, NotFound: as `registry.terms.set_terms`.
        Conflict: the currency is not that of the terms before, or a payer has a payer.
    """
    (before,) = await find_terms(connection, [terms.owner])
    if before is not None and before.currency != terms.currency:
        raise Conflict(f"the terms of {terms.owner} are in {before.currency}")
    if terms.payer is not None:
        (above,) = await find_terms(connection, [terms.payer])
        if above is not None and above.payer is not None:
            raise Conflict(f"{terms.payer} does not pay for others: {above.payer} pays for it", payer=terms.payer)
    await set_terms(connection, [terms])
    await set_floor(connection, wallet(terms.owner, terms.currency), -terms.credit_limit)


async def warn(connection: AsyncConnection, owner: str, kind: str, cause: str, message: str, *, now: datetime) -> bool:
    """Keep a warning for the owner of a wallet, once a kind and cause; whether it is new."""
    row = {"owner": owner, "kind": kind, "cause": cause, "message": message, "at": utc(now)}
    return await store.warn(connection, row)


async def warnings_of(connection: AsyncConnection, owner: str, *, limit: int = 100) -> list[Warned]:
    """The newest first."""
    return [
        Warned(row["kind"], row["cause"], row["message"], row["at"])
        for row in await store.warnings_of(connection, checked_owner(owner), checked_limit(limit))
    ]


async def payments_of(connection: AsyncConnection, owner: str, *, limit: int = 100) -> list[Payment]:
    """What came in for an owner, from any channel, the newest first."""
    return await store.payments_of_owner(connection, checked_owner(owner), checked_limit(limit))


async def known_customer(connection: AsyncConnection, customer: str) -> Customer:
    """Raises: NotFound."""
    (found,) = await find_customers(connection, [checked_owner(customer)])
    if found is None:
        raise NotFound(f"customer {customer[:64]!r} is not registered", customer=customer[:64])
    return found


def checked_owner(owner: str) -> str:
    if not 0 < len(owner) <= OWNER_LENGTH_MAX or not owner.isprintable():
        raise InvalidInput(f"an owner is 1 to {OWNER_LENGTH_MAX} printable characters: {owner[:80]!r}")
    return owner


def checked_reference(reference: str) -> str:
    if not 0 < len(reference) <= REFERENCE_LENGTH_MAX or not reference.isprintable():
        raise InvalidInput(f"a reference is 1 to {REFERENCE_LENGTH_MAX} printable characters: {reference[:80]!r}")
    return reference


def checked_limit(limit: int) -> int:
    if not 0 < limit <= LIST_MAX:
        raise InvalidInput(f"a list has 1 to {LIST_MAX} lines, not {limit}")
    return limit


def positive(amount: Money) -> int:
    """In stored units; whole coins, for nothing else can be paid."""
    if amount.amount <= 0:
        raise InvalidInput(f"an amount to pay is above zero, not {amount.value:f}")
    if amount.amount % amount.currency.coin:
        raise InvalidInput(f"nobody can pay {amount.value:f} {amount.currency.code}: it is no whole coin")
    return amount.amount


def _received(channel: str, reference: str, customer: str, amount: Money, now: datetime) -> Payment:
    return Payment(
        channel=channel,
        id=reference,
        purpose=Purpose.TOP_UP,
        subject=customer,
        owner=customer,
        account="wallet",
        currency=amount.currency.code,
        amount=positive(amount),
        state=PaymentState.PAID,
        content={"customer": customer, "currency": amount.currency.code, "amount": amount.amount},
        received_at=utc(now),
        updated_at=utc(now),
    )


async def is_new(connection: AsyncConnection, payment: Payment) -> bool:
    """Add it, or find it there with the same content. Raises: Conflict: it is there with another one."""
    if await store.add(connection, payment):
        return True
    known = await store.find(connection, Payment, channel=payment.channel, id=payment.id)
    if known is None or known.content != payment.content:
        raise Conflict(f"{payment.channel} {payment.id} came before with another content", reference=payment.id)
    return False


async def _refuse_credit(connection: AsyncConnection, owner: str, currency: str) -> None:
    """After money went out: credit is for charging, not for being given away."""
    account = wallet(owner, currency)
    left = (await balances(connection, [account]))[account].available
    if left < 0:
        raise Refused(f"{account} holds too little money of its own", reason="floor", account=str(account))
