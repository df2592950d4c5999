"""A billing period closed with control totals, and never opened again."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.household.village import DAY, KWH, NOW, OCTOBER, UTILITY, bill, billed, found, hourly, measure, paid
from wattbook.book.audit import audit
from wattbook.db.engine import Database
from wattbook.household.bills.closing import close_billing, closed_billings
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import add_bills, bills_of_households
from wattbook.household.checks import CHECKS
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import Conflict, InvalidInput, Refused
from wattbook.kernel.units import Money


async def test_a_period_is_closed_with_its_totals_and_takes_no_further_bill(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1", "h2", "h3")
        for house, kwh in (("h1", 500), ("h2", 350), ("h3", 100)):
            await measure(connection, store, hourly(f"M-{house}", kwh * KWH), house)
        with pytest.raises(InvalidInput, match="nothing to close"):
            await close_billing(connection, UTILITY.party, DAY, now=NOW)
        await receive_payments(connection, [paid("h1", "p1", 150 * KWH)])
        first, second = await billed(connection, store, "h1"), await billed(connection, store, "h2")
        closed = await close_billing(connection, UTILITY.party, DAY, now=NOW)
        assert (closed.bills, closed.metered_mwh, closed.paid_mwh) == (2, 850 * KWH, 150 * KWH)
        assert closed.household_mwh + closed.paid_mwh + closed.exception_mwh == closed.metered_mwh
        assert closed.totals == {"KRW": Money.of(70_640 + 70_640, "KRW")}
        assert await closed_billings(connection, UTILITY.party) == [closed]
    async with database.transaction() as connection:
        with pytest.raises(Conflict, match="was closed"):
            await close_billing(connection, UTILITY.party, DAY, now=NOW + timedelta(days=1))
        late = await bill(connection, store, "h3")
        assert isinstance(late, Refused)
        assert late.details["reason"] == "closed"
        assert await billed(connection, store, "h1") == first, "what was issued is still told"
        with pytest.raises(Conflict, match="has closed"):
            await add_bills(connection, [second])
        (receipt,) = await receive_payments(connection, [paid("h2", "p2", 150 * KWH)])
        assert len(receipt.credit_notes) == 1, "what comes later is a credit note"
        assert await closed_billings(connection, UTILITY.party) == [closed]
        assert await bills_of_households(connection, ["h3"]) == []
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof
        assert await closed_billings(connection, UTILITY.party, OCTOBER) == []


async def test_closing_waits_for_bills_that_are_being_issued(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1", "h2")
        for house in ("h1", "h2"):
            await measure(connection, store, hourly(f"M-{house}", 100 * KWH), house)
        await billed(connection, store, "h1")

    async def close() -> int:
        async with database.transaction() as connection:
            return (await close_billing(connection, UTILITY.party, DAY, now=NOW)).bills

    async with database.transaction() as connection:
        await billed(connection, store, "h2")
        closing = asyncio.create_task(close())
        done, _ = await asyncio.wait([closing], timeout=0.3)
        assert not done
    assert await closing == 2


async def test_the_proof_sees_totals_that_were_changed_by_hand(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 100 * KWH))
        await billed(connection, store, "h1")
        await close_billing(connection, UTILITY.party, DAY, now=NOW)
        await connection.execute(text("UPDATE household.closed_billing SET metered_mwh = metered_mwh + 1"))
        broken = [finding.name for finding in (await audit(connection, CHECKS)).findings if not finding.holds]
        assert broken == ["household-closed-billing"]
