"""A document as PDF/A-3, in the language of its recipient: the same document gives the same bytes.

The page is set by typst from one template; the font comes with the installation, never from the machine.
"""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Final
from zoneinfo import ZoneInfo

import typst
from noto_cjk_sans_otc import FONT_PATH

from wattbook.billing.documents import Document, Kind, Line, coin_text
from wattbook.kernel.units import Energy

FONTS: Final = {
    "en": "Noto Sans CJK KR",
    "de": "Noto Sans CJK KR",
    "ko": "Noto Sans CJK KR",
    "zh": "Noto Sans CJK SC",
}
REGIONS: Final = {"en": "GB", "de": "DE", "ko": "KR", "zh": "CN"}
_DECIMAL_COMMA: Final = ("de",)

_turns: Final = Lock()


def render(document: Document, zone: ZoneInfo) -> bytes:
    """The PDF; times in this zone. Threads take turns, for the compiler serves one at a time."""
    data = json.dumps(page_data(document, zone), ensure_ascii=False)
    with _turns:
        pdf = _compiler().compile(
            input=_template(),
            format="pdf",
            sys_inputs={"data": data},
            pdf_standards="a-3b",
            timestamp=datetime.combine(document.issued_on, time(), UTC),
        )
    assert isinstance(pdf, bytes), "one document, one file"
    return pdf


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(Path(str(FONT_PATH)).parent)]
    )
    return typst.Compiler(font_paths=fonts)


@cache
def _template() -> bytes:
    return files(__package__).joinpath("templates", "document.typ").read_bytes()


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


def page_data(document: Document, zone: ZoneInfo) -> dict[str, Any]:
    """What stands on the page, as texts."""
    words = _words()[document.language]
    page = _Page(document, words, zone)
    issuer, recipient = document.issuer, document.recipient
    return {
        "language": document.language,
        "region": REGIONS[document.language],
        "font": FONTS[document.language],
        "words": words,
        "title": f"{words[document.kind]} {document.number}",
        "reason": words.get(f"because_{document.reason}", document.reason),
        "issuer": {"name": issuer.name, "lines": _address(issuer.street, issuer.postcode, issuer.city, issuer.country)},
        "recipient": {
            "lines": [
                recipient.name,
                *_address(recipient.street, recipient.postcode, recipient.city, recipient.country),
            ]
        },
        "facts": [list(fact) for fact in page.facts()],
        "columns": page.columns(),
        "rows": [page.row(line) for line in document.lines],
        "sums": [list(each) for each in page.sums()],
        "total": [words["closing" if document.kind is Kind.STATEMENT else "total"], page.money(document.total)],
        "after": [list(each) for each in page.after()],
        "notes": list(page.notes()),
        "footer": list(page.footer()),
    }


class _Page:
    """Texts of one document in its language."""

    def __init__(self, document: Document, words: dict[str, str], zone: ZoneInfo) -> None:
        self._document = document
        self._words = words
        self._zone = zone

    def facts(self) -> Iterator[tuple[str, str]]:
        document, words = self._document, self._words
        yield words["number"], document.number
        yield words["issued"], self._day(document.issued_on)
        yield words["period"], f"{self._day(document.first_day)} – {self._day(document.last_day)}"
        if document.due_on:
            yield words["due"], self._day(document.due_on)
        yield words["customer"], document.recipient.id
        if document.recipient.vat_id:
            yield words["your_vat_id"], document.recipient.vat_id
        if document.reference:
            yield words["reference"], document.reference

    def columns(self) -> list[dict[str, Any]]:
        names = (("when", False), ("what", True), ("energy", False), ("rate", False), ("net", False))
        numbers = ("energy", "rate", "net")
        return [{"title": self._words[name], "wide": wide, "number": name in numbers} for name, wide in names]

    def row(self, line: Line) -> list[str]:
        what = self._words.get("energy_charge" if line.product == "energy" else line.product, line.product)
        return [
            self._moments(line),
            f"{what}  {line.place or line.text}".rstrip(),
            self._number(f"{Energy(line.energy_mwh).kwh:.3f}") if line.energy_mwh else "",
            "–" if line.rate is None else f"{self._number(line.rate)} %",
            self.amount(line.net),
        ]

    def sums(self) -> Iterator[tuple[str, str]]:
        document, words = self._document, self._words
        if document.kind is Kind.STATEMENT:
            yield words["opening"], self.money(document.opening)
        elif document.kind is not Kind.REMINDER:
            yield words["net_total"], self.money(document.net)
            for each in document.taxes:
                net = self.money(each.net)
                if each.rate is None and each.tax:
                    yield words["rate"], self.money(each.tax)
                elif each.rate is None:
                    yield words["no_tax"].format(net=net), self.money(0)
                else:
                    yield words["tax_of"].format(rate=self._number(each.rate), net=net), self.money(each.tax)

    def after(self) -> Iterator[tuple[str, str]]:
        if self._document.paid:
            yield self._words["paid"], self.money(-self._document.paid)
            yield self._words["to_pay"], self.money(self._document.due)

    def notes(self) -> Iterator[str]:
        document, account = self._document, self._document.issuer.account
        if document.kind in (Kind.INVOICE, Kind.RECEIPT) and document.total and not document.due:
            yield self._words["nothing_due"]
        elif document.due > 0 and document.due_on and account:
            yield self._words["pay_to"].format(
                amount=self.money(document.due),
                account=account,
                due=self._day(document.due_on),
                number=document.number,
            )

    def footer(self) -> Iterator[str]:
        issuer = self._document.issuer
        yield issuer.name
        if issuer.vat_id:
            yield f"{self._words['vat_id']} {issuer.vat_id}"
        if issuer.tax_number:
            yield f"{self._words['tax_number']} {issuer.tax_number}"
        if issuer.account:
            yield f"IBAN {issuer.account}"

    def money(self, amount: int) -> str:
        return f"{self.amount(amount)} {self._document.currency}"

    def amount(self, amount: int) -> str:
        whole, _, decimals = coin_text(abs(amount), self._document.currency).partition(".")
        text = f"{int(whole):,}" + (f".{decimals}" if decimals else "")
        return ("−" if amount < 0 else "") + self._number(text)

    def _number(self, text: str) -> str:
        if self._document.language not in _DECIMAL_COMMA:
            return text
        return text.translate(str.maketrans(",.", ".,"))

    def _day(self, day: date) -> str:
        return f"{day:%d.%m.%Y}" if self._document.language == "de" else f"{day:%Y-%m-%d}"

    def _moments(self, line: Line) -> str:
        if line.started_at is None:
            return "" if line.ended_at is None else self._day(line.ended_at.astimezone(self._zone).date())
        start = line.started_at.astimezone(self._zone)
        end = (line.ended_at or line.started_at).astimezone(self._zone)
        until = f"{end:%H:%M}" if end.date() == start.date() else f"{self._day(end.date())} {end:%H:%M}"
        return f"{self._day(start.date())} {start:%H:%M}–{until}"


def _address(street: str, postcode: str, city: str, country: str) -> list[str]:
    return [line for line in (street, f"{postcode} {city}".strip(), country) if line]
