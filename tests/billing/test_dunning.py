"""What is open, by age; reminders that climb; service that is held and given back."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.billing.market import (
    DEBTOR,
    FIRST,
    ISSUED,
    LATER,
    OCTOBER,
    ZONE,
    book,
    charge,
    euros,
    invoiced,
    one_after_another,
)
from tests.charging.world import HOUR, US
from wattbook.billing.credits import credit
from wattbook.billing.dunning import Dunned, dun
from wattbook.billing.rollups import aged, open_items, revenue
from wattbook.billing.statements import settlement_statement
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput, Refused

DUE = ISSUED + timedelta(days=14)


async def dunned(database: Database, now: datetime) -> Dunned:
    async with database.transaction() as connection:
        return await dun(connection, US, zone=ZONE, now=now)


async def test_a_debtor_climbs_from_reminder_to_hold_and_a_payment_gives_service_back(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER], ["10", "4"]))
    await invoiced(market)
    async with market.transaction() as connection:
        await book(connection, "receivable", LATER, "2.84")
    assert (await dunned(market, DUE)).reminders == ()
    stages = []
    for days in (3, 3, 14, 28, 60):
        round_ = await dunned(market, DUE + timedelta(days=days))
        stages.append([(note.recipient.id, note.reason) for note in round_.reminders if note.recipient.id == DEBTOR])
    assert stages == [[(DEBTOR, "reminded")], [], [(DEBTOR, "warned")], [(DEBTOR, "held")], []]
    wants = SessionStart(
        station_id="CP1", connector_no=1, token_uid=f"T-{DEBTOR}", meter_start_mwh=0, started_at=DUE + 60 * 24 * HOUR
    )
    async with market.transaction() as connection:
        (outcome,) = await start(connection, [wants], now=wants.started_at)
    assert isinstance(outcome, Refused)
    assert outcome.details["reason"] == "customer-held"
    async with market.transaction() as connection:
        await book(connection, "receivable", DEBTOR, "8")
    assert (await dunned(market, DUE + timedelta(days=61))).released == (DEBTOR,)
    again = replace(wants, started_at=wants.started_at + HOUR)
    async with market.transaction() as connection:
        (outcome,) = await start(connection, [again], now=again.started_at)
    assert isinstance(outcome, Started), outcome


async def test_payments_settle_the_oldest_document_first(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR], ["10"]))
    (first,) = await invoiced(market)
    async with market.transaction() as connection:
        later = timedelta(days=2)
        await charge(
            connection, [each._replace(begins=each.begins + later) for each in one_after_another([DEBTOR], ["5"])]
        )
    (second,) = await invoiced(market, now=ISSUED + timedelta(days=40))
    async with market.transaction() as connection:
        await book(connection, "receivable", DEBTOR, "1")
        items = await open_items(connection, US)
    assert [(item.number, item.amount) for item in items] == [
        (first.number, first.due - euros("1")),
        (second.number, second.due),
    ]
    today = (DUE + timedelta(days=31)).date()
    assert aged(items, today) == {(DEBTOR, "EUR"): [second.due, 0, first.due - euros("1"), 0, 0]}


async def test_a_credit_note_settles_and_counts_against_revenue(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER], ["10", "4"]))
    kim, lee = await invoiced(market)
    async with market.transaction() as connection:
        await credit(connection, kim.number, reason="goodwill", zone=ZONE, now=ISSUED)
        assert [item.debtor for item in await open_items(connection, US)] == [LATER]
        day = ISSUED.astimezone(ZONE).date()
        by_rate = await revenue(connection, US, day, day, "rate")
        by_recipient = await revenue(connection, US, day, day, "recipient")
    assert [(each.key, each.net) for each in by_rate] == [("19", lee.taxes[0].net), (None, lee.taxes[1].net)]
    assert [(each.key, each.net) for each in by_recipient] == [(DEBTOR, 0), (LATER, lee.net)]


async def test_a_statement_shows_the_balance_before_each_movement_and_after(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR] * 2, ["10", "4"]))
        with pytest.raises(InvalidInput, match="runs until"):
            await settlement_statement(connection, US, DEBTOR, "EUR", OCTOBER, now=FIRST)
    async with market.transaction() as connection:
        statement = await settlement_statement(connection, US, DEBTOR, "EUR", OCTOBER, now=ISSUED)
        assert await settlement_statement(connection, US, DEBTOR, "EUR", OCTOBER, now=DUE) == statement
    assert statement.number == "LN-2026-S000001"
    assert statement.opening == 0
    # 14 kWh at 0.5925 and 19 %, and twice 0.35
    assert sum(line.exact_net for line in statement.lines) == euros("10.57105")
    assert statement.opening + sum(line.net for line in statement.lines) == statement.total == euros("10.57")
