"""Other shapes of tariff: a price a year, levies in order, parts of a month, demand, minimum charge."""

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, Money
from wattbook.tariffs.catalogue import household_tariff, parse_household_tariff
from wattbook.tariffs.household import HouseholdTariff, Usage, rate_household
from wattbook.tariffs.period import BillingPeriod

GERMAN = household_tariff("de-static-example")
LOW_VOLTAGE = household_tariff("kr-residential-low-voltage")
OCTOBER = BillingPeriod.of_month("2025-10")


def test_a_german_year_by_hand() -> None:
    """3,500 kWh in 2026: levies 0.446 + 0.941 + 1.559 ct/kWh, tax 2.05 ct/kWh, VAT 19 % of everything."""
    rated = rate_household(GERMAN, Energy.from_kwh(3_500), BillingPeriod.parse("2026-01-01", "2026-12-31"))
    assert rated.amounts == {
        "kwh": 3_500, "base": 12_521, "supply": 52_500, "network": 32_130, "concession": 5_565, "kwkg": 1_561,
        "offshore": 3_294, "special_network_use": 5_457, "subtotal": 113_028, "electricity_tax": 7_175,
        "vat": 22_839, "total": 143_042,
    }  # fmt: skip
    assert rated.total_money() == Money.of("1430.42", "EUR")
    assert rated.by_line == {"base": 12_521, "energy": 100_507, "fund": 7_175, "vat": 22_839}


def test_a_levy_that_changes_with_the_year_weighs_by_days() -> None:
    rated = rate_household(GERMAN, Energy.from_kwh(1_000), BillingPeriod.parse("2025-12-17", "2026-01-15"))
    kwkg = [line for line in rated.lines if line.charge == "kwkg"]
    assert [(line.first, line.last, line.share) for line in kwkg] == [
        (date(2025, 12, 17), date(2025, 12, 31), Fraction(1, 2)),
        (date(2026, 1, 1), date(2026, 1, 15), Fraction(1, 2)),
    ]
    assert rated.kwkg == 362  # (2.77 + 4.46) / 2 = 3.615 euros


@settings(deadline=None)
@given(st.dates(date(2027, 1, 1), date(2029, 12, 1)), st.integers(2, 366), st.data())
def test_a_price_a_year_adds_up_over_parts(first: date, days: int, data: st.DataObject) -> None:
    """Also across leap years: what a period's days cost is what its parts cost, before rounding."""

    def base(start: date, count: int) -> Fraction:
        period = BillingPeriod(start, date.fromordinal(start.toordinal() + count - 1))
        rated = rate_household(GERMAN, Energy(0), period)
        return sum((line.exact for line in rated.lines if line.charge == "base"), Fraction())

    cut = data.draw(st.integers(1, days - 1))
    assert base(first, cut) + base(date.fromordinal(first.toordinal() + cut), days - cut) == base(first, days)


@settings(deadline=None)
@given(st.integers(0, 5_000_000_000), st.integers(0, 5_000_000_000))
def test_more_energy_never_costs_less_in_germany(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert rate_household(GERMAN, Energy(less), OCTOBER).total <= rate_household(GERMAN, Energy(more), OCTOBER).total


def test_a_part_of_a_month_has_its_share_of_tiers_and_base() -> None:
    """10 of 30 days: tiers end at 66 2/3 and 133 1/3 kWh; the base charge of tier 2 is 1,600 / 3."""
    rated = rate_household(
        LOW_VOLTAGE, Energy.from_kwh(100), BillingPeriod.parse("2025-11-01", "2025-11-10"), month_days=30
    )
    energy = Fraction(200, 3) * 120 + Fraction(100, 3) * Fraction("214.6")
    assert rated.base == 533
    assert rated.energy == int(energy)
    assert "scaled to 1/3" in rated.notes[0]


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 30))
def test_a_part_of_a_month_costs_its_share_of_a_month_with_the_same_use_a_day(kwh_a_day: int, days: int) -> None:
    """Before rounding: scaled tiers and base make d of 30 days cost d/30 of the month."""

    def costs(last: int, month_days: int | None) -> Fraction:
        period = BillingPeriod(date(2025, 11, 1), date(2025, 11, last))
        rated = rate_household(LOW_VOLTAGE, Energy.from_kwh(kwh_a_day * last), period, month_days=month_days)
        return sum((line.exact for line in rated.lines if line.charge in ("base", "energy")), Fraction())

    assert costs(days, 30) == costs(30, None) * Fraction(days, 30)


def test_a_part_is_not_longer_than_its_month() -> None:
    with pytest.raises(InvalidInput, match="part of a month"):
        rate_household(LOW_VOLTAGE, Energy(0), OCTOBER, month_days=30)


VERSION = {"valid_from": "2020-01-01", "source": "made up for a test", "checked_on": "2026-11-21"}
ROUND = {"rule": "half_up"}


def made(*charges: dict[str, Any], **changes: Any) -> HouseholdTariff:
    names = [charge["name"] for charge in charges]
    content = {
        "name": "made",
        "title": "made",
        "country": "US",
        "currency": "USD",
        "time_zone": "America/New_York",
        "length": {"days_min": 1, "days_max": 62},
        "charges": list(charges),
        "rounding": dict.fromkeys(("kwh", *names, "total"), ROUND),
    }
    return parse_household_tariff(content | changes)


def charge(name: str, kind: str, line: str = "energy", **numbers: Any) -> dict[str, Any]:
    own = {key: numbers.pop(key) for key in ("per", "of", "at", "basis") if key in numbers}
    return {"name": name, "kind": kind, "line": line, "versions": [VERSION | numbers]} | own


def test_a_minimum_charge_lifts_a_small_bill_and_leaves_a_large_one() -> None:
    tariff = made(
        charge("energy", "per-kwh", per_kwh="0.25"),
        charge("minimum", "minimum", line="base", per="day", of=["energy"], amount="0.40"),
        charge("tax", "percent", line="vat", percent="5"),
    )
    period = BillingPeriod.of_month("2026-04")
    small, large = (rate_household(tariff, Energy.from_kwh(kwh), period) for kwh in (10, 100))
    assert (small.energy, small.minimum, small.tax, small.total) == (250, 950, 60, 1_260)
    assert (large.energy, large.minimum, large.tax, large.total) == (2_500, 0, 125, 2_625)


def test_a_demand_charge_is_on_the_highest_power() -> None:
    tariff = made(charge("demand", "per-kw", basis="peak", per_kw="12.50"), charge("energy", "per-kwh", per_kwh="0.1"))
    rated = rate_household(tariff, Usage((Energy.from_kwh(100),), peak_w=7_200), BillingPeriod.of_month("2026-04"))
    assert (rated.demand, rated.energy) == (9_000, 1_000)
    with pytest.raises(InvalidInput, match="peak power"):
        rate_household(tariff, Energy.from_kwh(100), BillingPeriod.of_month("2026-04"))


def test_levies_go_in_order_and_may_be_on_each_other() -> None:
    tariff = made(
        charge("energy", "per-kwh", per_kwh="1"),
        charge("levy", "percent", line="fund", percent="10"),
        charge("vat", "percent", line="vat", percent="20", of=["subtotal", "levy"]),
    )
    rated = rate_household(tariff, Energy.from_kwh(100), BillingPeriod.of_month("2026-04"))
    assert rated.amounts == {
        "kwh": 100, "energy": 10_000, "subtotal": 10_000, "levy": 1_000, "vat": 2_200, "total": 13_200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": "XXX"}, "unknown currency"),
        ({"zones": [{"name": "day", "hours": [[6, 22]]}]}, "hour 0 is in 0 zones"),
        ({"zones": [{"name": "a", "hours": [[0, 24]]}, {"name": "b", "hours": [[5, 6]]}]}, "hour 5 is in 2 zones"),
        ({"holidays": [{"name": "none", "month": 1}]}, "needs either a day"),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        made(charge("energy", "per-kwh", per_kwh="1"), **changes)


def test_a_tariff_survives_its_own_print() -> None:
    for name in ("de-static-example", "us-sce-tou-d-5-8pm", "kr-jeju-time-of-use"):
        tariff = household_tariff(name)
        assert parse_household_tariff(msgspec.to_builtins(tariff)) == tariff
