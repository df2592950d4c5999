"""Zones of the day: which hour is in which, in two calendars and on days of 23 and 25 hours, and what it costs."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.hours import bounds, day_type, energies_of_zones, slot_of, stretches
from wattbook.tariffs.household import HouseholdBill, Usage, rate_household
from wattbook.tariffs.interval_file import usage_of_file
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import compile_household

JEJU = household_tariff("kr-jeju-time-of-use")
EVENING = household_tariff("us-sce-tou-d-5-8pm")
PRIME = household_tariff("us-sce-tou-d-prime")
PACIFIC = ZoneInfo("America/Los_Angeles")
TARIFFS = st.sampled_from([JEJU, EVENING, PRIME])
PERIODS = st.builds(
    lambda first, days: BillingPeriod(first, first + timedelta(days=days - 1)),
    st.dates(date(2026, 6, 1), date(2028, 6, 1)),
    st.integers(28, 35),
)
KWH = st.integers(0, 3_000_000_000)


def bill(name: str, month: str, contract_w: int | None = None, **zones: str) -> HouseholdBill:
    tariff, period = household_tariff(name), BillingPeriod.of_month(month)
    by_zone = {zone.replace("_", " ").replace("Z", "-"): Energy.from_kwh(kwh) for zone, kwh in zones.items()}
    energies = energies_of_zones(compile_household(tariff, period), by_zone)
    return rate_household(tariff, Usage(energies, contract_w), period)


def test_jeju_in_spring_by_hand() -> None:
    """3 kW; 120 × 125.8 + 100 × 153.8 + 80 × 172.4 = 44,268; 300 kWh × 9 and × 5; fund 2.7 %."""
    rated = bill("kr-jeju-time-of-use", "2026-10", 3_000, offZpeak="120", midZpeak="100", peak="80")
    assert rated.amounts == {
        "kwh": 300, "base": 12_930, "energy": 44_268, "climate": 2_700, "fuel": 1_500, "subtotal": 61_398,
        "vat": 6_140, "fund": 1_650, "total": 69_180,
    }  # fmt: skip


def test_jeju_in_winter_has_other_prices_and_a_super_user_part() -> None:
    """Cheap zones fill the first 1,000 kWh: 500 off, 400 mid, 100 of the 300 peak; the other 200 at 736.2."""
    rated = bill("kr-jeju-time-of-use", "2026-01", 5_000, offZpeak="500", midZpeak="400", peak="300")
    assert rated.base == 5 * 4_310
    assert rated.energy == int(
        500 * Fraction("138.7") + 400 * Fraction("184.7") + 100 * Fraction("220.5") + 200 * Fraction("736.2")
    )
    assert any("dearest" in note for note in rated.notes)


def test_contracted_power_may_have_a_fraction() -> None:
    assert bill("kr-jeju-time-of-use", "2026-10", 3_500, offZpeak="0", midZpeak="0", peak="0").base == 15_085


def test_a_californian_summer_month_by_hand() -> None:
    """31 × 0.79; 400 × 0.34 + 50 × 0.54 + 60 × 0.74; credit 0.10 on 31 × 11.4 = 353.4 kWh."""
    named = {"off-peak": "400", "mid-peak": "50", "on-peak": "60"}
    period = BillingPeriod.of_month("2026-07")
    by_zone = {zone: Energy.from_kwh(kwh) for zone, kwh in named.items()}
    rated = rate_household(EVENING, Usage(energies_of_zones(compile_household(EVENING, period), by_zone)), period)
    assert rated.amounts == {
        "kwh": 510, "base": 2_449, "energy": 20_740, "baseline_credit": -3_534, "subtotal": 19_655, "total": 19_655,
    }  # fmt: skip
    assert str(rated.total_money()) == "196.55 USD"


def test_the_baseline_credit_ends_with_the_use() -> None:
    assert bill("us-sce-tou-d-5-8pm", "2026-07", offZpeak="100", midZpeak="0", onZpeak="0").baseline_credit == -1_000


def test_the_seasons_of_a_split_period_are_billed_as_measured() -> None:
    period = BillingPeriod.parse("2026-09-16", "2026-10-15")
    schedule = compile_household(PRIME, period)
    assert [(slot.first.month, slot.zone) for slot in schedule.slots] == [
        (9, "off-peak"), (9, "mid-peak"), (9, "on-peak"), (10, "off-peak"), (10, "winter mid-peak"),
    ]  # fmt: skip
    rated = rate_household(PRIME, Usage(tuple(Energy.from_kwh(kwh) for kwh in (100, 10, 20, 90, 30))), period)
    assert rated.energy == 2_600 + 400 + 1_180 + 2_160 + 1_680
    assert rated.base == 30 * 79
    with pytest.raises(InvalidInput, match="intervals are needed"):
        energies_of_zones(schedule, {})


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2026-07-03", "weekday"),  # the Friday before a holiday on a Saturday
        ("2026-07-04", "holiday"),
        ("2027-07-05", "holiday"),  # the Monday after a holiday on a Sunday
        ("2026-09-07", "holiday"),
        ("2026-11-26", "holiday"),
        ("2027-05-31", "holiday"),
        ("2026-02-16", "holiday"),
        ("2026-11-25", "weekday"),
        ("2026-11-28", "weekend"),
    ],
)
def test_holidays_follow_their_rules(day: str, kind: str) -> None:
    assert day_type(EVENING, date.fromisoformat(day)) == kind


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        ("2026-07-06T17:00", "on-peak"),
        ("2026-07-06T19:45", "on-peak"),
        ("2026-07-06T20:00", "off-peak"),
        ("2026-07-06T16:45", "off-peak"),
        ("2026-07-04T18:00", "mid-peak"),
        ("2026-07-12T18:00", "mid-peak"),
        ("2026-11-26T18:00", "winter mid-peak"),
        ("2026-12-01T08:00", "super off-peak"),
        ("2026-12-01T07:45", "winter off-peak"),
    ],
)
def test_a_quarter_hour_is_in_the_zone_of_its_local_clock(local: str, zone: str) -> None:
    start = datetime.fromisoformat(local).replace(tzinfo=PACIFIC)
    schedule = compile_household(EVENING, BillingPeriod.of_month(local[:7]))
    assert schedule.slots[slot_of(schedule, start.astimezone(UTC), 15)].zone == zone


@pytest.mark.parametrize(("month", "hours"), [("2027-03", 31 * 24 - 1), ("2026-11", 30 * 24 + 1), ("2026-10", 31 * 24)])
def test_a_month_in_which_the_clock_changes_has_its_real_hours(month: str, hours: int) -> None:
    schedule = compile_household(EVENING, BillingPeriod.of_month(month))
    since, until = bounds(schedule)
    assert until - since == timedelta(hours=hours)
    evening = sum(
        (
            each.until - each.since
            for each in stretches(schedule)
            if schedule.slots[each.slot].zone == "winter mid-peak"
        ),
        timedelta(),
    )
    assert evening == timedelta(hours=3 * schedule.period.day_count)


def test_an_interval_in_two_zones_is_refused() -> None:
    schedule = compile_household(EVENING, BillingPeriod.of_month("2026-07"))
    half_past = datetime(2026, 7, 6, 16, 30, tzinfo=PACIFIC).astimezone(UTC)
    assert slot_of(schedule, half_past, 30) == 0
    with pytest.raises(InvalidInput, match="two zones"):
        slot_of(schedule, half_past, 60)


@settings(deadline=None)
@given(TARIFFS, PERIODS)
def test_every_moment_of_a_period_is_in_one_slot(tariff: object, period: BillingPeriod) -> None:
    schedule = compile_household(tariff, period)  # type: ignore[arg-type]
    since, until = bounds(schedule)
    cut = stretches(schedule)
    assert (cut[0].since, cut[-1].until) == (since, until)
    assert all(one.until == other.since for one, other in pairwise(cut))
    assert {each.slot for each in cut} <= set(range(len(schedule.slots)))


@settings(deadline=None)
@given(TARIFFS, PERIODS, st.data())
def test_more_energy_in_any_zone_never_costs_less_and_the_zones_sum(
    tariff: object, period: BillingPeriod, data: st.DataObject
) -> None:
    schedule = compile_household(tariff, period)  # type: ignore[arg-type]
    used = [data.draw(KWH) for _ in schedule.slots]
    more = [mwh + data.draw(KWH) for mwh in used]
    bills = [rate_household(schedule.tariff, Usage(tuple(map(Energy, each)), 3_000), period) for each in (used, more)]
    assert bills[0].total <= bills[1].total
    assert bills[0].kwh == sum((mwh + 500_000) // 1_000_000 for mwh in used)
    by_zone = [line.quantity for line in bills[0].lines if line.charge == "energy"]
    assert sum(by_zone) == bills[0].kwh


@settings(deadline=None)
@given(st.dates(date(2026, 6, 5), date(2028, 6, 1)), st.integers(2, 31), st.data())
def test_a_measured_period_costs_what_its_parts_cost(first: date, days: int, data: st.DataObject) -> None:
    """Where every stretch was measured and nothing counts by the month, a cut changes no line but by its rounding."""
    cut = data.draw(st.integers(1, days - 1))
    last = first + timedelta(days=days - 1)
    parts = [BillingPeriod(first, first + timedelta(days=cut - 1)), BillingPeriod(first + timedelta(days=cut), last)]
    used: dict[tuple[bool, str], int] = {}
    base, energy = 0, 0
    for period in parts:
        schedule = compile_household(PRIME, period)
        kwh = [data.draw(st.integers(0, 500)) for _ in schedule.slots]
        for slot, each in zip(schedule.slots, kwh, strict=True):
            key = (PRIME.season_of(slot.first.month).name == "summer", slot.zone)
            used[key] = used.get(key, 0) + each
        rated = rate_household(PRIME, Usage(tuple(Energy.from_kwh(each) for each in kwh)), period)
        base, energy = base + rated.base, energy + rated.energy
    whole = compile_household(PRIME, BillingPeriod(first, last))
    # Of a period with two summers there would be two stretches; 31 days have one at most.
    kwh = [used.get((PRIME.season_of(slot.first.month).name == "summer", slot.zone), 0) for slot in whole.slots]
    rated = rate_household(PRIME, Usage(tuple(Energy.from_kwh(each) for each in kwh)), whole.period)
    assert (rated.base, rated.energy) == (base, energy)


def write(path: Path, rows: list[tuple[datetime, int, str]]) -> Path:
    lines = [f"{start.isoformat()},{minutes},{kwh}" for start, minutes, kwh in rows]
    path.write_text("\n".join(["start,minutes,kwh", *lines]), encoding="utf-8")
    return path


def test_a_file_of_intervals_fills_the_zones(tmp_path: Path) -> None:
    schedule = compile_household(JEJU, BillingPeriod.of_month("2026-10"))
    since, until = bounds(schedule)
    quarters = [
        (since + timedelta(minutes=15 * number), 15, "0.1")
        for number in range((until - since) // timedelta(minutes=15))
    ]
    usage = usage_of_file(schedule, write(tmp_path / "october.csv", quarters), 3_000)
    assert [energy.kwh for energy in usage.energies] == [Decimal("124"), Decimal("99.2"), Decimal("74.4")]
    assert usage.peak_w == 400
    demand = compile_household(household_tariff("de-demand-example"), BillingPeriod.of_month("2026-10"))
    since, until = bounds(demand)
    fives = [
        (since + timedelta(minutes=5 * number), 5, "0.1" if number % 3 else "0.4")
        for number in range((until - since) // timedelta(minutes=5))
    ]
    of_quarters = usage_of_file(demand, write(tmp_path / "fives.csv", fives))
    assert of_quarters.peak_w == 2_400, "0.6 kWh in each quarter, whatever its parts"
    hours = [(since + timedelta(hours=number), 60, "0.1") for number in range((until - since) // timedelta(hours=1))]
    with pytest.raises(InvalidInput, match="intervals of 60 minutes"):
        usage_of_file(demand, write(tmp_path / "hours.csv", hours))
    assert rate_household(JEJU, usage, schedule.period).kwh == 124 + 99 + 74


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows[1:], "line 2: .*gap"),
        (lambda rows: rows[:-1], "ends at"),
        (lambda rows: [*rows, rows[7]], "overlaps"),
        (lambda rows: [(rows[0][0], 7, "1"), *rows[1:]], "line 2: an interval has"),
        (lambda rows: [(rows[0][0], 15, "many"), *rows[1:]], "line 2: not an interval"),
        (lambda rows: [(rows[0][0].replace(tzinfo=None), 15, "1"), *rows[1:]], "offset"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, change: object, reason: str) -> None:
    schedule = compile_household(JEJU, BillingPeriod.of_month("2026-10"))
    since, _ = bounds(schedule)
    quarters = [(since + timedelta(minutes=15 * number), 15, "0.1") for number in range(31 * 96)]
    with pytest.raises(InvalidInput, match=reason):
        usage_of_file(schedule, write(tmp_path / "bad.csv", change(quarters)), 3_000)  # type: ignore[operator]


def test_what_is_missing_is_asked_for() -> None:
    period = BillingPeriod.of_month("2026-10")
    with pytest.raises(InvalidInput, match=r"needs 3 energies .*off-peak, mid-peak, peak"):
        rate_household(JEJU, Energy.from_kwh(300), period)
    with pytest.raises(InvalidInput, match="contract power"):
        rate_household(JEJU, Usage((Energy(0), Energy(0), Energy(0))), period)
