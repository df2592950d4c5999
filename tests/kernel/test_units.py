"""Amounts: exact in, exact out, and every rounding by its name."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import (
    AMOUNT_MAX,
    CURRENCY_DIGITS,
    MWH_PER_KWH,
    Currency,
    Energy,
    Money,
    div_ceil,
    div_floor,
    div_half_even,
    div_half_up,
    div_trunc,
)

amounts = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
numerators = st.integers(-(10**30), 10**30) | st.integers(-50, 50)
denominators = (st.integers(-(10**12), 10**12) | st.integers(-12, 12)).filter(bool)
codes = st.sampled_from(sorted(CURRENCY_DIGITS))


# --- divisions -------------------------------------------------------------------------------------------------------

DIVISIONS = {
    ROUND_FLOOR: div_floor,
    ROUND_CEILING: div_ceil,
    ROUND_DOWN: div_trunc,
    ROUND_HALF_UP: div_half_up,
    ROUND_HALF_EVEN: div_half_even,
}


@pytest.mark.parametrize("rounding", DIVISIONS)
@given(tenths=st.integers(-(10**15), 10**15))
def test_a_division_rounds_as_the_decimal_rule_of_its_name(rounding: str, tenths: int) -> None:
    assert DIVISIONS[rounding](tenths, 10) == int((Decimal(tenths) / 10).to_integral_value(rounding))


@pytest.mark.parametrize("rounding", DIVISIONS)
@given(numerator=numerators, denominator=denominators)
def test_a_quotient_is_less_than_one_away_from_the_exact_one_and_signs_cancel(
    rounding: str, numerator: int, denominator: int
) -> None:
    divide = DIVISIONS[rounding]
    assert abs(divide(numerator, denominator) - Fraction(numerator, denominator)) < 1
    assert divide(-numerator, -denominator) == divide(numerator, denominator)


@given(numerators, denominators)
def test_the_divisions_to_the_nearest_are_off_by_half_at_most_and_differ_only_in_ties(
    numerator: int, denominator: int
) -> None:
    exact = Fraction(numerator, denominator)
    up, even = div_half_up(numerator, denominator), div_half_even(numerator, denominator)
    assert abs(up - exact) <= Fraction(1, 2)
    assert abs(even - exact) <= Fraction(1, 2)
    if (exact * 2).denominator == 1 and exact.denominator == 2:
        assert abs(up) > abs(exact)
        assert even % 2 == 0
    else:
        assert up == even


@given(numerators, denominators)
def test_floor_and_ceiling_enclose_the_exact_quotient(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert div_floor(numerator, denominator) <= exact <= div_ceil(numerator, denominator)
    assert abs(div_trunc(numerator, denominator)) <= abs(exact)


# --- energy ----------------------------------------------------------------------------------------------------------


@given(amounts)
def test_energy_printed_in_kilowatt_hours_reads_back_as_the_same_energy(mwh: int) -> None:
    energy = Energy(mwh)
    assert Energy.from_kwh(energy.kwh) == energy
    assert Energy.from_kwh(str(energy).removesuffix(" kWh")) == energy


@given(amounts)
def test_energy_is_exact_whatever_the_precision_of_the_caller(mwh: int) -> None:
    with localcontext(prec=3):
        assert Energy.from_kwh(Energy(mwh).kwh) == Energy(mwh)


@given(amounts, amounts)
def test_energy_that_is_added_and_taken_out_again_leaves_nothing(left: int, right: int) -> None:
    assert Energy(left) + Energy(right) - Energy(right) == Energy(left)
    assert Energy(left) + -Energy(left) == Energy(0)
    assert (Energy(left) < Energy(right)) == (left < right)


def test_energy_reads_watt_hours_and_kilowatt_hours() -> None:
    assert Energy.from_kwh("20.45") == Energy.from_wh(20450) == Energy(20_450_000)
    assert Energy.from_kwh(1).mwh == MWH_PER_KWH
    assert str(Energy.from_kwh("0.000001")) == "0.000001 kWh"
    assert str(Energy.from_kwh(100)) == "100 kWh"


@pytest.mark.parametrize(
    "kwh", ["0.0000001", "", "many", "NaN", "sNaN", "Infinity", "-Infinity", "1e31", str(2**63), "9223372036854.775808"]
)
def test_energy_that_is_no_number_or_too_fine_or_too_large_is_refused(kwh: str) -> None:
    with pytest.raises(InvalidInput):
        Energy.from_kwh(kwh)


# --- money -----------------------------------------------------------------------------------------------------------


@given(amounts, codes)
def test_money_printed_exactly_reads_back_as_the_same_money(amount: int, code: str) -> None:
    money = Money(amount, Currency.of(code))
    assert Money.of(money.value, code) == money


@given(st.integers(-(10**17), 10**17), codes)
def test_what_can_be_paid_is_within_half_a_coin_and_stays_itself(amount: int, code: str) -> None:
    money = Money(amount, Currency.of(code))
    paid = money.to_coin_half_up()
    assert paid.amount % money.currency.coin == 0
    assert abs(paid.amount - amount) * 2 <= money.currency.coin
    assert paid.to_coin_half_up() == paid
    assert -paid == (-money).to_coin_half_up()


@given(amounts, amounts, codes)
def test_money_that_is_added_and_taken_out_again_leaves_nothing(left: int, right: int, code: str) -> None:
    currency = Currency.of(code)
    one, other = Money(left, currency), Money(right, currency)
    assert one + other - other == one
    assert one + -one == Money(0, currency)
    assert (one < other) == (left < right)
    assert (one <= other) == (left <= right)


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        ("1234.5678", "EUR", "1,234.57 EUR"),
        ("0.005", "EUR", "0.01 EUR"),
        ("-0.005", "EUR", "-0.01 EUR"),
        ("-0.0049", "EUR", "0.00 EUR"),
        ("39050", "KRW", "39,050 KRW"),
        ("120.5", "KRW", "121 KRW"),
        ("0.1235", "KWD", "0.124 KWD"),
    ],
)
def test_money_is_shown_in_the_coins_of_its_currency(value: str, code: str, shown: str) -> None:
    assert str(Money.of(value, code)) == shown


def test_a_price_of_one_watt_hour_does_not_vanish() -> None:
    assert Money.of("0.000250", "EUR").amount == 250
    assert Money.of("0.1206", "KRW").amount == 1206


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (Decimal("0.0000005"), 1),
        (Decimal("-0.0000005"), -1),
        (Decimal("0.000000" + "4" + "9" * 40), 0),  # more digits than a decimal context holds
        (Decimal("12.345"), 12_345_000),
        (Fraction(1, 3), 333_333),
        (Fraction(-2, 3), -666_667),
    ],
)
def test_a_computed_price_enters_the_book_at_the_nearest_stored_unit(value: Decimal | Fraction, amount: int) -> None:
    assert Money.half_up(value, "EUR").amount == amount


@pytest.mark.parametrize(
    ("value", "code"),
    [("0.0000001", "EUR"), ("0.00001", "KRW"), ("1", "eur"), ("1", "XYZ"), ("x", "EUR"), ("1e20", "EUR")],
)
def test_money_too_fine_too_large_or_of_no_currency_is_refused(value: str, code: str) -> None:
    with pytest.raises(InvalidInput):
        Money.of(value, code)


def test_currencies_do_not_mix() -> None:
    euro, won = Money.of(1, "EUR"), Money.of(1, "KRW")
    assert euro != won
    for mix in (lambda: euro + won, lambda: euro - won, lambda: euro < won, lambda: euro <= won):
        with pytest.raises(InvalidInput, match="cannot mix EUR with KRW"):
            mix()
