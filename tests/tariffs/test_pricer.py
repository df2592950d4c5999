"""What holds for every price: however a session is cut, whatever a tariff restricts, one by one or by the million."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tariffs.ocpi_objects import (
    BERLIN,
    HOUR,
    MINUTE,
    element,
    exactly,
    local,
    part,
    period,
    priced,
    tariff,
    totals,
)
from tests.tariffs.random_tariffs import compiled, random_course, random_tariff, with_extras
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, Money
from wattbook.tariffs.bulk import Records, price_records
from wattbook.tariffs.course import Course, Knot, cut, price_course
from wattbook.tariffs.pricer import Pricer
from wattbook.tariffs.session_price import Price, total
from wattbook.tariffs.station import Dimension, SessionPeriod

RANDOM = st.randoms(use_true_random=False)
NOON = local("2026-05-04T12:00")


def halves(period: SessionPeriod, random: Random) -> list[SessionPeriod]:
    """The same period in two, at a random moment, its energy as it falls."""
    lasted = period.time + period.parking
    first = timedelta(microseconds=random.randint(0, lasted // timedelta(microseconds=1)))
    drawn, fed_in = random.randint(0, period.energy.mwh), random.randint(0, period.fed_in.mwh)
    nothing = timedelta(0)

    def piece(start: Any, took: timedelta, mwh: int, back: int) -> SessionPeriod:
        charging, parked = (nothing, took) if period.parking else (took, nothing)
        return SessionPeriod(start, Energy(mwh), charging, Energy(back), parked, power_kw=period.power_kw)

    rest = piece(period.start + first, lasted - first, period.energy.mwh - drawn, period.fed_in.mwh - fed_in)
    return [piece(period.start, first, drawn, fed_in), rest]


def selection(pricer: Pricer, periods: list[SessionPeriod]) -> list[tuple[int, ...]]:
    drawn, active = 0, []
    for each in periods:
        elapsed = (each.start - periods[0].start) // timedelta(microseconds=1)
        active.append(pricer.active(pricer.moment(each.start, drawn, elapsed, each)))
        drawn += each.energy.mwh
    return active


@given(RANDOM)
def test_a_cut_where_nothing_changes_changes_no_price(random: Random) -> None:
    pricer = compiled(with_extras(random, random_tariff(random)))
    periods = cut(pricer, random_course(random, feeding_in=True))
    place = random.randrange(len(periods))
    finer = [*periods[:place], *halves(periods[place], random), *periods[place + 1 :]]
    active = selection(pricer, finer)
    if active[place] == active[place + 1]:
        assert totals(pricer.price(finer)) == totals(pricer.price(periods))


@given(RANDOM)
def test_a_reading_more_changes_no_price(random: Random) -> None:
    """Of tariffs that do not ask for power: a reading in the middle of an even flow tells nothing new."""
    pricer, course = compiled(random_tariff(random, power=False)), random_course(random)
    first, last = random.choice(list(course.stretches()))
    drawn = (last.drawn_mwh - first.drawn_mwh) // 2 * 2
    even = Knot(last.at, first.drawn_mwh + drawn, last.fed_in_mwh)
    middle = Knot(first.at + (last.at - first.at) / 2, first.drawn_mwh + drawn // 2, first.fed_in_mwh)
    if (last.at - first.at) % timedelta(microseconds=2) or drawn == 0:
        return
    _, without = price_course(pricer, Course((first, even)))
    _, with_one = price_course(pricer, Course((first, middle, even)))
    assert totals(without) == totals(with_one)


@given(RANDOM)
def test_cutting_keeps_every_milliwatt_hour_and_microsecond(random: Random) -> None:
    pricer, course = compiled(random_tariff(random)), random_course(random, feeding_in=True)
    periods = cut(pricer, course)
    assert sum(each.energy.mwh for each in periods) == course.knots[-1].drawn_mwh
    assert sum(each.fed_in.mwh for each in periods) == course.knots[-1].fed_in_mwh
    lasted = sum((each.time + each.parking for each in periods), timedelta(0))
    assert lasted == course.end - course.start


@given(RANDOM)
def test_what_is_bought_keeps_within_its_limits(random: Random) -> None:
    pricer = compiled(with_extras(random, random_tariff(random)))
    price = price_course(pricer, random_course(random))[1]
    low, high = pricer.tariff.min_price, pricer.tariff.max_price
    if high is not None:
        assert price.bought.before_tax <= Fraction(high.before_tax)
        if high.after_tax is not None:
            assert price.bought.after_tax <= Fraction(high.after_tax)
    elif low is not None:
        assert price.bought.before_tax >= Fraction(low.before_tax)
        assert price.bought.after_tax >= Fraction(low.after_tax or 0)


@given(RANDOM, st.integers(0, 50_000_000), st.integers(0, 7_200_000_000))
def test_more_of_the_same_never_costs_less(random: Random, more_mwh: int, more_us: int) -> None:
    """In the last period, so that no other component becomes active."""
    pricer = compiled(with_extras(random, random_tariff(random, power=False)))
    periods = cut(pricer, random_course(random))
    last, more = periods[-1], timedelta(microseconds=more_us)
    longer = SessionPeriod(
        last.start,
        Energy(last.energy.mwh + more_mwh),
        last.time + (timedelta(0) if last.parking else more),
        last.fed_in,
        last.parking + (more if last.parking else timedelta(0)),
    )
    before, after = totals(pricer.price(periods)), totals(pricer.price([*periods[:-1], longer]))
    assert before <= after
    assert before[1] <= after[1]


@given(RANDOM)
def test_before_and_after_tax_agree(random: Random) -> None:
    pricer = compiled(with_extras(random, random_tariff(random)))
    price = price_course(pricer, random_course(random, feeding_in=True))[1]
    assert price.bought.before_tax <= price.bought.after_tax
    for line in price.lines:
        if line.dimension is not None:
            rate = Fraction(line.vat or 0) / 100 if pricer.tariff.tax_included != "N/A" else Fraction()
            assert line.after_tax == line.before_tax * (1 + rate)
    assert total(price.lines) == totals(price)
    assert sum(tax.amount for tax in price.taxes) == price.after_tax - price.before_tax


@given(RANDOM, st.integers(1, 12))
def test_a_million_are_priced_as_one_is(random: Random, count: int) -> None:
    pricer = compiled(with_extras(random, random_tariff(random)))
    sessions = [cut(pricer, random_course(random, feeding_in=True)) for _ in range(count)]
    if random.random() < 0.3:  # with a reservation before it, or expired
        reserved = SessionPeriod(sessions[0][0].start - HOUR, reserved=20 * MINUTE)
        sessions[0] = [reserved, *sessions[0]] if random.random() < 0.5 else [reserved]
    bulk, singles = price_records(pricer, Records.of(sessions)), [pricer.price(each) for each in sessions]
    for number, price in enumerate(singles):
        assert Fraction(int(bulk.bought_before[number]), bulk.scale) == price.bought.before_tax
        assert Fraction(int(bulk.bought_after[number]), bulk.scale) == price.bought.after_tax
        assert Fraction(int(bulk.fed_in_before[number]), bulk.scale) == price.fed_in.before_tax
        assert Fraction(int(bulk.fed_in_after[number]), bulk.scale) == price.fed_in.after_tax
    assert list(zip(*bulk.stored(), strict=True)) == [stored(price) for price in singles]


def stored(price: Price) -> tuple[int, ...]:
    amounts = (*price.bought, *price.fed_in)
    return tuple(Money.half_up(amount, price.currency).amount for amount in amounts)


def test_amounts_beyond_64_bits_are_exact_in_bulk_too() -> None:
    pricer = compiled(tariff(element(part("ENERGY", "987654321.123456789", 19.1234567))))
    sessions = [[SessionPeriod(NOON, Energy(10**15 + 1))], [SessionPeriod(NOON, Energy(1))]]
    bulk = price_records(pricer, Records.of(sessions))
    assert [Fraction(int(each), bulk.scale) for each in bulk.bought_after] == [
        pricer.price(each).bought.after_tax for each in sessions
    ]


def test_no_records_cost_nothing_and_odd_ones_are_refused() -> None:
    pricer = compiled(tariff(element(part("ENERGY", "0.25"))))
    assert price_records(pricer, Records.of([])).stored() == ([], [], [], [])
    with pytest.raises(InvalidInput, match="at least one period"):
        Records.of([[]])
    with pytest.raises(InvalidInput, match="order of time"):
        Records.of([[SessionPeriod(NOON), SessionPeriod(NOON - HOUR)]])
    Records.of([[SessionPeriod(NOON)], [SessionPeriod(NOON - HOUR)]])


# ------------------------------------------------------------------------------------------------ 23 and 25 hours

NIGHT = tariff(element(part("ENERGY", "1"), start_time="01:30", end_time="02:30"), element(part("ENERGY", "0")))


def test_the_hour_that_the_clock_shows_twice_holds_twice() -> None:
    steady = Course((Knot(local("2026-10-25T00:00")), Knot(local("2026-10-25T06:00"), 7_000_000)))  # 7 hours, 1 kW
    periods, price = price_course(compiled(NIGHT), steady)
    starts = [f"{each.start.astimezone(BERLIN):%H:%M %Z}" for each in periods]
    assert starts == ["00:00 CEST", "01:30 CEST", "02:30 CEST", "02:00 CET", "02:30 CET"]
    assert [str(each.energy) for each in periods] == ["1.5 kWh", "1 kWh", "0.5 kWh", "0.5 kWh", "3.5 kWh"]
    assert price.before_tax == Fraction("1.5")


def test_the_hour_that_the_clock_leaves_out_holds_never() -> None:
    steady = Course((Knot(local("2026-03-29T00:00")), Knot(local("2026-03-29T06:00"), 5_000_000)))  # 5 hours, 1 kW
    periods, price = price_course(compiled(NIGHT), steady)
    assert [f"{each.start.astimezone(BERLIN):%H:%M %Z}" for each in periods] == ["00:00 CET", "01:30 CET", "03:00 CEST"]
    assert price.before_tax == Fraction("0.5")


def test_days_begin_at_local_midnight() -> None:
    by_day = tariff(element(part("ENERGY", "1"), day_of_week=["SUNDAY"]), element(part("ENERGY", "2")))
    course = Course((Knot(local("2026-10-24T23:00")), Knot(local("2026-10-26T01:00"), 27_000_000)))
    assert price_course(compiled(by_day), course)[1].before_tax == 2 + 25 + 2
    by_date = tariff(element(part("ENERGY", "1"), start_date="2026-10-25", end_date="2026-10-26"))
    assert price_course(compiled(by_date), course)[1].before_tax == 25


# ------------------------------------------------------------------------------------------------------- single clauses


@pytest.mark.parametrize(
    ("restrictions", "at", "holds"),
    [
        ({"start_time": "09:00", "end_time": "17:00"}, "2026-05-04T09:00", True),
        ({"start_time": "09:00", "end_time": "17:00"}, "2026-05-04T17:00", False),
        ({"start_time": "22:00", "end_time": "06:00"}, "2026-05-04T23:00", True),
        ({"start_time": "22:00", "end_time": "06:00"}, "2026-05-04T05:59", True),
        ({"start_time": "22:00", "end_time": "06:00"}, "2026-05-04T06:00", False),
        ({"start_time": "17:00", "end_time": "00:00"}, "2026-05-04T23:59", True),
        ({"start_time": "17:00", "end_time": "24:00"}, "2026-05-04T00:00", False),
        ({"start_time": "08:00", "end_time": "08:00"}, "2026-05-04T03:00", True),
        ({"start_time": "17:00"}, "2026-05-04T16:59", False),
        ({"end_time": "17:00"}, "2026-05-04T16:59", True),
        ({"start_date": "2026-05-04"}, "2026-05-04T00:00", True),
        ({"end_date": "2026-05-04"}, "2026-05-04T00:00", False),
        ({"day_of_week": ["MONDAY"]}, "2026-05-04T12:00", True),
        ({"day_of_week": ["TUESDAY"]}, "2026-05-04T12:00", False),
        ({"day_of_week": []}, "2026-05-04T12:00", True),
        # the night of Monday ends at midnight, if only Monday is named
        ({"start_time": "22:00", "end_time": "06:00", "day_of_week": ["MONDAY"]}, "2026-05-05T01:00", False),
    ],
)
def test_restrictions_of_time(restrictions: dict[str, Any], at: str, holds: bool) -> None:
    price = priced(tariff(element(part("ENERGY", "1"), **restrictions)), period(local(at), ENERGY=1))
    assert price.before_tax == int(holds)


@pytest.mark.parametrize(
    ("restrictions", "volumes", "holds"),
    [
        ({"min_power": 11}, {"MAX_POWER": 11}, True),
        ({"max_power": 11}, {"MIN_POWER": 11}, False),
        ({"min_current": 16}, {"MAX_CURRENT": 15.9}, False),
        ({"max_current": 16}, {"CURRENT": 15.9}, True),
        ({"max_power": 11}, {"TIME": HOUR / 2}, False),  # 6 kWh in half an hour are 12 kW
        ({"min_power": 11}, {"TIME": HOUR / 2}, True),
        ({"min_power": 11}, {}, True),  # nobody said: nothing is excluded
    ],
)
def test_restrictions_of_power_and_current(restrictions: dict[str, Any], volumes: dict[str, Any], holds: bool) -> None:
    price = priced(tariff(element(part("ENERGY", "1"), **restrictions)), period(NOON, None, ENERGY=6, **volumes))
    assert price.before_tax == 6 * int(holds)
    assert bool(price.notes) == (volumes == {})


def test_energy_and_duration_count_from_the_begin_of_the_session() -> None:
    steps = tariff(
        element(part("ENERGY", "0"), max_kwh=5, max_duration=3600), element(part("ENERGY", "1"), max_kwh=10),
        element(part("ENERGY", "2")),
    )  # fmt: skip
    price = priced(steps, *(period(NOON + n * HOUR / 2, ENERGY=5) for n in range(4)))
    assert [line.element for line in price.lines] == [0, 1, 2, 2]
    late = priced(steps, *(period(NOON + n * HOUR, ENERGY=1) for n in range(3)))
    assert [line.element for line in late.lines] == [0, 1, 1]


def test_a_duration_after_a_reservation_counts_without_it() -> None:
    free_hour = tariff(element(part("TIME", "0"), max_duration=3600), element(part("TIME", "6")))
    reservation = period(NOON - 2 * HOUR, RESERVATION_TIME=2 * HOUR)
    assert priced(free_hour, reservation, period(NOON, TIME=HOUR)).before_tax == 0


def test_a_flat_fee_is_due_once_however_many_elements_have_one() -> None:
    twice = tariff(element(part("FLAT", "1"), end_time="13:00"), element(part("FLAT", "2")))
    assert priced(twice, period(NOON, ENERGY=1), period(NOON + HOUR, ENERGY=1)).before_tax == 1
    late = tariff(element(part("FLAT", "1"), min_duration=1800))
    assert priced(late, period(NOON, ENERGY=1)).before_tax == 0
    assert priced(late, period(NOON, ENERGY=1), period(NOON + HOUR, ENERGY=1)).before_tax == 1


def test_steps_select_no_other_element() -> None:
    """Ten minutes rounded to an hour do not reach the element that begins after half an hour."""
    grace = tariff(element(part("TIME", "6", step=3600), max_duration=1800), element(part("TIME", "100")))
    assert priced(grace, period(NOON, TIME=10 * MINUTE)).before_tax == 6


def test_several_tariffs_price_a_record_each_its_periods() -> None:
    day = tariff(element(part("FLAT", "1"), part("ENERGY", "0.20", step=1000)), name="day")
    night = tariff(element(part("FLAT", "5"), part("ENERGY", "0.10", step=1000)), name="night")
    price = priced(
        [day, night], period(NOON, "day", ENERGY="1.4"), period(NOON + HOUR, "night", ENERGY="1.3"),
        period(NOON + 2 * HOUR, ENERGY="9"),
    )  # fmt: skip
    # one flat fee; the step of the last priced period for the whole; a period that names no tariff is free
    assert price.before_tax == Fraction(1) + Fraction("0.28") + Fraction("0.13") + Fraction("0.03")
    with pytest.raises(InvalidInput, match="'dusk', which is not there"):
        priced([day, night], period(NOON, "dusk", ENERGY=1), period(NOON, "day", ENERGY=1))


def test_a_limit_of_a_tariff_holds_for_what_it_priced() -> None:
    capped = tariff(element(part("ENERGY", "1")), name="capped", max_price={"excl_vat": 5})
    open_ended = tariff(element(part("ENERGY", "1")), name="open")
    price = priced([capped, open_ended], period(NOON, "capped", ENERGY=20), period(NOON + HOUR, "open", ENERGY=20))
    assert price.before_tax == 25


def test_the_only_tariff_prices_what_names_another_and_says_so() -> None:
    price = priced(tariff(element(part("ENERGY", "1"))), period(NOON, "T9", ENERGY=2))
    assert (price.before_tax, price.notes) == (Fraction(2), ("periods name tariff T9; they are priced by T1",))


def test_tariffs_of_two_currencies_make_no_price() -> None:
    one, other = tariff(element(part("ENERGY", "1")), name="a"), tariff(element(part("ENERGY", "1")), name="b")
    with pytest.raises(InvalidInput, match="one currency"):
        priced([one, other | {"currency": "CHF"}], period(NOON, "a", ENERGY=1), period(NOON, "b", ENERGY=1))


def test_negative_energy_is_energy_fed_in() -> None:
    both_ways = tariff(element(part("ENERGY", "0.30")), wattbook_feed_in=[element(part("ENERGY_EXPORT", "0.20"))])
    price = priced(both_ways, period(NOON, ENERGY=10), period(NOON + HOUR, ENERGY=-4))
    assert (price.bought.before_tax, price.fed_in.before_tax) == exactly("3", "0.8")
    assert price.dimensions[Dimension.ENERGY_EXPORT].before_tax == Fraction("-0.8")


def test_what_a_limit_changes_of_the_tax_is_shared_in_proportion() -> None:
    mixed = tariff(
        element(part("FLAT", "10", 20), part("ENERGY", "1", 10)), max_price={"before_taxes": 10, "after_taxes": "11.5"}
    )
    price = priced(mixed, period(NOON, ENERGY=10))
    assert totals(price) == exactly("10", "11.5")
    assert [(tax.percentage, tax.amount) for tax in price.taxes] == [
        (Decimal(20), Fraction(1)),
        (Decimal(10), Fraction("0.5")),
    ]


def test_a_limit_never_makes_a_tax_below_nothing() -> None:
    lifted = tariff(element(part("ENERGY", "0.1", 10)), min_price={"excl_vat": 5})
    assert totals(priced(lifted, period(NOON, ENERGY=1))) == exactly("5", "5")


def test_noise_below_a_microsecond_begins_no_other_step() -> None:
    by_minute = tariff(element(part("TIME", "60", step=60)))
    assert priced(by_minute, period(NOON, TIME="0.01666666666666666990")).before_tax == 1
    assert priced(by_minute, period(NOON, TIME="0.0167")).before_tax == 2
