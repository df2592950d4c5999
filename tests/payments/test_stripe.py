"""Payments through Stripe: a real server of its interface, signed events over HTTP, and the book."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.charging.world import US
from tests.payments.stripe_server import (
    dispute,
    event,
    intent,
    payout,
    refund,
    signed,
)
from tests.payments.till import CARD, TOP_UP, Till, charge
from tests.payments.world import NEIGHBOURS, prove, won
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Money
from wattbook.payments import checkout, store
from wattbook.payments.provider import Report, ReportRow
from wattbook.payments.providers.stripe_amounts import from_stripe, to_stripe
from wattbook.payments.questions import unanswered
from wattbook.payments.reconciliation import DifferenceKind, reconcile
from wattbook.payments.records import Dispute, PaymentState, Refund, RefundState
from wattbook.registry.customers import Token, TokenType, add_tokens


async def test_a_top_up_is_confirmed_by_the_payer_and_posted_by_the_event(till: Till) -> None:
    await till.server.push_to(f"{till.client.base_url}/intake/v1/webhooks/stripe")
    body = {"provider": "stripe", "customer": "kim", "amount": "10000", "currency": "KRW", "reference": "T-1"}
    begun = (await till.client.post("/api/v1/checkouts", json=body)).json()
    again = (await till.client.post("/api/v1/checkouts", json=body)).json()
    assert begun["secret"] == again["secret"]
    assert begun["secret"].startswith("pi_")
    assert await till.balance("kim") == 0
    payment = await till.payment("T-1")
    assert payment.reference is not None
    await till.server.confirm(payment.reference, await till.server.card())
    for _ in range(100):  # the event is on its way to us over HTTP
        if (await till.payment("T-1")).state is PaymentState.PAID:
            break
        await asyncio.sleep(0.05)
    assert await till.balance("kim") == won(10_000).amount
    assert await till.balance("stripe", "clearing") == won(10_000).amount
    assert len(await till.server.intents()) == 1
    await prove(till.database)


async def test_a_confirmed_card_pays_at_once_and_a_declined_one_pays_nothing(till: Till) -> None:
    await till.begin(replace(TOP_UP, method=await till.server.card()))
    assert await till.balance("kim") == won(10_000).amount
    await till.begin(replace(TOP_UP, reference="T-2", method=await till.server.card("4000000000000341")))
    declined = await till.payment("T-2")
    assert declined.state is PaymentState.CANCELLED
    assert await till.balance("kim") == won(10_000).amount
    await prove(till.database)


async def test_a_refund_is_set_aside_until_stripe_has_done_it_and_goes_back_the_way_it_came(till: Till) -> None:
    await till.begin(replace(TOP_UP, method=await till.server.card()))
    path = "/api/v1/checkouts/stripe/T-1/refunds"
    body = {"amount": "4000", "currency": "KRW", "reference": "R-1"}
    first, again = await till.client.post(path, json=body), await till.client.post(path, json=body)
    assert (first.json()["state"], again.json()["state"]) == ("done", "done")
    assert await till.balance("kim") == won(6_000).amount
    assert await till.balance("stripe", "clearing") == won(6_000).amount
    more = await till.client.post(path, json=body | {"amount": "6001", "reference": "R-2"})
    assert (more.status_code, more.json()["details"]["reason"]) == (403, "over-refund")
    assert (await till.client.post(path, json=body | {"amount": "1"})).status_code == 409
    await prove(till.database)


async def test_a_card_is_authorised_charges_without_a_customer_and_is_captured_in_part(till: Till) -> None:
    await till.begin(replace(CARD, method=await till.server.card()))
    payment = await till.payment("S-1")
    assert payment.state is PaymentState.AUTHORISED
    assert payment.owner is not None
    await charge(till, 40)  # 40 kWh at 330
    assert await till.balance(payment.owner) == -won(13_200).amount
    await till.ask_all()
    captured = await till.payment("S-1")
    assert (captured.state, captured.amount) == (PaymentState.PAID, won(13_200).amount)
    assert await till.balance(payment.owner) == 0
    assert await till.balance("stripe", "clearing") == won(13_200).amount
    await prove(till.database)
    async with till.database.transaction() as connection:
        report = await till.provider.report(till.clock().date())
        result = await reconcile(connection, "stripe", till.clock().date(), report, now=till.clock())
    assert result.differences == ()
    assert result.clearing == {"KRW": won(13_200).amount}


async def test_a_card_that_charged_nothing_is_let_go(till: Till) -> None:
    await till.begin(replace(CARD, method=await till.server.card()))
    await charge(till, 0)
    await till.ask_all()
    assert (await till.payment("S-1")).state is PaymentState.CANCELLED
    assert await till.balance("stripe", "clearing") == 0
    await prove(till.database)


class _Dies(Exception):
    """The process, between what was done and the note of it."""


async def test_a_card_whose_token_was_taken_meanwhile_is_let_go(till: Till) -> None:
    async with till.database.transaction() as connection:
        method = await till.server.card()
        await checkout.begin(connection, replace(CARD, method=method), NEIGHBOURS.invoices, now=till.clock())
        await add_tokens(connection, [Token(US, TokenType.RFID, "card-1", "C-late", "kim", "car-kim")])
    await till.ask_all()
    await till.ask_all()
    assert (await till.payment("S-1")).state is PaymentState.CANCELLED
    taken = await till.client.post(
        "/api/v1/checkouts",
        json={
            "provider": "stripe",
            "station": "CP1",
            "token": "CARD-1",
            "amount": "5",
            "currency": "KRW",
            "reference": "x",
        },
    )
    assert taken.status_code == 409
    await prove(till.database)


@pytest.mark.parametrize("question", ["create", "capture", "cancel", "refund"])
async def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(till: Till, question: str) -> None:
    method = await till.server.card()
    if question in ("capture", "cancel"):
        await till.begin(replace(CARD, method=method))
        await charge(till, 10 if question == "capture" else 0)
    else:
        async with till.database.transaction() as connection:
            await checkout.begin(connection, replace(TOP_UP, method=method), NEIGHBOURS.invoices, now=till.clock())
    if question == "refund":
        await till.ask_all()
        async with till.database.transaction() as connection:
            await checkout.refund(connection, "stripe", "T-1", won(300), "R-1", now=till.clock())
    original = getattr(till.provider, question)

    async def lost(*words: object, **more: object) -> object:
        await original(*words, **more)
        raise _Dies

    setattr(till.provider, question, lost)
    with pytest.raises(_Dies):
        await till.ask_all()
    setattr(till.provider, question, original)
    await till.ask_all()
    async with till.database.snapshot() as connection:
        assert await unanswered(connection) == []
    left = {"create": 10_000, "capture": 3_300, "cancel": 0, "refund": 9_700}[question]
    assert await till.balance("stripe", "clearing") == won(left).amount
    (made,) = await till.server.intents()
    charged = made["charges"]["data"][0]
    taken = charged["amount"] - charged["amount_refunded"] if charged["captured"] else 0
    assert taken == left
    await prove(till.database)


async def reference_of(till: Till) -> str:
    """Of a top-up that the payer has not confirmed."""
    await till.begin(TOP_UP)
    reference = (await till.payment("T-1")).reference
    assert reference is not None
    return reference


@pytest.mark.parametrize("seed", range(6))
async def test_events_in_any_order_and_number_come_to_the_same(till: Till, seed: int) -> None:
    reference = await reference_of(till)
    at = till.clock()
    events = [
        event("payment_intent.succeeded", intent(reference, "T-1", 10_000), at),
        event("refund.created", refund("re_1", reference, 1_000, "pending"), at),
        event("refund.updated", refund("re_1", reference, 1_000), at),
        event("refund.created", refund("re_2", reference, 500), at),
        event("refund.failed", refund("re_2", reference, 500, "failed"), at),
        event("charge.dispute.created", dispute("dp_1", reference, 9_000), at),
        event("charge.dispute.funds_withdrawn", dispute("dp_1", reference, 9_000), at),
        event("charge.dispute.funds_reinstated", dispute("dp_1", reference, 9_000, "won"), at),
        event("payout.paid", payout("po_1", 8_000), at),
        event("payout.paid", payout("po_2", 700), at),
        event("payout.failed", payout("po_2", 700), at),
    ]
    shuffled = events * 2
    random.Random(seed).shuffle(shuffled)
    for body in shuffled:
        assert (await till.push(body)).status_code == 200
    assert await till.balance("kim") + -await till.balance("kim", "receivable") == won(9_000).amount
    assert await till.balance("kim", "receivable") in (0, won(500).amount)
    assert await till.balance("stripe", "clearing") == won(1_000).amount
    assert await till.balance("bank", "cash") == won(8_000).amount
    async with till.database.snapshot() as connection:
        first = await store.find(connection, Refund, channel="stripe", id="re_1")
        second = await store.find(connection, Refund, channel="stripe", id="re_2")
        known = await store.find(connection, Dispute, channel="stripe", id="dp_1")
    assert (first and first.state, second and second.state) == (RefundState.DONE, RefundState.FAILED)
    assert known is not None
    assert (known.withdrawn, known.reinstated) == (True, True)
    await prove(till.database)


async def test_a_chargeback_of_what_was_spent_is_owed(till: Till) -> None:
    reference = await reference_of(till)
    at = till.clock()
    await till.push(event("payment_intent.succeeded", intent(reference, "T-1", 10_000), at))
    spent = {"amount": "10000", "currency": "KRW", "reference": "gone", "to": "park"}
    assert (await till.client.post("/api/v1/wallets/kim/transfers", json=spent)).status_code == 201
    await till.push(event("charge.dispute.funds_withdrawn", dispute("dp_1", reference, 10_000), at))
    assert await till.balance("kim", "receivable") == won(10_000).amount
    assert await till.balance("stripe", "clearing") == 0
    await prove(till.database)


async def test_what_is_not_stripes_is_refused_and_what_contradicts_is_kept(till: Till) -> None:
    reference = await reference_of(till)
    at = till.clock()
    paid = event("payment_intent.succeeded", intent(reference, "T-1", 10_000), at)
    assert (await till.push(paid, "whsec_forged")).status_code == 403
    stale = signed(paid, at - timedelta(minutes=6))
    assert (await till.client.post("/intake/v1/webhooks/stripe", content=paid, headers=stale)).status_code == 403
    altered = await till.client.post(
        "/intake/v1/webhooks/stripe", content=paid.replace(b"10000", b"99999"), headers=signed(paid, at)
    )
    assert altered.status_code == 403
    assert (await till.push(b'{"id": "evt_x"}')).status_code == 422
    assert (await till.push(b"\xff")).status_code in (403, 422)
    assert (
        await till.client.post("/intake/v1/webhooks/other", content=paid, headers=signed(paid, at))
    ).status_code == 404
    assert await till.balance("kim") == 0
    assert (await till.push(paid, "whsec_old")).json() == {"outcome": "applied"}
    assert (await till.push(paid)).json() == {"outcome": "known"}
    other = event("payment_intent.succeeded", intent(reference, "T-1", 9_999), at)
    assert (await till.push(other)).json() == {"outcome": "refused"}
    stranger = event("payment_intent.succeeded", intent("pi_foreign", None, 5), at)
    assert (await till.push(stranger)).json() == {"outcome": "ignored"}
    unknown = event("payment_intent.succeeded", intent("pi_lost", "T-404", 5), at)
    assert (await till.push(unknown)).json() == {"outcome": "refused"}
    kept = (await till.client.get("/api/v1/payments/quarantine?channel=stripe")).json()["quarantine"]
    assert sorted(entry["code"] for entry in kept)[:2] == ["conflict", "invalid-input"]
    assert {entry["code"] for entry in kept} == {"conflict", "invalid-input", "not-found", "not-signed"}
    assert await till.balance("kim") == won(10_000).amount
    await prove(till.database)


async def test_the_report_of_a_day_posts_fees_and_payouts_and_lists_what_differs(till: Till) -> None:
    reference = await reference_of(till)
    at, day = till.clock(), till.clock().date()
    await till.push(event("payment_intent.succeeded", intent(reference, "T-1", 10_000), at))
    await till.push(event("refund.updated", refund("re_1", reference, 1_000), at))
    await till.push(event("charge.dispute.funds_withdrawn", dispute("dp_1", reference, 2_000), at))

    def row(number: int, kind: str, reference: str, gross: int, fee: int = 0) -> ReportRow:
        return ReportRow(
            id=f"txn_{number}",
            kind=kind,  # type: ignore[arg-type]
            reference=reference,
            currency="KRW",
            gross=gross * won(1).amount,
            fee=fee * won(1).amount,
            day=day,
        )

    rows = [
        row(1, "payment", reference, 10_000, 300),
        row(2, "refund", "re_1", -900),
        row(3, "payment", "pi_foreign", 70, 2),
        row(4, "payout", "po_1", -5_000),
        row(5, "other", "tax_1", -11),
    ]
    for _ in range(2):
        async with till.database.transaction() as connection:
            result = await reconcile(connection, "stripe", day, Report(rows), now=at)
        assert [(each.kind, each.what, each.reference) for each in result.differences] == [
            (DifferenceKind.NOT_UNDERSTOOD, "other", "tax_1"),
            (DifferenceKind.UNKNOWN_HERE, "payment", "pi_foreign"),
            (DifferenceKind.AMOUNT, "refund", "re_1"),
            (DifferenceKind.NOT_REPORTED, "dispute", "dp_1"),
        ]
        assert await till.balance("stripe", "cost") == won(302).amount
        assert await till.balance("bank", "cash") == won(5_000).amount
        assert result.clearing == {"KRW": won(10_000 - 1_000 - 2_000 - 302 - 5_000).amount}
        await prove(till.database)
    changed = Report([replace_row(rows[0], won(9_000).amount)])
    async with till.database.transaction() as connection:
        again = await reconcile(connection, "stripe", day, changed, now=at)
    assert again.differences[0].kind is DifferenceKind.ROW_CHANGED
    await prove(till.database)


def replace_row(row: ReportRow, gross: int) -> ReportRow:
    return ReportRow(**{name: getattr(row, name) for name in row.__struct_fields__} | {"gross": gross})


async def test_stripes_own_report_agrees_with_payments_refunds_and_payouts(till: Till) -> None:
    await till.begin(replace(TOP_UP, method=await till.server.card()))
    refunded = {"amount": "2500", "currency": "KRW", "reference": "R-1"}
    assert (await till.client.post("/api/v1/checkouts/stripe/T-1/refunds", json=refunded)).status_code == 201
    report = await till.provider.report(till.clock().date())
    async with till.database.transaction() as connection:
        result = await reconcile(connection, "stripe", till.clock().date(), report, now=till.clock())
    assert (len(report.rows), report.unread, result.differences) == (2, [], ())
    assert await till.provider.report(till.clock().date() - timedelta(days=1)) == Report([])
    await prove(till.database)


@pytest.mark.parametrize(
    ("amount", "code", "count"),
    [("500", "KRW", 500), ("12.34", "EUR", 1234), ("7", "ISK", 700), ("1.230", "BHD", 1230)],
)
def test_stripe_counts_in_units_of_its_own(amount: str, code: str, count: int) -> None:
    money = Money.of(amount, code)
    assert to_stripe(money) == count
    assert from_stripe(count, code) == money


@pytest.mark.parametrize(("amount", "code"), [("0.5", "KRW"), ("1.234", "BHD"), ("0.001", "EUR")])
def test_what_stripe_cannot_take_is_not_asked(amount: str, code: str) -> None:
    with pytest.raises(InvalidInput):
        to_stripe(Money.of(amount, code))
