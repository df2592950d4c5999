"""What a session costs, so far or in the end, as the book will store it.

The tariffs room prices exactly; here each side of the price, what is bought and what is paid for feed-in, is rounded
once to the stored unit. Everything that is shown, pushed and posted is taken from these four integers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec

from wattbook.kernel.units import Currency, Energy, Money
from wattbook.tariffs.ocpi import parse_tariff
from wattbook.tariffs.station import Dimension, Price, PriceLine, SessionPeriod, StationTariff, price_session

PARSED_TARIFFS_MAX = 1_024

_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def tariff_text(document: Mapping[str, Any]) -> str:
    """The one JSON text of a tariff object: the same content, the same text."""
    return _encoder.encode(document).decode()


def tariff_document(text: str) -> dict[str, Any]:
    """A tariff object from its text; numbers with a point as decimals."""
    return _decoder.decode(text)


@lru_cache(maxsize=PARSED_TARIFFS_MAX)
def parsed_tariff(text: str) -> StationTariff:
    """Parsed once a content.

    Raises:
        InvalidInput: not a tariff of OCPI.
    """
    return parse_tariff(tariff_document(text))


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """A price in stored units: bought is what the driver owes, fed in what the driver is owed."""

    currency: str
    bought_before_tax: int = 0
    bought_after_tax: int = 0
    fed_in_before_tax: int = 0
    fed_in_after_tax: int = 0

    @property
    def before_tax(self) -> int:
        return self.bought_before_tax - self.fed_in_before_tax

    @property
    def after_tax(self) -> int:
        return self.bought_after_tax - self.fed_in_after_tax

    @property
    def tax(self) -> int:
        """Of what was bought."""
        return self.bought_after_tax - self.bought_before_tax

    @property
    def fed_in_tax(self) -> int:
        return self.fed_in_after_tax - self.fed_in_before_tax

    def value(self, amount: int) -> Decimal:
        """An amount in units of the currency."""
        return Money(amount, Currency.of(self.currency)).value


def price(
    tariff: StationTariff, *, started_at: datetime, lasted: timedelta, import_mwh: int, export_mwh: int
) -> tuple[StoredPrice, Price]:
    """The price as stored, and the exact one with the lines that explain it.

    The session is one period: no tariff that is priced today changes while it runs.
    """
    period = SessionPeriod(started_at, Energy(import_mwh), max(lasted, timedelta(0)), Energy(export_mwh))
    exact = price_session(tariff, [period])
    bought = [line for line in exact.lines if line.dimension is not Dimension.ENERGY_EXPORT]
    fed_in = [line for line in exact.lines if line.dimension is Dimension.ENERGY_EXPORT]
    stored = StoredPrice(
        tariff.currency,
        _stored((line.before_tax for line in bought), tariff.currency),
        _stored((line.after_tax for line in bought), tariff.currency),
        -_stored((line.before_tax for line in fed_in), tariff.currency),
        -_stored((line.after_tax for line in fed_in), tariff.currency),
    )
    return stored, exact


def explanation(exact: Price) -> tuple[str, ...]:
    """The lines of a price for a person."""
    return tuple(_explained(line, exact.currency) for line in exact.lines)


def line_documents(exact: Price) -> list[dict[str, str | None]]:
    """The lines of a price for a program: quantities and prices as decimal texts."""
    return [
        {
            "dimension": line.dimension and line.dimension.value,
            "reason": line.reason,
            "volume": _shown(line.volume),
            "unit": line.unit,
            "price": f"{line.price:f}",
            "vat": None if line.vat is None else f"{line.vat:f}",
            "before_tax": amount_text(Money.half_up(line.before_tax, exact.currency).amount, exact.currency),
            "after_tax": amount_text(Money.half_up(line.after_tax, exact.currency).amount, exact.currency),
        }
        for line in exact.lines
    ]


def amount_text(amount: int, currency: str) -> str:
    """Stored units as a decimal text in units of the currency."""
    return f"{Money(amount, Currency.of(currency)).value:f}"


def _explained(line: PriceLine, currency: str) -> str:
    what = line.reason if line.dimension is None else line.dimension.value
    if line.reason == "step":
        what = f"{what}, rounded up to the step"
    tax = "" if line.vat is None else f" + {line.vat:f} % tax"
    amount = amount_text(Money.half_up(line.after_tax, currency).amount, currency)
    return f"{what}: {_shown(line.volume)} {line.unit} × {line.price:f} {currency}{tax} = {amount} {currency}"


def _shown(volume: Fraction) -> str:
    """At most six decimals, for reading only."""
    shown = f"{Decimal(volume.numerator) / Decimal(volume.denominator):.6f}"
    return shown.rstrip("0").rstrip(".")


def _stored(parts: Iterable[Fraction], currency: str) -> int:
    return Money.half_up(sum(parts, Fraction()), currency).amount
