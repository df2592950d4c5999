"""What providers are asked is asked until it is answered, and the answer recorded, once.

Between the question and the record of its answer anything may fail: it is then asked again under the same key, and the
provider knows it again.
"""

from collections.abc import Mapping

import structlog
from procrastinate import App
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.jobs import RETRY
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import NotFound, Unavailable
from wattbook.kernel.units import Currency, Money
from wattbook.payments import ledger, store
from wattbook.payments.inbox import look_again
from wattbook.payments.news import apply
from wattbook.payments.posting import post_one
from wattbook.payments.provider import Created, Declined, News, PaymentNews, Provider
from wattbook.payments.questions import TASK
from wattbook.payments.records import (
    Operation,
    OperationKind,
    OperationState,
    Payment,
    PaymentState,
    Refund,
    RefundState,
)

Providers = Mapping[str, Provider]
"""By channel."""

log = structlog.get_logger(__name__)


def tasks(app: App, database: Database, providers: Providers, clock: Clock) -> None:
    """The job that asks."""

    @app.task(name=TASK, retry=RETRY)
    async def carry(operation: str) -> None:
        await carry_out(database, providers, operation, clock)


async def carry_out(database: Database, providers: Providers, operation_id: str, clock: Clock) -> Operation:
    """Ask, unless it was answered before, and record the answer.

    Raises:
        Unavailable: there is no telling what the provider did: ask again.
        NotFound: no such question, or no such provider here.
    """
    async with database.transaction() as connection:
        operation = await _locked(connection, operation_id)
        payment = await store.find(connection, Payment, channel=operation.channel, id=operation.payment)
        assert payment is not None, "nothing is asked about no payment"
        if operation.state is not OperationState.ASKED:
            return operation
        operation.tries += 1
        await store.save(connection, operation)
    provider = providers.get(operation.channel)
    if provider is None:
        raise NotFound(f"no provider {operation.channel!r} is set up here", provider=operation.channel)
    answer: Created | News | Declined
    try:
        answer = await _asked(provider, operation, payment)
    except Declined as declined:
        answer = declined
    async with database.transaction() as connection:
        return await record(connection, provider, operation_id, answer, clock)


async def _locked(connection: AsyncConnection, operation_id: str) -> Operation:
    operation = await store.lock(connection, Operation, id=operation_id)
    if operation is None:
        raise NotFound(f"nothing was asked as {operation_id!r}", operation=operation_id)
    return operation


async def _asked(provider: Provider, operation: Operation, payment: Payment) -> Created | News:
    again = operation.tries > 1
    if operation.kind is OperationKind.CREATE:
        return await provider.create(
            operation.id,
            payment.id,
            _money(payment, operation),
            hold_only=bool(operation.arguments.get("hold_only")),
            method=operation.arguments.get("method"),
            again=again,
            asked_at=operation.asked_at,
        )
    if payment.reference is None:
        raise Unavailable(f"payment {payment.id} was not created at {operation.channel} yet")
    if operation.kind is OperationKind.CAPTURE:
        return await provider.capture(operation.id, payment.reference, _money(payment, operation))
    if operation.kind is OperationKind.CANCEL:
        return await provider.cancel(operation.id, payment.reference)
    assert operation.refund is not None, "a refund names itself"
    money = _money(payment, operation)
    return await provider.refund(operation.id, operation.refund, payment.reference, money, again=again)


def _money(payment: Payment, operation: Operation) -> Money:
    assert payment.currency is not None, "a provider's payment has a currency"
    assert operation.amount is not None, "and the question an amount"
    return Money(operation.amount, Currency.of(payment.currency))


async def record(
    connection: AsyncConnection, provider: Provider, operation_id: str, answer: Created | News | Declined, clock: Clock
) -> Operation:
    """Write down what a provider answered, once; events that were faster are looked at again."""
    now = clock()
    operation = await _locked(connection, operation_id)
    if operation.state is not OperationState.ASKED:
        return operation
    if isinstance(answer, Declined):
        log.warning("provider-declined", operation=operation.id, reason=answer.message)
        operation.state, operation.error = OperationState.FAILED, answer.message[:1_000]
        await _give_up(connection, operation, clock)
    else:
        news: News = answer.news if isinstance(answer, Created) else answer
        if isinstance(answer, Created):
            operation.arguments = operation.arguments | {"secret": answer.secret}
        await _note_reference(connection, operation, news)
        await apply(connection, operation.channel, news, now=now)
        if isinstance(news, PaymentNews):
            await look_again(connection, provider, news.reference, now=now)
        operation.state = OperationState.DONE
    operation.done_at = now
    await store.save(connection, operation)
    return operation


async def _note_reference(connection: AsyncConnection, operation: Operation, news: News) -> None:
    """By which its events will name the payment; they may have been faster."""
    if not isinstance(news, PaymentNews):
        return
    payment = await store.lock(connection, Payment, channel=operation.channel, id=operation.payment)
    assert payment is not None, "nothing is asked about no payment"
    if payment.reference is None:
        payment.reference = news.reference
        await store.save(connection, payment)


async def _give_up(connection: AsyncConnection, operation: Operation, clock: Clock) -> None:
    """What a no means for the payment or the refund."""
    now = clock()
    if operation.kind is OperationKind.REFUND:
        assert operation.refund is not None, "a refund names itself"
        refund = await store.lock(connection, Refund, channel=operation.channel, id=operation.refund)
        if refund is not None and refund.state is RefundState.REQUESTED:
            await post_one(connection, [ledger.refund_off(refund.fact, now)], now=now)
            refund.state, refund.updated_at = RefundState.FAILED, now
            await store.save(connection, refund)
        return
    payment = await store.lock(connection, Payment, channel=operation.channel, id=operation.payment)
    assert payment is not None, "nothing is asked about no payment"
    if operation.kind is OperationKind.CREATE and payment.state is PaymentState.CREATED:
        payment.state, payment.updated_at = PaymentState.CANCELLED, now
        await store.save(connection, payment)
