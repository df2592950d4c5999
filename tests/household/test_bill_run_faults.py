"""A bill run that is killed, repeated, and paid into: no house is billed twice or not at all, and the book holds."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from tests.household.test_bill_run import HOUSES, assert_holds, bills, run_of, settle
from tests.household.village import (
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    OCTOBER,
    TARIFF,
    YEAR,
    add_meter,
    found,
    hourly,
    measure,
    paid,
)
from wattbook.db.engine import Database
from wattbook.household.bills.billing import period_in_utc
from wattbook.household.bills.corrections import Outcome, Receipt, receive_payments
from wattbook.household.bills.documents import corrected, credit_notes_of_bills
from wattbook.household.bills.periods import period_of_month
from wattbook.household.paid.assessment import assess
from wattbook.household.paid.charges import charges_in_time
from wattbook.household.paid.payments import PaymentInformation, PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.runs.bill_run import Progress
from wattbook.registry.households import Household, add_households
from wattbook.tariffs.schedule import compile_household

EXCHANGES = 90
"""About as many as the driver has in the whole run of this village."""


def run_process(url: str, folder: Path, nth: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.household.bill_run_process", url, str(folder), str(nth), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("seed", range(8))
async def test_a_run_that_is_killed_goes_on_where_it_was(
    seed: int, database: Database, database_url: str, store: IntervalStore, tmp_path: Path
) -> None:
    random = Random(seed)
    kwh = [random.randrange(1_200) for _ in HOUSES]
    await settle(database, store, kwh)
    kills = 0
    # Killed twice, each time at another exchange of what is left to do.
    for nth in (random.randrange(8, EXCHANGES), random.randrange(8, 40)):
        process = await asyncio.to_thread(run_process, database_url, tmp_path / "intervals", nth)
        assert process.returncode in (0, -9), process.stderr
        kills += process.returncode == -9
        async with database.snapshot() as connection:
            billed = await connection.execute(text("SELECT household, count(*) FROM household.bills GROUP BY 1"))
            assert all(number == 1 for _, number in billed), f"seed {seed}, exchange {nth}"
        await assert_holds(database)
    assert kills, f"seed {seed}: the run was over before it was killed"
    report = await run_of(database, store).run()
    assert report.agrees
    issued = await bills(database)
    assert [bill.household for bill in issued] == HOUSES
    assert [bill.metered_mwh for bill in issued] == [used * KWH for used in kwh]
    assert len({bill.run for bill in issued}) == 1
    await assert_holds(database)
    assert (await run_of(database, store).run()).run is None


@pytest.mark.parametrize("seed", range(4))
async def test_paid_into_between_kills_each_house_is_billed_once_for_its_own_period(
    seed: int, database: Database, database_url: str, store: IntervalStore, tmp_path: Path
) -> None:
    """Houses that are read on three days of the month; payments come after each kill, at the end and a year later."""
    random = Random(seed)
    read_on = {house: (1, 15, 20)[number % 3] for number, house in enumerate(HOUSES)}
    await settle_by_reading_day(database, store, read_on)
    numbers = count()

    async def pay(received_at: datetime) -> None:
        """For any houses, charged on any of the days that their periods share."""
        payments = [
            replace(
                paid(
                    house,
                    f"p-{next(numbers)}",
                    random.randrange(1, 60 * KWH),
                    ended_at=MIDNIGHT + random.randrange(20 * 24, 31 * 24) * HOUR,
                ),
                received_at=received_at,
            )
            for house in random.sample(HOUSES, 4)
        ]
        async with database.transaction() as connection:
            receipts = await receive_payments(connection, payments)
        assert {receipt.outcome for receipt in receipts} == {Outcome.COUNTED}

    kills = 0
    for nth in (random.randrange(8, 60), random.randrange(8, 40)):
        process = await asyncio.to_thread(run_process, database_url, tmp_path / "intervals", nth, "by-cycle")
        assert process.returncode in (0, -9), process.stderr
        kills += process.returncode == -9
        await pay(NOW)
        await assert_holds(database)
    assert kills, f"seed {seed}: the run was over before it was killed"
    run = run_of(database, store, period=OCTOBER, by_cycle=True)
    assert (await run.run()).agrees
    await pay(NOW + timedelta(days=365))
    assert (await run.run()).run is None
    for bill in await bills(database):
        assert bill.period == period_of_month("2026-10", read_on[bill.household])
        assert bill.metered_mwh == bill.period.day_count * 24 * KWH
        assert len(set(await owed(database, store, bill.household))) == 1
    assert [bill.household for bill in await bills(database)] == HOUSES
    await assert_holds(database)


async def settle_by_reading_day(database: Database, store: IntervalStore, read_on: dict[str, int]) -> None:
    """Each house uses a kilowatt-hour an hour, from October until now."""
    hours = (NOW - MIDNIGHT) // HOUR
    async with database.transaction() as connection:
        await found(connection)
        houses = [Household(house, "kim", "1 Hill", TARIFF.name, reading_day=day) for house, day in read_on.items()]
        await add_households(connection, houses)
        for house in read_on:
            await add_meter(connection, f"M-{house}", house, YEAR)
        intervals = [each for house in read_on for each in hourly(f"M-{house}", hours * KWH, hours=hours)]
        await measure(connection, store, intervals)


async def owed(database: Database, store: IntervalStore, house: str) -> tuple[int, int]:
    """What the bill less its credit notes says, and what one assessment of everything known says."""
    (bill,) = await bills(database, [house])
    async with database.snapshot() as connection:
        notes = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
        asked = [(house, *period_in_utc(TARIFF, bill.period))]
        (charges,) = await charges_in_time(connection, store, asked, [compile_household(TARIFF, bill.period)])
    return corrected(bill, notes).total, assess(TARIFF, bill.period, bill.metered_mwh, charges).lines.total


@pytest.mark.parametrize("seed", range(3))
async def test_a_payment_during_the_run_is_in_the_bill_or_becomes_a_credit(
    seed: int, database: Database, store: IntervalStore
) -> None:
    """Payments for every house arrive while the run works on them, in their own transactions."""
    random = Random(seed)
    await settle(database, store, [random.randrange(200, 900) for _ in HOUSES])
    payments = [
        paid(house, f"p-{house}-{number}", random.randrange(1, 90 * KWH)) for house in HOUSES for number in range(2)
    ]
    random.shuffle(payments)
    begun = asyncio.Event()
    receipts: list[Receipt] = []

    async def pay(part: list[PaymentInformation]) -> None:
        await begun.wait()
        for payment in part:
            async with database.transaction() as connection:
                receipts.extend(await receive_payments(connection, [payment]))

    def tell(_: Progress) -> None:
        begun.set()

    run = run_of(database, store, chunk_houses=1, progress=tell)
    await asyncio.gather(run.run(), pay(payments[::2]), pay(payments[1::2]))
    assert [receipt.outcome for receipt in receipts] == [Outcome.COUNTED] * len(payments)
    credited = sum(len(receipt.credit_notes) for receipt in receipts)
    assert credited > 0
    for house in HOUSES:
        assert len(set(await owed(database, store, house))) == 1
    async with database.transaction() as connection:
        again = await receive_payments(connection, payments)
        withdrawn = await receive_payments(
            connection, [replace(payment, state=PaymentState.WITHDRAWN) for payment in payments]
        )
    assert {receipt.outcome for receipt in again} == {Outcome.KNOWN}
    assert {receipt.outcome for receipt in withdrawn} == {Outcome.WITHDRAWN}
    for bill in await bills(database):
        assert (await owed(database, store, bill.household))[0] == bill.gross_total
    await assert_holds(database)


async def test_a_payment_that_waits_for_the_chunk_finds_its_bill(database: Database, store: IntervalStore) -> None:
    """The chunk is stopped after it has locked its houses; a payment comes and waits, and becomes a credit note."""
    await settle(database, store, [500] * 12)
    await stop_bills(database)

    async def pay() -> list[Receipt]:
        async with database.transaction() as connection:
            return await receive_payments(connection, [paid(HOUSES[0], "p", 150 * KWH)])

    async with database.transaction() as stopping:
        await stopping.execute(text("SELECT pg_advisory_xact_lock(42)"))
        run = asyncio.create_task(run_of(database, store).run())
        await until_waiting(database, 1)
        payment = asyncio.create_task(pay())
        await until_waiting(database, 2)
        assert not payment.done()
    await run
    (receipt,) = await payment
    (note,) = receipt.credit_notes
    assert note.lines.total == 55_520 * 10_000
    await assert_holds(database)


async def stop_bills(database: Database) -> None:
    """Whoever adds bills waits for lock 42."""
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                CREATE FUNCTION household.wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END'
            """)
        )
        await connection.execute(
            text("""
                CREATE TRIGGER wait_for_the_test BEFORE INSERT ON household.bills
                FOR EACH STATEMENT EXECUTE FUNCTION household.wait_for_the_test()
            """)
        )


async def until_waiting(database: Database, count: int) -> None:
    """Until so many connections of this database wait for a lock."""
    async with asyncio.timeout(30):
        while True:
            async with database.snapshot() as connection:
                waiting = await connection.execute(
                    text("""
                        SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'
                    """)
                )
                if waiting.scalar_one() >= count:
                    return
            await asyncio.sleep(0.01)


async def test_readings_that_come_between_the_sum_and_the_bill_are_in_it(
    database: Database, store: IntervalStore
) -> None:
    """The first chunk is stopped while it posts; readings of a house of the last one come, which was summed already."""
    await settle(database, store, [500] * 12)
    await stop_bills(database)
    later = [each._replace(version=1) for each in hourly(f"M-{HOUSES[-1]}", 321 * KWH)]
    compacted = [each._replace(version=1) for each in hourly(f"M-{HOUSES[-2]}", 123 * KWH)]
    async with database.transaction() as stopping:
        await stopping.execute(text("SELECT pg_advisory_xact_lock(42)"))
        run = asyncio.create_task(run_of(database, store).run())
        await until_waiting(database, 1)
        async with database.transaction() as connection:
            await measure(connection, store, compacted, "compacted")
        for day in (MIDNIGHT.date(), (MIDNIGHT + timedelta(days=1)).date()):
            async with database.transaction() as connection:
                assert await store.compact(connection, day, now=NOW)
        async with database.transaction() as connection:
            await measure(connection, store, later, "later")
    report = await run
    assert (report.all.billed, report.agrees) == (12, True)
    assert [bill.metered_mwh for bill in await bills(database)] == [500 * KWH] * 10 + [123 * KWH, 321 * KWH]
    await assert_holds(database)
