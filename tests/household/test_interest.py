"""Interest on what a house was charged too much: off by default, dated, rounded once, booked and on the document."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as with_changes
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.village import KWH, NOW, UTILITY, billed, found, hourly, measure, paid
from wattbook.billing.checks import CHECKS as DOCUMENT_CHECKS
from wattbook.billing.documents import Kind
from wattbook.billing.houses import documents_of_house
from wattbook.billing.page import to_page
from wattbook.billing.parties import LANGUAGES, Issuer
from wattbook.billing.pdf import page_data
from wattbook.billing.registers import put_issuer
from wattbook.billing.rollups import revenue
from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import Bill, CreditNote, credit_notes_of_bills
from wattbook.household.bills.interest import interest_on
from wattbook.household.bills.notices import notices_of_house
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.checks import CHECKS
from wattbook.household.paid.payments import PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.readings.reviews import note_changes
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.interest import InterestRate, interest_rates, put_interest_rate

SEOUL = ZoneInfo("Asia/Seoul")
WON = 10_000
RATES = (
    InterestRate(UTILITY.party, date(2026, 1, 1), Decimal("2.5"), "the bank's deposits", date(2026, 11, 22)),
    InterestRate(UTILITY.party, date(2026, 12, 1), Decimal(5), "the bank's deposits", date(2026, 11, 22)),
)
SELLER = Issuer(id=UTILITY.party, name="마을전력", country="KR", prefix="VP", tax_number="120-82-00052")
LATER = NOW + timedelta(days=100)
"""Ten days of November, ninety from December on."""


async def settle(connection: AsyncConnection, store: IntervalStore, *rates: InterestRate) -> Bill:
    await found(connection, "h1")
    for rate in rates:
        await put_interest_rate(connection, rate)
    await measure(connection, store, hourly("M-h1", 500 * KWH))
    return await billed(connection, store, "h1")


async def charged_elsewhere(connection: AsyncConnection, days: int, **changes: object) -> CreditNote:
    late = replace(paid("h1", "p", 150 * KWH), received_at=NOW + timedelta(days=days), **changes)  # type: ignore[arg-type]
    (receipt,) = await receive_payments(connection, [late])
    (note,) = receipt.credit_notes
    return note


async def test_no_interest_is_given_where_no_rate_is_put(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        bill = await settle(connection, store)
        note = await charged_elsewhere(connection, 365)
        assert (note.interest, note.interest_days) == (0, 0)
        given = Account(UTILITY.party, "interest", "KRW")
        assert (await balances(connection, [given]))[given].posted == 0
        assert bill.lines.total == 126_160 * WON


async def test_a_late_payment_earns_interest_by_the_rates_of_its_days(database: Database, store: IntervalStore) -> None:
    """55,520 won × (10 × 2.5 % + 90 × 5 %) / 365 are 722.52 won, of which the house is given 722."""
    async with database.transaction() as connection:
        bill = await settle(connection, store, *RATES)
        await put_issuer(connection, SELLER)
        note = await charged_elsewhere(connection, 100)
        assert note.lines.total == 55_520 * WON
        assert (note.interest, note.interest_days) == (722 * WON, 100)
        assert (await credit_notes_of_bills(connection, [bill.id]))[bill.id] == [note]
        owed, given = Account("h1", "receivable", "KRW"), Account(UTILITY.party, "interest", "KRW")
        found_balances = await balances(connection, [owed, given])
        assert found_balances[owed].posted == (126_160 - 55_520 - 722) * WON
        assert found_balances[given].posted == 722 * WON
        _, document = await documents_of_house(connection, "h1", zone=SEOUL, now=LATER)
        assert (document.kind, str(document.money(document.total))) == (Kind.CREDIT_NOTE, "-56,242 KRW")
        assert document.net + document.tax == document.total == sum(line.net for line in document.lines) + document.tax
        assert document.lines[-1].product == "interest"
        (sold,) = await revenue(connection, UTILITY.party, date(2026, 1, 1), date(2027, 12, 31), "issuer")
        assert sold.net == (70_640 - 6_269) * WON, "interest is not taken from what was sold"
        told = [notice.words for notice in await notices_of_house(connection, "h1")]
        assert any("55,520 KRW lower, with 722 KRW interest on it" in words for words in told), told
        charge = await charged_elsewhere(connection, 200, state=PaymentState.WITHDRAWN)
        assert (charge.lines.total, charge.interest) == (-55_520 * WON, 0), "what is charged again has none"
    said = {page_data(with_changes(document, language=each), SEOUL)["rows"][-1][1] for each in LANGUAGES}
    assert said == {"Interest", "Zinsen", "이자", "利息"}
    assert to_page(document, SEOUL).startswith(b"%PDF")
    async with database.snapshot() as connection:
        proof = await audit(connection, (*CHECKS, *DOCUMENT_CHECKS))
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]


async def test_readings_that_say_less_earn_interest_too(database: Database, store: IntervalStore) -> None:
    async with database.transaction() as connection:
        await settle(connection, store, *RATES)
        less = [each._replace(version=1) for each in hourly("M-h1", 350 * KWH)]
        await measure(connection, store, less, "less")
        await note_changes(connection, less, NOW)
        (note,) = await assess_again(connection, store, now=LATER)
        assert (note.reason, note.lines.total, note.interest) == ("readings", 55_520 * WON, 722 * WON)
        proof = await audit(connection, CHECKS)
        assert proof.holds, proof


async def test_what_is_given_back_is_what_was_charged_last(database: Database, store: IntervalStore) -> None:
    """A bill of 126,160 won, 30 days later a charge of 10,000 more, 70 days later 20,000 given back."""
    year = (replace(RATES[0], percent=Decimal("36.5")),)  # a thousandth a day
    async with database.transaction() as connection:
        bill = await settle(connection, store)
        template = await charged_elsewhere(connection, 1)
    nothing = template.lines.minus(template.lines)
    charge = replace(template, issued_at=NOW + timedelta(days=30), lines=nothing._replace(total=-10_000 * WON))
    back = interest_on(bill, [charge], 20_000 * WON, year, LATER)
    assert back == ((10_000 * 70 + 10_000 * 100) // 1_000 * WON, 100)
    credit = replace(template, issued_at=NOW + timedelta(days=40), lines=nothing._replace(total=4_000 * WON))
    assert interest_on(bill, [charge, credit], 6_000 * WON, year, LATER) == (6 * 70 * WON, 70)
    assert interest_on(bill, [], -1, year, LATER) == interest_on(bill, [], 20_000, (), LATER) == (0, 0)
    ended = (*year, replace(year[0], valid_from=date(2026, 12, 1), percent=Decimal(0)))
    assert interest_on(bill, [], 20_000 * WON, ended, LATER).amount == 20 * 10 * WON, "until the first of December"


async def test_a_rate_has_a_party_bounds_and_a_source(database: Database) -> None:
    async with database.transaction() as connection:
        await found(connection)
        for wrong in ({"percent": Decimal(101)}, {"percent": Decimal("NaN")}, {"source": " "}):
            with pytest.raises(InvalidInput):
                await put_interest_rate(connection, replace(RATES[0], **wrong))
        with pytest.raises(NotFound):
            await put_interest_rate(connection, replace(RATES[0], party="KR*NOB"))
        for rate in (*RATES, replace(RATES[1], percent=Decimal(4))):
            await put_interest_rate(connection, rate)
        kept = (await interest_rates(connection, [UTILITY.party]))[UTILITY.party]
        assert [(each.valid_from, each.percent) for each in kept] == [
            (date(2026, 1, 1), Decimal("2.5")),
            (date(2026, 12, 1), Decimal(4)),
        ]
