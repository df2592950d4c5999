"""Many bills at once are the single bills, to the coin: every shipped tariff, every month, random houses."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tariffs.test_shapes import charge, made
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.catalogue import household_tariff, household_tariff_names
from wattbook.tariffs.household import HouseholdTariff, Usage, rate_household
from wattbook.tariffs.household_bulk import rate_many
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import compile_household

SHIPPED = [household_tariff(name) for name in household_tariff_names()]
MADE = [
    made(
        charge("energy", "per-kwh", per_kwh="0.2517"),
        charge("demand", "per-kw", basis="peak", per_kw="1.337", line="base"),
        charge("minimum", "minimum", line="base", per="day", of=["energy", "demand"], amount="0.401"),
        charge("tax", "percent", line="vat", percent="7.25", of=["energy", "minimum"]),
        charge("refund", "percent", line="fund", percent="-3.3"),
    )
]
HOUSE_MWH = st.one_of(
    st.integers(0, 2_000_000_000),
    st.sampled_from([0, 499_999, 500_000, 200_000_000, 200_499_999, 200_500_000, 400_500_000, 1_000_500_000]),
    st.integers(0, 10**13),
)


def first_day(tariff: HouseholdTariff) -> date:
    return max(charge.versions[0].valid_from for charge in tariff.charges)


def assert_same(
    tariff: HouseholdTariff, period: BillingPeriod, rows: list[list[int]], watts: list[int], month_days: int | None
) -> None:
    schedule = compile_household(tariff, period, month_days)
    powers = np.array(watts, np.int64)
    energies = np.array(rows, np.int64).reshape(len(rows), len(schedule.slots))
    many = rate_many(schedule, energies, contract_w=powers, peak_w=powers)
    for place, (row, power) in enumerate(zip(rows, watts, strict=True)):
        one = rate_household(tariff, Usage(tuple(map(Energy, row)), power, power), period, month_days=month_days)
        assert {name: int(amounts[place]) for name, amounts in many.amounts.items()} == one.amounts
        assert {line: int(amounts[place]) for line, amounts in many.by_line.items()} == one.by_line
    assert {amounts.dtype for amounts in many.amounts.values()} == {np.dtype(np.int64)}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*SHIPPED, *MADE]), st.data())
def test_random_houses_in_random_periods(tariff: HouseholdTariff, data: st.DataObject) -> None:
    first = data.draw(st.dates(first_day(tariff), date(2028, 12, 1)))
    days = data.draw(st.integers(1, min(36, tariff.length.days_max)))
    month_days = data.draw(st.none() | st.integers(days, min(36, tariff.length.days_max)))
    period = BillingPeriod(first, first + timedelta(days=days - 1))
    width = len(compile_household(tariff, period, month_days).slots)
    houses = data.draw(st.integers(1, 8))
    rows = [[data.draw(HOUSE_MWH) for _ in range(width)] for _ in range(houses)]
    assert_same(tariff, period, rows, [data.draw(st.integers(0, 50_000)) for _ in rows], month_days)


@pytest.mark.parametrize("tariff", SHIPPED, ids=lambda tariff: tariff.name)
def test_every_month_that_the_data_know(tariff: HouseholdTariff) -> None:
    random = np.random.default_rng(7)
    month = first_day(tariff).replace(day=1)
    if month < first_day(tariff):
        month = (month + timedelta(days=32)).replace(day=1)
    while month < date(2027, 6, 1):
        period = BillingPeriod.of_month(f"{month:%Y-%m}")
        width = len(compile_household(tariff, period).slots)
        rows = random.integers(0, 1_500_000_000, (25, width)).tolist()
        assert_same(tariff, period, rows, random.integers(0, 20_000, 25).tolist(), None)
        month = (month + timedelta(days=32)).replace(day=1)


def test_numbers_too_large_for_64_bits_are_still_exact() -> None:
    for tariff in SHIPPED:
        period = BillingPeriod.parse("2027-05-20", "2027-06-15")
        width = len(compile_household(tariff, period).slots)
        assert_same(tariff, period, [[10**15 - number for number in range(width)]] * 2, [3_000, 4_321], None)


def test_no_house_at_all_is_no_bill() -> None:
    schedule = compile_household(SHIPPED[0], BillingPeriod.of_month("2026-10"))
    many = rate_many(schedule, np.zeros((0, 1), np.int64), peak_w=np.zeros(0, np.int64))
    assert len(many.amounts["total"]) == 0


def test_what_the_single_bill_refuses_is_refused() -> None:
    jeju = compile_household(household_tariff("kr-jeju-time-of-use"), BillingPeriod.of_month("2026-10"))
    with pytest.raises(InvalidInput, match="3 columns"):
        rate_many(jeju, np.zeros((4, 1), np.int64))
    with pytest.raises(InvalidInput, match="contract power"):
        rate_many(jeju, np.zeros((4, 3), np.int64))
    with pytest.raises(InvalidInput, match="negative"):
        rate_many(jeju, np.full((4, 3), -1, np.int64), contract_w=np.full(4, 3_000))
