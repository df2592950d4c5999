"""Paid energy held against each interval: every way to a bill gives the bill of the house's own load per interval."""

from dataclasses import replace
from random import Random

import pytest

from tests.household.test_bill_run import assert_holds, run_of
from tests.household.village import DAY, HOUR, KWH, MIDNIGHT, NOW, TARIFF, UTILITY, billed, found, measure
from wattbook.db.engine import Database
from wattbook.household.accounts.account import account_of
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import Outcome, receive_payments
from wattbook.household.bills.documents import Bill, bills_of_households, corrected, credit_notes_of_bills
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.paid.assessment import PER_PERIOD, Lines
from wattbook.household.paid.payments import ChargedInterval, PaymentInformation, PaymentState
from wattbook.household.readings.interval_schema import Interval
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.reviews import note_changes
from wattbook.household.work_list import Kind, open_work
from wattbook.kernel.units import Energy
from wattbook.registry.meters import OBIS_IMPORT
from wattbook.tariffs.household import rate_household

HOUSES = ["single", "bulk", "late", "mixed"]


def hours(house: str, energies: list[int], version: int = 0) -> list[Interval]:
    return [
        Interval(f"M-{house}", OBIS_IMPORT, MIDNIGHT + number * HOUR, 60, mwh, version=version)
        for number, mwh in enumerate(energies)
    ]


def charge(house: str, name: str, server: str, first: int, energies: list[int]) -> PaymentInformation:
    """From an hour of the day on, with its own course."""
    start = MIDNIGHT + first * HOUR
    course = [ChargedInterval(start + (number + 1) * HOUR, mwh) for number, mwh in enumerate(energies)]
    return PaymentInformation(
        server=server,
        id=f"{house}-{name}",
        household=house,
        energy_mwh=sum(energies),
        started_at=start,
        ended_at=course[-1].ended_at,
        received_at=NOW,
        intervals=tuple(course),
    )


def charges_of(house: str, random: Random) -> list[PaymentInformation]:
    """Some go beyond what an hour measures, by themselves or together."""
    return [
        charge(
            house,
            f"p{number}",
            f"wallbox-{random.randrange(3)}",
            random.randrange(18),
            [random.randrange(1, 30 * KWH) for _ in range(random.randrange(1, 6))],
        )
        for number in range(8)
    ]


def own_mwh(energies: list[int], payments: list[PaymentInformation]) -> int:
    """Of each hour what no charge took."""
    left = list(energies)
    for payment in payments:
        for part in payment.intervals:
            left[(part.ended_at - MIDNIGHT) // HOUR - 1] -= part.energy_mwh
    return sum(max(mwh, 0) for mwh in left)


async def bill_of(database: Database, house: str) -> tuple[Bill, Lines, int]:
    """The bill, what it comes to after its notes, and the exception that stands."""
    async with database.snapshot() as connection:
        (bill,) = await bills_of_households(connection, [house])
        notes = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
    return bill, corrected(bill, notes), notes[-1].exception_mwh if notes else bill.exception_mwh


@pytest.mark.parametrize("seed", range(5))
async def test_every_path_and_order_gives_the_bill_of_the_own_load(
    seed: int, database: Database, store: IntervalStore
) -> None:
    random = Random(seed)
    energies = [random.randrange(40 * KWH) for _ in range(24)]
    paid = {house: charges_of(house, Random(seed + 100)) for house in HOUSES}
    gone = {house: replace(paid[house][0], state=PaymentState.WITHDRAWN) for house in HOUSES}
    for payments in paid.values():
        random.shuffle(payments)
    async with database.transaction() as connection:
        await found(connection, *HOUSES)
        await measure(connection, store, [each for house in HOUSES for each in hours(house, energies)])
        for house in ("single", "bulk"):
            await receive_payments(connection, [*paid[house], gone[house]])
        await receive_payments(connection, [paid["mixed"][0], paid["mixed"][3]])
        for house in ("single", "late", "mixed"):
            await billed(connection, store, house)
    await run_of(database, store, households=("bulk",)).run()
    async with database.transaction() as connection:
        for payment in [*paid["late"], gone["late"], *paid["late"]]:
            await receive_payments(connection, [payment], store)
        receipts = await receive_payments(connection, [*paid["mixed"][4:], gone["mixed"]])
        assert receipts[0].outcome is Outcome.COUNTED
        assert not any(receipt.credit_notes for receipt in receipts), "it is assessed when readings are tended"
        await receive_payments(connection, [*paid["mixed"][1:4]])
        assert len(await assess_again(connection, store, now=NOW)) == 1
    mine = paid["single"]
    own = own_mwh(energies, [payment for payment in mine if payment.id != gone["single"].id])
    excess = sum(payment.energy_mwh for payment in mine if payment.id != gone["single"].id) - (sum(energies) - own)
    expected = Lines.of(rate_household(TARIFF, Energy(own), DAY))
    assert excess > 0
    for house in HOUSES:
        bill, lines, exception_mwh = await bill_of(database, house)
        assert (lines, exception_mwh) == (expected, -excess), house
        assert bill.basis == "per interval"
        async with database.snapshot() as connection:
            account = await account_of(connection, store, house, "2026-10", now=NOW)
            items = [item for item in await open_work(connection, kind=Kind.EXCEPTION) if item.household == house]
        listed = sum(item.energy_mwh or 0 for item in items)
        assert listed == excess if house in ("single", "bulk") else listed > 0
        assert account.assessed.shares.keys() == {payment.server for payment in mine if payment.id != gone["single"].id}
    await assert_holds(database)


async def test_a_running_period_holds_nothing_against_what_is_not_read_yet(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hours("h1", [5 * KWH] * 6))
        await receive_payments(connection, [charge("h1", "p", "wallbox", 4, [9 * KWH, 2 * KWH, 7 * KWH])])
        account = await account_of(connection, store, "h1", "2026-10", now=NOW)
    assert account.assessed.metered_mwh == 30 * KWH
    assert account.assessed.exception_mwh == -4 * KWH, "the third hour may still be measured"


async def test_readings_that_change_move_energy_to_the_exception_and_back(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hours("h1", [20 * KWH] * 24))
        await receive_payments(connection, [charge("h1", "p", "wallbox", 3, [15 * KWH])])
        await billed(connection, store, "h1")
        for version, mwh in ((1, 10 * KWH), (2, 15 * KWH)):
            changed = hours("h1", [20 * KWH] * 3 + [mwh], version)[3:]
            await measure(connection, store, changed, f"version {version}")
            await note_changes(connection, changed, NOW)
            (note,) = await assess_again(connection, store, now=NOW)
            assert note.exception_mwh == min(mwh - 15 * KWH, 0)
            assert note.household_mwh == 460 * KWH
    await assert_holds(database)


async def test_a_utility_may_hold_all_against_the_period(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1", "h2")
        await measure(connection, store, [each for house in ("h1", "h2") for each in hours(house, [10 * KWH] * 24)])
        await receive_payments(connection, [charge("h1", "p", "wallbox", 3, [25 * KWH])])
        per_period = replace(UTILITY, basis=PER_PERIOD)
        (bill,) = await bill_period(connection, store, ["h1"], DAY, per_period, now=NOW)
        assert isinstance(bill, Bill)
    await run_of(database, store, utility=per_period, households=("h2",)).run()
    async with database.transaction() as connection:
        await receive_payments(connection, [charge("h2", "p", "wallbox", 3, [25 * KWH])])
        await receive_payments(connection, [charge("h1", "p2", "wallbox", 3, [KWH])], store)
    for house, paid_kwh in (("h1", 26), ("h2", 25)):
        found_bill, lines, exception_mwh = await bill_of(database, house)
        assert (found_bill.basis, exception_mwh) == (PER_PERIOD, 0)
        assert lines == Lines.of(rate_household(TARIFF, Energy((240 - paid_kwh) * KWH), DAY))
    await assert_holds(database)
