"""Bills of houses as documents: the same lines and sums, with a number, and corrected by documents that refer to it."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from tests.household.village import (
    HOUR,
    KWH,
    MIDNIGHT,
    NOW,
    UTILITY,
    billed,
    found,
    hourly,
    measure,
    paid,
)
from wattbook.billing.checks import CHECKS
from wattbook.billing.credits import credit
from wattbook.billing.documents import Kind
from wattbook.billing.einvoice import to_cii
from wattbook.billing.houses import documents_of_house
from wattbook.billing.page import to_page
from wattbook.billing.parties import LANGUAGES, Issuer
from wattbook.billing.pdf import page_data
from wattbook.billing.registers import put_issuer
from wattbook.book.audit import audit
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.readings.intake.admission import take_in
from wattbook.household.readings.intake.items import IMPORT, IntervalReading
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import Refused

SEOUL = ZoneInfo("Asia/Seoul")
SELLER = Issuer(id=UTILITY.party, name="마을전력", country="KR", prefix="VP", tax_number="120-82-00052")


async def test_a_bill_and_its_correction_become_an_invoice_and_a_credit_note(
    database: Database, tmp_path: Path
) -> None:
    store = IntervalStore(tmp_path)
    async with database.transaction() as connection:
        await found(connection, "house-1")
        await put_issuer(connection, SELLER)
        await measure(connection, store, hourly("M-house-1", 500 * KWH))
        issued = await billed(connection, store, "house-1")
        (invoice,) = await documents_of_house(connection, "house-1", zone=SEOUL, now=NOW)
        await receive_payments(connection, [paid("house-1", "late", 150 * KWH)])
        again, note = await documents_of_house(connection, "house-1", zone=SEOUL, now=NOW)
    assert again == invoice
    assert (invoice.number, invoice.total, invoice.tax) == ("VP-2026-I000001", issued.lines.total, issued.lines.vat)
    assert (note.kind, note.reference) == (Kind.CREDIT_NOTE, invoice.number)
    assert str(note.money(note.total)) == "-55,520 KRW"
    assert note.net + note.tax == note.total == sum(line.net for line in note.lines) + note.tax
    assert to_page(note, SEOUL).startswith(b"%PDF")
    with pytest.raises(Refused, match="no words for"):
        to_cii(invoice)
    async with database.transaction() as connection:
        with pytest.raises(Refused, match="bill of a house"):
            await credit(connection, invoice.number, reason="goodwill", zone=SEOUL, now=NOW)
    async with database.snapshot() as connection:
        proof = await audit(connection, CHECKS)
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]


async def test_the_document_of_a_final_bill_names_the_stage_in_the_language_of_its_reader(
    database: Database, tmp_path: Path
) -> None:
    store = IntervalStore(tmp_path)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await put_issuer(connection, SELLER)
        before = [each for day in range(-7, 0) for each in hourly("M-h1", 24 * KWH, start=MIDNIGHT + day * 24 * HOUR)]
        await measure(connection, store, [*before, *hourly("M-h1", 12 * KWH, hours=12)])
        issued = await billed(connection, store, "h1")
        assert issued.stage == "provisional"
        late = [
            IntervalReading(hour + 1, "M-h1", IMPORT, MIDNIGHT + hour * HOUR, 60, 100 * KWH) for hour in range(12, 24)
        ]
        await take_in(connection, store, "late", late, now=NOW)
        (note,) = await assess_again(connection, store, now=NOW)
        assert note.becomes == "final"
        bill, final = await documents_of_house(connection, "h1", zone=SEOUL, now=NOW)
        assert (bill.reason, final.reason, final.reference) == ("provisional", "final", bill.number)
        assert (final.kind, final.total) == (Kind.INVOICE, -note.lines.total)
    said = {language: page_data(replace(final, language=language), SEOUL)["reason"] for language in LANGUAGES}
    assert len(set(said.values())) == 4
    assert said["en"].startswith("Final bill")
    assert said["de"].startswith("Endgültige Rechnung")
    assert "잠정" in page_data(replace(bill, language="ko"), SEOUL)["reason"]
    assert to_page(final, SEOUL).startswith(b"%PDF")
    async with database.snapshot() as connection:
        proof = await audit(connection, CHECKS)
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]


async def test_a_final_bill_over_nothing_is_a_document_too(database: Database, tmp_path: Path) -> None:
    store = IntervalStore(tmp_path)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await put_issuer(connection, SELLER)
        before = [each for day in range(-7, 0) for each in hourly("M-h1", 24 * KWH, start=MIDNIGHT + day * 24 * HOUR)]
        await measure(connection, store, [*before, *hourly("M-h1", 12 * KWH, hours=12)])
        await billed(connection, store, "h1")
        late = [IntervalReading(hour + 1, "M-h1", IMPORT, MIDNIGHT + hour * HOUR, 60, KWH) for hour in range(12, 24)]
        await take_in(connection, store, "late", late, now=NOW)
        await assess_again(connection, store, now=NOW)
        _, final = await documents_of_house(connection, "h1", zone=SEOUL, now=NOW)
        assert (final.kind, final.reason, final.total) == (Kind.CREDIT_NOTE, "final", 0)
    assert to_page(final, SEOUL).startswith(b"%PDF")
    async with database.snapshot() as connection:
        proof = await audit(connection, CHECKS)
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]
