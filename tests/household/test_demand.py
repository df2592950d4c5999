"""Tariffs that charge for the highest power: the same in a single bill, in a run, and after readings that come late."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.test_bill_run import assert_holds, bills, content, run_of
from tests.household.village import GRID, HOUR, KWH, NOW, UTILITY, YEAR, found, measure, paid
from wattbook.db.engine import Database
from wattbook.household.accounts.account import account_of
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, corrected, credit_notes_of_bills
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.paid.assessment import Lines
from wattbook.household.readings.intervals import Interval, IntervalStore
from wattbook.household.readings.reviews import note_changes
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, div_half_up
from wattbook.registry import meters
from wattbook.registry.contracts import ALWAYS, Contract, add_contract
from wattbook.registry.households import Household, add_households
from wattbook.registry.meters import OBIS_IMPORT, Measures, Meter, MeterNetwork, MeterPlace
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.household import Usage, rate_household
from wattbook.tariffs.period import BillingPeriod

DEMAND = household_tariff("de-demand-example")
SINCE = datetime(2026, 9, 30, 22, tzinfo=UTC)
"""When the first of October begins in Berlin."""
DAYS = BillingPeriod(date(2026, 10, 1), date(2026, 10, 2))


async def settle(connection: AsyncConnection, houses: Sequence[str], of_each: int = 1) -> None:
    """Houses under the tariff, with one meter each or more."""
    await found(connection)
    await add_households(connection, [Household(house, "kim", "1 Hill", DEMAND.name) for house in houses])
    names = [(f"M{number}-{house}", house) for house in houses for number in range(of_each)]
    await meters.add_meters(connection, [Meter(name, Measures.HOUSEHOLD) for name, _ in names])
    await meters.assign_meter_networks(connection, [MeterNetwork(name, GRID, YEAR) for name, _ in names])
    await meters.assign_meter_places(connection, [MeterPlace(name, None, house, YEAR) for name, house in names])


def read(random: Random, meter: str, minutes: int = 15, days: int = 2) -> list[Interval]:
    """Some power in every interval, up to 12 kW."""
    step = timedelta(minutes=minutes)
    return [
        Interval(meter, OBIS_IMPORT, SINCE + number * step, minutes, random.randrange(12 * KWH * minutes // 60))
        for number in range(days * 24 * 60 // minutes)
    ]


def highest_w(readings: Sequence[Interval]) -> int:
    """The greatest mean over a quarter of an hour of all of them together, half up to a watt."""
    quarters: dict[datetime, int] = defaultdict(int)
    for each in readings:
        quarters[each.start.replace(minute=each.start.minute // 15 * 15)] += each.energy_mwh
    return div_half_up(max(quarters.values()) * 60, 15 * 1_000)


def owed(readings: Sequence[Interval], paid_mwh: int = 0, days: BillingPeriod = DAYS) -> Lines:
    """By the tariff alone."""
    energy = Energy(sum(each.energy_mwh for each in readings) - paid_mwh)
    return Lines.of(rate_household(DEMAND, Usage((energy,), peak_w=highest_w(readings)), days))


@pytest.mark.parametrize("seed", range(3))
async def test_a_run_finds_the_power_that_the_single_bill_finds(
    seed: int, database: Database, store: IntervalStore
) -> None:
    """Random houses, read every 15 or every 5 minutes, some with two meters, some with charges paid elsewhere."""
    random = Random(seed)
    plain, double = [f"h{number}" for number in range(8)], ["two-0", "two-1"]
    readings: dict[str, list[Interval]] = {}
    charged = {house: random.randrange(1, 30 * KWH) for house in plain[::3]}
    async with database.transaction() as connection:
        await settle(connection, plain)
        await settle(connection, double, of_each=2)
        for house in plain:
            readings[house] = read(random, f"M0-{house}", random.choice((5, 15)))
        for house in double:
            readings[house] = [each for number in range(2) for each in read(random, f"M{number}-{house}")]
        await measure(connection, store, [each for of_house in readings.values() for each in of_house])
        payments = [paid(house, house, mwh, ended_at=SINCE + 9 * HOUR) for house, mwh in charged.items()]
        await receive_payments(connection, payments, store)
        trial = await connection.begin_nested()
        by_itself: list[Bill] = []
        for outcome in await bill_period(connection, store, [*plain, *double], DAYS, UTILITY, now=NOW):
            assert isinstance(outcome, Bill), outcome
            by_itself.append(outcome)
        await trial.rollback()
    report = await run_of(database, store, period=DAYS).run()
    assert (report.all.billed, report.all.refused, report.agrees) == (10, 0, True), f"seed {seed}"
    issued = await bills(database, [*plain, *double])
    assert [content(each) for each in issued] == [content(each) for each in by_itself], f"seed {seed}"
    for each in issued:
        assert each.peak_w == highest_w(readings[each.household]), f"seed {seed}, {each.id}"
        assert each.lines == owed(readings[each.household], charged.get(each.household, 0)), f"seed {seed}, {each.id}"
    await assert_holds(database)


async def test_a_reading_that_comes_late_raises_the_power(database: Database, store: IntervalStore) -> None:
    random = Random(1)
    async with database.transaction() as connection:
        await settle(connection, ["h1"])
        readings = read(random, "M0-h1")
        await measure(connection, store, readings)
        (issued,) = await bill_period(connection, store, ["h1"], DAYS, UTILITY, now=NOW)
        assert isinstance(issued, Bill)
        (receipt,) = await receive_payments(connection, [paid("h1", "p", KWH, ended_at=SINCE + 9 * HOUR)], store)
        (credit,) = receipt.credit_notes
        assert (credit.lines.base, credit.peak_w) == (0, issued.peak_w), "the power is what it was"
        late = readings[40]._replace(energy_mwh=5 * KWH, version=1)
        readings[40] = late
        await measure(connection, store, [late], "late")
        await note_changes(connection, [late], NOW)
        (note,) = await assess_again(connection, store, now=NOW)
        assert note.peak_w == highest_w(readings) == 20_000
        assert corrected(issued, [credit, note]) == owed(readings, KWH)
        (again,) = await receive_payments(connection, [paid("h1", "q", KWH, ended_at=SINCE + 9 * HOUR)], store)
        notes = (await credit_notes_of_bills(connection, [issued.id]))[issued.id]
        assert again.credit_notes == (notes[2],)
        assert corrected(issued, notes) == owed(readings, 2 * KWH), "and what stands is what the next note begins with"
    await assert_holds(database)


async def test_readings_that_are_longer_than_the_demand_interval_do_not_tell_the_power(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await settle(connection, ["h1", "h2"])
        await measure(connection, store, [*read(Random(2), "M0-h1", 60), *read(Random(3), "M0-h2")])
        trial = await connection.begin_nested()
        refused, issued = await bill_period(connection, store, ["h1", "h2"], DAYS, UTILITY, now=NOW)
        assert isinstance(issued, Bill)
        assert isinstance(refused, InvalidInput)
        assert "readings of 60 minutes" in refused.message
        await trial.rollback()
    report = await run_of(database, store, period=DAYS).run()
    assert (report.all.billed, report.all.refused) == (1, 1)
    assert report.refusals[0].reason == refused.message


def _parts(readings: Sequence[Interval]) -> Iterator[list[Interval]]:
    yield [each for each in readings if each.start < SINCE + 24 * HOUR]
    yield [each for each in readings if each.start >= SINCE + 24 * HOUR]


async def test_each_who_lived_there_pays_for_the_power_of_his_days(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await settle(connection, ["h1"])
        readings = read(Random(4), "M0-h1")
        await measure(connection, store, readings)
        await add_contract(connection, Contract("h1", "kim", DEMAND.name, ALWAYS, DAYS.first))
        await add_contract(connection, Contract("h1", "lee", DEMAND.name, DAYS.last))
        issued = await bill_period(connection, store, ["h1"], DAYS, UTILITY, now=NOW)
        for each, part in zip(issued, _parts(readings), strict=True):
            assert isinstance(each, Bill)
            assert each.peak_w == highest_w(part)
        account = await account_of(connection, store, "h1", "2026-10-02", now=SINCE + 47 * HOUR)
        so_far = highest_w([each for each in readings if SINCE + 24 * HOUR <= each.start < SINCE + 47 * HOUR])
        # 3.75 euros a month for a kilowatt, in cents, and 30 of 31 days.
        assert account.assessed.bill.amounts["demand"] == div_half_up(so_far * 375 * 30, 1_000 * 31)
        assert account.forecast is not None
        assert account.forecast.assessed.bill.amounts["demand"] == account.assessed.bill.amounts["demand"]
