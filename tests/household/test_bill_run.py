"""The bill run: every house once, with the bill that it would get by itself, whatever happens meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner, Result

from tests.household import village
from tests.household.village import DAY, GRID, HOUR, KWH, MIDNIGHT, NOW, OCTOBER, UTILITY, YEAR, hourly, paid
from wattbook.book.audit import audit
from wattbook.cli import main
from wattbook.db.engine import Database
from wattbook.household import checks
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, bills_of_households
from wattbook.household.readings.intervals import Interval, IntervalStore
from wattbook.household.runs.bill_run import BillRun, Progress
from wattbook.household.runs.bill_run_rows import alone
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry import households, meters
from wattbook.registry.households import Household
from wattbook.registry.meters import Measures, Meter, MeterNetwork, MeterPlace

HOUSES = [f"house-{number:02d}" for number in range(12)]


def run_of(database: Database, store: IntervalStore, **changes: object) -> BillRun:
    plain = BillRun(database, store, UTILITY, DAY, lambda: NOW, chunk_houses=5)
    return replace(plain, **changes)  # type: ignore[arg-type]


async def settle(database: Database, store: IntervalStore, kwh: Sequence[int], houses: Sequence[str] = HOUSES) -> None:
    """A village whose houses used so much on the first of October."""
    async with database.transaction() as connection:
        await village.found(connection, *houses)
        readings = [each for house, used in zip(houses, kwh, strict=True) for each in hourly(f"M-{house}", used * KWH)]
        await village.measure(connection, store, readings)


async def bills(database: Database, houses: Sequence[str] = HOUSES) -> list[Bill]:
    async with database.snapshot() as connection:
        return await bills_of_households(connection, houses)


async def assert_holds(database: Database) -> None:
    async with database.snapshot() as connection:
        proof = await audit(connection, checks.CHECKS)
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]


def content(bill: Bill) -> Bill:
    """Apart from how it came about."""
    return replace(bill, run=None, issued_at=NOW)


async def test_a_run_gives_each_house_the_bill_that_it_would_get_by_itself(
    database: Database, store: IntervalStore
) -> None:
    random = Random(5)
    await settle(database, store, [random.randrange(1_200) for _ in HOUSES])
    payments = [paid(house, f"p-{house}", random.randrange(1, 300 * KWH)) for house in HOUSES[::3]]
    async with database.transaction() as connection:
        await receive_payments(connection, payments)
    alone_billed: list[Bill] = []
    async with database.transaction() as connection:
        trial = await connection.begin_nested()
        for outcome in await bill_period(connection, store, HOUSES, DAY, UTILITY, now=NOW):
            assert isinstance(outcome, Bill)
            alone_billed.append(outcome)
        await trial.rollback()
    told: list[Progress] = []
    report = await run_of(database, store, progress=told.append).run()
    assert [content(bill) for bill in await bills(database)] == [content(bill) for bill in alone_billed]
    assert report.agrees
    assert (report.all.billed, report.all.refused) == (12, 0)
    assert report.all.total == sum(bill.lines.total for bill in alone_billed)
    assert [each.houses_done for each in told] == [5, 10, 12]
    await assert_holds(database)


async def test_a_second_run_of_the_period_does_nothing(database: Database, store: IntervalStore) -> None:
    await settle(database, store, range(12))
    await run_of(database, store).run()
    issued = await bills(database)
    report = await run_of(database, store).run()
    assert (report.run, report.totals) == (None, {})
    assert await bills(database) == issued


async def test_a_dry_run_tells_the_totals_and_writes_nothing(database: Database, store: IntervalStore) -> None:
    await settle(database, store, range(100, 1_300, 100))
    dry = await run_of(database, store).try_out()
    assert await bills(database) == []
    report = await run_of(database, store).run()
    assert dry.all == report.all


async def test_a_house_without_readings_is_refused_and_billed_by_the_next_run(
    database: Database, store: IntervalStore
) -> None:
    await settle(database, store, range(12))
    late = "house-late"
    async with database.transaction() as connection:
        await households.add_households(connection, [Household(late, "kim", "2 Hill", village.TARIFF.name)])
        await village.add_meter(connection, f"M-{late}", late, YEAR)
    first = await run_of(database, store).run()
    assert (first.all.billed, first.all.refused) == (12, 1)
    assert first.refusals[0].household == late
    assert "0 of 1440 minutes" in first.refusals[0].reason
    async with database.transaction() as connection:
        await village.measure(connection, store, hourly(f"M-{late}", 50 * KWH), "late")
    second = await run_of(database, store).run()
    assert (second.all.billed, second.all.refused) == (1, 0)
    await assert_holds(database)


async def test_a_house_that_changed_its_meter_is_looked_at_closely(database: Database, store: IntervalStore) -> None:
    noon = MIDNIGHT + 12 * HOUR
    async with database.transaction() as connection:
        await village.found(connection, *HOUSES[:3])
        await households.add_households(connection, [Household("moved", "kim", "3 Hill", village.TARIFF.name)])
        await village.add_meter(connection, "M-old", "moved", YEAR, noon)
        await village.add_meter(connection, "M-new", "moved", noon)
        readings = [each for house in HOUSES[:3] for each in hourly(f"M-{house}", 100 * KWH)]
        readings += hourly("M-old", 30 * KWH, hours=12) + hourly("M-new", 40 * KWH, start=noon, hours=12)
        await village.measure(connection, store, readings)
    report = await run_of(database, store).run()
    assert (report.all.billed, report.agrees) == (4, True)
    (moved,) = await bills(database, ["moved"])
    assert (moved.metered_mwh, moved.run) == (70 * KWH, report.run)
    await assert_holds(database)


async def test_only_the_houses_that_are_named_are_billed(database: Database, store: IntervalStore) -> None:
    await settle(database, store, range(12))
    report = await run_of(database, store, households=("house-03", "house-07")).run()
    assert report.all.billed == 2
    assert {bill.household for bill in await bills(database)} == {"house-03", "house-07"}
    rest = await run_of(database, store).run()
    assert rest.all.billed == 10
    with pytest.raises(NotFound, match="house-x"):
        await run_of(database, store, households=("house-x",)).run()


async def test_two_runs_do_not_go_on_at_once(database: Database, store: IntervalStore) -> None:
    await settle(database, store, range(12))
    async with alone(database):
        with pytest.raises(Conflict, match="another bill run"):
            await run_of(database, store).run()
    assert (await run_of(database, store).run()).all.billed == 12


async def test_a_period_that_is_not_over_is_not_billed(database: Database, store: IntervalStore) -> None:
    await settle(database, store, range(12))
    with pytest.raises(InvalidInput, match="not over"):
        await run_of(database, store, clock=lambda: MIDNIGHT + 2 * HOUR).run()
    assert await bills(database) == []


async def found_jeju(connection: AsyncConnection, houses: Sequence[str], contract_w: int | None = 3_000) -> None:
    await village.found(connection)
    await households.add_households(
        connection,
        [Household(house, "kim", "9 Shore", "kr-jeju-time-of-use", contract_w=contract_w) for house in houses],
    )
    await meters.add_meters(connection, [Meter(f"M-{house}", Measures.HOUSEHOLD) for house in houses])
    await meters.assign_meter_networks(connection, [MeterNetwork(f"M-{house}", GRID, YEAR) for house in houses])
    await meters.assign_meter_places(connection, [MeterPlace(f"M-{house}", None, house, YEAR) for house in houses])


async def test_houses_with_zones_of_the_day_are_billed_by_them(database: Database, store: IntervalStore) -> None:
    """One kWh in the hour from midnight, two in the next and so on; the car charged 5 kWh until 5 in the morning."""
    houses = ["shore-1", "shore-2"]
    async with database.transaction() as connection:
        await found_jeju(connection, houses)
        readings = [
            Interval(f"M-{house}", meters.OBIS_IMPORT, MIDNIGHT + hour * HOUR, 60, (hour + 1) * KWH)
            for house in houses
            for hour in range(24)
        ]
        await village.measure(connection, store, readings)
        await receive_payments(connection, [paid("shore-2", "p", 5 * KWH)])
    report = await run_of(database, store).run()
    assert report.all.billed == 2
    one, other = await bills(database, houses)
    off, mid, peak = sum(range(1, 9)) + 23 + 24, sum(range(9, 17)), sum(range(17, 23))
    assert one.slots_mwh == other.slots_mwh == (off * KWH, mid * KWH, peak * KWH)
    won = 10_000
    assert one.lines.energy == int(off * 125.8 + mid * 153.8 + peak * 172.4) * won
    assert other.lines.energy == int((off - 5) * 125.8 + mid * 153.8 + peak * 172.4) * won
    assert one.lines.base == 3 * 4_310 * won
    assert (other.household_mwh, other.paid_mwh) == (one.household_mwh - 5 * KWH, 5 * KWH)
    async with database.transaction() as connection:
        (receipt,) = await receive_payments(
            connection, [paid("shore-1", "late", 4 * KWH, ended_at=MIDNIGHT + 17 * HOUR)]
        )
    (note,) = receipt.credit_notes
    assert note.lines.energy == (one.lines.energy // won - int(off * 125.8 + mid * 153.8 + (peak - 4) * 172.4)) * won
    await assert_holds(database)


async def test_a_house_without_the_power_that_its_tariff_needs_is_refused(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found_jeju(connection, ["shore-1"], contract_w=None)
        await village.measure(connection, store, hourly("M-shore-1", 24 * KWH))
    report = await run_of(database, store).run()
    assert report.all.refused == 1
    assert "contracted power" in report.refusals[0].reason


async def test_a_house_of_an_unknown_tariff_holds_up_nobody(database: Database, store: IntervalStore) -> None:
    await settle(database, store, [100] * 12)
    async with database.transaction() as connection:
        await households.add_households(connection, [Household("odd", "kim", "7 Hill", "moonlight")])
        await village.add_meter(connection, "M-odd", "odd", YEAR)
    report = await run_of(database, store).run()
    assert (report.all.billed, report.all.refused, report.agrees) == (12, 1, True)
    assert "unknown household tariff" in report.refusals[0].reason
    assert (await run_of(database, store).try_out()).all.refused == 1
    await assert_holds(database)


async def test_a_payment_a_year_later_becomes_a_credit(database: Database, store: IntervalStore) -> None:
    await settle(database, store, [500] * 12)
    await run_of(database, store).run()
    a_year_later = NOW + timedelta(days=365)
    async with database.transaction() as connection:
        late = replace(paid(HOUSES[4], "late", 150 * KWH), received_at=a_year_later)
        (receipt,) = await receive_payments(connection, [late])
    (note,) = receipt.credit_notes
    assert note.lines.total == 55_520 * 10_000
    assert (await run_of(database, store, clock=lambda: a_year_later).run()).run is None
    await assert_holds(database)


async def test_october_is_billed_in_its_own_time_zone(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await village.found(connection, HOUSES[0])
        await village.measure(connection, store, hourly(f"M-{HOUSES[0]}", 350 * KWH, hours=31 * 24))
    report = await run_of(database, store, period=OCTOBER).run()
    assert report.all.total == 70_640 * 10_000


async def test_the_command_bills_the_village_and_then_has_nothing_to_do(
    database: Database, database_url: str, store: IntervalStore, tmp_path: Path
) -> None:
    await settle(database, store, [350] * 12)
    environment = {
        "WATTBOOK_DATABASE_URL": database_url,
        "WATTBOOK_DATA": str(tmp_path),
        "WATTBOOK_PARTY_ID": "KPW",
        "COLUMNS": "200",
    }

    async def command(*words: str) -> Result:
        arguments = ["bill-run", "--period", "2026-10-01..2026-10-01", *words]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)

    dry = await command("--dry-run")
    assert dry.exit_code == 0, dry.output
    assert await bills(database) == []
    first = await command()
    assert first.exit_code == 0, first.output
    assert "847,680 KRW" in first.stdout  # 12 × 70,640
    assert "4200 kWh" in first.stdout
    assert len(await bills(database)) == 12
    again = await command()
    assert (again.exit_code, "nothing to do" in again.stdout) == (0, True)
    unknown = await command("--households", "house-x")
    assert (unknown.exit_code, "house-x is not registered" in unknown.stderr) == (2, True)
