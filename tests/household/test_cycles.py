"""Houses that are read on days of their own: bill, account, run and closing go by the period that a house has."""

from datetime import UTC, date, datetime

import pytest

from tests.household.test_bill_run import assert_holds, bills, content, run_of
from tests.household.village import (
    HOUR,
    KWH,
    NOW,
    OCTOBER,
    TARIFF,
    UTILITY,
    YEAR,
    add_meter,
    found,
    hourly,
)
from wattbook.db.engine import Database
from wattbook.household.accounts.account import account_of
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.closing import close_billing, closed_billings
from wattbook.household.bills.documents import Bill
from wattbook.household.bills.moves import move_in, move_out
from wattbook.household.readings.intervals import IntervalStore, readings
from wattbook.kernel.errors import InvalidInput, Refused
from wattbook.kernel.units import Energy
from wattbook.registry.contracts import Contract
from wattbook.registry.households import Household, add_households
from wattbook.tariffs.household import rate_household
from wattbook.tariffs.period import BillingPeriod

SINCE = datetime(2026, 9, 30, 15, tzinfo=UTC)
"""When October begins in Seoul; readings last until the end of November."""
DAYS = 61
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
READ_ON = {"calendar": 1, "fifteenth": 15, "moving": 15, "last": 31}
PERIODS = {
    "calendar": OCTOBER,
    "fifteenth": BillingPeriod(date(2026, 10, 15), date(2026, 11, 14)),
    "last": BillingPeriod(date(2026, 10, 31), date(2026, 11, 29)),
}


async def settle(database: Database, store: IntervalStore) -> None:
    """Each house uses a kilowatt-hour an hour; in one that is read on the 15th people move on the first of November."""
    async with database.transaction() as connection:
        await found(connection)
        for house, day in READ_ON.items():
            await add_households(connection, [Household(house, "kim", "1 Hill", TARIFF.name, reading_day=day)])
            await add_meter(connection, f"M-{house}", house, YEAR)
            hours = hourly(f"M-{house}", DAYS * 24 * KWH, start=SINCE, hours=DAYS * 24)
            await store.write(connection, house, readings(hours), now=DECEMBER)
        await move_out(connection, "moving", date(2026, 10, 31))
        await move_in(connection, Contract("moving", "lee", TARIFF.name, date(2026, 11, 1)))


async def test_a_run_bills_each_house_for_its_own_period_once_that_is_over(
    database: Database, store: IntervalStore
) -> None:
    await settle(database, store)
    async with database.transaction() as connection:
        trial = await connection.begin_nested()
        outcomes = await bill_period(connection, store, list(READ_ON), "2026-10", UTILITY, now=NOW)
        by_itself = [outcome for outcome in outcomes if isinstance(outcome, Bill)]
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Bill)]
        await trial.rollback()
    assert [(type(each), "2026-11-29" in each.message) for each in refused] == [(InvalidInput, True)]
    run = run_of(database, store, period=OCTOBER, by_cycle=True)
    dry = await run.try_out()
    report = await run.run()
    assert (report.all.billed, report.all.refused, report.agrees) == (4, 0, True)
    assert (dry.all.billed, dry.all.refused) == (2, 1), "the house whose people moved needs a closer look"
    issued = await bills(database, list(READ_ON))
    by_id = sorted(by_itself, key=lambda each: each.id)
    assert [content(each) for each in issued] == [content(each) for each in by_id]
    assert {each.household: each.period for each in issued if each.household != "moving"} == {
        house: PERIODS[house] for house in ("calendar", "fifteenth")
    }
    for each in issued:
        month_days = None if each.cycle is None else 31
        own = rate_household(TARIFF, Energy(each.period.day_count * 24 * KWH), each.period, month_days=month_days)
        assert each.lines.total == own.total * 10_000
    moved = [each for each in issued if each.household == "moving"]
    assert [(each.customer, each.period.day_count, each.cycle) for each in moved] == [
        ("kim", 17, PERIODS["fifteenth"]),
        ("lee", 14, PERIODS["fifteenth"]),
    ]
    assert (await run.run()).run is None, "the last house's period still runs"
    later = await run_of(database, store, period=OCTOBER, by_cycle=True, clock=lambda: DECEMBER).run()
    assert later.all.billed == 1
    (last,) = await bills(database, ["last"])
    assert last.period == PERIODS["last"]
    await assert_holds(database)


async def test_no_house_is_billed_while_the_periods_of_all_run(database: Database, store: IntervalStore) -> None:
    await settle(database, store)
    early = run_of(database, store, period=OCTOBER, by_cycle=True, clock=lambda: SINCE + 24 * HOUR)
    with pytest.raises(InvalidInput, match="not over before"):
        await early.run()
    assert await bills(database, list(READ_ON)) == []


async def test_days_are_billed_of_every_house_whatever_its_reading_day(
    database: Database, store: IntervalStore
) -> None:
    await settle(database, store)
    report = await run_of(database, store, period=OCTOBER).run()
    assert report.all.billed == 4
    assert {each.period for each in await bills(database, list(READ_ON))} == {OCTOBER}


async def test_the_account_shows_the_period_of_the_bill(database: Database, store: IntervalStore) -> None:
    await settle(database, store)
    async with database.transaction() as connection:
        (issued,) = await bill_period(connection, store, ["fifteenth"], "2026-10", UTILITY, now=NOW)
        assert isinstance(issued, Bill)
        account = await account_of(connection, store, "fifteenth", "2026-10", now=NOW)
        assert (account.period, account.assessed.lines) == (issued.period, issued.lines)
        assert [each.bill for each in account.billed] == [issued]
        running = await account_of(connection, store, "fifteenth", now=NOW)
        assert running.period == BillingPeriod(date(2026, 11, 15), date(2026, 12, 14))
        assert running.billed == ()


async def test_a_month_is_closed_for_every_period_that_begins_in_it(database: Database, store: IntervalStore) -> None:
    await settle(database, store)
    async with database.transaction() as connection:
        first = await bill_period(connection, store, ["calendar", "fifteenth", "moving"], "2026-10", UTILITY, now=NOW)
        with pytest.raises(
            InvalidInput, match="read on day 31: their period that begins in 2026-10 ends on 2026-11-29"
        ):
            await close_billing(connection, UTILITY.party, OCTOBER, now=NOW)
        issued = [each for each in first if isinstance(each, Bill)]
        by_days = await close_billing(connection, UTILITY.party, PERIODS["fifteenth"], now=NOW)
        assert by_days.bills == 3, "that of one house, and both parts of the other"
        closed = await close_billing(connection, UTILITY.party, OCTOBER, now=DECEMBER)
        assert (closed.bills, closed.metered_mwh) == (4, sum(each.metered_mwh for each in issued))
        assert len(await closed_billings(connection, UTILITY.party)) == 2
    async with database.transaction() as connection:
        (late,) = await bill_period(connection, store, ["last"], "2026-10", UTILITY, now=DECEMBER)
        assert isinstance(late, Refused)
        assert late.details["reason"] == "closed"
    report = await run_of(database, store, period=OCTOBER, by_cycle=True, clock=lambda: DECEMBER).run()
    assert (report.all.billed, report.all.refused) == (0, 1)
    assert "has closed" in report.refusals[0].reason
    await assert_holds(database)
