"""Bills of houses: from readings to postings, once, or a reason why not."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.household.village import (
    BALANCE_GROUP,
    DAY,
    GRID,
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    OCTOBER,
    SERVER,
    UTILITY,
    YEAR,
    add_meter,
    bill,
    billed,
    found,
    hourly,
    measure,
    paid,
)
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.household.bills.billing import HOUSEHOLDS_MAX, bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, add_bills, bills_of_households
from wattbook.household.checks import CHECKS
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError
from wattbook.kernel.units import Money
from wattbook.registry.households import Household, add_households
from wattbook.registry.meters import MeterPlace, assign_meter_places, end_meter_networks, end_meter_places
from wattbook.tariffs.period import BillingPeriod


def won(amount: int) -> Money:
    return Money.of(amount, "KRW")


async def test_a_month_is_billed_line_by_line_and_posted(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
        issued = await billed(connection, store, "h1", OCTOBER)
        assert issued.total == won(126_160)
        assert {name: str(money) for name, money in issued.lines.money("KRW").items()} == {
            "base": "7,300 KRW",
            "energy": "97,650 KRW",
            "climate": "4,500 KRW",
            "fuel": "2,500 KRW",
            "vat": "11,195 KRW",
            "fund": "3,020 KRW",
            "rounding": "-5 KRW",
            "total": "126,160 KRW",
        }
        assert (issued.metered_mwh, issued.household_mwh, issued.lines.kwh) == (500 * KWH, 500 * KWH, 500)
        assert (issued.starts_at, issued.duplicate, issued.policy) == (MIDNIGHT, won(0), "re-rated")
        accounts = {
            Account("h1", "consumption", ENERGY): 500 * KWH,
            Account("M-h1", "meter", ENERGY): 0,
            Account(GRID, "grid", ENERGY): 0,
            Account(BALANCE_GROUP, "balance_group", ENERGY): 500 * KWH,
            Account("h1", "receivable", "KRW"): won(126_160).amount,
            Account("KR*KPW", "revenue", "KRW"): won(111_950).amount,
            Account("KR*KPW", "tax", "KRW"): won(11_195).amount,
            Account("KR*KPW", "levy", "KRW"): won(3_020).amount,
            Account("KR*KPW", "rounding", "KRW"): won(-5).amount,
            Account("KR*KPW", "sale", "KRW"): 0,
        }
        found_balances = await balances(connection, list(accounts))
        assert {account: balance.posted for account, balance in found_balances.items()} == accounts
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof


async def test_a_payment_inside_the_period_is_out_of_the_bill(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        await receive_payments(connection, [paid("h1", "p1", 150 * KWH)])
        issued = await billed(connection, store, "h1")
        assert (issued.household_mwh, issued.paid_mwh, issued.exception_mwh) == (350 * KWH, 150 * KWH, 0)
        assert (issued.total, issued.duplicate) == (won(70_640), won(55_520))
        assert issued.gross_total == won(126_160).amount
        elsewhere = Account(SERVER, "paid_elsewhere", ENERGY)
        assert (await balances(connection, [elsewhere]))[elsewhere].posted == 150 * KWH
        assert (await audit(connection, CHECKS)).holds


async def test_a_bill_is_issued_once(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        first = await billed(connection, store, "h1")
    async with database.transaction() as connection:
        await measure(connection, store, hourly("M-h1", 600 * KWH), "too late for the bill")
        again = await bill_period(connection, store, ["h1", "h1"], DAY, UTILITY, now=NOW + timedelta(days=1))
        assert again == [first, first]
        assert await bills_of_households(connection, ["h1"]) == [first]
        assert (await audit(connection, CHECKS)).holds


async def test_an_overlapping_period_is_a_conflict(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        await billed(connection, store, "h1")
        outcome = await bill(connection, store, "h1", OCTOBER)
        assert isinstance(outcome, Conflict)
        assert "2026-10-01..2026-10-01" in outcome.message


async def test_a_changed_meter_and_a_second_meter_are_summed(database: Database, store: IntervalStore) -> None:
    noon = MIDNIGHT + 12 * HOUR
    async with database.transaction() as connection:
        await found(connection, "h1")
        assert await end_meter_places(connection, [("M-h1", noon)]) == [True]
        await add_meter(connection, "M-new", "h1", noon)
        await add_meter(connection, "M-barn", "h1", YEAR)
        intervals = [
            *hourly("M-h1", 100 * KWH, hours=12),
            *hourly("M-h1", 999 * KWH, start=noon, hours=12),  # in another house by then
            *hourly("M-new", 10 * KWH, start=noon, hours=12),
            *hourly("M-barn", KWH),
        ]
        await measure(connection, store, intervals)
        assert (await billed(connection, store, "h1")).metered_mwh == 111 * KWH
        assert (await audit(connection, CHECKS)).holds


async def test_what_is_wrong_with_one_house_does_not_hold_up_the_others(
    database: Database, store: IntervalStore
) -> None:
    houses = ["good", "unknown", "gap", "unmetered", "doubtful", "islanded", "strange"]
    async with database.transaction() as connection:
        await found(connection, *(house for house in houses if house != "unknown"))
        await add_households(connection, [Household("strange", "kim", "1 Hill", "no-such-tariff")])
        await end_meter_places(connection, [("M-unmetered", MIDNIGHT)])
        again = MeterPlace("M-doubtful", None, "good", YEAR)
        await assign_meter_places(connection, [again], allow_overlap=True)
        await end_meter_places(connection, [("M-doubtful", MIDNIGHT + 25 * HOUR)])
        await end_meter_networks(connection, [("M-islanded", MIDNIGHT + HOUR)])
        for house in houses:
            await measure(connection, store, hourly(f"M-{house}", KWH, hours=23 if house == "gap" else 24), house)
        outcomes = dict(zip(houses, await bill_period(connection, store, houses, DAY, UTILITY, now=NOW), strict=True))
        reasons = {
            house: outcome.details.get("reason") for house, outcome in outcomes.items() if isinstance(outcome, Refused)
        }
        assert reasons == {
            "good": "allocation",
            "gap": "incomplete",
            "unmetered": "no-meter",
            "doubtful": "allocation",
            "islanded": "allocation",
        }
        assert isinstance(outcomes["gap"], WattbookError)
        assert "1380 of 1440 minutes" in outcomes["gap"].message
        assert isinstance(outcomes["unknown"], NotFound)
        assert isinstance(outcomes["strange"], NotFound)
        assert await bills_of_households(connection, houses) == []


async def test_houses_are_billed_together(database: Database, store: IntervalStore) -> None:
    houses = [f"h{number}" for number in range(1, 6)]
    async with database.transaction() as connection:
        await found(connection, *houses)
        intervals = [each for number, house in enumerate(houses) for each in hourly(f"M-{house}", number * 100 * KWH)]
        await measure(connection, store, intervals)
        outcomes = await bill_period(connection, store, houses, DAY, UTILITY, now=NOW)
        assert [outcome.total for outcome in outcomes if isinstance(outcome, Bill)] == [
            won(total) for total in (1_020, 16_120, 31_220, 57_760, 83_530)
        ]
        assert (await audit(connection, CHECKS)).holds


async def test_a_period_that_runs_cannot_be_billed(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        running = BillingPeriod.of_month("2026-11")
        assert isinstance(await bill(connection, store, "h1", running), InvalidInput)
        with pytest.raises(InvalidInput):
            await bill_period(connection, store, ["h1"] * (HOUSEHOLDS_MAX + 1), DAY, UTILITY, now=NOW)


async def test_a_bill_cannot_be_changed_even_by_hand(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", KWH))
        await billed(connection, store, "h1")
    with pytest.raises(DBAPIError, match="never changes"):
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE household.bills SET total = total"))


async def test_the_proof_sees_a_payment_that_was_changed_by_hand(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        await receive_payments(connection, [paid("h1", "p1", 150 * KWH)])
        await billed(connection, store, "h1")
        await connection.execute(text("UPDATE household.payments SET state = 'withdrawn'"))
        broken = [finding.name for finding in (await audit(connection, CHECKS)).findings if not finding.holds]
        assert broken == ["household-payments-once"]


async def test_the_proof_sees_documents_that_are_not_posted(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        issued = await billed(connection, store, "h1")
        later = {"starts_at": issued.ends_at, "ends_at": issued.ends_at + HOUR}
        period = BillingPeriod(DAY.first + timedelta(days=1), DAY.first + timedelta(days=1))
        forged = replace(issued, id="forged", period=period, posting=UUID(int=1), **later)  # type: ignore[arg-type]
        await add_bills(connection, [forged])
        broken = {finding.name for finding in (await audit(connection, CHECKS)).findings if not finding.holds}
        assert broken == {"household-documents-equal-postings", "household-energy"}
