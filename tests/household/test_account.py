"""The account of a house: what it used, what was paid elsewhere, what it owes, and what it will come to."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.household.home import live, local, pay, read
from tests.household.village import KWH, NOW, OCTOBER, SERVER, TARIFF, UTILITY, found, hourly, measure, paid
from wattbook.db.engine import Database
from wattbook.household.accounts.account import Account, account_of, day_of
from wattbook.household.accounts.account_rows import ChargedPart, PaidCharge
from wattbook.household.accounts.day_parts import day_parts, spread
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill
from wattbook.household.bills.periods import period_of_day, period_of_month
from wattbook.household.paid.assessment import Lines
from wattbook.household.paid.payments import PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.kernel.units import Energy
from wattbook.simulate.households import Car, House, home_charges, home_quarters
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.household import rate_household

SEOUL, BERLIN = "Asia/Seoul", "Europe/Berlin"


# A month of a real house


async def test_a_month_is_told_by_day_and_by_tier_and_the_vehicles_part_of_it(
    database: Database, store: IntervalStore
) -> None:
    since, until = local(SEOUL, 2026, 10, 1), local(SEOUL, 2026, 11, 1)
    async with database.transaction() as connection:
        quarters = await live(connection, store, "h1", since, until, profile=House.SINGLE, car=Car.LARGE)
        (bill,) = await bill_period(connection, store, ["h1"], OCTOBER, UTILITY, now=until)
        account = await account_of(connection, store, "h1", "2026-10", now=until)
    assert isinstance(bill, Bill)
    own_mwh = sum(each.house_mwh for each in quarters)
    assert [day.day for day in account.days] == list(OCTOBER.days())
    for day in account.days:
        of_day = [each for each in quarters if each.start.astimezone(ZoneInfo(SEOUL)).date() == day.day]
        assert day.metered_mwh == sum(each.house_mwh + each.car_mwh for each in of_day)
        assert day.paid_mwh == sum(each.car_mwh for each in of_day)
        assert (day.estimated_mwh, day.missing_minutes) == (0, 0)
    assert account.assessed.household_mwh == own_mwh == sum(day.own_mwh for day in account.days)
    assert account.assessed.lines == bill.lines == Lines.of(rate_household(TARIFF, Energy(own_mwh), OCTOBER))
    assert sum(each.kwh for each in account.by_tier) == bill.lines.kwh
    assert [each.tier for each in account.by_tier] == list(range(1, len(account.by_tier) + 1))
    assert sum(each.energy_between(since, until) for each in account.charges) == account.assessed.paid_mwh > 0
    assert [each.bill.id for each in account.billed] == [bill.id]
    assert (account.is_running, account.forecast) == (False, None)


async def test_late_payments_and_withdrawals_show_as_credits_and_charges(
    database: Database, store: IntervalStore
) -> None:
    late, back = paid("h1", "late", 150 * KWH), paid("h1", "late", 150 * KWH, state=PaymentState.WITHDRAWN)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
        await bill_period(connection, store, ["h1"], OCTOBER, UTILITY, now=NOW)
        await receive_payments(connection, [late])
        credited = await account_of(connection, store, "h1", "2026-10", now=NOW)
        await receive_payments(connection, [back])
        withdrawn = await account_of(connection, store, "h1", "2026-10", now=NOW)
    won = 10_000
    assert (credited.assessed.gross_total, credited.assessed.lines.total) == (126_160 * won, 70_640 * won)
    assert credited.assessed.duplicate == 55_520 * won
    (billed,) = credited.billed
    assert [note.lines.total for note in billed.notes] == [55_520 * won]
    assert billed.owed.total == 70_640 * won
    assert [(each.id, each.server, each.counts) for each in credited.charges] == [("late", SERVER, True)]
    (billed,) = withdrawn.billed
    assert (billed.owed.total, withdrawn.assessed.paid_mwh) == (126_160 * won, 0)
    assert [each.counts for each in withdrawn.charges] == [False]


@pytest.mark.parametrize(
    ("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 5, 1), 96)]
)
async def test_a_day_is_told_by_the_quarters_that_its_clock_has(
    database: Database, store: IntervalStore, day: date, quarters: int
) -> None:
    since = local(BERLIN, day.year, day.month, day.day) - timedelta(days=1)
    now = since + timedelta(days=3)
    async with database.transaction() as connection:
        used = await live(connection, store, "de", since, now, tariff="de-static-example", car=Car.LARGE)
        told = await day_of(connection, store, "de", day, now=now)
    of_day = [each for each in used if each.start.astimezone(ZoneInfo(BERLIN)).date() == day]
    assert [each.interval.start for each in told.readings] == [each.start for each in of_day]
    assert [each.paid_mwh for each in told.readings] == [each.car_mwh for each in of_day]
    assert len(told.readings) == quarters
    assert told.read_minutes == told.wanted_minutes == quarters * 15


async def test_zones_of_the_day_divide_the_use_of_a_house(database: Database, store: IntervalStore) -> None:
    zone = "America/Los_Angeles"
    since, until = local(zone, 2026, 6, 1), local(zone, 2026, 7, 1)
    async with database.transaction() as connection:
        quarters = await live(connection, store, "us", since, until, tariff="us-sce-tou-d-prime")
        account = await account_of(connection, store, "us", "2026-06", now=until)
        day = await day_of(connection, store, "us", date(2026, 6, 3), now=until)
    on_peak = sum(
        each.house_mwh
        for each in quarters
        if (at := each.start.astimezone(ZoneInfo(zone))).weekday() < 5 and 16 <= at.hour < 21
    )
    by_zone = {each.zone: each.kwh for each in account.by_tier}
    assert set(by_zone) == {"off-peak", "mid-peak", "on-peak"}
    assert by_zone["on-peak"] == round(on_peak / KWH)
    assert {each.zone for each in day.readings} == {"off-peak", "on-peak"}


async def test_only_files_that_may_hold_the_houses_meter_are_read(
    database: Database, store: IntervalStore, tmp_path: Path
) -> None:
    """Files of others can be gone for all that this house's account cares."""
    async with database.transaction() as connection:
        await found(connection, "a1", "z1")
        await measure(connection, store, hourly("M-a1", 300 * KWH, hours=31 * 24), "a")
        await measure(connection, store, hourly("M-z1", 300 * KWH, hours=31 * 24), "z")
        await measure(connection, store, hourly("M-a1", 50 * KWH, start=datetime(2026, 5, 1, tzinfo=UTC)), "in May")
        paths = await connection.execute(
            text("SELECT path FROM household.interval_files WHERE meter_first = 'M-z1' OR day < '2026-06-01'")
        )
        gone = [tmp_path / "intervals" / path for path in paths.scalars()]
        assert len(gone) >= 32
        for path in gone:
            path.unlink()
        account = await account_of(connection, store, "a1", "2026-10", now=NOW)
    assert account.assessed.metered_mwh == 300 * KWH


async def test_readings_that_are_missing_are_counted_and_a_day_late_is_not_missing(
    database: Database, store: IntervalStore
) -> None:
    since, now = local(SEOUL, 2026, 10, 1), local(SEOUL, 2026, 10, 10)
    async with database.transaction() as connection:
        await live(connection, store, "h1", since, local(SEOUL, 2026, 10, 4, 18), pays=False)
        account = await account_of(connection, store, "h1", now=now)
    missing = {day.day.day: day.missing_minutes for day in account.days if day.missing_minutes}
    assert missing == {4: 6 * 60, 5: 1440, 6: 1440, 7: 1440, 8: 1440}
    assert account.missing_minutes == sum(missing.values())


async def test_a_house_that_moved_in_is_told_from_then_on(database: Database, store: IntervalStore) -> None:
    since, until = local(SEOUL, 2026, 10, 20), local(SEOUL, 2026, 11, 1)
    async with database.transaction() as connection:
        quarters = await live(connection, store, "h1", since, until)
        account = await account_of(connection, store, "h1", "2026-10", now=until)
    assert account.missing_minutes == 0
    assert account.assessed.household_mwh == sum(each.house_mwh for each in quarters)


async def test_what_cannot_be_told_is_refused_with_a_reason(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        for month in ("2026-12", "2026-13", "October", "9999-12"):
            with pytest.raises(InvalidInput):
                await account_of(connection, store, "h1", month, now=NOW)
        for day in (date(2026, 12, 1), date.max, date.min):
            with pytest.raises(InvalidInput):
                await day_of(connection, store, "h1", day, now=NOW)
        for house in ("h2", "h1\x00"):
            with pytest.raises(NotFound):
                await account_of(connection, store, house, now=NOW)


# What the running month will come to


async def _foretold(database: Database, store: IntervalStore, house: House, car: Car, day: int) -> tuple[Account, int]:
    """At the beginning of a day of October, with September known; and what the house answers for in the end."""
    since, now = local(SEOUL, 2026, 9, 1), local(SEOUL, 2026, 10, day, 9)
    end = local(SEOUL, 2026, 11, 1)
    async with database.transaction() as connection:
        await live(connection, store, "h1", since, now, profile=house, car=car)
        account = await account_of(connection, store, "h1", now=now)
    quarters = home_quarters(house, car, local(SEOUL, 2026, 10, 1), end, SEOUL)
    return account, sum(each.house_mwh for each in quarters)


@pytest.mark.parametrize("car", Car)
@pytest.mark.parametrize("house", House)
async def test_a_forecast_of_a_real_house_comes_close_to_its_month(
    database: Database, store: IntervalStore, house: House, car: Car
) -> None:
    account, own_mwh = await _foretold(database, store, house, car, day=16)
    foretold = account.forecast
    assert foretold is not None
    assert foretold.known_days == 15
    assert foretold.like_days == 35
    assert foretold.assessed.lines == Lines.of(rate_household(TARIFF, Energy(foretold.assessed.household_mwh), OCTOBER))
    assert abs(foretold.assessed.household_mwh - own_mwh) * 100 <= own_mwh * 10
    known = {day.day: day.metered_mwh for day in account.days}
    assert sum(known.values()) + sum(day.metered_mwh for day in foretold.days) == foretold.assessed.metered_mwh


async def test_a_month_that_is_read_in_full_is_foretold_as_it_is_billed(
    database: Database, store: IntervalStore
) -> None:
    since, until = local(SEOUL, 2026, 10, 1), local(SEOUL, 2026, 11, 1)
    async with database.transaction() as connection:
        await live(connection, store, "h1", since, until)
        almost = until - timedelta(minutes=1)
        account = await account_of(connection, store, "h1", now=almost)
        (bill,) = await bill_period(connection, store, ["h1"], OCTOBER, UTILITY, now=until)
    assert isinstance(bill, Bill)
    assert account.forecast is not None
    assert account.forecast.assessed.lines == bill.lines


async def test_a_tier_that_lies_ahead_is_told_with_its_day_and_the_price_of_the_next_kwh(
    database: Database, store: IntervalStore
) -> None:
    """Every hour of every day alike: half a kWh of the house, so it passes 200 kWh on the 17th, and 372 are the end."""
    start = local(SEOUL, 2026, 9, 1)
    now = local(SEOUL, 2026, 10, 6)
    hours = (now - start) // timedelta(hours=1)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", hours * KWH // 2, start=start, hours=hours))
        account = await account_of(connection, store, "h1", now=now)
    foretold = account.forecast
    assert foretold is not None
    assert account.assessed.household_mwh == 60 * KWH
    assert foretold.assessed.household_mwh == 372 * KWH
    assert foretold.tier is not None
    assert foretold.ends_in is not None
    assert (foretold.tier.number, foretold.ends_in.number) == (1, 2)
    assert [(each.tier.number, each.on) for each in foretold.ahead] == [(2, date(2026, 10, 17)), (3, None)]
    before, after = (rate_household(TARIFF, Energy(kwh * KWH), OCTOBER).total for kwh in (60, 61))
    assert foretold.next_kwh.value == after - before


async def test_nothing_is_foretold_of_a_house_of_which_no_day_is_known(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        account = await account_of(connection, store, "h1", now=NOW)
    assert account.forecast is None
    assert account.assessed.household_mwh == 0


async def test_charging_to_come_is_expected_to_be_paid_as_it_was(database: Database, store: IntervalStore) -> None:
    since, now = local(SEOUL, 2026, 9, 1), local(SEOUL, 2026, 10, 11)
    async with database.transaction() as connection:
        quarters = await live(connection, store, "h1", since, now, car=Car.LARGE, pays=False)
        unpaid = await account_of(connection, store, "h1", now=now)
        await pay(connection, store, "h1", quarters, now)
        known = await account_of(connection, store, "h1", now=now)
    assert unpaid.forecast is not None
    assert known.forecast is not None
    assert known.forecast.assessed.metered_mwh == unpaid.forecast.assessed.metered_mwh
    assert known.forecast.assessed.paid_mwh > known.assessed.paid_mwh > unpaid.forecast.assessed.paid_mwh == 0


# Parts


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(1, 31))
def test_every_day_is_in_one_period_and_periods_follow_each_other(day: date, reading_day: int) -> None:
    period = period_of_day(day, reading_day)
    assert period.first <= day <= period.last
    assert period_of_day(period.last + timedelta(days=1), reading_day).first == period.last + timedelta(days=1)
    assert period_of_month(f"{period.first:%Y-%m}", reading_day) == period
    assert 28 <= period.day_count <= 31


@given(
    st.integers(0, 80 * 24 * 60).map(lambda minutes: datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 100 * KWH)), min_size=1, max_size=6),
)
def test_a_charge_is_spread_over_days_without_losing_energy(
    started_at: datetime, courses: list[tuple[int, int]]
) -> None:
    parts, at = [], started_at
    for minutes, mwh in courses:
        parts.append(ChargedPart(at, at + timedelta(minutes=minutes), mwh))
        at = parts[-1].ended_at
    charge = PaidCharge(
        "s", "p", started_at, at, sum(mwh for _, mwh in courses), None, PaymentState.PAID, "x", tuple(parts)
    )
    days = day_parts(TARIFF, OCTOBER.first, OCTOBER.last)
    stretches = [(day.since, day.until) for day in days]
    since, until = stretches[0][0], stretches[-1][1]
    assert sum(spread([charge], stretches, since)) == charge.energy_between(since, until)


@pytest.mark.parametrize(("name", "parts"), [(TARIFF.name, 1), ("us-sce-tou-d-prime", 3), ("kr-jeju-time-of-use", 4)])
def test_a_day_is_cut_where_any_zone_begins(name: str, parts: int) -> None:
    cut = day_parts(household_tariff(name), date(2026, 3, 8), date(2026, 3, 9))
    assert len(cut) == 2 * parts
    assert all(one.until == next_one.since for one, next_one in pairwise(cut))
    assert all(part.minutes > 0 for part in cut)


async def test_a_reading_that_comes_twice_counts_once(database: Database, store: IntervalStore) -> None:
    since, until = local(SEOUL, 2026, 10, 1), local(SEOUL, 2026, 10, 3)
    async with database.transaction() as connection:
        quarters = await live(connection, store, "h1", since, until)
        await read(connection, store, "h1", quarters[:96])
        account = await account_of(connection, store, "h1", now=until)
    assert account.assessed.metered_mwh == sum(each.house_mwh + each.car_mwh for each in quarters)
    assert sum(each.energy_mwh for each in home_charges(quarters)) == account.assessed.paid_mwh
