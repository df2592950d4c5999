"""What a card paid for is given back in one act: the credit note, and the money the way it came, each once."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.billing.market import tariff
from tests.charging.world import KWH, NOW, US, YEAR, posted
from tests.payments.process import LATER, PROVIDER, SUBSCRIBERS, ZONE
from tests.payments.stripe_server import event, refund
from tests.payments.till import CARD, TOP_UP, Till, charge
from tests.payments.world import NEIGHBOURS, build, prove, won
from wattbook.billing.credits import credit
from wattbook.billing.listing import list_documents
from wattbook.billing.receipts import receipt_of_session
from wattbook.billing.refunds import ChargeRefund, refund_charge
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict
from wattbook.kernel.units import Money
from wattbook.payments import checkout, store
from wattbook.payments.cards import card_account
from wattbook.payments.operations import record
from wattbook.payments.provider import Created, PaymentNews, RefundNews
from wattbook.payments.reconciliation import reconcile
from wattbook.payments.records import Operation
from wattbook.registry.stations import StationTariff, add_station_tariffs

PATH = "/api/v1/checkouts/stripe/S-1/refunds"
ASKED: dict[str, Any] = {"reference": "R-1", "reason": "the cable was too short"}
OWNER = card_account("stripe", "S-1")


async def captured(till: Till, kwh: int = 40) -> None:
    """330 won a kilowatt-hour."""
    await till.begin(replace(CARD, method=await till.server.card()))
    await charge(till, kwh)
    await till.ask_all()


async def test_a_captured_card_is_given_back_with_its_credit_note_once(till: Till) -> None:
    await captured(till)
    first, again = await till.client.post(PATH, json=ASKED), await till.client.post(PATH, json=ASKED)
    assert (first.status_code, first.json()["state"]) == (201, "done")
    assert again.json() == first.json()
    documents = (await till.client.get("/api/v1/documents")).json()["documents"]
    assert [(each["kind"], each["total"]) for each in documents] == [("credit note", "-13200"), ("receipt", "13200")]
    assert documents[0]["reference"] == documents[1]["number"]
    assert first.json()["credit_notes"] == [documents[0]["number"]]
    for owner, purpose in ((OWNER, "wallet"), ("stripe", "clearing"), (US, "revenue"), (US, "tax")):
        assert await till.balance(owner, purpose) == 0, purpose
    (intent,) = await till.server.intents()
    taken = intent["charges"]["data"][0]
    assert taken["amount_refunded"] == taken["amount"]
    for other in (ASKED | {"reason": "another"}, ASKED | {"positions": [1]}):
        assert (await till.client.post(PATH, json=other)).status_code == 409
    spent = await till.client.post(PATH, json=ASKED | {"reference": "R-2"})
    assert (spent.status_code, "nothing is left" in spent.json()["message"]) == (409, True)
    await prove(till.database)


async def test_a_provider_reports_such_a_refund_and_the_book_agrees(till: Till) -> None:
    await captured(till)
    assert (await till.client.post(PATH, json=ASKED)).status_code == 201
    day = till.clock().date()
    report = await till.provider.report(day)
    async with till.database.transaction() as connection:
        assert (await reconcile(connection, "stripe", day, report, now=till.clock())).differences == ()


async def test_what_cannot_be_given_back_with_a_credit_note_is_told_and_changes_nothing(till: Till) -> None:
    await till.begin(replace(CARD, method=await till.server.card()))
    running = await till.client.post(PATH, json=ASKED)
    assert (running.status_code, "authorised" in running.json()["message"]) == (409, True)
    await charge(till, 40)
    await till.ask_all()
    await till.begin(replace(TOP_UP, method=await till.server.card()))
    amount = {"amount": "100", "currency": "KRW"}
    refused = [
        (422, PATH, ASKED | amount),
        (422, PATH, {"reference": "R-1"}),
        (422, PATH, {"reference": "R-1", "amount": "100"}),
        (422, PATH, {"reference": "R-1", "positions": [1]} | amount),
        (422, PATH, ASKED | {"reason": " "}),
        (422, PATH, ASKED | {"reference": "R\x00"}),
        (403, PATH, {"reference": "R-1"} | amount),
        (404, PATH, ASKED | {"positions": [2]}),
        (404, PATH.replace("S-1", "S-2"), ASKED),
        (422, PATH.replace("S-1", "T-1"), ASKED),
    ]
    for status, path, body in refused:
        told = await till.client.post(path, json=body)
        assert told.status_code == status, (body, told.text)
    assert (await till.client.get("/api/v1/documents")).json()["documents"] == []
    assert await till.balance("stripe", "clearing") == won(13_200 + 10_000).amount
    await prove(till.database)


@pytest.mark.parametrize("seed", range(4))
async def test_events_of_such_a_refund_in_any_order_and_number_come_to_the_same(till: Till, seed: int) -> None:
    await captured(till)
    reference = (await till.payment("S-1")).reference
    assert reference is not None
    async with till.database.transaction() as connection:
        asked = ChargeRefund(channel="stripe", payment="S-1", **ASKED)
        await refund_charge(connection, asked, zone=ZONE, now=till.clock())
    events = [
        event("refund.created", refund("re_1", reference, 13_200, "pending", ours="R-1"), till.clock()),
        event("refund.updated", refund("re_1", reference, 13_200, ours="R-1"), till.clock()),
        event("charge.refund.updated", refund("re_1", reference, 13_200, ours="R-1"), till.clock()),
    ]
    shuffled = events * 2
    random.Random(seed).shuffle(shuffled)
    for body in shuffled:
        assert (await till.push(body)).status_code == 200
        await prove(till.database)
    assert (await till.client.post(PATH, json=ASKED)).status_code == 201
    assert await till.balance("stripe", "clearing") == await till.balance(OWNER) == 0


async def test_a_refund_that_failed_is_asked_for_again_and_nothing_is_credited_twice(till: Till) -> None:
    await captured(till)
    reference = (await till.payment("S-1")).reference
    assert reference is not None
    assert (await till.client.post(PATH, json=ASKED)).json()["state"] == "done"
    failed = event("refund.failed", refund(await refund_id(till), reference, 13_200, "failed", "R-1"), till.clock())
    assert (await till.push(failed)).json() == {"outcome": "applied"}
    assert await till.balance(OWNER) == won(13_200).amount
    async with till.database.transaction() as connection:
        again = ChargeRefund(channel="stripe", payment="S-1", reference="R-2", reason=ASKED["reason"])
        operation = await refund_charge(connection, again, zone=ZONE, now=till.clock())
        assert (operation.amount, operation.arguments["credit_notes"]) == (won(13_200).amount, [])
    assert await till.balance(OWNER) == won(13_200).amount
    async with till.database.snapshot() as connection:
        notes = [each for each in await list_documents(connection, limit=10) if each.reference]
    assert len(notes) == 1
    await prove(till.database)


async def refund_id(till: Till) -> str:
    (intent,) = await till.server.intents()
    made = intent["charges"]["data"][0]["refunds"]["data"]
    return next(str(each["id"]) for each in made if each["metadata"].get("wattbook") == ASKED["reference"])


# In euros, with two lines of two rates of tax, whose document and whose capture are rounded each in its own way.


async def charged_in_euros(connection: AsyncConnection, kwh: Decimal) -> tuple[str, int]:
    """The charge detail record, and what was captured, in stored units."""
    money = Money.of("50", "EUR")
    await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR.replace(month=2), "EUR", tariff())])
    said = replace(CARD, money=money)
    created = await checkout.begin(connection, said, NEIGHBOURS.invoices, now=NOW)
    await answered(connection, created.id, Created(news=card_news("authorised", money.amount), secret="s"))
    begin = SessionStart(
        station_id="CP1", connector_no=1, token_uid="CARD-1", meter_start_mwh=0, started_at=NOW, transaction_id="two"
    )
    (started,) = await start(connection, [begin], now=NOW, subscribers=SUBSCRIBERS)
    assert isinstance(started, Started), started
    end = SessionStop(station_id="CP1", transaction_id="two", meter_stop_mwh=int(kwh * KWH), stopped_at=LATER)
    (stopped,) = await stop(connection, [end], now=LATER, subscribers=SUBSCRIBERS)
    assert isinstance(stopped, Stopped), stopped
    question = await store.find(connection, Operation, id="wattbook:stripe:S-1:capture")
    assert question is not None
    assert question.amount is not None
    await answered(connection, question.id, card_news("paid", question.amount))
    return stopped.cdr_id, question.amount


def card_news(state: Literal["authorised", "paid"], amount: int) -> PaymentNews:
    return PaymentNews(reference="pi_2", payment="S-1", state=state, currency="EUR", amount=amount, at=NOW)


async def answered(connection: AsyncConnection, operation: str, answer: Created | PaymentNews | RefundNews) -> None:
    await record(connection, PROVIDER, operation, answer, lambda: LATER)


async def given_back(connection: AsyncConnection, reference: str, positions: tuple[int, ...] | None) -> int:
    """How much the provider was asked to give back, which it did."""
    asked = ChargeRefund(channel="stripe", payment="S-1", reference=reference, reason="so", positions=positions)
    operation = await refund_charge(connection, asked, zone=ZONE, now=LATER)
    assert operation.amount is not None
    done = RefundNews(
        id=f"re_{reference}",
        reference="pi_2",
        refund=reference,
        state="done",
        currency="EUR",
        amount=operation.amount,
        at=LATER,
    )
    await answered(connection, operation.id, done)
    return operation.amount


@pytest.mark.parametrize("kwh", ["0.013", "1.001", "7.777"])
@pytest.mark.parametrize("cut", [[None], [(1,), (2,)], [(2,), None], [(2, 1)]], ids=str)
async def test_line_by_line_or_at_once_a_card_gets_back_what_was_captured_to_the_coin(
    database: Database, kwh: str, cut: list[tuple[int, ...] | None]
) -> None:
    await build(database)
    async with database.transaction() as connection:
        _, taken = await charged_in_euros(connection, Decimal(kwh))
    await prove(database)
    back = []
    for n, positions in enumerate(cut):
        async with database.transaction() as connection:
            back.append(await given_back(connection, f"R-{n}", positions))
        await prove(database)
    assert sum(back) == taken
    async with database.snapshot() as connection:
        for owner, purpose in ((OWNER, "wallet"), ("stripe", "clearing"), (US, "revenue"), (US, "tax")):
            assert await posted(connection, owner, purpose, "EUR") == 0, purpose


async def test_a_charge_that_was_credited_before_is_only_paid_back(database: Database) -> None:
    await build(database)
    async with database.transaction() as connection:
        cdr, taken = await charged_in_euros(connection, Decimal("2.017"))
        receipt = await receipt_of_session(connection, cdr, zone=ZONE, now=LATER)
        await credit(connection, receipt.number, reason="so", zone=ZONE, now=LATER)
        assert await given_back(connection, "R-1", None) == taken
        with pytest.raises(Conflict, match="nothing is left"):
            await given_back(connection, "R-2", None)
    await prove(database)
