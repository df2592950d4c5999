"""A bill says what of it is an estimate, and readings that come later correct it, whatever else arrives."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.village import (
    DAY,
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    TARIFF,
    UTILITY,
    YEAR,
    add_meter,
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
from wattbook.household.bills import documents
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, CreditNote
from wattbook.household.bills.notices import notices_of_house
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.checks import CHECKS
from wattbook.household.paid.assessment import Charge, assess
from wattbook.household.paid.payments import PaymentState
from wattbook.household.readings import vee
from wattbook.household.readings.intake.admission import take_in
from wattbook.household.readings.intake.items import IMPORT, IntervalReading, RegisterReading
from wattbook.household.readings.intervals import Interval, IntervalStore, MeterSpan
from wattbook.household.work_list import Kind, close_item, open_work
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry.meters import OBIS_IMPORT

SPAN = MeterSpan("M-h1", OBIS_IMPORT, MIDNIGHT, MIDNIGHT + 24 * HOUR)


def week(total_mwh: int) -> list[Interval]:
    """The seven days before the first of October, and the day after it."""
    days = [*range(-7, 0), 1]
    return [each for day in days for each in hourly("M-h1", total_mwh, start=MIDNIGHT + day * 24 * HOUR)]


def reading(hour: int, mwh: int) -> IntervalReading:
    return IntervalReading(hour + 1, "M-h1", IMPORT, MIDNIGHT + hour * HOUR, 60, mwh)


async def again(connection: AsyncConnection, store: IntervalStore, *, later: int = 1) -> list[CreditNote]:
    return await assess_again(connection, store, now=NOW + timedelta(hours=later))


async def test_missing_readings_are_estimated_named_and_corrected_when_they_come(
    database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        true = hourly("M-h1", 480 * KWH)
        missing = [each for each in true if 6 <= (each.start - MIDNIGHT) // HOUR < 12]
        await measure(connection, store, [*week(240 * KWH), *(each for each in true if each not in missing)])
        bill = await billed(connection, store, "h1")
        assert (bill.metered_mwh, bill.estimated_mwh, bill.stage) == (420 * KWH, 60 * KWH, "provisional")
        (estimate,) = (await documents.estimates_of_bills(connection, [bill.id]))[bill.id]
        assert (estimate.since, estimate.until) == (MIDNIGHT + 6 * HOUR, MIDNIGHT + 12 * HOUR)
        assert (estimate.energy_mwh, estimate.method) == (60 * KWH, "like-days")
        (item,) = await open_work(connection, kind=Kind.ESTIMATED)
        assert (item.meter, item.since, item.energy_mwh) == ("M-h1", estimate.since, 60 * KWH)
        assert (await audit(connection, CHECKS)).holds

        late = [reading(number, 20 * KWH) for number in range(6, 12)]
        report = await take_in(connection, store, "late", late, now=NOW)
        assert (report.changed, report.bills) == (6, 1)
        (note,) = await again(connection, store)
        assert (note.reason, note.metered_mwh, note.estimated_mwh) == ("readings", 480 * KWH, 0)
        owed = documents.corrected(bill, [note])
        assert owed == assess(TARIFF, DAY, 480 * KWH, []).lines
        assert note.total.amount == bill.lines.total - owed.total < 0
        meter, house = Account("M-h1", "meter", ENERGY), Account("h1", "consumption", ENERGY)
        found_balances = await balances(connection, [meter, house])
        assert (found_balances[meter].posted, found_balances[house].posted) == (0, 480 * KWH)
        assert await again(connection, store) == [], "once is enough"
        history = await store.versions(connection, SPAN._replace(since=estimate.since, until=estimate.since + HOUR))
        assert [(each.energy_mwh, each.quality) for each in history] == [(10 * KWH, "estimated"), (20 * KWH, "valid")]
        assert (await audit(connection, CHECKS)).holds


async def test_a_provisional_bill_becomes_final_by_a_note_that_says_so(
    database: Database, store: IntervalStore
) -> None:
    """Half of what was missing comes, then the other half, which is what was estimated; at last one is doubted."""
    async with database.transaction() as connection:
        await found(connection, "h1")
        true = hourly("M-h1", 240 * KWH)
        missing = [each for each in true if 6 <= (each.start - MIDNIGHT) // HOUR < 12]
        await measure(connection, store, [*week(240 * KWH), *(each for each in true if each not in missing)])
        bill = await billed(connection, store, "h1")
        assert (bill.stage, bill.estimated_mwh) == ("provisional", 60 * KWH)
        await take_in(connection, store, "half", [reading(hour, 15 * KWH) for hour in range(6, 9)], now=NOW)
        (half,) = await again(connection, store)
        assert (half.becomes, half.estimated_mwh, half.metered_mwh) == (None, 30 * KWH, 255 * KWH)
        await take_in(connection, store, "rest", [reading(hour, 10 * KWH) for hour in range(9, 12)], now=NOW)
        (final,) = await again(connection, store, later=2)
        assert (final.becomes, final.estimated_mwh, final.lines.total) == ("final", 0, 0), "nothing but the stage"
        assert documents.corrected(bill, [half, final]) == assess(TARIFF, DAY, 255 * KWH, []).lines
        assert documents.standing(bill, [half, final]).stage == "final"
        assert await again(connection, store, later=3) == [], "once is enough"
        told = [notice.words for notice in await notices_of_house(connection, "h1")]
        assert any("is final: readings came" in words for words in told), told
        doubted = reading(9, 11 * KWH)._replace(quality="estimated", method="by its sender")
        await take_in(connection, store, "doubt", [doubted], now=NOW)
        (back,) = await again(connection, store, later=4)
        assert (back.becomes, back.estimated_mwh) == ("provisional", 11 * KWH)
        stored = (await documents.credit_notes_of_bills(connection, [bill.id]))[bill.id]
        assert stored == [half, final, back]
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof


async def test_an_estimate_is_scaled_to_the_register(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, [*week(240 * KWH), *hourly("M-h1", 160 * KWH, hours=16)])
        shown = [
            RegisterReading(1, "M-h1", IMPORT, MIDNIGHT, 1_000 * KWH),
            RegisterReading(2, "M-h1", IMPORT, MIDNIGHT + 24 * HOUR, 1_240 * KWH),
        ]
        await take_in(connection, store, "registers", shown, now=NOW)
        bill = await billed(connection, store, "h1")
        assert (bill.metered_mwh, bill.estimated_mwh) == (240 * KWH, 80 * KWH)
        (estimate,) = (await documents.estimates_of_bills(connection, [bill.id]))[bill.id]
        assert estimate.method == "like-days scaled"


async def test_readings_and_payments_in_any_order_end_in_one_bill(database: Database, store: IntervalStore) -> None:
    """Late readings that raise and lower the energy, late payments and a withdrawal, shuffled."""
    async with database.transaction() as connection:
        for number in range(3):
            house, chance = f"r{number}", random.Random(number)
            await found(connection, house)
            meter = f"M-{house}"
            await add_meter(connection, f"{meter}-barn", house, YEAR)
            await measure(
                connection, store, [*hourly(meter, 480 * KWH), *hourly(f"{meter}-barn", 24 * KWH)], f"true {house}"
            )
            bill = await billed(connection, store, house)
            charges = [(f"{house}-p{each}", chance.randrange(1, 90) * KWH) for each in range(4)]
            values = [chance.randrange(0, 40) * KWH for _ in range(24)]
            steps: list[tuple[str, int]] = [("pay", each) for each in range(4)] + [("read", each) for each in range(4)]
            steps.append(("withdraw", 2))
            chance.shuffle(steps)
            for moment, (step, which) in enumerate(steps):
                if step == "read":
                    hours = range(which * 6, which * 6 + 6)
                    items = [reading(hour, values[hour])._replace(meter=meter) for hour in hours]
                    await take_in(connection, store, f"{house} {which}", items, now=NOW)
                    await again(connection, store, later=moment)
                else:
                    state = PaymentState.PAID if step == "pay" else PaymentState.WITHDRAWN
                    name, mwh = charges[which]
                    await receive_payments(connection, [paid(house, name, mwh, state=state)])
            notes = (await documents.credit_notes_of_bills(connection, [bill.id]))[bill.id]
            known = [
                Charge(MIDNIGHT + 5 * HOUR, "wallbox.example", name, mwh)
                for place, (name, mwh) in enumerate(charges)
                if place != 2
            ]
            expected = assess(TARIFF, DAY, sum(values) + 24 * KWH, known)
            assert documents.corrected(bill, notes) == expected.lines, number
            assert notes[-1].household_mwh == expected.household_mwh
            assert {note.reason for note in notes} == {"payments", "readings"}
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof


@pytest.mark.parametrize(("policy", "owed_won"), [("pro-rata", 88_312), ("stand-alone", 102_490)])
async def test_a_utility_may_credit_by_another_policy_whatever_arrives_when(
    database: Database, store: IntervalStore, policy: str, owed_won: int
) -> None:
    """Of 500 kWh 150 were paid elsewhere: 126,160 won less 37,848, or less 23,670."""
    utility = replace(UTILITY, policy=policy)
    async with database.transaction() as connection:
        await found(connection, "early", "late")
        for house in ("early", "late"):
            await measure(connection, store, hourly(f"M-{house}", 500 * KWH), house)
        await receive_payments(connection, [paid("early", "e1", 150 * KWH)])
        (early, late) = await bill_period(connection, store, ["early", "late"], DAY, utility, now=NOW)
        assert isinstance(early, Bill)
        assert isinstance(late, Bill)
        for number in range(3):
            await receive_payments(connection, [paid("late", f"l{number}", 50 * KWH)])
        notes = (await documents.credit_notes_of_bills(connection, [late.id]))[late.id]
        assert [note.policy for note in notes] == [policy] * 3
        assert early.lines.total == owed_won * 10_000
        assert documents.corrected(late, notes) == early.lines
        assert (await audit(connection, CHECKS)).holds


async def test_a_person_edits_with_a_reason_and_the_bill_follows(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 480 * KWH))
        bill = await billed(connection, store, "h1")
        two = SPAN._replace(until=MIDNIGHT + 2 * HOUR)
        for wrong in ({"by": ""}, {"reason": " "}):
            with pytest.raises(InvalidInput):
                await vee.edit(connection, store, two, [0, 0], now=NOW, **({"by": "kim", "reason": "outage"} | wrong))
        with pytest.raises(InvalidInput, match="3 values for 2"):
            await vee.edit(connection, store, two, [0, 0, 0], by="kim", reason="outage", now=NOW)
        with pytest.raises(NotFound):
            await vee.edit(connection, store, two._replace(register="2"), [0], by="kim", reason="x", now=NOW)
        await vee.edit(connection, store, two, [KWH, 0], by="kim", reason="outage", now=NOW)
        (note,) = await again(connection, store)
        assert note.metered_mwh == 441 * KWH
        assert note.total.amount > 0
        edited = await store.intervals(connection, two)
        assert [(each.quality, each.method, each.version) for each in edited] == [("edited", "edited by kim", 1)] * 2
        assert [vee.espi_quality(each) for each in edited] == [7, 7]
        assert documents.corrected(bill, [note]) == assess(TARIFF, DAY, 441 * KWH, []).lines
        assert (await audit(connection, CHECKS)).holds


async def test_checks_fill_the_work_list_which_people_close(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        peak = [each._replace(energy_mwh=90 * KWH) if number == 4 else each for number, each in enumerate(
            hourly("M-h1", 240 * KWH))]  # fmt: skip
        await measure(connection, store, [*week(240 * KWH), *peak])
        shown = [
            RegisterReading(1, "M-h1", IMPORT, MIDNIGHT, 1_000 * KWH),
            RegisterReading(2, "M-h1", IMPORT, MIDNIGHT + 24 * HOUR, 1_240 * KWH),
        ]
        await take_in(connection, store, "registers", shown, now=NOW)
        findings = await vee.check(connection, store, [SPAN], TARIFF.time_zone, now=NOW)
        assert sorted(finding.kind for finding in findings) == [Kind.SPIKE, Kind.SUM_CHECK]
        await vee.check(connection, store, [SPAN], TARIFF.time_zone, now=NOW)
        spike, off = sorted(await open_work(connection), key=lambda item: item.kind)
        assert (spike.energy_mwh, off.energy_mwh) == (90 * KWH, 80 * KWH)
        await close_item(connection, off.id, by="kim", resolution="party that night", now=NOW)
        with pytest.raises(Conflict):
            await close_item(connection, off.id, by="kim", resolution="again", now=NOW)
        with pytest.raises(NotFound):
            await close_item(connection, "nothing", by="kim", resolution="x", now=NOW)
        assert len(await open_work(connection)) == 1


def test_qualities_have_the_codes_of_green_button_and_mscons() -> None:
    def interval(quality: str, method: str = "") -> Interval:
        return Interval("M", OBIS_IMPORT, MIDNIGHT, 60, 1, quality, 0, method)

    codes = {
        interval("valid"): (17, ("220", None)),
        interval("questionable"): (10, ("20", None)),
        interval("provisional"): (12, ("Z18", None)),
        interval("estimated", "linear scaled"): (9, ("67", "Z92")),
        interval("estimated", "like-days"): (8, ("67", "ZJ2")),
        interval("estimated", "ESPI 15"): (15, ("67", None)),
        interval("edited", "edited by kim"): (7, ("67", None)),
    }
    assert {each: (vee.espi_quality(each), vee.mscons_quality(each)) for each in codes} == codes
