"""What a provider tells, written down and posted: once, whatever the order, however often.

A payment, a refund, a dispute and a payout each have states of which one follows the other; news of an earlier state
than the known one changes nothing. What cannot be understood before other news has come says so (`Outcome.WAITING`) and
is looked at again with each news of the same payment.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, NotFound, WattbookError
from wattbook.payments import ledger, store
from wattbook.payments.cards import close_authorisation, open_card_account
from wattbook.payments.posting import is_floor, post_one
from wattbook.payments.provider import DisputeNews, News, PaymentNews, PayoutNews, RefundNews
from wattbook.payments.questions import ask, question_about
from wattbook.payments.records import (
    Dispute,
    OperationKind,
    Payment,
    PaymentState,
    Payout,
    Purpose,
    Refund,
    RefundState,
)

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    APPLIED = "applied"
    WAITING = "waiting"
    IGNORED = "ignored"
    """It is known already, or not of our making."""


_RANK: Final = {
    PaymentState.CREATED: 0,
    PaymentState.AUTHORISED: 1,
    PaymentState.CANCELLED: 2,
    # What was taken was taken, whatever else is said.
    PaymentState.PAID: 3,
    PaymentState.WITHDRAWN: 4,
}


async def apply(connection: AsyncConnection, channel: str, news: News, *, now: datetime) -> Outcome:
    """Raises:
    Conflict: it contradicts what is known. NotFound: a payment said to be ours is not.
    """
    now = utc(now)
    if isinstance(news, PaymentNews):
        return await _payment(connection, channel, news, now)
    if isinstance(news, RefundNews):
        return await _refund(connection, channel, news, now)
    if isinstance(news, DisputeNews):
        return await _dispute(connection, channel, news, now)
    return await _payout(connection, channel, news, now)


async def _payment(connection: AsyncConnection, channel: str, news: PaymentNews, now: datetime) -> Outcome:
    if news.payment is None:
        return Outcome.IGNORED
    known = await store.lock(connection, Payment, channel=channel, id=news.payment)
    if known is None:
        raise NotFound(f"payment {news.payment} is not known, though {channel} says it is ours", payment=news.payment)
    if known.currency != news.currency or (known.reference or news.reference) != news.reference:
        raise Conflict(
            f"payment {known.id} is {known.reference} in {known.currency} here,"
            f" {news.reference} in {news.currency} at {channel}",
            payment=known.id,
        )
    state = PaymentState(news.state)
    known.reference = news.reference
    if _RANK[state] <= _RANK[known.state]:
        if state is known.state is PaymentState.PAID and known.amount != news.amount:
            raise Conflict(
                f"payment {known.id} was taken with {known.amount} here, {news.amount} at {channel}", payment=known.id
            )
        await store.save(connection, known)
        return Outcome.IGNORED
    known.state, known.updated_at = state, now
    if state in (PaymentState.AUTHORISED, PaymentState.PAID):
        known.amount = news.amount
    await store.save(connection, known)
    await _carry_through(connection, known, min(utc(news.at), now), now)
    return Outcome.APPLIED


async def _carry_through(connection: AsyncConnection, payment: Payment, at: datetime, now: datetime) -> None:
    """What a new state of a payment means."""
    if payment.state is PaymentState.AUTHORISED and payment.purpose is Purpose.SESSION:
        await _open(connection, payment, now)
    elif payment.state is PaymentState.PAID:
        memo = f"{payment.purpose} {payment.subject}"
        await post_one(connection, [payment.movement(at).coming_in(payment.fact, memo)], now=now)
    if payment.state in (PaymentState.PAID, PaymentState.CANCELLED) and payment.purpose is Purpose.SESSION:
        await close_authorisation(connection, payment, now=now)


async def _open(connection: AsyncConnection, payment: Payment, now: datetime) -> None:
    """Let the card charge; one whose token was taken meanwhile is let go."""
    assert payment.amount is not None, "it was authorised with an amount"
    try:
        async with connection.begin_nested():
            await open_card_account(connection, payment, payment.content["token"], now=now, authorised=payment.amount)
    except WattbookError as error:
        log.warning("card-not-opened", channel=payment.channel, payment=payment.id, reason=error.message)
        await ask(connection, question_about(payment, OperationKind.CANCEL, now))


async def _refund(connection: AsyncConnection, channel: str, news: RefundNews, now: datetime) -> Outcome:
    payment = await store.lock(connection, Payment, channel=channel, reference=news.reference)
    if payment is None or payment.state is not PaymentState.PAID:
        return Outcome.WAITING
    refund = await _known_refund(connection, channel, news)
    if refund is None:
        movement = payment.movement(now, news.amount)
        refund = Refund(
            channel=channel,
            id=news.id,
            payment=payment.id,
            owner=movement.owner,
            account=movement.account,
            currency=movement.currency,
            amount=movement.amount,
            state=RefundState.REQUESTED,
            requested_at=now,
            updated_at=now,
        )
        await store.add(connection, refund)
    if (refund.currency, refund.amount) != (news.currency, news.amount):
        raise Conflict(f"refund {refund.id} is of {refund.amount} here, of {news.amount} at {channel}")
    state, before = RefundState(news.state), refund.state
    held = refund.id != news.id  # one of ours was set aside when it was asked for
    refund.reference = news.id
    if before is RefundState.FAILED or before is state or state is RefundState.REQUESTED:
        await store.save(connection, refund)
        return Outcome.IGNORED
    refund.state, refund.updated_at = state, now
    at = min(utc(news.at), now)
    if state is RefundState.DONE:
        await _refund_done(connection, refund, at, now, held=held)
    elif before is RefundState.DONE:
        came_back = refund.movement(at).coming_in(f"{refund.fact}:failed", "refund came back")
        await post_one(connection, [came_back], now=now)
    elif held:
        await post_one(connection, [ledger.refund_off(refund.fact, at)], now=now)
    await store.save(connection, refund)
    return Outcome.APPLIED


async def _known_refund(connection: AsyncConnection, channel: str, news: RefundNews) -> Refund | None:
    if news.refund is not None:
        ours = await store.lock(connection, Refund, channel=channel, id=news.refund)
        if ours is not None:
            return ours
    return await store.lock(connection, Refund, channel=channel, reference=news.id) or await store.lock(
        connection, Refund, channel=channel, id=news.id
    )


async def _refund_done(connection: AsyncConnection, refund: Refund, at: datetime, now: datetime, *, held: bool) -> None:
    """From what was set aside; one that was made at the provider from the account, or else it is owed."""
    if held:
        try:
            async with connection.begin_nested():
                await post_one(connection, [ledger.refund_done(refund.fact, refund.amount, at)], now=now)
            return
        except (Conflict, NotFound):
            log.warning("refund-hold-gone", channel=refund.channel, refund=refund.id)  # it came very late
    try:
        async with connection.begin_nested():
            await post_one(connection, [refund.movement(at).going_out(refund.fact, "refund")], now=now)
    except WattbookError as error:
        if not is_floor(error):
            raise
        refund.account = "receivable"
        await post_one(connection, [refund.movement(at).going_out(refund.fact, "refund, and spent before")], now=now)


async def _dispute(connection: AsyncConnection, channel: str, news: DisputeNews, now: datetime) -> Outcome:
    payment = await store.lock(connection, Payment, channel=channel, reference=news.reference)
    if payment is None:
        return Outcome.WAITING
    assert payment.owner is not None, "a provider's payment has an account"
    dispute = Dispute(
        channel=channel,
        id=news.id,
        payment=payment.id,
        owner=payment.owner,
        currency=news.currency,
        amount=news.amount,
        withdrawn=False,
        reinstated=False,
        status=news.status,
        updated_at=now,
    )
    if not await store.add(connection, dispute):
        known = await store.lock(connection, Dispute, channel=channel, id=news.id)
        assert known is not None, "it was there a moment ago"
        if (known.payment, known.currency, known.amount) != (dispute.payment, dispute.currency, dispute.amount):
            raise Conflict(f"dispute {news.id} is known with another content", dispute=news.id)
        dispute = known
    owed = payment.movement(min(utc(news.at), now), news.amount, account="receivable")
    fact = f"dispute:{channel}:{news.id}"
    if news.withdrawn and not dispute.withdrawn:
        await post_one(connection, [owed.going_out(fact, "taken back by the payer's bank")], now=now)
    if news.reinstated and not dispute.reinstated:
        await post_one(connection, [owed.coming_in(f"{fact}:reinstated", "the payer's bank gave it back")], now=now)
    dispute.withdrawn |= news.withdrawn
    dispute.reinstated |= news.reinstated
    dispute.status, dispute.updated_at = news.status, now
    await store.save(connection, dispute)
    return Outcome.APPLIED


async def _payout(connection: AsyncConnection, channel: str, news: PayoutNews, now: datetime) -> Outcome:
    payout = Payout(
        channel=channel,
        id=news.id,
        currency=news.currency,
        amount=news.amount,
        paid=False,
        failed=False,
        updated_at=now,
    )
    if not await store.add(connection, payout):
        known = await store.lock(connection, Payout, channel=channel, id=news.id)
        assert known is not None, "it was there a moment ago"
        if (known.currency, known.amount) != (news.currency, news.amount):
            raise Conflict(f"payout {news.id} is known with another amount", payout=news.id)
        payout = known
    at = min(utc(news.at), now)
    words = (channel, news.id, news.currency, news.amount, at)
    if news.state == "paid" and not payout.paid and not payout.failed:
        await post_one(connection, [ledger.payout(*words)], now=now)
        payout.paid = True
    elif news.state == "failed" and not payout.failed:
        if payout.paid:
            await post_one(connection, [ledger.payout_returned(*words)], now=now)
        payout.failed = True
    else:
        return Outcome.IGNORED
    payout.updated_at = now
    await store.save(connection, payout)
    return Outcome.APPLIED
