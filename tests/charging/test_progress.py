"""N, ts and tf: the worked numbers of the method, and the edges it leaves open."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from wattbook.charging.progress import (
    Progress,
    lost_time_ms,
    progress,
    shortfall_by_power,
    shortfall_by_register,
)

MINUTE = 60_000
HALF = Decimal("0.5")
RATED_W = 22_000


def at_twenty_minutes(*, prepaid: int = 10, cost: int = 4, lost_ms: Fraction = Fraction(0)) -> Progress:
    return progress(prepaid=prepaid, cost=cost, charged_ms=20 * MINUTE, lost_ms=lost_ms, weight=HALF)


def test_four_of_ten_after_twenty_minutes_at_rated_power_is_forty_percent_with_thirty_minutes_left() -> None:
    lost = lost_time_ms(shortfall_by_power(RATED_W, 20 * MINUTE, RATED_W, RATED_W), RATED_W)
    assert lost == 0
    assert at_twenty_minutes(lost_ms=lost) == Progress(Decimal(40), 30 * 60)


def test_half_the_rated_power_loses_ten_minutes_of_twenty_and_half_of_them_count_once_more() -> None:
    lost = lost_time_ms(shortfall_by_power(RATED_W, 20 * MINUTE, RATED_W // 2, RATED_W // 2), RATED_W)
    assert lost == 10 * MINUTE
    assert at_twenty_minutes(lost_ms=lost) == Progress(Decimal(40), 35 * 60)


def test_without_cost_or_prepaid_amount_nothing_can_be_told() -> None:
    assert at_twenty_minutes(cost=0) == Progress(None, None)
    assert at_twenty_minutes(cost=-1) == Progress(None, None)
    assert at_twenty_minutes(prepaid=0) == Progress(None, None)


def test_a_prepaid_amount_that_is_used_up_is_a_hundred_percent_with_no_time_left() -> None:
    lost = Fraction(10 * MINUTE)
    assert at_twenty_minutes(cost=10, lost_ms=lost) == Progress(Decimal(100), 0)
    assert at_twenty_minutes(cost=11, lost_ms=lost) == Progress(Decimal(100), 0)


def test_a_hundred_percent_is_not_shown_before_it_is_reached() -> None:
    almost = progress(prepaid=1_000_000, cost=999_999, charged_ms=MINUTE, lost_ms=Fraction(0), weight=HALF)
    assert almost == Progress(Decimal("99.99"), 1)


def test_power_above_the_rated_one_wins_back_no_time_and_feeding_in_loses_no_more_than_the_time_itself() -> None:
    assert shortfall_by_power(RATED_W, MINUTE, 2 * RATED_W, 2 * RATED_W) == 0
    assert shortfall_by_power(RATED_W, MINUTE, -RATED_W, -RATED_W) == RATED_W * MINUTE
    assert shortfall_by_register(RATED_W, MINUTE, 10**12) == 0
    assert shortfall_by_register(RATED_W, MINUTE, -(10**12)) == RATED_W * MINUTE


def test_without_a_rated_power_no_time_counts_as_lost() -> None:
    assert lost_time_ms(0, 0) == 0


def test_a_register_and_the_constant_power_behind_it_tell_the_same() -> None:
    energy_mwh = 7_000_000 // 4  # 7 kW for a quarter of an hour
    by_register = shortfall_by_register(RATED_W, 15 * MINUTE, energy_mwh)
    assert by_register == shortfall_by_power(RATED_W, 15 * MINUTE, 7_000, 7_000)


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-50_000, 50_000)), max_size=20))
def test_lost_time_grows_sample_by_sample_and_never_beyond_the_time_that_passed(steps: list[tuple[int, int]]) -> None:
    shortfall, elapsed, power = 0, 0, 0
    for step_ms, next_w in steps:
        before = shortfall
        shortfall += shortfall_by_power(RATED_W, step_ms, power, next_w)
        assert shortfall >= before
        elapsed, power = elapsed + step_ms, next_w
    assert 0 <= lost_time_ms(shortfall, RATED_W) <= elapsed


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
def test_progress_stays_within_its_bounds(prepaid: int, cost: int, charged_ms: int, lost_ms: int) -> None:
    going = progress(prepaid=prepaid, cost=cost, charged_ms=charged_ms, lost_ms=Fraction(lost_ms), weight=HALF)
    assert going.percent is not None
    assert going.remaining_s is not None
    assert 0 <= going.percent <= 100
    assert going.remaining_s >= 0
    assert (going.percent == 100) == (cost >= prepaid)
