"""Payments made elsewhere: in time, late, repeated, in conflict, withdrawn, for nobody, and in every order."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.household.village import (
    DAY,
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    SERVER,
    TARIFF,
    UTILITY,
    billed,
    found,
    hourly,
    measure,
    paid,
)
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.periods import close_period
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.household.bills.billing import bill_period
from wattbook.household.bills.corrections import (
    PAYMENTS_MAX,
    Outcome,
    payments_of_households,
    quarantined_payments,
    receive_payments,
)
from wattbook.household.bills.documents import Bill, CreditNote, bills_of_households, corrected, credit_notes_of_bills
from wattbook.household.checks import CHECKS
from wattbook.household.paid.assessment import Lines
from wattbook.household.paid.payments import ChargedInterval, PaymentInformation, PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.kernel.units import Energy, Money
from wattbook.tariffs.household import rate_household
from wattbook.tariffs.period import BillingPeriod


def won(amount: int) -> Money:
    return Money.of(amount, "KRW")


@pytest.fixture
async def house(database: Database, store: IntervalStore) -> str:
    """500 kWh on one day, billed."""
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
        await billed(connection, store, "h1")
    return "h1"


async def standing(database: Database, household: str) -> tuple[Bill, list[CreditNote], Lines]:
    """The only bill of a house, its credit notes, and what it owes in the end; the proof must hold."""
    async with database.snapshot() as connection:
        (bill,) = await bills_of_households(connection, [household])
        notes = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof
    return bill, notes, corrected(bill, notes)


async def test_a_late_payment_becomes_a_credit_note_with_a_rounding_line(database: Database, house: str) -> None:
    async with database.transaction() as connection:
        (receipt,) = await receive_payments(connection, [paid(house, "p1", 150 * KWH)])
    assert receipt.outcome is Outcome.COUNTED
    (note,) = receipt.credit_notes
    assert note.total == won(55_520)
    assert note.lines.subtotal == won(49_260).amount
    assert note.lines.money("KRW")["vat"] == won(4_926)
    assert note.lines.money("KRW")["fund"] == won(1_330)
    assert note.lines.money("KRW")["rounding"] == won(4)
    assert (note.lines.kwh, note.household_mwh, note.policy) == (150, 350 * KWH, "re-rated")
    bill, notes, owed = await standing(database, house)
    assert (bill.total, notes, owed.total) == (won(126_160), [note], won(70_640).amount)
    receivable = Account(house, "receivable", "KRW")
    async with database.transaction() as connection:
        assert (await balances(connection, [receivable]))[receivable].posted == won(70_640).amount


async def test_the_sum_of_two_credits_is_the_credit_of_both(database: Database, house: str) -> None:
    """100 and 50 kWh earn 42,630 and 12,890 won in this order; together always 55,520."""
    totals = []
    for name, kwh in (("p1", 100), ("p2", 50)):
        async with database.transaction() as connection:
            (receipt,) = await receive_payments(connection, [paid(house, name, kwh * KWH)])
            totals += [note.total for note in receipt.credit_notes]
    assert totals == [won(42_630), won(12_890)]
    _, notes, owed = await standing(database, house)
    assert [note.revision for note in notes] == [1, 2]
    assert owed.total == won(70_640).amount


async def test_payments_that_come_together_are_one_credit_note(database: Database, house: str) -> None:
    async with database.transaction() as connection:
        receipts = await receive_payments(
            connection, [paid(house, "p1", 100 * KWH), paid(house, "p2", 50 * KWH, server="other.example")]
        )
    assert receipts[0].credit_notes == receipts[1].credit_notes
    assert [note.total for note in receipts[0].credit_notes] == [won(55_520)]
    await standing(database, house)


async def test_a_repeated_payment_changes_nothing(database: Database, house: str) -> None:
    payment = paid(house, "p1", 150 * KWH)
    async with database.transaction() as connection:
        first = await receive_payments(connection, [payment, payment])
    assert [receipt.outcome for receipt in first] == [Outcome.COUNTED, Outcome.KNOWN]
    async with database.transaction() as connection:
        (again,) = await receive_payments(connection, [replace(payment, received_at=NOW + HOUR)])
    assert (again.outcome, again.credit_notes) == (Outcome.KNOWN, ())
    _, notes, _ = await standing(database, house)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"energy_mwh": 151 * KWH}, "mWh 150000000 against 151000000"),
        ({"household": "h2"}, "household h1 against h2"),
        ({"started_at": MIDNIGHT + HOUR}, "start"),
        ({"ended_at": MIDNIGHT + 6 * HOUR}, "end"),
        (
            {"intervals": (ChargedInterval(MIDNIGHT + 5 * HOUR - timedelta(minutes=1), 150 * KWH),)},
            "intervals",
        ),
    ],
)
async def test_the_same_identity_with_another_content_is_a_conflict_that_is_kept(
    database: Database, house: str, change: dict[str, object], words: str
) -> None:
    payment = paid(house, "p1", 150 * KWH)
    async with database.transaction() as connection:
        await found(connection, "h1", "h2")
        await receive_payments(connection, [payment])
    for _ in range(2):
        async with database.transaction() as connection:
            (receipt,) = await receive_payments(connection, [replace(payment, **change)])  # type: ignore[arg-type]
    assert receipt.outcome is Outcome.REFUSED
    assert isinstance(receipt.error, Conflict)
    assert words in receipt.error.message
    _, notes, owed = await standing(database, house)
    assert (len(notes), owed.total) == (1, won(70_640).amount)
    async with database.transaction() as connection:
        (kept,) = await quarantined_payments(connection)
    assert (kept.code, kept.times) == ("conflict", 2)
    assert words in kept.reason


async def test_a_withdrawn_payment_comes_back_as_a_charge(database: Database, house: str) -> None:
    payment = paid(house, "p1", 150 * KWH)
    withdrawal = replace(payment, state=PaymentState.WITHDRAWN)
    async with database.transaction() as connection:
        await receive_payments(connection, [payment])
    async with database.transaction() as connection:
        receipts = await receive_payments(connection, [withdrawal, withdrawal, payment])
    assert [receipt.outcome for receipt in receipts] == [Outcome.WITHDRAWN, Outcome.KNOWN, Outcome.KNOWN]
    assert [note.total for note in receipts[0].credit_notes] == [won(-55_520)]
    _, _, owed = await standing(database, house)
    assert owed.total == won(126_160).amount
    async with database.transaction() as connection:
        ((known, split),) = await payments_of_households(connection, [house])
    assert (known.state, split) == (PaymentState.WITHDRAWN, "end-time")


async def test_more_paid_for_than_measured_is_an_exception_and_reported(database: Database, house: str) -> None:
    async with database.transaction() as connection:
        (receipt,) = await receive_payments(connection, [paid(house, "p1", 510 * KWH)])
        exception = Account(house, "energy_exception", ENERGY)
        assert receipt.exception_mwh == -10 * KWH
        assert (await balances(connection, [exception]))[exception].posted == -10 * KWH
    _, (note,), owed = await standing(database, house)
    assert (note.household_mwh, note.paid_mwh, note.exception_mwh) == (0, 510 * KWH, -10 * KWH)
    assert owed.total == won(1_020).amount


async def test_energy_below_the_bills_rounding_changes_hands_without_money(database: Database, house: str) -> None:
    async with database.transaction() as connection:
        (receipt,) = await receive_payments(connection, [paid(house, "p1", 1)])
    (note,) = receipt.credit_notes
    assert (note.total, note.household_mwh) == (won(0), 500 * KWH - 1)
    await standing(database, house)


async def test_a_charge_over_the_border_belongs_where_it_ends_or_to_both_by_its_intervals(
    database: Database, store: IntervalStore
) -> None:
    border = MIDNIGHT + 24 * HOUR
    second = BillingPeriod(date(2026, 10, 2), date(2026, 10, 2))
    over = paid("h1", "over", 30 * KWH, ended_at=border + HOUR)
    until = paid("h1", "until", 5 * KWH, ended_at=border)
    halves = (
        ChargedInterval(border - HOUR / 2, 10 * KWH),
        ChargedInterval(border, 0),
        ChargedInterval(border + HOUR, 20 * KWH),
    )
    split = replace(over, id="split", intervals=halves)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 800 * KWH, hours=48))
        first_bill = await billed(connection, store, "h1", DAY)
        second_bill = await billed(connection, store, "h1", second)
        receipts = await receive_payments(connection, [over, until, split], store)
        notes = await credit_notes_of_bills(connection, [first_bill.id, second_bill.id])
        assert [note.paid_mwh for note in notes[first_bill.id]] == [15 * KWH]
        assert [note.paid_mwh for note in notes[second_bill.id]] == [50 * KWH]
        assert len(receipts[0].credit_notes) == 2
        known = {payment.id: how for payment, how in await payments_of_households(connection, ["h1"])}
        assert known == {"over": "end-time", "until": "end-time", "split": "intervals"}
        assert (await audit(connection, CHECKS)).holds


async def test_a_payment_may_name_the_meter_instead_of_the_house(database: Database, house: str) -> None:
    at_meter = replace(paid(house, "p1", 150 * KWH), household=None, meter="M-h1")
    async with database.transaction() as connection:
        (receipt,) = await receive_payments(connection, [at_meter])
        (again,) = await receive_payments(connection, [paid(house, "p1", 150 * KWH)])
    assert (receipt.outcome, receipt.household, again.outcome) == (Outcome.COUNTED, house, Outcome.KNOWN)


async def test_a_payment_long_after_the_books_were_closed_posts_in_the_open_period(
    database: Database, house: str
) -> None:
    later = datetime(2027, 11, 21, tzinfo=UTC)
    async with database.transaction() as connection:
        await close_period(connection, date(2027, 10, 1), now=later)
    async with database.transaction() as connection:
        await receive_payments(connection, [replace(paid(house, "p1", 150 * KWH), received_at=later)])
        rows = await connection.execute(
            text("SELECT DISTINCT period, corrects FROM book.transfers WHERE fact LIKE 'credit:%'")
        )
        assert [tuple(row) for row in rows] == [(date(2027, 11, 1), date(2026, 10, 1))]
    _, _, owed = await standing(database, house)
    assert owed.total == won(70_640).amount


BAD = {
    "unknown house": (paid("nobody", "p1", KWH), NotFound),
    "unknown meter": (replace(paid("h1", "p1", KWH), household=None, meter="M-nobody"), NotFound),
    "no house at all": (replace(paid("h1", "p1", KWH), household=None), InvalidInput),
    "house and meter": (replace(paid("h1", "p1", KWH), meter="M-h1"), InvalidInput),
    "no energy": (paid("h1", "p1", 0), InvalidInput),
    "negative energy": (paid("h1", "p1", -KWH), InvalidInput),
    "too much energy": (paid("h1", "p1", 10**12 + 1), InvalidInput),
    "ends before it starts": (replace(paid("h1", "p1", KWH), started_at=MIDNIGHT + 6 * HOUR), InvalidInput),
    "ends in the future": (paid("h1", "p1", KWH, ended_at=NOW + HOUR), InvalidInput),
    "longer than a month": (replace(paid("h1", "p1", KWH), started_at=MIDNIGHT - 31 * 24 * HOUR), InvalidInput),
    "no zone": (replace(paid("h1", "p1", KWH), ended_at=MIDNIGHT.replace(tzinfo=None)), InvalidInput),
    "no id": (paid("h1", "", KWH), InvalidInput),
    "id with a null": (paid("h1", "p\x00", KWH), InvalidInput),
    "half a character": (paid("h1", "p\ud800", KWH), InvalidInput),
    "negative amount": (replace(paid("h1", "p1", KWH), amount=won(-1)), InvalidInput),
    "intervals that do not sum": (
        replace(paid("h1", "p1", KWH), intervals=(ChargedInterval(MIDNIGHT + 5 * HOUR, 2 * KWH),)),
        InvalidInput,
    ),
    "intervals out of order": (
        replace(paid("h1", "p1", KWH), intervals=(ChargedInterval(MIDNIGHT + 6 * HOUR, KWH),)),
        InvalidInput,
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_payment_information_is_refused_and_kept_and_the_good_beside_it_counts(
    database: Database, house: str, name: str
) -> None:
    payment, error = BAD[name]
    async with database.transaction() as connection:
        receipts = await receive_payments(connection, [payment, paid(house, "good", 150 * KWH)])
        (kept,) = await quarantined_payments(connection)
    assert [receipt.outcome for receipt in receipts] == [Outcome.REFUSED, Outcome.COUNTED]
    assert isinstance(receipts[0].error, error)
    assert (kept.code, kept.reason) == (error.code, receipts[0].error.message)
    assert f'"energy_mwh": {payment.energy_mwh}' in kept.content
    _, _, owed = await standing(database, house)
    assert owed.total == won(70_640).amount


async def test_too_many_payments_in_one_call_are_refused(database: Database) -> None:
    async with database.transaction() as connection:
        assert await receive_payments(connection, []) == []
        with pytest.raises(InvalidInput):
            await receive_payments(connection, [paid("h1", "p1", KWH)] * (PAYMENTS_MAX + 1))


async def test_bill_and_payments_at_the_same_moment_lose_nothing(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1", "h2")
        await measure(connection, store, [*hourly("M-h1", 500 * KWH), *hourly("M-h2", 500 * KWH)])
    payments = [paid("h1", f"p{number}", 10 * KWH) for number in range(6)] * 2
    claims = [paid(house, "claimed by two", 10 * KWH) for house in ("h1", "h2")]

    async def issue() -> None:
        async with database.transaction() as connection:
            await bill_period(connection, store, ["h2", "h1"], DAY, UTILITY, now=NOW)

    async def take(*arriving: PaymentInformation) -> list[Outcome]:
        async with database.transaction() as connection:
            return [receipt.outcome for receipt in await receive_payments(connection, arriving)]

    arriving = [take(payment) for payment in payments]
    taken, claimed, *_ = await asyncio.gather(
        asyncio.gather(*arriving), asyncio.gather(*(take(claim) for claim in claims)), issue(), issue()
    )
    assert sorted(outcome for (outcome,) in taken) == [Outcome.COUNTED] * 6 + [Outcome.KNOWN] * 6
    assert sorted(outcome for (outcome,) in claimed) == [Outcome.COUNTED, Outcome.REFUSED]
    winner = "h1" if claimed[0] == [Outcome.COUNTED] else "h2"
    for house, kwh in (("h1", 440), ("h2", 500)):
        own = rate_household(TARIFF, Energy((kwh - 10 * (house == winner)) * KWH), DAY)
        _, _, owed = await standing(database, house)
        assert owed == Lines.of(own)


# Every order of arrival

_houses = count()
_energies = st.integers(1, 250 * KWH)
_charge = st.tuples(_energies, st.sampled_from([SERVER, "other.example"]), st.integers(1, 24))


def _arrivals(
    house: str, charges: list[tuple[int, str, int]], false_charges: list[tuple[int, str, int]], random: Random
) -> list[PaymentInformation]:
    """Each true charge once or more; each false one with its withdrawal, in any order; some with a conflict after."""
    messages: list[PaymentInformation] = []
    wrong: list[PaymentInformation] = []
    for kind, group in (("true", charges), ("false", false_charges)):
        for number, (energy_mwh, server, hour) in enumerate(group):
            ended_at = MIDNIGHT + hour * HOUR
            payment = paid(house, f"{house} {kind} {number}", energy_mwh, ended_at=ended_at, server=server)
            messages += [payment] * random.randint(1, 3)
            if kind == "false":
                messages += [replace(payment, state=PaymentState.WITHDRAWN)] * random.randint(1, 2)
            if random.random() < 0.4:
                wrong.append(replace(payment, energy_mwh=energy_mwh + 1))
    random.shuffle(messages)
    for conflict in wrong:
        first = next(place for place, message in enumerate(messages) if message.identity == conflict.identity)
        messages.insert(random.randint(first + 1, len(messages)), conflict)
    return messages


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own_mwh=st.integers(0, 700 * KWH),
    charges=st.lists(_charge, max_size=4),
    false_charges=st.lists(_charge, max_size=2),
    random=st.randoms(use_true_random=False),
)
async def test_the_house_pays_for_its_own_load_in_every_order_of_arrival(
    server_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    own_mwh: int,
    charges: list[tuple[int, str, int]],
    false_charges: list[tuple[int, str, int]],
    random: Random,
) -> None:
    house = f"house-{next(_houses)}"
    metered_mwh = own_mwh + sum(energy_mwh for energy_mwh, _, _ in charges)
    batches = _batches(_arrivals(house, charges, false_charges, random), random)
    bill_before = random.randint(0, len(batches))
    database = Database(server_url)
    store = IntervalStore(_interval_folder(tmp_path_factory))
    try:
        async with database.transaction() as connection:
            await found(connection, house)
            await measure(connection, store, hourly(f"M-{house}", metered_mwh), house)
        for place, batch in enumerate([*batches, []]):
            if place == bill_before:
                async with database.transaction() as connection:
                    await billed(connection, store, house)
            async with database.transaction() as connection:
                await receive_payments(connection, batch)
        bill, notes, owed = await standing(database, house)
    finally:
        await database.close()
    assert owed == Lines.of(rate_household(TARIFF, Energy(own_mwh), DAY))
    last = notes[-1] if notes else bill
    assert (last.household_mwh, last.exception_mwh) == (own_mwh, 0)
    assert last.paid_mwh == sum(energy_mwh for energy_mwh, _, _ in charges)


def _batches(arriving: list[PaymentInformation], random: Random) -> list[list[PaymentInformation]]:
    batches = []
    while arriving:
        size = random.randint(1, 3)
        batches.append(arriving[:size])
        arriving = arriving[size:]
    return batches


def _interval_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "intervals of all houses"
