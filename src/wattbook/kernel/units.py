"""Energy and money as integers, and divisions that say how they round.

Energy counts milliwatt-hours. Money counts the smallest *stored* unit of its currency: four decimal digits below the
smallest coin, because roaming prices carry four decimals (OCPI 2.2.1, 16.5 `number`) and a price for 1 Wh must not
vanish. What a person sees and pays is rounded to the ISO 4217 digits, in one named step of a document.

An amount fits a signed 64-bit integer: up to 9.2 billion GWh, or 9.2 trillion euros.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from wattbook.kernel.errors import InvalidInput

AMOUNT_MAX = 2**63 - 1
MWH_PER_WH = 1_000
MWH_PER_KWH = 1_000_000
STORED_DIGITS_BELOW_COIN = 4

# ISO 4217 minor units (table A.1), for currencies in use where cars charge; `digits` is what a document shows.
CURRENCY_DIGITS: dict[str, int] = {
    "AED": 2, "AUD": 2, "BGN": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2, "CZK": 2, "DKK": 2,
    "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "ILS": 2, "INR": 2, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3,
    "MXN": 2, "MYR": 2, "NOK": 2, "NZD": 2, "OMR": 3, "PLN": 2, "RON": 2, "RSD": 2, "SAR": 2, "SEK": 2, "SGD": 2,
    "THB": 2, "TND": 3, "TRY": 2, "TWD": 2, "UAH": 2, "USD": 2, "VND": 0, "ZAR": 2,
}  # fmt: skip


def div_floor(numerator: int, denominator: int) -> int:
    """Toward minus infinity."""
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """Toward plus infinity."""
    return -(-numerator // denominator)


def div_trunc(numerator: int, denominator: int) -> int:
    """Toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def div_half_up(numerator: int, denominator: int) -> int:
    """To the nearest; a tie goes away from zero (사사오입, kaufmännisch)."""
    quotient = (2 * abs(numerator) + abs(denominator)) // (2 * abs(denominator))
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def div_half_even(numerator: int, denominator: int) -> int:
    """To the nearest; a tie goes to the even neighbour."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * abs(rest) - abs(denominator)
    return quotient + 1 if twice > 0 or (twice == 0 and quotient % 2) else quotient


@dataclass(frozen=True, slots=True, order=True)
class Energy:
    """An amount of energy in whole milliwatt-hours; may be negative where a difference is meant."""

    mwh: int

    @classmethod
    def from_kwh(cls, kwh: Decimal | int | str) -> Self:
        """Exact; a value finer than 1 mWh is refused.

        Raises:
            InvalidInput: not a finite number, finer than 1 mWh, or out of range.
        """
        return cls(_scaled(kwh, 6, "energy in kWh"))

    @classmethod
    def from_wh(cls, wh: Decimal | int | str) -> Self:
        """Exact; see `from_kwh`."""
        return cls(_scaled(wh, 3, "energy in Wh"))

    @property
    def kwh(self) -> Decimal:
        """Exact, with no more digits than needed."""
        return _unscaled(self.mwh, 6)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.mwh + other.mwh)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.mwh - other.mwh)

    def __neg__(self) -> Self:
        return type(self)(-self.mwh)

    def __str__(self) -> str:
        return f"{self.kwh:f} kWh"


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 code with the digits a document shows and the digits the book stores."""

    code: str
    display_digits: int

    @classmethod
    def of(cls, code: str) -> Self:
        """The currency of this code.

        Raises:
            InvalidInput: unknown code.
        """
        digits = CURRENCY_DIGITS.get(code)
        if digits is None:
            raise InvalidInput(f"unknown currency {code!r}: an ISO 4217 code such as EUR is needed")
        return cls(code, digits)

    @property
    def stored_digits(self) -> int:
        return self.display_digits + STORED_DIGITS_BELOW_COIN

    @property
    def coin(self) -> int:
        """The smallest coin in stored units."""
        return int(10**STORED_DIGITS_BELOW_COIN)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the stored units of its currency; may be negative."""

    amount: int
    currency: Currency

    @classmethod
    def of(cls, value: Decimal | int | str, code: str) -> Self:
        """Exact; a value finer than the stored scale is refused.

        Raises:
            InvalidInput: unknown currency, not a finite number, too fine, or out of range.
        """
        currency = Currency.of(code)
        return cls(_scaled(value, currency.stored_digits, f"amount in {code}"), currency)

    @classmethod
    def half_up(cls, value: Decimal | Fraction, code: str) -> Self:
        """The nearest stored unit, ties away from zero: the named step by which a computed price enters the book."""
        currency = Currency.of(code)
        if isinstance(value, Decimal) and not value.is_finite():
            raise InvalidInput(f"amount in {code} is not a number: {value}")
        numerator, denominator = value.as_integer_ratio()
        amount = div_half_up(numerator * 10**currency.stored_digits, denominator)
        return cls(_checked(amount, f"amount in {code}"), currency)

    @property
    def value(self) -> Decimal:
        """Exact, in units of the currency."""
        return _unscaled(self.amount, self.currency.stored_digits)

    def to_coin_half_up(self) -> Self:
        """Rounded to what can be paid; ties away from zero."""
        coin = self.currency.coin
        return type(self)(div_half_up(self.amount, coin) * coin, self.currency)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.amount, self.currency)

    def __lt__(self, other: Self) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Self) -> bool:
        return self.amount <= self._same(other)

    def __str__(self) -> str:
        shown = div_half_up(self.amount, self.currency.coin)
        return (
            f"{_unscaled(shown, self.currency.display_digits):,.{self.currency.display_digits}f} {self.currency.code}"
        )

    def _same(self, other: Self) -> int:
        if other.currency != self.currency:
            raise InvalidInput(f"cannot mix {self.currency.code} with {other.currency.code}")
        return other.amount


def _scaled(value: Decimal | int | str, digits: int, what: str) -> int:
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise InvalidInput(f"{what} is not a number: {value!r}") from None
    # A huge exponent of either sign would make an integer of as many digits below.
    if not number.is_finite() or number.adjusted() > 30 or int(number.as_tuple().exponent) < -1_000:
        raise InvalidInput(f"{what} is out of range: {value!r}")
    numerator, denominator = number.as_integer_ratio()
    amount, rest = divmod(numerator * 10**digits, denominator)
    if rest:
        raise InvalidInput(f"{what} has more than {digits} decimals: {value!r}")
    return _checked(amount, what)


def _checked(amount: int, what: str) -> int:
    if abs(amount) > AMOUNT_MAX:
        raise InvalidInput(f"{what} is out of range")
    return amount


def _unscaled(amount: int, digits: int) -> Decimal:
    """Exact whatever the precision of the caller's decimal context."""
    sign, figures = int(amount < 0), tuple(int(figure) for figure in str(abs(amount)))
    number = Decimal((sign, figures, -digits))
    exponent = -digits
    while exponent < 0 and figures[-1] == 0 and len(figures) > 1:
        figures, exponent = figures[:-1], exponent + 1
        number = Decimal((sign, figures, exponent))
    return Decimal((sign, (0,), 0)) if amount == 0 else number
