"""A document as a value: its lines, its taxes and its sums, all in whole coins.

What was sold was priced and posted in stored units, finer than a coin. A document is paid in coins, so it rounds, in
two named steps: each line's net amount to the coin, half up; then the tax of each rate on the sum of its lines, half
up (EN 16931, BR-CO-17). What these steps give or take is the document's rounding, and it is posted.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from wattbook.billing.parties import Issuer, LegalParty
from wattbook.kernel.units import Currency, Money, div_half_up

LINES_MAX: Final = 10_000
RATE_DECIMALS_MAX: Final = 4


class Kind(StrEnum):
    """What a document is; each kind has numbers of its own, told apart by `mark`."""

    INVOICE = "invoice"
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit note"
    STATEMENT = "statement"
    REMINDER = "reminder"

    @property
    def mark(self) -> str:
        """The letter in its number."""
        return {"invoice": "I", "receipt": "R", "credit note": "C", "statement": "S", "reminder": "M"}[self.value]


class Line(Struct, frozen=True, kw_only=True):
    """One line; amounts in stored units, `net` in whole coins.

    Attributes:
        source: where it comes from: begins the facts of its postings, such as `cdr:KR*WTB*…`.
        group: their group in the book, hexadecimal.
        product: what was sold: `charging`, `parking`, …; revenue is summed by it.
        place: where, such as an EVSE; empty where that says nothing.
        rate: percent of tax as a decimal text; None where the tariff states none.
        exact_net, exact_tax: as priced and posted.
    """

    source: str
    group: str
    product: str
    place: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    energy_mwh: int = 0
    rate: str | None = None
    net: int
    exact_net: int
    exact_tax: int = 0
    text: str = ""


class Tax(Struct, frozen=True, kw_only=True):
    """Tax of one rate on the sum of its lines; `rate` None: the lines state none, or the tax was computed elsewhere."""

    rate: str | None
    net: int
    tax: int


class Document(Struct, frozen=True, kw_only=True):
    """A document as issued; amounts in stored units of `currency`, all but the lines' exact ones in whole coins.

    Attributes:
        id: UUIDv5 of what it is about, hexadecimal: the same document is issued once.
        number: `<prefix>-<year>-<mark><serial>`.
        first_day, last_day: of the period, in the issuer's calendar.
        paid: before it was issued: from a wallet or at the charger.
        reference: number of the document that this one credits or reminds of.
        opening: what was owed before, on a statement.
        debt_rounding: what whole coins changed in what the recipient owes.
        posting: group of what its rounding changed, or of the credit, in the book; None when nothing did.
    """

    id: str
    number: str
    kind: Kind
    issuer: Issuer
    recipient: LegalParty
    language: str
    currency: str
    issued_on: date
    first_day: date
    last_day: date
    due_on: date | None
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    net: int
    tax: int
    total: int
    paid: int = 0
    reference: str | None = None
    reason: str = ""
    opening: int = 0
    debt_rounding: int = 0
    posting: str | None = None

    @property
    def is_e_invoice(self) -> bool:
        """Whether EN 16931 can say it: its tax is that of a rate on the sum of lines."""
        invoices = (Kind.INVOICE, Kind.RECEIPT, Kind.CREDIT_NOTE)
        return self.kind in invoices and not any(each.rate is None and each.tax for each in self.taxes)

    @property
    def due(self) -> int:
        return self.total - self.paid

    def money(self, amount: int) -> Money:
        return Money(amount, Currency.of(self.currency))


def to_coin(amount: int, currency: str) -> int:
    """Stored units rounded half up to a whole coin, in stored units."""
    return Money(amount, Currency.of(currency)).to_coin_half_up().amount


def coin_text(amount: int, currency: str) -> str:
    """A whole-coin amount as a decimal text with the currency's digits."""
    known = Currency.of(currency)
    return f"{Money(amount, known).value:.{known.display_digits}f}"


def taxes_of(lines: Sequence[Line], currency: str) -> tuple[Tax, ...]:
    """One for each rate, the highest first; lines without a stated tax last."""
    nets: dict[str | None, int] = {}
    for line in lines:
        nets[line.rate] = nets.get(line.rate, 0) + line.net
    ordered = sorted(nets, key=lambda rate: (rate is None, -Decimal(rate or 0)))
    return tuple(Tax(rate=rate, net=nets[rate], tax=tax_on(nets[rate], rate, currency)) for rate in ordered)


def tax_on(net: int, rate: str | None, currency: str) -> int:
    """Half up to the coin, the one step by which a document computes tax."""
    if rate is None:
        return 0
    coin = Currency.of(currency).coin
    numerator, denominator = (Decimal(rate) / 100).as_integer_ratio()
    return div_half_up(net * numerator, denominator * coin) * coin


encode = msgspec.json.Encoder(order="deterministic").encode
"""A document as the text that is kept: the same document, the same bytes."""
decode = msgspec.json.Decoder(Document).decode
