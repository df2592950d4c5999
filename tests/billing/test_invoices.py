"""Invoices: everything sold once, numbers without a gap, sums in whole coins that the book agrees with."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.billing.market import (
    DEBTOR,
    FIRST,
    ISSUED,
    LATER,
    OCTOBER,
    PREPAID,
    ZONE,
    Charge,
    charge,
    euros,
    invoiced,
    one_after_another,
)
from tests.charging.world import US, posted
from wattbook.billing.documents import Kind
from wattbook.billing.receipts import receipt_of_session
from wattbook.billing.run import Period, invoice_run
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.terms import AccountTerms, set_terms


async def test_each_payer_gets_one_invoice_with_consecutive_numbers(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER, DEBTOR, PREPAID], ["10", "7.777", "3.333", "5"]))
    documents = await invoiced(market)
    assert [(each.recipient.id, each.number) for each in documents] == [
        (DEBTOR, "LN-2026-I000001"),
        (LATER, "LN-2026-I000002"),
        (PREPAID, "LN-2026-I000003"),
    ]
    kim = documents[0]
    # 10 kWh: 5.925 → 5.93; 3.333 kWh: 1.9748025 → 1.97; twice 0.35 without a stated tax
    assert [line.net for line in kim.lines] == [euros("0.35"), euros("5.93"), euros("0.35"), euros("1.97")]
    assert [(tax.rate, tax.net, tax.tax) for tax in kim.taxes] == [
        ("19", euros("7.90"), euros("1.50")),
        (None, euros("0.70"), 0),
    ]
    assert kim.total == euros("10.10")


async def test_who_pays_later_owes_exactly_the_coins_of_the_invoice(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR] * 3, ["1.001", "2.002", "3.003"]))
    (kim,) = await invoiced(market)
    assert kim.paid == 0
    assert kim.due_on == ISSUED.date() + timedelta(days=14)
    async with market.snapshot() as connection:
        assert await posted(connection, DEBTOR, "receivable", "EUR") == kim.due


async def test_who_paid_from_a_wallet_has_nothing_left_to_pay(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([PREPAID], ["1.001"]))
        left = await posted(connection, PREPAID, "wallet", "EUR")
    (document,) = await invoiced(market)
    assert document.due == 0
    assert document.due_on is None
    async with market.snapshot() as connection:
        assert await posted(connection, PREPAID, "wallet", "EUR") == left
        assert await posted(connection, US, "tax", "EUR") == document.tax


async def test_a_fleet_gets_one_invoice_for_all_its_drivers(market: Database) -> None:
    async with market.transaction() as connection:
        await set_terms(
            connection, [AccountTerms(DEBTOR, "EUR", payer=LATER), AccountTerms(PREPAID, "EUR", payer=LATER)]
        )
        await charge(connection, one_after_another([DEBTOR, PREPAID, LATER], ["1", "2", "3"]))
    (fleet,) = await invoiced(market)
    assert (fleet.recipient.id, len(fleet.lines)) == (LATER, 6)
    async with market.snapshot() as connection:
        assert await posted(connection, LATER, "receivable", "EUR") == fleet.due


async def test_a_second_run_issues_nothing_and_a_late_session_goes_on_the_next_invoice(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR], ["10"]))
    assert len(await invoiced(market)) == 1
    assert await invoiced(market) == []
    async with market.transaction() as connection:
        await charge(connection, [Charge(DEBTOR, Decimal(4), FIRST + timedelta(days=2))])
    (late,) = await invoiced(market)
    assert late.number == "LN-2026-I000002"
    november = await invoiced(market, period=Period.of_month("2026-11", ZONE), now=ISSUED + timedelta(days=30))
    assert november == []


async def test_a_look_beforehand_leaves_no_gap(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER], ["10", "4"]))
    looked_at = await invoiced(market, keep=False)
    assert await invoiced(market) == looked_at


async def test_two_runs_at_once_put_everything_on_one_document(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER, PREPAID] * 4, ["1.5"] * 12))
    both = await asyncio.gather(invoiced(market), invoiced(market))
    numbers = sorted(document.number for documents in both for document in documents)
    assert numbers == ["LN-2026-I000001", "LN-2026-I000002", "LN-2026-I000003"]


async def test_a_run_that_breaks_off_goes_on_where_it_was(market: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattbook.billing.run.PAYERS_AT_ONCE", 1)
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER, PREPAID], ["10", "4", "2"]))
    run = invoice_run(market, US, OCTOBER, clock=ManualClock(ISSUED))
    async for progress in run:
        if progress.payers_done == 1:
            break
    await run.aclose()  # type: ignore[attr-defined]
    assert [document.number for document in await invoiced(market)] == ["LN-2026-I000002", "LN-2026-I000003"]


async def test_a_period_that_still_runs_is_refused(market: Database) -> None:
    with pytest.raises(InvalidInput, match="runs until 2026-10-31"):
        await invoiced(market, now=FIRST)


async def test_a_document_cannot_be_changed_or_deleted(market: Database) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR], ["10"]))
    await invoiced(market)
    for statement in ("UPDATE billing.documents SET paid = 1", "DELETE FROM billing.documents"):
        with pytest.raises(DBAPIError, match="does not change"):
            async with market.transaction() as connection:
                await connection.execute(text(statement))


async def test_a_receipt_takes_the_session_off_the_invoice(market: Database) -> None:
    async with market.transaction() as connection:
        cdr, _ = await charge(connection, one_after_another([PREPAID, DEBTOR], ["10", "4"]))
    async with market.transaction() as connection:
        receipt = await receipt_of_session(connection, cdr, zone=ZONE, now=ISSUED)
        again = await receipt_of_session(connection, cdr, zone=ZONE, now=ISSUED)
    assert receipt == again
    assert (receipt.kind, receipt.number, receipt.due) == (Kind.RECEIPT, "LN-2026-R000001", 0)
    assert [document.recipient.id for document in await invoiced(market)] == [DEBTOR]


async def test_a_receipt_of_nothing_is_refused(market: Database) -> None:
    async with market.transaction() as connection:
        with pytest.raises(NotFound, match="nobody pays"):
            await receipt_of_session(connection, "0" * 32, zone=ZONE, now=ISSUED)
