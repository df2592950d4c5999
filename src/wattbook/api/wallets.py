"""Wallets and checkouts: what customers and operators do with money."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, Text, note
from wattbook.api.neighbours import IssuedInvoices
from wattbook.api.services import Services
from wattbook.billing.refunds import ChargeRefund, refund_charge
from wattbook.book.statements import Statement
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, NotFound, Unavailable
from wattbook.kernel.units import Currency, Money
from wattbook.payments import checkout, wallets
from wattbook.payments.checkout import Checkout
from wattbook.payments.operations import carry_out
from wattbook.payments.records import Operation, Payment, Purpose
from wattbook.registry.terms import AccountTerms, WhenUsedUp


class AmountDocument(Document):
    """`reference` is the caller's own: the same again changes nothing."""

    amount: Text
    currency: Text
    reference: Annotated[str, Field(min_length=1, max_length=64)]

    @property
    def money(self) -> Money:
        return Money.of(self.amount, self.currency)


class TransferDocument(AmountDocument):
    to: Text


class TermsDocument(Document):
    """Amounts are decimal strings of `currency`."""

    currency: Text
    payer: Text | None = None
    credit_limit: Text = "0"
    low_balance: Text = "0"
    when_used_up: WhenUsedUp = WhenUsedUp.STOP


class RefundDocument(Document):
    """Either an amount of the payment; or why what a card paid for is credited, and which lines of its document."""

    reference: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Text | None = None
    currency: Text | None = None
    reason: Annotated[str, Field(max_length=500)] | None = None
    positions: Annotated[list[int], Field(max_length=10_000)] | None = None


class CheckoutDocument(AmountDocument):
    """Exactly one of customer, station and invoice says what is paid; a station needs a token."""

    provider: Text
    customer: Text | None = None
    station: Text | None = None
    invoice: Text | None = None
    token: Annotated[str, Field(min_length=1, max_length=36)] | None = None
    method: Text | None = None


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    _wallet_routes(routes, services)
    _checkout_routes(routes, services)
    return routes


def _wallet_routes(routes: APIRouter, services: Services) -> None:
    database, clock = services.database, services.clock

    @routes.get("/wallets/{owner}")
    async def wallet(owner: str, currency: str | None = None) -> Response:
        """Balance, what is held, and what may still be spent."""
        async with database.snapshot() as connection:
            found = await wallets.funds(connection, owner, currency or services.settings.currency)
        return answer(_funds(found))

    @routes.get("/wallets/{owner}/statement")
    async def statement(
        owner: str,
        since: Annotated[AwareDatetime, Query()],
        until: Annotated[AwareDatetime | None, Query()] = None,
        currency: str | None = None,
    ) -> Response:
        """What was booked in [since, until), oldest first, at most 10,000 lines."""
        async with database.snapshot() as connection:
            found = await wallets.wallet_statement(
                connection, owner, currency or services.settings.currency, utc(since), utc(until or clock())
            )
        return answer(_statement(found))

    @routes.get("/wallets/{owner}/warnings")
    async def warnings(owner: str, limit: Limit = 100) -> Response:
        async with database.snapshot() as connection:
            found = await wallets.warnings_of(connection, owner, limit=limit)
        return answer({"warnings": found})

    @routes.get("/wallets/{owner}/payments")
    async def payments(owner: str, limit: Limit = 100) -> Response:
        """What came in for this owner, the newest first."""
        async with database.snapshot() as connection:
            found = await wallets.payments_of(connection, owner, limit=limit)
        return answer({"payments": [_payment(each) for each in found]})

    @routes.post("/wallets/{owner}/top-ups")
    async def top_up(owner: str, document: AmountDocument, request: Request) -> Response:
        """Money that came to the desk or the bank: 201 when it is new, 200 when it is known."""
        async with database.transaction() as connection:
            new = await wallets.top_up(connection, owner, document.money, document.reference, now=clock())
            if new:
                await note(connection, services, request, "wallet.topped-up", owner, None, document.model_dump())
            found = await wallets.funds(connection, owner, document.currency)
        return answer(_funds(found), 201 if new else 200)

    @routes.post("/wallets/{owner}/refunds")
    async def give_back(owner: str, document: AmountDocument, request: Request) -> Response:
        """Money that the customer takes back over the desk: 201 when it is new, 200 when it is known."""
        async with database.transaction() as connection:
            new = await wallets.give_back(connection, owner, document.money, document.reference, now=clock())
            if new:
                await note(connection, services, request, "wallet.gave-back", owner, None, document.model_dump())
            found = await wallets.funds(connection, owner, document.currency)
        return answer(_funds(found), 201 if new else 200)

    @routes.post("/wallets/{owner}/transfers")
    async def transfer(owner: str, document: TransferDocument, request: Request) -> Response:
        """To another customer's wallet: 201 when it is new, 200 when it is known."""
        async with database.transaction() as connection:
            new = await wallets.transfer(
                connection, owner, document.to, document.money, document.reference, now=clock()
            )
            if new:
                await note(connection, services, request, "wallet.gave", owner, None, document.model_dump())
            found = await wallets.funds(connection, owner, document.currency)
        return answer(_funds(found), 201 if new else 200)

    @routes.put("/wallets/{owner}/terms")
    async def terms(owner: str, document: TermsDocument, request: Request) -> Response:
        """Who pays, how far below zero the wallet may go, when its owner is warned, what ends a session."""
        new = AccountTerms(
            owner,
            document.currency,
            payer=document.payer,
            credit_limit=Money.of(document.credit_limit, document.currency).amount,
            low_balance=Money.of(document.low_balance, document.currency).amount,
            when_used_up=document.when_used_up,
        )
        async with database.transaction() as connection:
            await wallets.known_customer(connection, owner)
            await wallets.change_terms(connection, new)
            await note(connection, services, request, "wallet.terms", owner, None, document.model_dump(mode="json"))
        return answer(document.model_dump(mode="json"))


def _checkout_routes(routes: APIRouter, services: Services) -> None:
    database, clock, zone = services.database, services.clock, ZoneInfo(services.settings.time_zone)

    @routes.post("/checkouts")
    async def begin(document: CheckoutDocument) -> Response:
        """A payment through a provider; `secret` is what the payer's device confirms it with."""
        asked = _checkout(document)
        _require(document.provider)
        async with database.transaction() as connection:
            operation = await checkout.begin(connection, asked, IssuedInvoices(), now=clock())
        return answer(_operation(await _asked_now(operation)), 201)

    @routes.post("/checkouts/{provider}/{payment_id}/refunds")
    async def refund(provider: str, payment_id: str, document: RefundDocument, request: Request) -> Response:
        """Give a payment back, or a part of it, the way it came: 201 when it was asked for. With a reason, what a card
        paid for is credited in the same act.
        """
        _require(provider)
        asked = _refund(provider, payment_id, document)
        async with database.transaction() as connection:
            if isinstance(asked, ChargeRefund):
                operation = await refund_charge(connection, asked, zone=zone, now=clock())
            else:
                operation = await checkout.refund(
                    connection, provider, payment_id, asked, document.reference, now=clock()
                )
            await note(connection, services, request, "payment.refund", payment_id, None, document.model_dump())
        return answer(_operation(await _asked_now(operation)), 201)

    def _require(provider: str) -> None:
        if provider not in services.providers:
            raise NotFound(f"no provider {provider[:64]!r} is set up here")

    async def _asked_now(operation: Operation) -> Operation:
        """At once, while the caller waits; else its job asks."""
        try:
            return await carry_out(database, services.providers, operation.id, clock)
        except Unavailable:
            return operation


def _checkout(document: CheckoutDocument) -> Checkout:
    named = {
        Purpose.TOP_UP: document.customer,
        Purpose.SESSION: document.station,
        Purpose.INVOICE: document.invoice,
    }
    given = [(purpose, subject) for purpose, subject in named.items() if subject is not None]
    if len(given) != 1:
        raise InvalidInput("a checkout names one of customer, station and invoice")
    ((purpose, subject),) = given
    return Checkout(
        channel=document.provider,
        reference=document.reference,
        purpose=purpose,
        subject=subject,
        money=document.money,
        token=document.token,
        method=document.method,
    )


def _refund(provider: str, payment_id: str, document: RefundDocument) -> ChargeRefund | Money:
    """What is to be given back: what the credit notes of a charge come to, or this much."""
    amount, currency, reason = document.amount, document.currency, document.reason
    if reason is not None and amount is None and currency is None:
        positions = None if document.positions is None else tuple(document.positions)
        return ChargeRefund(
            channel=provider, payment=payment_id, reference=document.reference, reason=reason, positions=positions
        )
    if amount is None or currency is None or reason is not None or document.positions is not None:
        raise InvalidInput("a refund has an amount and its currency, or a reason and, if need be, positions")
    return Money.of(amount, currency)


def _funds(funds: wallets.Funds) -> dict[str, Any]:
    amounts = {name: getattr(funds, name) for name in ("balance", "held", "credit_limit", "available")}
    shown = {name: f"{money.value:f}" for name, money in amounts.items()}
    return {"owner": funds.owner, "currency": funds.currency} | shown


def _statement(statement: Statement) -> dict[str, Any]:
    currency = Currency.of(statement.account.commodity)

    def shown(amount: int) -> str:
        return f"{Money(amount, currency).value:f}"

    def moment(at: datetime) -> str:
        return at.isoformat()

    return {
        "owner": statement.account.owner,
        "currency": currency.code,
        "since": moment(statement.start),
        "until": moment(statement.end),
        "opening": shown(statement.opening),
        "closing": shown(statement.closing),
        "lines": [
            {
                "booked_at": moment(line.booked_at),
                "event_at": moment(line.event_at),
                "fact": line.fact,
                "counterpart": str(line.counterpart),
                "amount": shown(line.amount),
                "balance": shown(line.balance),
                "memo": line.memo,
            }
            for line in statement.lines
        ],
    }


def _payment(payment: Payment) -> dict[str, Any]:
    amount = None
    if payment.amount is not None and payment.currency is not None:
        amount = f"{Money(payment.amount, Currency.of(payment.currency)).value:f}"
    return {
        "channel": payment.channel,
        "id": payment.id,
        "purpose": payment.purpose,
        "subject": payment.subject,
        "state": payment.state,
        "amount": amount,
        "currency": payment.currency,
        "received_at": payment.received_at,
    }


def _operation(operation: Operation) -> dict[str, Any]:
    told = {name: operation.arguments[name] for name in ("secret", "credit_notes") if name in operation.arguments}
    return {
        "provider": operation.channel,
        "payment_id": operation.payment,
        "kind": operation.kind,
        "state": operation.state,
        "error": operation.error,
        "secret": None,
    } | told
