"""Stripe, through its own library: payment intents, refunds, its events, and the report of a day."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import stripe

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, Unavailable, WattbookError
from wattbook.kernel.units import Money
from wattbook.payments.provider import (
    Created,
    Declined,
    DisputeNews,
    News,
    PaymentNews,
    PayoutNews,
    ProviderEvent,
    RefundNews,
    Report,
)
from wattbook.payments.providers.stripe_amounts import from_stripe, to_stripe
from wattbook.payments.providers.stripe_report import id_of, named_text, report_rows, whole_number
from wattbook.payments.senders import NotSigned

NAME: Final = "stripe"
OURS: Final = "wattbook"
"""Key of the metadata in which a payment or refund carries our id of it."""

REPLAY_WINDOW: Final = timedelta(minutes=5)
TIMEOUT_S: Final = 30
PAGES_MAX: Final = 1_000
PAGE: Final = 100
LOST_WITHIN: Final = timedelta(hours=1)
"""A payment that was created for us and of whose answer nothing came is looked for among those created since."""

_STATES: Final = {
    "requires_capture": "authorised",
    "succeeded": "paid",
    "canceled": "cancelled",
}

_REFUND_STATES: Final = {"succeeded": "done", "failed": "failed", "canceled": "failed"}


class Stripe:
    """Attributes:
    webhook_secrets: of the endpoint; while one is replaced, the new one and the old one.
    """

    name = NAME

    def __init__(self, api_key: str, webhook_secrets: tuple[str, ...], *, api_base: str | None = None) -> None:
        self._secrets = webhook_secrets
        self._client = stripe.StripeClient(
            api_key,
            http_client=stripe.AIOHTTPClient(timeout=TIMEOUT_S),
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=0,  # what was not answered is asked again by its job
        ).v1

    async def close(self) -> None:
        client: Any = self._client
        await client._requestor._get_http_client().close_async()

    async def create(
        self,
        key: str,
        payment: str,
        money: Money,
        *,
        hold_only: bool,
        method: str | None,
        again: bool,
        asked_at: datetime,
    ) -> Created:
        if again:
            found = await self._found(payment, asked_at)
            if found is not None:
                return _created(found)
        asked: dict[str, Any] = {
            "amount": to_stripe(money),
            "currency": money.currency.code.lower(),
            "capture_method": "manual" if hold_only else "automatic",
            "payment_method_types": ["card"],
            "metadata": {OURS: payment},
        }
        if method is not None:
            asked |= {"payment_method": method, "confirm": True}
        intents: Any = self._client.payment_intents
        return _created(await _answer(intents.create_async(asked, {"idempotency_key": key})))

    async def capture(self, key: str, reference: str, money: Money) -> PaymentNews:
        intents: Any = self._client.payment_intents
        asked = {"amount_to_capture": to_stripe(money)}
        return await self._or_as_it_is(
            intents.capture_async(reference, asked, {"idempotency_key": key}), reference, "paid"
        )

    async def cancel(self, key: str, reference: str) -> PaymentNews:
        intents: Any = self._client.payment_intents
        return await self._or_as_it_is(
            intents.cancel_async(reference, {}, {"idempotency_key": key}), reference, "cancelled"
        )

    async def refund(self, key: str, refund: str, reference: str, money: Money, *, again: bool) -> RefundNews:
        refunds: Any = self._client.refunds
        if again:
            listed = await _answer(refunds.list_async({"payment_intent": reference, "limit": PAGE}))
            for known in _plain(listed)["data"]:
                if _ours(known) == refund:
                    return _refund_news(known, reference)
        asked = {"payment_intent": reference, "amount": to_stripe(money), "metadata": {OURS: refund}}
        made = await _answer(refunds.create_async(asked, {"idempotency_key": key}))
        return _refund_news(_plain(made), reference)

    async def _or_as_it_is(self, question: Any, reference: str, wanted: str) -> PaymentNews:
        """The answer; where it is no, the payment as it is, if that is what was asked for: it was asked before."""
        try:
            return _payment_news(_plain(await _answer(question)))
        except Declined:
            intents: Any = self._client.payment_intents
            news = _payment_news(_plain(await _answer(intents.retrieve_async(reference))))
            if news.state != wanted:
                raise
            return news

    async def _found(self, payment: str, asked_at: datetime) -> Any | None:
        """A payment that was created before and carries our id; the newest come first."""
        intents: Any = self._client.payment_intents
        since = utc(asked_at) - LOST_WITHIN
        async for each in self._pages(intents):
            if _ours(each) == payment:
                return each
            if _moment(each) < since:
                return None
        return None

    async def _pages(self, listed: Any, **asked: Any) -> Any:
        """Every object of a list, page by page."""
        after: dict[str, Any] = {}
        for _ in range(PAGES_MAX):
            page = _plain(await _answer(listed.list_async({"limit": PAGE} | asked | after)))
            for each in page["data"]:
                yield each
            if not page.get("has_more"):
                return
            after = {"starting_after": page["data"][-1]["id"]}
        raise Unavailable(f"Stripe lists more than {PAGES_MAX * PAGE} objects")

    def verify_event(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> None:
        _verify(body, headers.get("stripe-signature", ""), self._secrets, now)

    def read_event(self, body: bytes) -> ProviderEvent:
        try:
            event = json.loads(body)
            return ProviderEvent(
                id=named_text(event["id"], "id"),
                kind=named_text(event["type"], "type"),
                about=_about(event["data"]["object"]),
                news=_news(event),
            )
        except WattbookError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as fault:
            raise InvalidInput(f"not an event of Stripe: {type(fault).__name__}: {fault}"[:300]) from None

    async def report(self, day: date) -> Report:
        start = datetime.combine(day, time(), UTC)
        moved = []
        transactions: Any = self._client.balance_transactions
        async for each in self._pages(transactions, expand=["data.source"]):
            if _moment(each) < start:
                break  # the newest come first
            if _moment(each) < start + timedelta(days=1):
                moved.append(each)
        return report_rows(moved, day)


async def _answer(question: Any) -> Any:
    """Raises:
    Declined: no, and asking again would not help. Unavailable: there is no telling.
    """
    try:
        return await question
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        raise Declined(error.user_message or str(error), reason=str(error.code)) from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise Unavailable(f"Stripe does not let us in: {error}") from None
    except stripe.StripeError as error:
        raise Unavailable(f"Stripe does not answer: {type(error).__name__}") from None


def _verify(body: bytes, header: str, secrets: tuple[str, ...], now: datetime) -> None:
    for secret in secrets:
        try:
            # The time is judged by our own clock below.
            stripe.WebhookSignature.verify_header(body.decode(), header, secret, tolerance=None)
            break
        except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError):
            continue
    else:
        raise NotSigned("the signature fits no secret of this endpoint", reason="signature")
    times = [part.strip()[2:] for part in header.split(",") if part.strip().startswith("t=")]
    if abs(utc(now).timestamp() - int(times[0])) > REPLAY_WINDOW.total_seconds():
        raise NotSigned("the signature is of another time than ours", reason="stale")


def _news(event: dict[str, Any]) -> News | None:
    kind, told = str(event["type"]), event["data"]["object"]
    at = datetime.fromtimestamp(int(event["created"]), UTC)
    if kind.startswith("payment_intent."):
        news = _payment_news(told, at)
        return None if news.state == "created" else news
    if kind.startswith("refund.") or kind == "charge.refund.updated":
        reference = id_of(told.get("payment_intent"))
        return None if reference is None else _refund_news(told, reference, at)
    if kind.startswith("charge.dispute."):
        reference = id_of(told.get("payment_intent"))
        if reference is None:
            return None
        code = str(told["currency"]).upper()
        return DisputeNews(
            id=named_text(told["id"], "id"),
            reference=reference,
            currency=code,
            amount=from_stripe(whole_number(told["amount"], "amount"), code).amount,
            status=named_text(told["status"], "status")[:64],
            withdrawn=kind == "charge.dispute.funds_withdrawn",
            reinstated=kind == "charge.dispute.funds_reinstated",
            at=at,
        )
    if kind in ("payout.paid", "payout.failed", "payout.canceled"):
        code = str(told["currency"]).upper()
        return PayoutNews(
            id=named_text(told["id"], "id"),
            state="paid" if kind == "payout.paid" else "failed",
            currency=code,
            amount=from_stripe(whole_number(told["amount"], "amount"), code).amount,
            at=at,
        )
    return None


def _about(told: dict[str, Any]) -> str | None:
    return id_of(told if told.get("object") == "payment_intent" else told.get("payment_intent"))


def _ours(told: dict[str, Any]) -> str | None:
    """Our id of a payment or refund, in its metadata."""
    ours = (told.get("metadata") or {}).get(OURS)
    return None if ours is None else named_text(ours, OURS)


def _payment_news(intent: dict[str, Any], at: datetime | None = None) -> PaymentNews:
    code = str(intent["currency"]).upper()
    state: Any = _STATES.get(intent["status"], "created")
    count = _taken(intent) if state == "paid" else whole_number(intent["amount"], "amount")
    return PaymentNews(
        reference=named_text(intent["id"], "id"),
        payment=_ours(intent),
        state=state,
        currency=code,
        amount=from_stripe(count, code).amount,
        at=at or _moment(intent),
    )


def _taken(intent: dict[str, Any]) -> int:
    """As it says; old versions do not, and tell what was released as a refund of no payment intent."""
    if intent.get("amount_received") is not None:
        return whole_number(intent["amount_received"], "amount_received")
    charge = intent.get("latest_charge")
    refunds = charge["refunds"]["data"] if isinstance(charge, dict) and charge.get("refunds") else []
    released = sum(whole_number(each["amount"], "amount") for each in refunds if each.get("payment_intent") is None)
    return whole_number(intent["amount"], "amount") - released


def _refund_news(told: dict[str, Any], reference: str, at: datetime | None = None) -> RefundNews:
    code = str(told["currency"]).upper()
    state: Any = _REFUND_STATES.get(str(told.get("status")), "requested")
    return RefundNews(
        id=named_text(told["id"], "id"),
        reference=reference,
        refund=_ours(told),
        state=state,
        currency=code,
        amount=from_stripe(whole_number(told["amount"], "amount"), code).amount,
        at=at or _moment(told),
    )


def _created(intent: Any) -> Created:
    plain = intent if isinstance(intent, dict) else _plain(intent)
    return Created(news=_payment_news(plain), secret=str(plain["client_secret"]))


def _plain(answered: Any) -> dict[str, Any]:
    plain: dict[str, Any] = answered.to_dict()
    return plain


def _moment(told: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(told["created"]), UTC)
