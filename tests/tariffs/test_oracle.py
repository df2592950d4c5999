"""Another engine agrees: the crate `ocpi-tariffs` of Rust, on its own cases, on ours, and on tariffs drawn at random.

Where it does not, the difference is expected here by its number, and docs/tariffs.md names the clause that decides.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks._oracle import Answer, Job, Oracle, OracleMissing
from tests.tariffs import test_worked_examples as examples
from tests.tariffs.ocpi_objects import HOUR, MINUTE, element, local, part, period, priced, tariff
from tests.tariffs.random_tariffs import (
    PRICES,
    TIME_STEPS,
    compiled,
    random_course,
    random_tariff,
    record_of,
)
from wattbook.tariffs.course import cut
from wattbook.tariffs.ocpi import decode, parse_tariff
from wattbook.tariffs.ocpi_records import parse_record, price_record
from wattbook.tariffs.session_price import Price

pytestmark = pytest.mark.timeout(1_500)  # the first use of a machine builds it

BERLIN = "Europe/Berlin"
COUNT = 500
HALF_OF_ITS_LAST_DIGIT = Fraction(1, 20_000)


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    try:
        return Oracle()
    except OracleMissing as missing:
        pytest.skip(f"no other engine to compare with: {missing}")


def agrees(answer: Answer, price: Price) -> bool:
    """To the four decimals that it prints; it says nothing of what costs nothing, nor of a tax that is not stated."""
    assert answer.error is None, answer.error
    before = abs((answer.before or 0) - price.before_tax) <= HALF_OF_ITS_LAST_DIGIT
    return before and (answer.after is None or abs(answer.after - price.after_tax) <= HALF_OF_ITS_LAST_DIGIT)


def readable(path: Path) -> str:
    """Its own cases are JSON with comments."""
    return re.sub(r"(?m)^\s*//.*$", "", path.read_text())


def test_its_own_cases(oracle: Oracle) -> None:
    folder = oracle.crate_folder() / "test_data/v221/real_world"
    records = [path for path in sorted(folder.glob("*/cdr*.json")) if (path.parent / "tariff.json").exists()]
    assert len(records) >= 9
    zone = "Europe/Amsterdam"
    pairs = [(readable(path.parent / "tariff.json"), readable(path)) for path in records]
    answers = oracle.price([Job(one, record, zone) for one, record in pairs])
    for path, (one, record), answer in zip(records, pairs, answers, strict=True):
        price = price_record([parse_tariff(decode(one))], parse_record(decode(record)), ZoneInfo(zone))
        assert agrees(answer, price), path
        stated = decode(record)["total_cost"]
        assert abs(price.before_tax - Fraction(stated["excl_vat"])) < Fraction(1, 1_000), path
        assert abs(price.after_tax - Fraction(stated["incl_vat"])) < Fraction(1, 1_000), path


def asked(one: dict[str, Any], periods: Sequence[dict[str, Any]]) -> Job:
    record = record_of([], local("2026-05-04T12:00"), local("2026-05-05T12:00")) | {"charging_periods": list(periods)}
    return Job(one, record | {"start_date_time": periods[0]["start_date_time"]}, BERLIN)


def test_our_worked_examples(oracle: Oracle) -> None:
    """All but reservations, which it does not price, and prices that hold their taxes, which came with 2.3.0."""
    cases = {
        "8": (tariff(element(examples.ENERGY)), [examples.drawn("20")]),
        "9": (examples.START_AND_ENERGY, [examples.drawn("20")]),
        "12": (examples.MINIMUM, [examples.drawn("1.2")]),
        "6": (examples.MAXIMUM, [examples.drawn("50")]),
        "3": (
            tariff(element(examples.FLAT, part("ENERGY", "0.25", 10, 100))),
            [examples.drawn("20.45")],
        ),
        "4b": (
            examples.COMPLEX,
            [
                period(local("2026-05-09T12:00"), TIME=114 * MINUTE, MIN_CURRENT=43, MAX_CURRENT=43),
                period(local("2026-05-09T13:54"), PARKING_TIME=71 * MINUTE),
            ],
        ),
        "14a": (
            examples.STEPPED,
            [examples.charged("16:55", 5), examples.charged("17:00", 5), examples.charged("17:05", 2, "PARKING_TIME")],
        ),
        "14b": (examples.STEPPED, [examples.charged("16:35", 25), examples.charged("17:00", 10)]),
        "power": (
            examples.BY_POWER,
            [
                period(examples.NOON, ENERGY=1, MIN_POWER=6, MAX_POWER=6),
                period(examples.NOON + HOUR, ENERGY=40, MIN_POWER=48, MAX_POWER=48),
                period(examples.NOON + 2 * HOUR, ENERGY=0.5, MIN_POWER=4, MAX_POWER=4),
            ],
        ),
    }
    answers = oracle.price([asked(*case) for case in cases.values()])
    differing = [
        name for (name, (one, periods)), answer in zip(cases.items(), answers, strict=True)
        if not agrees(answer, priced(one, *periods))
    ]  # fmt: skip
    assert differing == []


def with_a_last_resort(random: Random, one: dict[str, Any]) -> dict[str, Any]:
    """The same tariff with a price for everything in the end."""
    vat = one["elements"][0]["price_components"][0].get("vat")
    kinds = ("ENERGY", "TIME", "PARKING_TIME")
    parts = [part(kind, random.choice(PRICES), vat, random.choice(TIME_STEPS)) for kind in kinds]
    return one | {"elements": [*one["elements"], element(*parts)]}


def drawn_at_random(count: int, *, complete: bool) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Tariffs and records; a complete tariff leaves no volume without a price."""
    drawn = []
    for seed in range(count):
        random = Random(seed)
        one = random_tariff(random)
        one = with_a_last_resort(random, one) if complete else one
        course = random_course(random)
        periods = cut(compiled(one), course)
        drawn.append((one, record_of(periods, course.start, course.end)))
    return drawn


def test_tariffs_drawn_at_random(oracle: Oracle) -> None:
    cases = drawn_at_random(COUNT, complete=True)
    answers = oracle.price([Job(one, record, BERLIN) for one, record in cases])
    prices = [price_record([parse_tariff(one)], parse_record(record), ZoneInfo(BERLIN)) for one, record in cases]
    assert [seed for seed in range(COUNT) if not agrees(answers[seed], prices[seed])] == []
    assert sum(price.before_tax > 0 for price in prices) > COUNT // 2


# --------------------------------------------------------------------------------------------- where the engines differ


def test_it_rounds_what_has_no_price(oracle: Oracle) -> None:
    """Parking after 20:00 has no price, so it is no billable time: 15 minutes for 8, and not 30 for 20."""
    periods = [
        examples.charged("19:40", 12), examples.charged("19:52", 8, "PARKING_TIME"),
        examples.charged("20:00", 12, "PARKING_TIME"),
    ]  # fmt: skip
    (answer,) = oracle.price([asked(examples.STEPPED, periods)])
    assert priced(examples.STEPPED, *periods).before_tax == Fraction("0.73")
    assert answer.before == Fraction("0.78")


def test_that_is_the_only_difference_on_tariffs_that_leave_something_free(oracle: Oracle) -> None:
    cases = drawn_at_random(COUNT, complete=False)
    answers = oracle.price([Job(one, record, BERLIN) for one, record in cases])
    for (one, record), answer in zip(cases, answers, strict=True):
        price = price_record([parse_tariff(one)], parse_record(record), ZoneInfo(BERLIN))
        assert agrees(answer, price) or partly_free(price, record)


def partly_free(price: Price, record: dict[str, Any]) -> bool:
    """Whether some volume of a dimension has a price, and some has none."""
    stated: dict[str, set[int]] = {}
    for number, each in enumerate(record["charging_periods"]):
        for dimension in each["dimensions"]:
            if dimension["volume"]:
                stated.setdefault(dimension["type"], set()).add(number)
    has_price: dict[str, set[int]] = {}
    for charge in price.charges:
        has_price.setdefault(charge.rate.dimension.value, set()).add(charge.period)
    return any(has_price.get(name) and stated[name] - has_price[name] for name in stated)


def test_it_counts_a_volume_of_nought_as_a_use(oracle: Oracle) -> None:
    """No energy flowed after 17:00, so the step of the price after 17:00 rounds nothing."""
    periods = [
        period(local("2026-05-04T16:00"), ENERGY="4.3"),
        period(local("2026-05-04T17:00"), ENERGY=0, PARKING_TIME=HOUR),
    ]
    (answer,) = oracle.price([asked(examples.EVENING_ENERGY, periods)])
    assert priced(examples.EVENING_ENERGY, *periods).before_tax == Fraction("0.90")
    assert answer.before == Fraction("0.86") + Fraction("0.2") * Fraction("0.27")


def test_it_takes_only_the_lowest_power_for_a_maximum(oracle: Oracle) -> None:
    """40 kWh at 48 kW are not charged below 16 kW, even if a record states the highest power alone."""
    periods = [period(examples.NOON, ENERGY=40, MAX_POWER=48)]
    (answer,) = oracle.price([asked(examples.BY_POWER, periods)])
    assert priced(examples.BY_POWER, *periods).before_tax == 20
    assert answer.before == 8


def test_it_limits_after_tax_only_where_it_limits_before(oracle: Oracle) -> None:
    """A maximum price has two sides, and each limits its own."""
    capped = tariff(element(examples.ENERGY), max_price={"excl_vat": 10, "incl_vat": "10.50"})
    periods = [examples.drawn("39.2")]
    (answer,) = oracle.price([asked(capped, periods)])
    price = priced(capped, *periods)
    assert (price.before_tax, price.after_tax) == (Fraction("9.8"), Fraction("10.5"))
    assert (answer.before, answer.after) == (Fraction("9.8"), Fraction("10.78"))


def test_it_prices_no_reservation(oracle: Oracle) -> None:
    periods = [examples.reserved(15), examples.drawn("20")]
    (answer,) = oracle.price([asked(examples.RESERVED_BY_TIME, periods)])
    assert priced(examples.RESERVED_BY_TIME, *periods).before_tax == Fraction("6.75")
    assert answer.before == Fraction("5.50")
