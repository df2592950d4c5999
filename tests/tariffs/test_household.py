"""Sample bills, the published split period, two real bills, and what must hold for every bill."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, Money
from wattbook.tariffs.catalogue import household_tariff, household_tariff_names
from wattbook.tariffs.household import HouseholdBill, add_levies, rate_household
from wattbook.tariffs.household_data import PriceByTier
from wattbook.tariffs.period import BillingPeriod

LOW_VOLTAGE = household_tariff("kr-residential-low-voltage")
HIGH_VOLTAGE = household_tariff("kr-residential-high-voltage")
OCTOBER, AUGUST, JANUARY = (BillingPeriod.of_month(month) for month in ("2025-10", "2025-08", "2026-01"))
MONTHS = st.sampled_from(
    [BillingPeriod.of_month(f"{year}-{month:02d}") for year in (2021, 2022, 2025) for month in range(1, 13)]
)
CONSUMPTION = st.integers(min_value=0, max_value=1_500_000_000).map(Energy)


def bill(kwh: int | str, period: BillingPeriod = OCTOBER) -> HouseholdBill:
    return rate_household(LOW_VOLTAGE, Energy.from_kwh(kwh), period)


@pytest.mark.parametrize(
    ("period", "amounts"),
    [
        # kWh, base, energy, climate, fuel, subtotal, VAT, fund, total
        (OCTOBER, (1, 910, 120, 9, 5, 1_044, 104, 20, 1_160)),
        (OCTOBER, (100, 910, 12_000, 900, 500, 14_310, 1_431, 380, 16_120)),
        (OCTOBER, (200, 910, 24_000, 1_800, 1_000, 27_710, 2_771, 740, 31_220)),
        (OCTOBER, (300, 1_600, 45_460, 2_700, 1_500, 51_260, 5_126, 1_380, 57_760)),
        (OCTOBER, (350, 1_600, 56_190, 3_150, 1_750, 62_690, 6_269, 1_690, 70_640)),
        (OCTOBER, (400, 1_600, 66_920, 3_600, 2_000, 74_120, 7_412, 2_000, 83_530)),
        (OCTOBER, (450, 7_300, 82_285, 4_050, 2_250, 95_885, 9_589, 2_580, 108_050)),
        (OCTOBER, (500, 7_300, 97_650, 4_500, 2_500, 111_950, 11_195, 3_020, 126_160)),
        (OCTOBER, (1_000, 7_300, 251_300, 9_000, 5_000, 272_600, 27_260, 7_360, 307_220)),
        (JANUARY, (1_100, 7_300, 324_920, 9_900, 5_500, 347_620, 34_762, 9_380, 391_760)),
        (AUGUST, (300, 910, 36_000, 2_700, 1_500, 41_110, 4_111, 1_100, 46_320)),
        (AUGUST, (350, 1_600, 46_730, 3_150, 1_750, 53_230, 5_323, 1_430, 59_980)),
        (AUGUST, (450, 1_600, 68_190, 4_050, 2_250, 76_090, 7_609, 2_050, 85_740)),
        (AUGUST, (500, 7_300, 83_555, 4_500, 2_500, 97_855, 9_786, 2_640, 110_280)),
    ],
)
def test_sample_bills_hold_in_every_line(period: BillingPeriod, amounts: tuple[int, ...]) -> None:
    assert tuple(bill(amounts[0], period).amounts.values()) == amounts


def test_the_published_split_period_is_prorated_by_days_in_exact_fractions() -> None:
    split = bill(350, BillingPeriod.parse("2022-03-11", "2022-04-10"))
    by_tier = [
        sum((part.exact for part in split.lines if (part.charge, part.tier) == ("energy", tier)), Fraction())
        for tier in (1, 2)
    ]
    assert by_tier[0] == 200 * (Fraction("88.3") * 21 + Fraction("93.2") * 10) / 31
    assert by_tier[1] == 150 * (Fraction("182.9") * 21 + Fraction("187.8") * 10) / 31
    assert [int(part) for part in by_tier] == [17_976, 27_672]
    assert (split.energy, split.climate, split.base) == (45_648, 2_080, 1_600)


@pytest.mark.parametrize(
    ("subtotal", "vat", "fund", "total"),
    [(10_183, 1_018, 370, 11_570), (2_243, 224, 80, 2_540)],
)
def test_two_real_bills_confirm_the_rounding_after_the_subtotal(subtotal: int, vat: int, fund: int, total: int) -> None:
    levies = add_levies(
        LOW_VOLTAGE.rounding, subtotal, vat=subtotal * Fraction("0.10"), fund=subtotal * Fraction("0.037")
    )
    assert tuple(levies[name].result for name in ("vat", "fund", "total")) == (vat, fund, total)


@pytest.mark.parametrize(
    ("total_kwh", "ev_kwh", "of_total", "of_rest", "difference", "of_ev_alone"),
    [
        (500, 150, 126_160, 70_640, 55_520, 23_670),
        (350, 150, 70_640, 31_220, 39_420, 23_670),
        (420, 30, 97_190, 80_940, 16_250, 5_550),
        (410, 20, 93_570, 80_940, 12_630, 4_030),
        (250, 60, 44_880, 29_710, 15_170, 10_080),
    ],
)
def test_energy_billed_twice_is_worth_the_difference_of_two_bills(
    total_kwh: int, ev_kwh: int, of_total: int, of_rest: int, difference: int, of_ev_alone: int
) -> None:
    with_ev, without = bill(total_kwh).total, bill(total_kwh - ev_kwh).total
    assert (with_ev, without, with_ev - without) == (of_total, of_rest, difference)
    assert bill(ev_kwh).total == of_ev_alone


@pytest.mark.parametrize(("below", "step"), [(200, 1_040), (400, 6_780)])
def test_one_kwh_over_a_tier_border_costs_the_next_base_charge_too(below: int, step: int) -> None:
    assert bill(below + 1).total - bill(below).total == step


def test_paid_energy_is_taken_off_before_the_only_rounding() -> None:
    rest = Energy.from_kwh("500.4") - Energy.from_kwh("150.7")
    rated = rate_household(LOW_VOLTAGE, rest, OCTOBER)
    assert (rated.kwh, rated.total) == (350, 70_640)


@pytest.mark.parametrize(("kwh", "rounded"), [("349.499999", 349), ("349.5", 350), ("0.5", 1), ("0.499999", 0)])
def test_kwh_round_half_up_from_milliwatt_hours(kwh: str, rounded: int) -> None:
    assert bill(kwh).kwh == rounded


@given(MONTHS, CONSUMPTION, CONSUMPTION)
def test_more_energy_never_costs_less(month: BillingPeriod, one: Energy, other: Energy) -> None:
    less, more = sorted((one, other))
    assert rate_household(LOW_VOLTAGE, less, month).total <= rate_household(LOW_VOLTAGE, more, month).total


@given(
    st.dates(date(2021, 1, 1), date(2026, 12, 31)),
    st.integers(min_value=28, max_value=36),
    CONSUMPTION,
)
def test_every_bill_is_explained_to_the_won(first: date, day_count: int, consumption: Energy) -> None:
    period = BillingPeriod(first, date.fromordinal(first.toordinal() + day_count - 1))
    rated = rate_household(LOW_VOLTAGE, consumption, period)
    steps = {step.name: step for step in rated.steps}
    assert list(steps) == ["kwh", "base", "energy", "climate", "fuel", "vat", "fund", "total"]
    for name in ("base", "energy", "climate", "fuel", "vat", "fund"):
        parts = [line for line in rated.lines if line.charge == name]
        assert sum((part.exact for part in parts), Fraction()) == steps[name].exact
        assert abs(steps[name].result - steps[name].exact) < steps[name].unit
        assert rated.amounts[name] == steps[name].result
    assert rated.subtotal == rated.base + rated.energy + rated.climate + rated.fuel
    assert 0 <= rated.subtotal + rated.vat + rated.fund - rated.total < 10
    shares = {(line.first, line.last): line.share for line in rated.lines if line.charge == "base"}
    assert sum(shares.values()) == 1


def test_a_season_inside_the_period_weighs_by_its_days() -> None:
    """300 kWh from mid June to mid July: other months' tiers for 15 days, summer tiers for 15."""
    split = bill(300, BillingPeriod.parse("2025-06-16", "2025-07-15"))
    assert split.energy == (45_460 + 36_000) // 2
    assert split.base == (1_600 + 910) // 2


def test_the_super_user_price_counts_the_days_in_its_months_only() -> None:
    split = bill(1_100, BillingPeriod.parse("2025-11-16", "2025-12-15"))
    outside = 251_300 + 100 * Fraction("307.3")
    assert split.energy == (outside + 324_920) // 2
    assert bill(1_100, BillingPeriod.of_month("2025-11")).energy == outside


def test_the_fuel_price_is_that_of_the_first_day() -> None:
    assert bill(100, BillingPeriod.parse("2022-06-20", "2022-07-19")).fuel == 0
    assert bill(100, BillingPeriod.parse("2022-07-01", "2022-07-31")).fuel == 500
    assert bill(100, BillingPeriod.of_month("2021-02")).fuel == -300


def test_the_fund_is_prorated_when_its_rate_changes() -> None:
    split = bill(400, BillingPeriod.parse("2025-06-16", "2025-07-15"))
    assert split.fund == int(split.subtotal * (Fraction("0.032") + Fraction("0.027")) / 2) // 10 * 10


@pytest.mark.parametrize(
    ("month", "prices", "climate"),
    [
        ("2021-01", ("88.3", "182.9", "275.6"), "5.3"),
        ("2022-04", ("93.2", "187.8", "280.5"), "7.3"),
        ("2022-10", ("100.6", "195.2", "287.9"), "7.3"),
        ("2023-01", ("112.0", "206.6", "299.3"), "9.0"),
        ("2023-06", ("120.0", "214.6", "307.3"), "9.0"),
    ],
)
def test_each_month_is_billed_at_the_prices_of_its_time(month: str, prices: tuple[str, ...], climate: str) -> None:
    rated = bill(500, BillingPeriod.of_month(month))
    assert [line.price for line in rated.lines if line.charge == "energy"] == [Fraction(price) for price in prices]
    assert [line.price for line in rated.lines if line.charge == "climate"] == [Fraction(climate)]


def test_the_price_of_may_2023_changes_on_the_sixteenth() -> None:
    energy = [line for line in bill(100, BillingPeriod.of_month("2023-05")).lines if line.charge == "energy"]
    assert [(line.first.day, line.last.day, int(line.price)) for line in energy] == [(1, 15, 112), (16, 31, 120)]


def test_zero_use_is_billed_by_the_formula_and_says_that_this_is_not_verified() -> None:
    rated = bill(0)
    assert rated.total == 1_020
    assert any("Zero use" in note for note in rated.notes)


@pytest.mark.parametrize(
    ("kwh", "month", "word"),
    [
        (200, "2022-06", "guaranteed-use"),
        (1_001, "2023-01", "super-user"),
        (201, "2021-09", "September 2021"),
        (100, "2026-10", "March 2026"),
    ],
)
def test_a_bill_says_where_its_facts_end(kwh: int, month: str, word: str) -> None:
    assert [word in note for note in bill(kwh, BillingPeriod.of_month(month)).notes] == [True]


def test_a_bill_on_verified_ground_has_no_note() -> None:
    assert bill(350).notes == ()
    assert bill(201, BillingPeriod.of_month("2022-06")).notes == ()


def test_a_short_period_is_billed_as_a_month_and_says_so() -> None:
    short = bill(300, BillingPeriod.parse("2025-10-01", "2025-10-10"))
    assert short.total == 57_760
    assert "10 days are billed as a whole month" in short.notes[0]


def test_high_voltage_has_its_own_prices_and_the_same_rules() -> None:
    rated = rate_household(HIGH_VOLTAGE, Energy.from_kwh(1_100), JANUARY)
    assert rated.base == 6_060
    assert rated.energy == int(200 * 105 + 200 * 174 + 600 * Fraction("242.3") + 100 * Fraction("601.3"))


def test_a_bill_enters_the_book_as_money() -> None:
    assert bill(350).total_money() == Money.of(70_640, "KRW")


@pytest.mark.parametrize(
    ("kwh", "first", "last", "reason"),
    [
        ("-0.1", "2025-10-01", "2025-10-31", "negative"),
        ("100", "2020-12-31", "2021-01-30", "begin on 2021-01-01"),
        ("100", "2025-01-01", "2025-12-31", "at most 36"),
        ("100", "2025-10-31", "2025-10-01", "cannot end"),
        ("100", "2025-10-32", "2025-11-01", "not a day"),
    ],
)
def test_what_cannot_be_billed_is_refused_with_the_reason(kwh: str, first: str, last: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        bill(kwh, BillingPeriod.parse(first, last))


@dataclass(frozen=True)
class IndependentTier:
    """The same tariff restated with integers in tenths of won, as a check on the fractions."""

    limits: tuple[int, int]
    bases: tuple[int, int, int] = (910, 1_600, 7_300)
    prices: tuple[int, int, int] = (1_200, 2_146, 3_073)

    def total(self, kwh: int) -> int:
        first, second = self.limits
        used = (min(kwh, first), max(min(kwh, second) - first, 0), max(kwh - second, 0))
        base = self.bases[0 if kwh <= first else 1 if kwh <= second else 2]
        energy = sum(part * price for part, price in zip(used, self.prices, strict=True)) // 10
        subtotal = base + energy + 14 * kwh
        return (subtotal + (subtotal + 5) // 10 + subtotal * 27 // 10_000 * 10) // 10 * 10


@given(st.integers(min_value=0, max_value=1_000))
def test_an_integer_program_agrees_on_every_kwh(kwh: int) -> None:
    assert bill(kwh).total == IndependentTier((200, 400)).total(kwh)
    assert bill(kwh, AUGUST).total == IndependentTier((300, 450)).total(kwh)


def test_prices_are_decimals_and_each_version_names_its_source() -> None:
    for tariff in map(household_tariff, household_tariff_names()):
        versions = [version for charge in tariff.charges for version in charge.versions]
        assert all(version.source and version.checked_on > version.valid_from for version in versions)
    for tariff in (LOW_VOLTAGE, HIGH_VOLTAGE):
        prices = [
            version for charge in tariff.charges for version in charge.versions if isinstance(version, PriceByTier)
        ]
        assert len(prices) == 5
        assert all(isinstance(price, Decimal) for version in prices for price in version.by_tier)
