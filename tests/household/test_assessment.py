"""One joint re-rating: what a house owes does not depend on the order in which anything became known."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.household.village import KWH, MIDNIGHT, OCTOBER, TARIFF
from wattbook.household.paid.assessment import POLICIES, PRO_RATA, STAND_ALONE, Charge, Lines, Share, assess
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.household import rate_household

WON = 10_000
"""Stored units."""


def charge(energy_mwh: int, hour: int = 0, server: str = "a", payment: str = "p") -> Charge:
    return Charge(MIDNIGHT + timedelta(hours=hour), server, payment, energy_mwh)


@pytest.mark.parametrize(
    ("total_kwh", "paid_kwh", "gross_won", "own_won", "duplicate_won"),
    [
        (500, 150, 126_160, 70_640, 55_520),
        (350, 150, 70_640, 31_220, 39_420),
        (420, 30, 97_190, 80_940, 16_250),
        (410, 20, 93_570, 80_940, 12_630),
        (250, 60, 44_880, 29_710, 15_170),
    ],
)
def test_the_duplicate_charge_is_the_re_rated_difference(
    total_kwh: int, paid_kwh: int, gross_won: int, own_won: int, duplicate_won: int
) -> None:
    assessed = assess(TARIFF, OCTOBER, total_kwh * KWH, [charge(paid_kwh * KWH)])
    assert assessed.gross_total == gross_won * WON
    assert assessed.lines.total == own_won * WON
    assert assessed.duplicate == duplicate_won * WON


@pytest.mark.parametrize(
    ("total_kwh", "paid_kwh", "pro_rata_won", "stand_alone_won"),
    [
        (500, 150, 37_848, 23_670),
        (350, 150, 30_274, 23_670),
        (420, 30, 6_942, 5_550),
        (410, 20, 4_564, 4_030),
        (250, 60, 10_771, 10_080),
    ],
)
def test_other_policies_find_other_duplicate_charges_and_say_which(
    total_kwh: int, paid_kwh: int, pro_rata_won: int, stand_alone_won: int
) -> None:
    for policy, won in ((PRO_RATA, pro_rata_won), (STAND_ALONE, stand_alone_won)):
        assessed = assess(TARIFF, OCTOBER, total_kwh * KWH, [charge(paid_kwh * KWH)], policy=policy)
        assert (assessed.policy, assessed.duplicate) == (policy, won * WON)
        assert sum(assessed.lines[1:-1]) == assessed.lines.total
    with pytest.raises(InvalidInput, match="re-rated"):
        assess(TARIFF, OCTOBER, KWH, [], policy="generous")


@given(st.integers(0, 1_200 * KWH), st.integers(0, 1_200), st.sampled_from(POLICIES))
def test_no_policy_leaves_a_house_with_less_than_nothing_or_more_than_all(
    metered_mwh: int, paid_kwh: int, policy: str
) -> None:
    charges = [charge(paid_kwh * KWH)] if paid_kwh else []
    assessed = assess(TARIFF, OCTOBER, metered_mwh, charges, policy=policy)
    assert 0 <= assessed.lines.total <= assessed.gross_total
    assert sum(assessed.lines[1:-1]) == assessed.lines.total
    if not charges or not metered_mwh:
        assert assessed.lines == Lines.of(assessed.gross)


def test_energy_is_subtracted_before_it_is_rounded() -> None:
    assessed = assess(TARIFF, OCTOBER, 500_400_000, [charge(150_700_000)])
    assert (assessed.bill.kwh, assessed.lines.total) == (350, 70_640 * WON)


def test_the_lines_of_a_credit_need_a_rounding_line() -> None:
    """Components 49,260 + tax 4,926 + fund 1,330 are 55,516, and the totals differ by 55,520."""
    issued, own = (assess(TARIFF, OCTOBER, kwh * KWH, []).lines for kwh in (500, 350))
    credit = issued.minus(own)
    assert credit.subtotal == 49_260 * WON
    assert (credit.vat, credit.fund) == (4_926 * WON, 1_330 * WON)
    assert (credit.rounding, credit.total) == (4 * WON, 55_520 * WON)


def test_more_paid_for_than_measured_is_an_exception_of_the_charges_that_ended_last() -> None:
    charges = [charge(7, hour=3, server="late"), charge(4, hour=1, server="early"), charge(5, hour=2, server="late")]
    assessed = assess(TARIFF, OCTOBER, 10, charges)
    assert assessed.shares == {"early": Share(4, 0), "late": Share(6, 6)}
    assert (assessed.household_mwh, assessed.paid_mwh, assessed.exception_mwh) == (0, 16, -6)


def test_nothing_negative_is_assessed() -> None:
    with pytest.raises(InvalidInput):
        assess(TARIFF, OCTOBER, -1, [])
    with pytest.raises(InvalidInput):
        assess(TARIFF, OCTOBER, 1, [charge(0)])


_charges = st.lists(
    st.builds(
        charge,
        st.integers(1, 400 * KWH),
        st.integers(1, 700),
        st.sampled_from(["a", "b"]),
        st.integers(0, 10**6).map(str),
    ),
    max_size=8,
)


@given(st.integers(0, 1_200 * KWH), _charges, st.randoms(use_true_random=False))
def test_an_assessment_does_not_depend_on_the_order_and_loses_no_energy(
    metered_mwh: int, charges: list[Charge], random: Random
) -> None:
    assessed = assess(TARIFF, OCTOBER, metered_mwh, charges)
    shuffled = list(charges)
    random.shuffle(shuffled)
    assert assess(TARIFF, OCTOBER, metered_mwh, shuffled) == assessed
    assert assessed.household_mwh + assessed.paid_mwh + assessed.exception_mwh == metered_mwh
    assert assessed.household_mwh == max(0, metered_mwh - sum(each.energy_mwh for each in charges))
    assert assessed.bill == rate_household(TARIFF, Energy(assessed.household_mwh), OCTOBER)
    assert 0 <= assessed.duplicate <= assessed.gross_total


@given(st.integers(0, 1_200 * KWH), st.integers(0, 1_200 * KWH))
def test_the_lines_of_every_bill_and_credit_sum_to_its_total(first_mwh: int, second_mwh: int) -> None:
    first, second = (assess(TARIFF, OCTOBER, mwh, []).lines for mwh in (first_mwh, second_mwh))
    for lines in (first, second, first.minus(second)):
        assert lines.subtotal + lines.vat + lines.fund + lines.rounding == lines.total
    assert first.minus(second).negated == second.minus(first)
    assert first.minus(Lines(*[0] * len(Lines._fields))) == first
