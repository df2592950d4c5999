"""Amounts as Stripe counts them: whole numbers of a unit that for some currencies is not the coin.

See https://docs.stripe.com/currencies (zero-decimal, three-decimal and special cases).
"""

from typing import Final

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Money

# Written with two decimals though they have no coin below one: https://docs.stripe.com/currencies#special-cases
_AS_TWO_DECIMALS: Final = frozenset({"ISK", "UGX"})


def to_stripe(money: Money) -> int:
    """Raises: InvalidInput: not a whole number of the units Stripe counts in."""
    code, coin = money.currency.code, money.currency.coin
    count, rest = divmod(money.amount, coin)
    if rest:
        raise InvalidInput(f"{money.value:f} {code} is no whole coin")
    if code in _AS_TWO_DECIMALS:
        return count * 100
    if money.currency.display_digits == 3 and count % 10:
        raise InvalidInput(f"Stripe takes {code} with two decimals, not {money.value:f}")
    return count


def from_stripe(count: int, code: str) -> Money:
    currency = Currency.of(code)
    if code in _AS_TWO_DECIMALS:
        return Money(count * currency.coin // 100, currency)
    return Money(count * currency.coin, currency)
