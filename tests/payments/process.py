"""A process that pays: run beside another one, or killed between any two of its steps and started again.

python -m tests.payments.process wallet URL SEED   every step once; killed before a statement that the seed chooses
python -m tests.payments.process card URL SEED     the same for a card at the charger, which is given back in the end
python -m tests.payments.process draw URL NAME     draws on Kim's wallet until it is empty
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import event

from tests.charging.world import HOUR, KWH, US
from tests.payments.stripe_server import SECRET, intent, refund, signed
from tests.payments.stripe_server import event as stripe_event
from tests.payments.world import NEIGHBOURS, NOW, SENDER, TOP_UP, document, won
from wattbook.billing.refunds import ChargeRefund, refund_charge
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.db.engine import Database
from wattbook.kernel.errors import Refused
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.payments import checkout, inbox
from wattbook.payments.cards import card_account
from wattbook.payments.checkout import Checkout
from wattbook.payments.intake import Outcome, take_in
from wattbook.payments.operations import record
from wattbook.payments.provider import Created, PaymentNews, RefundNews
from wattbook.payments.providers.stripe import Stripe
from wattbook.payments.records import Purpose
from wattbook.payments.wallets import give_back, transfer

Step = Callable[[Database], Awaitable[None]]

STATEMENTS_MAX = 40
"""A seed kills before one of so many: a run makes twice as many when nothing is done yet, and fewer the more is."""

PROVIDER = Stripe("sk_test_offline", (SECRET,))
LATER = NOW + HOUR
ZONE = ZoneInfo("Asia/Seoul")
SUBSCRIBERS = [prepaid_subscriber(lambda: LATER)]


def clock_now() -> Any:
    return NOW


async def top_up(database: Database) -> None:
    async with database.transaction() as connection:
        (receipt,) = await take_in(connection, SENDER, [document(TOP_UP)], NEIGHBOURS, now=NOW)
    assert receipt.outcome in (Outcome.TAKEN, Outcome.KNOWN), receipt.error


async def begin(database: Database) -> None:
    """The hold."""
    said = SessionStart(
        station_id="CP1",
        connector_no=1,
        token_uid="T-kim",
        meter_start_mwh=0,
        started_at=NOW,
        transaction_id="one",
    )
    async with database.transaction() as connection:
        (outcome,) = await start(connection, [said], now=NOW, subscribers=SUBSCRIBERS)
    assert isinstance(outcome, Started), outcome


async def read(database: Database) -> None:
    """The draw."""
    samples = Samples("CP1", 1, "one", (Reading(LATER, 29 * KWH),))
    async with database.transaction() as connection:
        await record_samples(connection, [samples], now=LATER, subscribers=SUBSCRIBERS)


async def end(database: Database) -> None:
    """The capture."""
    said = SessionStop(station_id="CP1", transaction_id="one", meter_stop_mwh=20 * KWH, stopped_at=LATER)
    async with database.transaction() as connection:
        (outcome,) = await stop(connection, [said], now=LATER, subscribers=SUBSCRIBERS)
    assert isinstance(outcome, Stopped), outcome


async def return_cash(database: Database) -> None:
    """The refund over the desk."""
    async with database.transaction() as connection:
        await give_back(connection, "kim", won(400), "back", now=LATER)


async def pay_by_card(database: Database) -> None:
    """A checkout, and the provider's answer to it."""
    what = Checkout(channel="stripe", reference="T-1", purpose=Purpose.TOP_UP, subject="kim", money=won(5_000))
    async with database.transaction() as connection:
        operation = await checkout.begin(connection, what, NEIGHBOURS.invoices, now=NOW)
    told = PaymentNews(
        reference="pi_1", payment="T-1", state="created", currency="KRW", amount=won(5_000).amount, at=NOW
    )
    async with database.transaction() as connection:
        await record(connection, PROVIDER, operation.id, Created(news=told, secret="s"), clock_now)


async def hear_of_it(database: Database) -> None:
    """The webhook; a refund that was made at the provider comes before the payment that it refunds."""
    for kind, told, event_id in (
        ("refund.updated", refund("re_1", "pi_1", 700), "evt_1"),
        ("payment_intent.succeeded", intent("pi_1", "T-1", 5_000), "evt_2"),
    ):
        body = stripe_event(kind, told, NOW, event_id)
        headers = {name.lower(): value for name, value in signed(body, NOW).items()}
        await inbox.receive(database, PROVIDER, body, headers, clock_now)


async def refund_card(database: Database) -> None:
    """The refund through the provider, and its answer."""
    async with database.transaction() as connection:
        operation = await checkout.refund(connection, "stripe", "T-1", won(1_000), "R-1", now=LATER)
    told = RefundNews(
        id="re_2", reference="pi_1", refund="R-1", state="done", currency="KRW", amount=won(1_000).amount, at=LATER
    )
    async with database.transaction() as connection:
        await record(connection, PROVIDER, operation.id, told, lambda: LATER)


CARD = Checkout(
    channel="stripe", reference="S-1", purpose=Purpose.SESSION, subject="CP1", money=won(30_000), token="CARD-1"
)
GIVEN_BACK = ChargeRefund(channel="stripe", payment="S-1", reference="R-2", reason="the cable was too short")


def card_news(state: Literal["authorised", "paid"], amount: int, at: datetime) -> PaymentNews:
    return PaymentNews(reference="pi_2", payment="S-1", state=state, currency="KRW", amount=won(amount).amount, at=at)


async def authorise(database: Database) -> None:
    async with database.transaction() as connection:
        operation = await checkout.begin(connection, CARD, NEIGHBOURS.invoices, now=NOW)
    async with database.transaction() as connection:
        told = Created(news=card_news("authorised", 30_000, NOW), secret="s")
        await record(connection, PROVIDER, operation.id, told, clock_now)


async def charge_by_card(database: Database) -> None:
    begun = SessionStart(
        station_id="CP1", connector_no=1, token_uid="CARD-1", meter_start_mwh=0, started_at=NOW, transaction_id="two"
    )
    async with database.transaction() as connection:
        (outcome,) = await start(connection, [begun], now=NOW, subscribers=SUBSCRIBERS)
    assert isinstance(outcome, Started), outcome
    ended = SessionStop(station_id="CP1", transaction_id="two", meter_stop_mwh=20 * KWH, stopped_at=LATER)
    async with database.transaction() as connection:
        (stopped,) = await stop(connection, [ended], now=LATER, subscribers=SUBSCRIBERS)
    assert isinstance(stopped, Stopped), stopped


async def capture(database: Database) -> None:
    """The provider's answer to what the end of the session had it asked."""
    async with database.transaction() as connection:
        news = card_news("paid", 6_600, LATER)
        await record(connection, PROVIDER, "wattbook:stripe:S-1:capture", news, lambda: LATER)


async def give_charge_back(database: Database) -> None:
    """The credit note and the question, in one act."""
    async with database.transaction() as connection:
        await refund_charge(connection, GIVEN_BACK, zone=ZONE, now=LATER)


async def hear_of_refund(database: Database) -> None:
    """The webhook overtakes the answer, and the end of the refund its beginning."""
    for kind, status, event_id in (("updated", "succeeded", "evt_4"), ("created", "pending", "evt_3")):
        body = stripe_event(f"refund.{kind}", refund("re_3", "pi_2", 6_600, status, ours="R-2"), NOW, event_id)
        headers = {name.lower(): value for name, value in signed(body, NOW).items()}
        await inbox.receive(database, PROVIDER, body, headers, clock_now)
    told = RefundNews(
        id="re_3", reference="pi_2", refund="R-2", state="done", currency="KRW", amount=won(6_600).amount, at=LATER
    )
    async with database.transaction() as connection:
        await record(connection, PROVIDER, "wattbook:stripe:R-2:refund", told, lambda: LATER)


class Chain(NamedTuple):
    """Steps, and what is posted when every step was done once, in won, by owner and purpose."""

    steps: list[Step]
    in_the_end: dict[tuple[str, str], int]


CHAINS = {
    "wallet": Chain(
        [top_up, begin, read, end, return_cash, pay_by_card, hear_of_it, refund_card],
        {
            ("kim", "wallet"): 10_000 - 6_600 - 400 + 5_000 - 700 - 1_000,
            (SENDER, "clearing"): 10_000,
            ("stripe", "clearing"): 5_000 - 700 - 1_000,
            (US, "revenue"): 6_000,
        },
    ),
    "card": Chain(
        [authorise, charge_by_card, capture, give_charge_back, hear_of_refund],
        {
            (card_account("stripe", "S-1"), "wallet"): 0,
            ("stripe", "clearing"): 0,
            (US, "revenue"): 0,
            (US, "tax"): 0,
        },
    ),
}


async def run_chain(database: Database, name: str) -> None:
    for step in CHAINS[name].steps:
        await step(database)


def kill_before(database: Database, statement: int) -> None:
    """The process is gone before this statement, counted from 1."""
    done = 0

    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database._engine.sync_engine, "before_cursor_execute", count)
    event.listen(database._engine.sync_engine, "commit", count)


async def draw(database: Database, name: str) -> None:
    """Away from the wallet, in every way there is, until it has nothing left."""
    taken = 0
    for number in range(1_000):
        try:
            async with database.transaction() as connection:
                if number % 2:
                    await give_back(connection, "kim", won(70), f"{name}-{number}", now=NOW)
                else:
                    await transfer(connection, "kim", "park", won(70), f"{name}-{number}", now=NOW)
            taken += 1
        except Refused:
            break
    print(taken)


async def main(mode: str, url: str, word: str) -> None:
    database = Database(url)
    if mode == "draw":
        await draw(database, word)
    else:
        if word != "whole":
            kill_before(database, random.Random(int(word)).randint(1, STATEMENTS_MAX))
        await run_chain(database, mode)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
