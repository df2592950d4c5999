"""What a session costs, so far or in the end, as the book will store it.

The tariffs room cuts a session into charging periods and prices them exactly; here each side of the price, what is
bought and what is paid for feed-in, is rounded once to the stored unit. Everything that is shown, pushed and posted is
taken from these four integers. The tariff is the version that was shown when the session began, and its days and hours
are those of the site then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from wattbook.charging.records import FoundSession
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Money
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.course import knots_between, price_course
from wattbook.tariffs.ocpi import decode, parse_tariff
from wattbook.tariffs.pricer import Pricer
from wattbook.tariffs.session_price import Price, explained, quantity
from wattbook.tariffs.station import Dimension, SessionPeriod

PRICERS_MAX = 4_096

_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def tariff_text(document: Mapping[str, Any]) -> str:
    """The one JSON text of a tariff object: the same content, the same text."""
    return _encoder.encode(document).decode()


def tariff_document(text: str) -> dict[str, Any]:
    """A tariff object from its text; numbers with a point as decimals."""
    document: dict[str, Any] = decode(text)
    return document


@lru_cache(maxsize=PRICERS_MAX)
def pricer_of(text: str, time_zone: str | None) -> Pricer:
    """Compiled once a content and zone.

    Raises:
        InvalidInput: not a tariff of OCPI, or one that cannot be priced here: no station says what current flows.
    """
    pricer = compile_tariff(parse_tariff(decode(text)), ZoneInfo(time_zone) if time_zone else None)
    if pricer.by_current:
        raise InvalidInput(f"tariff {pricer.tariff.id}: restricted by current, which no meter here tells")
    return pricer


def needs_readings(pricer: Pricer) -> bool:
    """Whether more than the totals of a session decides its price: when energy flowed, and when it ceased to."""
    return pricer.by_course or pricer.prices_parking or bool(pricer.lanes[Dimension.TIME])


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


class Priced(NamedTuple):
    """A price as stored, the exact one with the lines that explain it, and the charging periods that were priced."""

    stored: StoredPrice
    exact: Price
    periods: tuple[SessionPeriod, ...]


def price(found: FoundSession, *, until: datetime, import_mwh: int, export_mwh: int) -> Priced:
    """The price of a session from its begin until now, or until its end.

    Raises:
        InvalidInput: it began without a tariff, or with one that cannot be priced.
    """
    session = found.session
    if found.tariff is None:
        raise InvalidInput("it began without a tariff")
    pricer = pricer_of(found.tariff, session.time_zone)
    course = knots_between(session.begun_at, until, found.readings, import_mwh, export_mwh)
    periods, exact = price_course(pricer, course)
    stored = StoredPrice(
        exact.currency,
        _stored(exact.bought.before_tax, exact.currency),
        _stored(exact.bought.after_tax, exact.currency),
        _stored(exact.fed_in.before_tax, exact.currency),
        _stored(exact.fed_in.after_tax, exact.currency),
    )
    return Priced(stored, exact, tuple(periods))


def explanation(exact: Price) -> tuple[str, ...]:
    """The lines of a price for a person."""
    return tuple(explained(exact))


def line_documents(exact: Price) -> list[dict[str, str | int | None]]:
    """The lines of a price for a program: quantities and prices as decimal texts."""
    return [
        {
            "dimension": line.dimension and line.dimension.value,
            "reason": line.reason,
            "period": line.period,
            "volume": quantity(line.volume),
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


def _stored(amount: Fraction, currency: str) -> int:
    return Money.half_up(amount, currency).amount
