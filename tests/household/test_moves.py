"""People who move and tariffs that change on a day: each part of a month to who lived there, by what held there."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from random import Random
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.test_bill_run import assert_holds, bills, content, run_of
from tests.household.village import (
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    OCTOBER,
    TARIFF,
    UTILITY,
    add_meter,
    bill,
    found,
    hourly,
    measure,
    paid,
)
from wattbook.billing.houses import documents_of_house
from wattbook.billing.parties import Issuer
from wattbook.billing.registers import put_issuer
from wattbook.book.accounts import Account
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.household.accounts.account import account_of
from wattbook.household.accounts.tending import check_houses
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, corrected, credit_notes_of_bills
from wattbook.household.bills.dues import Due, dues
from wattbook.household.bills.moves import move_in, move_out
from wattbook.household.paid.assessment import Lines
from wattbook.household.readings.intervals import Interval, IntervalStore
from wattbook.household.work_list import Kind, open_work
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from wattbook.kernel.units import Energy
from wattbook.registry.contracts import ALWAYS, Contract, add_contract, contracts_of_households
from wattbook.registry.households import Household, add_households
from wattbook.registry.meters import OBIS_IMPORT, end_meter_places
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import slot_at
from wattbook.tariffs.household import Usage, rate_household
from wattbook.tariffs.period import BillingPeriod

SEOUL = ZoneInfo("Asia/Seoul")
JEJU = "kr-jeju-time-of-use"
HIGH = "kr-residential-high-voltage"
WON = 10_000


def october(day: int) -> date:
    return date(2026, 10, day)


def rated(due: Due, readings: Sequence[Interval], paid_mwh: int = 0) -> Lines:
    """The bill of a part of October of a house, computed from its readings by the tariff alone."""
    schedule, energies = due.schedule, [0] * len(due.schedule.slots)
    for each in readings:
        if due.period.first <= each.start.astimezone(SEOUL).date() <= due.period.last:
            energies[slot_at(schedule, each.start)] += each.energy_mwh
    energies[0] -= paid_mwh
    month_days = None if due.period == OCTOBER else 31
    usage = Usage(tuple(map(Energy, energies)), due.contract_w)
    return Lines.of(rate_household(household_tariff(due.tariff), usage, due.period, month_days=month_days))


async def billed(connection: AsyncConnection, store: IntervalStore, house: str) -> list[Bill]:
    issued = []
    for outcome in await bill_period(connection, store, [house], OCTOBER, UTILITY, now=NOW):
        assert isinstance(outcome, Bill), outcome
        issued.append(outcome)
    return issued


async def test_who_moves_out_gets_his_last_bill_and_who_moves_in_her_first(
    database: Database, store: IntervalStore
) -> None:
    """A kilowatt-hour an hour: 15 days of 24 kWh in tiers of 200 × 15/31 kWh, then 16 days."""
    readings = hourly("M-h1", 31 * 24 * KWH, hours=31 * 24)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, readings)
        ended = await move_out(connection, "h1", october(15))
        assert (ended.customer, ended.first_day) == ("kim", ALWAYS)
        await move_in(connection, Contract("h1", "lee", TARIFF.name, october(16)))
        last, first = await billed(connection, store, "h1")
        assert [(each.customer, each.period, each.cycle) for each in (last, first)] == [
            ("kim", BillingPeriod(october(1), october(15)), OCTOBER),
            ("lee", BillingPeriod(october(16), october(31)), OCTOBER),
        ]
        assert [each.household_mwh for each in (last, first)] == [360 * KWH, 384 * KWH]
        part = rate_household(TARIFF, Energy(360 * KWH), last.period, month_days=31)
        assert last.lines == Lines.of(part)
        assert last.lines.base == 7_300 * 15 // 31 * WON, "a share of the month's base charge"
        # 200 × 15/31 kWh at 120, as many at 214.6, the rest at 307.3
        assert last.lines.energy == int((120 + 214.6) * 200 * 15 / 31 + (360 - 400 * 15 / 31) * 307.3) * WON
        owed = await balances(connection, [Account(who, "receivable", "KRW") for who in ("kim", "lee", "h1")])
        assert [each.posted for each in owed.values()] == [last.lines.total, first.lines.total, 0]
        assert await billed(connection, store, "h1") == [last, first], "billed once"
        (receipt,) = await receive_payments(
            connection, [paid("h1", "late", 60 * KWH, ended_at=MIDNIGHT + timedelta(days=2))]
        )
        (note,) = receipt.credit_notes
        assert note.bill == last.id, "the credit is his in whose time the car was charged"
        rest = rate_household(TARIFF, Energy(300 * KWH), last.period, month_days=31)
        assert corrected(last, [note]) == Lines.of(rest)
        owed = await balances(connection, [Account(who, "receivable", "KRW") for who in ("kim", "lee")])
        assert [each.posted for each in owed.values()] == [Lines.of(rest).total, first.lines.total]
    await assert_holds(database)


async def test_each_document_names_who_lived_there(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await put_issuer(
            connection, Issuer(id=UTILITY.party, name="마을전력", country="KR", prefix="VP", tax_number="1")
        )
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
        await move_out(connection, "h1", october(10))
        await move_in(connection, Contract("h1", "lee", TARIFF.name, october(11)))
        issued = await billed(connection, store, "h1")
        documents = await documents_of_house(connection, "h1", zone=SEOUL, now=NOW)
        assert [(each.recipient.name, each.language, each.first_day, each.total) for each in documents] == [
            ("Kim", "ko", october(1), issued[0].lines.total),
            ("Lee", "ko", october(11), issued[1].lines.total),
        ]
        old = await account_of(connection, store, "h1", "2026-10-03", now=NOW)
        new = await account_of(connection, store, "h1", "2026-10", now=NOW)
        for account, whose in ((old, issued[0]), (new, issued[1])):
            assert account.household.customer == whose.customer
            assert (account.period, account.assessed.lines) == (whose.period, whose.lines)
            assert [each.bill for each in account.bills] == [whose], "nobody sees the bills of others"


async def test_a_house_that_changes_its_tariff_is_billed_by_both(database: Database, store: IntervalStore) -> None:
    readings = hourly("M-h1", 500 * KWH, hours=31 * 24)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, readings)
        contracts = await move_in(connection, Contract("h1", "kim", JEJU, october(21), contract_w=3_000))
        assert [(each.customer, each.tariff, each.last_day) for each in contracts] == [
            ("kim", TARIFF.name, october(20)),
            ("kim", JEJU, None),
        ]
        asked = [each for each in await dues(connection, ["h1"], OCTOBER) if isinstance(each, Due)]
        issued = await billed(connection, store, "h1")
        assert [each.tariff for each in issued] == [TARIFF.name, JEJU]
        assert [each.lines for each in issued] == [rated(due, readings) for due in asked]
        assert issued[1].lines.base == int(3 * 4_310 * 11 / 31) * WON
        assert sum(each.metered_mwh for each in issued) == 500 * KWH
    await assert_holds(database)


async def test_days_on_which_nobody_lives_there_are_nobodys_and_are_looked_at(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1", "h2")
        for house in ("h1", "h2"):
            await measure(connection, store, hourly(f"M-{house}", 31 * 24 * KWH, hours=31 * 24), house)
        await move_out(connection, "h1", october(9))
        await move_out(connection, "h2", date(2026, 9, 30))
        await move_in(connection, Contract("h1", "lee", TARIFF.name, october(20)))
        issued = await billed(connection, store, "h1")
        assert [each.metered_mwh for each in issued] == [9 * 24 * KWH, 12 * 24 * KWH]
        vacant = await bill(connection, store, "h2", OCTOBER)
        assert isinstance(vacant, Refused)
        assert vacant.details["reason"] == "vacant"
        # The week from Monday the 12th to Sunday the 18th.
        await check_houses(connection, store, now=datetime(2026, 10, 20, 3, tzinfo=SEOUL))
        found_items = [each for each in await open_work(connection) if each.kind == Kind.USE_ON_INACTIVE]
        assert {(each.household, each.energy_mwh) for each in found_items} == {
            ("h1", 7 * 24 * KWH),
            ("h2", 7 * 24 * KWH),
        }
    report = await run_of(database, store, period=OCTOBER).run()
    assert report.run is None, "there is nothing left to bill"
    await assert_holds(database)


@pytest.mark.parametrize("seed", range(4))
async def test_a_run_bills_every_part_as_the_single_bill_does(
    seed: int, database: Database, store: IntervalStore
) -> None:
    """Random houses whose people move and whose tariffs change on random days, with payments in random parts."""
    random = Random(seed)
    houses = [f"h{number}" for number in range(8)]
    readings: dict[str, list[Interval]] = {}
    async with database.transaction() as connection:
        await found(connection, *houses)
        for house in houses:
            readings[house] = [
                Interval(f"M-{house}", OBIS_IMPORT, MIDNIGHT + hour * HOUR, 60, random.randrange(2 * KWH))
                for hour in range(31 * 24)
            ]
            await measure(connection, store, readings[house], house)
            for contract in _contracts(random, house):
                await add_contract(connection, contract)
        payments = [
            paid(
                house, f"p{number}", random.randrange(1, 40 * KWH), ended_at=MIDNIGHT + random.randrange(3, 740) * HOUR
            )
            for house in houses[::2]
            for number in range(3)
        ]
        await receive_payments(connection, payments[: len(payments) // 2])
        trial = await connection.begin_nested()
        by_itself: list[Bill] = []
        for outcome in await bill_period(connection, store, houses, OCTOBER, UTILITY, now=NOW):
            assert isinstance(outcome, Bill), outcome
            by_itself.append(outcome)
        asked = [each for each in await dues(connection, houses, OCTOBER) if isinstance(each, Due)]
        await trial.rollback()
    report = await run_of(database, store, period=OCTOBER, chunk_houses=3).run()
    assert (report.agrees, report.all.refused, report.all.billed) == (True, 0, len(asked)), f"seed {seed}"
    issued = await bills(database, houses)
    assert [content(each) for each in issued] == [content(each) for each in by_itself], f"seed {seed}"
    for due, each in zip(sorted(asked, key=lambda one: (one.household, one.period.first)), issued, strict=True):
        assert (due.period, due.customer) == (each.period, each.customer)
        if not each.paid_mwh:
            assert each.lines == rated(due, readings[due.household]), f"seed {seed}, {each.id}"
    for house, of_house in groupby(issued, key=lambda each: each.household):
        assert sum(each.metered_mwh for each in of_house) == sum(one.energy_mwh for one in readings[house])
    async with database.transaction() as connection:
        await receive_payments(connection, payments)
        notes = await credit_notes_of_bills(connection, [each.id for each in issued])
    owed = {each.id: corrected(each, notes[each.id]).total for each in issued}
    async with database.snapshot() as connection:
        accounts = [Account(who, "receivable", "KRW") for who in ("kim", "lee", *houses)]
        posted = await balances(connection, accounts)
    for account in accounts:
        expected = sum(owed[each.id] for each in issued if each.debtor == account.owner)
        assert posted[account].posted == expected, f"seed {seed}, {account.owner}"
    assert (await run_of(database, store, period=OCTOBER).run()).run is None
    await assert_holds(database)


def _contracts(random: Random, house: str) -> list[Contract]:
    """None, or one to four that follow each other through October."""
    count = random.randrange(5)
    starts = [ALWAYS, *sorted(october(day) for day in random.sample(range(2, 32), max(count - 1, 0)))][:count]
    ends: list[date | None] = [start - timedelta(days=1) for start in starts[1:]]
    return [
        Contract(
            house,
            random.choice(("kim", "lee")),
            random.choice((TARIFF.name, HIGH, JEJU)),
            start,
            end,
            random.choice((3_000, 5_000)),
        )
        for start, end in zip(starts, [*ends, None], strict=False)
    ]


async def test_a_run_takes_up_the_part_of_a_house_that_was_refused(database: Database, store: IntervalStore) -> None:
    """The meter was changed as people moved, and the new one is told of late."""
    moved_at = MIDNIGHT + timedelta(days=15)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await move_out(connection, "h1", october(15))
        await move_in(connection, Contract("h1", "lee", TARIFF.name, october(16)))
        await measure(connection, store, hourly("M-h1", 15 * 24 * KWH, hours=15 * 24))
        await end_meter_places(connection, [("M-h1", moved_at)])
    first = await run_of(database, store, period=OCTOBER).run()
    assert (first.all.billed, first.all.refused) == (1, 1)
    assert "no meter" in first.refusals[0].reason
    async with database.transaction() as connection:
        await add_meter(connection, "M-new", "h1", moved_at)
        await measure(connection, store, hourly("M-new", 16 * 24 * KWH, start=moved_at, hours=16 * 24), "new")
    second = await run_of(database, store, period=OCTOBER).run()
    assert (second.all.billed, second.all.known, second.all.refused, second.agrees) == (1, 1, 0, True)
    assert [each.customer for each in await bills(database, ["h1"])] == ["kim", "lee"]
    await assert_holds(database)


async def test_what_is_billed_stays_as_it_was_billed(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
        await billed(connection, store, "h1")
        with pytest.raises(Conflict, match="is billed for 2026-10-01"):
            await move_out(connection, "h1", october(15))
        with pytest.raises(Conflict, match="stays as it was"):
            await move_in(connection, Contract("h1", "lee", TARIFF.name, october(31)))
        await move_out(connection, "h1", october(31))
        assert await contracts_of_households(connection, ["h1"]) != {}


async def test_a_day_belongs_to_one_contract(database: Database) -> None:
    lee = Contract("h1", "lee", TARIFF.name, october(16))
    async with database.transaction() as connection:
        await found(connection, "h1")
        with pytest.raises(NotFound, match="customer 'nobody'"):
            await move_in(connection, Contract("h1", "nobody", TARIFF.name, october(16)))
        with pytest.raises(NotFound, match="moonlight"):
            await move_in(connection, Contract("h1", "lee", "moonlight", october(16)))
        with pytest.raises(NotFound, match="h9"):
            await move_in(connection, Contract("h9", "lee", TARIFF.name, october(16)))
        with pytest.raises(InvalidInput, match="cannot end on"):
            await move_in(connection, replace(lee, last_day=october(15)))
        await move_in(connection, lee)
        assert await move_in(connection, lee) == await move_in(connection, lee), "the same again changes nothing"
        with pytest.raises(Conflict, match="end that first"):
            await move_in(connection, Contract("h1", "kim", TARIFF.name, october(20)))
        assert (await move_out(connection, "h1", october(19))).customer == "lee"
        with pytest.raises(Conflict, match="ends on 2026-10-19 already"):
            await move_out(connection, "h1", october(18))
        with pytest.raises(NotFound, match="no contract on 2026-10-25"):
            await move_out(connection, "h1", october(25))
        await move_in(connection, Contract("h1", "kim", TARIFF.name, october(20)))


async def test_the_first_contract_of_a_house_that_nothing_measured_before_stands_alone(database: Database) -> None:
    async with database.transaction() as connection:
        await found(connection)
        await add_households(connection, [Household("new", "kim", "9 Hill", TARIFF.name)])
        assert len(await move_in(connection, Contract("new", "lee", TARIFF.name, october(16)))) == 1
