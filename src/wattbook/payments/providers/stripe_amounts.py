"""Amounts as Stripe counts them: whole numbers of a unit that for some currencies is not the coin.

See https://docs.stripe.com/currencies (zero-decimal, three-decimal and special cases).
"""

from typing import Final

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, Currency, Money

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
    """Raises: InvalidInput: a currency that we do not know, or more of it than can be kept."""
    currency = Currency.of(code)
    amount = count * currency.coin // (100 if code in _AS_TWO_DECIMALS else 1)
    if abs(amount) > AMOUNT_MAX:
        raise InvalidInput(f"an amount in {code} is out of range")
    return Money(amount, currency)
