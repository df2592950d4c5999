"""A document for machines: an invoice of EN 16931 in CII, alone or inside the PDF (Factur-X, ZUGFeRD).

Source: EN 16931-1:2017 (business terms, `BT-…`), Factur-X 1.0. Written and checked against its schema by the library
factur-x. Each line has the quantity 1, because what its price was computed from stands in the charge detail record.
"""

from datetime import UTC
from io import BytesIO
from typing import Any, Final

import facturx

from wattbook.billing.documents import Document, Kind, Line, coin_text
from wattbook.billing.parties import LegalParty
from wattbook.kernel.errors import Refused
from wattbook.kernel.units import Energy

TYPE_CODES: Final = {Kind.INVOICE: "380", Kind.RECEIPT: "380", Kind.CREDIT_NOTE: "381"}
"""UNTDID 1001."""
ONE: Final = "C62"
"""UN/ECE recommendation 20: one piece."""
IBAN_TRANSFER: Final = "58"
NOTHING_TO_PAY: Final = "57"
"""UNTDID 4461: by a standing agreement; used where all is paid already."""
STANDARD, ZERO, EXEMPT = "S", "Z", "E"
NO_TAX_REASON: Final = "The tariff states no tax"


def to_cii(document: Document) -> bytes:
    """The e-invoice, valid by its schema.

    Raises:
        Refused: a statement or reminder is no invoice, and a house's bill has tax by the rules of its tariff.
    """
    if not document.is_e_invoice:
        raise Refused(f"{document.number} is a {document.kind} that EN 16931 has no words for")
    xml: bytes = facturx.generate_cii_xml(_terms(document), level="en16931", check_xsd=True, check_schematron=False)
    return xml


def to_facturx(document: Document, pdf: bytes) -> bytes:
    """The same PDF with the e-invoice inside."""
    both = BytesIO(pdf)  # the library's own way with bytes goes through a file on disk, a third slower
    facturx.generate_from_file(
        both, to_cii(document), flavor="factur-x", level="en16931", check_xsd=False, lang=document.language
    )
    return both.getvalue()


def _terms(document: Document) -> dict[str, Any]:
    # A credit note states what it gives back as positive amounts; its type says which way they go.
    sign = -1 if document.kind is Kind.CREDIT_NOTE else 1

    def amount(stored: int) -> str:
        return coin_text(sign * stored, document.currency)

    terms: dict[str, Any] = {
        "BT-1": document.number,
        "BT-2": document.issued_on,
        "BT-3": TYPE_CODES[document.kind],
        "BT-5": document.currency,
        "BT-72": document.last_day,
        "BT-73": document.first_day,
        "BT-74": document.last_day,
        "BT-81": IBAN_TRANSFER if document.issuer.account and document.due else NOTHING_TO_PAY,
        "BG-4": _party(document.issuer) | _tax_registration(document),
        "BG-7": _party(document.recipient),
        "BG-23": [
            {
                "BT-116": amount(each.net),
                "BT-117": amount(each.tax),
                "BT-118": _category(each.rate),
                "BT-119": each.rate or "0",
            }
            | ({} if each.rate is not None else {"BT-120": NO_TAX_REASON})
            for each in document.taxes
        ],
        "BG-25": [_line(line, n, amount(line.net)) for n, line in enumerate(document.lines, start=1)],
        "BT-106": amount(document.net),
        "BT-109": amount(document.net),
        "BT-110": amount(document.tax),
        "BT-112": amount(document.total),
        "BT-113": amount(document.paid),
        "BT-115": amount(document.due),
    }
    if document.issuer.account and document.due:
        terms["BT-84"] = document.issuer.account
    if document.due_on:
        terms["BT-9"] = document.due_on
    elif document.due:
        terms["BT-20"] = document.reason or "-"
    if document.reference:
        terms["BG-3"] = [{"BT-25": document.reference}]
    if document.reason:
        terms["BG-1"] = [{"BT-22": document.reason}]
    return terms


def _party(party: LegalParty) -> dict[str, Any]:
    words = {
        "name": party.name,
        "country_code": party.country,
        "city": party.city,
        "postcode": party.postcode,
        "addr_l1": party.street,
        "vat_identifier": party.vat_id,
    }
    return {name: word for name, word in words.items() if word}


def _tax_registration(document: Document) -> dict[str, str]:
    number = document.issuer.tax_number
    return {"tax_identifier": number} if number else {}


def _category(rate: str | None) -> str:
    """UNTDID 5305."""
    if rate is None:
        return EXEMPT
    return ZERO if rate == "0" else STANDARD


def _line(line: Line, position: int, net: str) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "BT-126": str(position),
        "BT-129": "1" if not net.startswith("-") else "-1",
        "BT-130": ONE,
        "BT-131": net,
        "BT-146": net.lstrip("-"),
        "BT-151": _category(line.rate),
        "BT-152": line.rate or "0",
        "BT-153": line.product,
        "BT-154": _description(line),
    }
    if line.started_at and line.ended_at:
        terms |= {"BT-134": line.started_at.astimezone(UTC).date(), "BT-135": line.ended_at.astimezone(UTC).date()}
    return {name: term for name, term in terms.items() if term}


def _description(line: Line) -> str:
    energy = str(Energy(line.energy_mwh)) if line.energy_mwh else ""
    return ", ".join(part for part in (line.text, line.place, energy, line.source) if part)
