"""The worked examples of the OCPI specification (2.2.1 and 2.3.0, chapters Tariffs and CDRs), by their numbers.

Where the text contradicts its own arithmetic, the arithmetic is expected, and the test says so.
"""

from fractions import Fraction
from typing import Any

import pytest

from tests.tariffs.ocpi_objects import HOUR, MINUTE, element, exactly, local, part, period, priced, tariff, totals
from wattbook.tariffs.station import Dimension

NOON = local("2026-05-04T12:00")  # a Monday
FLAT = part("FLAT", "0.50", 20)
ENERGY = part("ENERGY", "0.25", 10)
START_AND_ENERGY = tariff(element(FLAT, ENERGY))
MINIMUM = tariff(element(ENERGY), min_price={"excl_vat": 0.50, "incl_vat": 0.55})
MAXIMUM = tariff(element(FLAT, ENERGY), max_price={"excl_vat": 10, "incl_vat": 11})
COMPLEX = tariff(
    element(part("FLAT", "2.50", 15)),
    element(part("TIME", "1.00", 20, 900), max_current=32),
    element(part("TIME", "2.00", 20, 600), min_current=32,
            day_of_week=["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]),
    element(part("TIME", "1.25", 20, 600), min_current=32, day_of_week=["SATURDAY", "SUNDAY"]),
    element(part("PARKING_TIME", "5.00", 10, 300), start_time="09:00", end_time="18:00",
            day_of_week=["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]),
    element(part("PARKING_TIME", "6.00", 10, 300), start_time="10:00", end_time="17:00", day_of_week=["SATURDAY"]),
)  # fmt: skip
STEPPED = tariff(
    element(part("TIME", "1.20", step=1800), part("PARKING_TIME", "1.00", step=900),
            start_time="00:00", end_time="17:00"),
    element(part("TIME", "2.40", step=900), part("PARKING_TIME", "1.00", step=900),
            start_time="17:00", end_time="20:00"),
    element(part("TIME", "2.40", step=900), start_time="20:00", end_time="00:00"),
)  # fmt: skip
RESERVED_BY_TIME = tariff(
    element(part("TIME", "5.00", 20, 60), reservation="RESERVATION"), element(FLAT, ENERGY), name="15"
)
RESERVED_WITH_FEE = tariff(
    element(part("FLAT", "2.00", 20), part("TIME", "5.00", 20, 300), reservation="RESERVATION"), element(FLAT, ENERGY)
)
EXPIRING = tariff(
    element(part("TIME", "6.00", 20, 600), reservation="RESERVATION_EXPIRES"),
    element(part("TIME", "3.00", 20, 600), reservation="RESERVATION"),
    element(FLAT, ENERGY),
)
EXPIRING_WITH_FEE = tariff(
    element(part("FLAT", "4.00", 20), reservation="RESERVATION_EXPIRES"),
    element(part("TIME", "2.00", 20, 600), reservation="RESERVATION"),
    element(FLAT, ENERGY),
)
BY_POWER = tariff(
    element(part("ENERGY", "0.20", 20), max_power=16),
    element(part("ENERGY", "0.35", 20), max_power=32),
    element(part("ENERGY", "0.50", 20)),
)
EVENING_ENERGY = tariff(
    element(part("ENERGY", "0.20", step=500), end_time="17:00"),
    element(part("ENERGY", "0.27", step=500), start_time="17:00"),
)
EVENING_TIME = tariff(
    element(part("TIME", "5.00", step=600), end_time="17:00"), element(part("TIME", "7.00", step=600))
)


def drawn(kwh: str) -> dict[str, Any]:
    return period(NOON, ENERGY=kwh)


def charged(start: str, minutes: int, kind: str = "TIME") -> dict[str, Any]:
    volumes: dict[str, Any] = {kind: minutes * MINUTE}
    return period(local(f"2026-05-04T{start}"), **volumes)


def reserved(minutes: int) -> dict[str, Any]:
    return period(NOON - 2 * HOUR, RESERVATION_TIME=minutes * MINUTE)


@pytest.mark.parametrize(
    ("one", "periods", "before", "after"),
    [
        pytest.param(tariff(element(ENERGY)), [drawn("20")], "5.00", "5.50", id="8"),
        pytest.param(START_AND_ENERGY, [drawn("20")], "5.50", "6.10", id="9"),
        pytest.param(MINIMUM, [drawn("20")], "5.00", "5.50", id="12 above"),
        pytest.param(MINIMUM, [drawn("1.2")], "0.50", "0.55", id="12 below"),
        pytest.param(MAXIMUM, [drawn("30")], "8.00", "8.85", id="6 below"),
        pytest.param(MAXIMUM, [drawn("50")], "10.00", "11.00", id="6 above"),
        pytest.param(
            tariff(element(FLAT, ENERGY, part("PARKING_TIME", "2.00", 20, 900))),
            [drawn("20"), charged("13:00", 40, "PARKING_TIME")],
            "7.00",
            "7.90",
            id="10",
        ),
        pytest.param(tariff(element(part("TIME", "2.00", 10, 60))), [charged("12:00", 150)], "5.00", "5.50", id="1"),
        # 2.2.1 shows 5.63 / 6.24; the table of 2.3.0 shows 5.61 / 6.22, which forgets the step
        pytest.param(
            tariff(element(FLAT, part("ENERGY", "0.25", 10, 100))), [drawn("20.45")], "5.625", "6.2375", id="3"
        ),
        # the text prints 12.28 / 13.861; its own products sum to 12.375 / 13.975
        pytest.param(
            COMPLEX,
            [
                period(local("2026-05-09T12:00"), TIME=114 * MINUTE, MIN_CURRENT=43, MAX_CURRENT=43),
                period(local("2026-05-09T13:54"), PARKING_TIME=71 * MINUTE),
            ],
            "12.375",
            "13.975",
            id="4b",
        ),
        pytest.param(tariff(element(part("FLAT", "0.00", step=0))), [drawn("50")], "0", "0", id="5"),
        pytest.param(RESERVED_BY_TIME, [reserved(15), drawn("20")], "6.75", "7.60", id="15"),
        pytest.param(RESERVED_WITH_FEE, [reserved(13), drawn("20")], "8.75", "10.00", id="16"),
        pytest.param(EXPIRING, [reserved(22), drawn("20")], "7.00", "7.90", id="18 used"),
        pytest.param(EXPIRING, [reserved(90)], "9.00", "10.80", id="18 expired"),
        pytest.param(
            STEPPED, [charged("16:55", 5), charged("17:00", 5), charged("17:05", 2, "PARKING_TIME")],
            "0.55", "0.55", id="14a",
        ),
        pytest.param(STEPPED, [charged("16:35", 25), charged("17:00", 10)], "1.30", "1.30", id="14b"),
        # parking after 20:00 has no price and is no billable time: 8 of 20 minutes are, and the step makes them 15
        pytest.param(
            STEPPED,
            [charged("19:40", 12), charged("19:52", 8, "PARKING_TIME"), charged("20:00", 12, "PARKING_TIME")],
            "0.73", "0.73", id="14 into the night",
        ),
        pytest.param(
            BY_POWER,
            [
                period(NOON, ENERGY=1, MAX_POWER=6),
                period(NOON + HOUR, ENERGY=40, MAX_POWER=48),
                period(NOON + 2 * HOUR, ENERGY=0.5, MAX_POWER=4),
            ],
            "20.30", "24.36", id="max_power",
        ),
        pytest.param(
            tariff(element(part("TIME", "2.00", 10, 300))), [period(NOON, TIME="1.973")], "4.00", "4.40", id="CDR"
        ),
        pytest.param(
            EVENING_ENERGY,
            [period(local("2026-05-04T16:00"), ENERGY="4.3"), period(local("2026-05-04T17:00"), ENERGY="1.1")],
            "1.184", "1.184", id="energy step",
        ),
        pytest.param(EVENING_TIME, [charged("16:54", 6), charged("17:00", 22)], "3.30", "3.30", id="time step"),
        pytest.param(
            tariff(element(part("ENERGY", "0.25", step=25))), [drawn("0.101")], "0.03125", "0.03125", id="25 Wh"
        ),
        pytest.param(
            tariff(element(part("ENERGY", "0.25", step=25))), [drawn("0.125")], "0.03125", "0.03125", id="just 25 Wh"
        ),
        pytest.param(
            tariff(element(part("ENERGY", "0.25", step=500))), [drawn("0.5")], "0.125", "0.125", id="just 500 Wh"
        ),
        pytest.param(
            tariff(element(part("PARKING_TIME", "6", step=300))), [charged("12:00", 8, "PARKING_TIME")],
            "1", "1", id="8 min to 10",
        ),
        pytest.param(tariff(element(part("TIME", "6", step=300))), [charged("12:00", 6)], "1", "1", id="6 min to 10"),
        pytest.param(
            tariff(element(part("TIME", "2.00")), tax_included="NO"), [charged("12:00", 150)], "5.00", "5.00", id="19"
        ),
        pytest.param(
            tariff(element(part("TIME", "2.10")), tax_included="YES"), [charged("12:00", 150)], "5.25", "5.25", id="20"
        ),
    ],
)  # fmt: skip
def test_worked_examples(one: dict[str, Any], periods: list[dict[str, Any]], before: str, after: str) -> None:
    assert totals(priced(one, *periods)) == exactly(before, after)


def test_an_expired_reservation_pays_the_fee_of_both() -> None:
    assert totals(priced(EXPIRING_WITH_FEE, reserved(60))) == exactly("6.00", "7.20")
    assert totals(priced(EXPIRING_WITH_FEE, reserved(60), drawn("20"))) == exactly("7.50", "8.50")


def test_the_cost_of_a_reservation_is_told_apart() -> None:
    price = priced(RESERVED_WITH_FEE, reserved(13), drawn("20"))
    cost = price.dimensions[Dimension.RESERVATION_TIME]
    assert (cost.before_tax, cost.volume) == (Fraction("3.25"), Fraction(15, 60))
    assert price.dimensions[Dimension.FLAT].before_tax == Fraction("0.50")


def test_a_reservation_is_rounded_beside_charging_time() -> None:
    both = tariff(
        element(part("TIME", "6.00", step=600), reservation="RESERVATION"), element(part("TIME", "3.00", step=600))
    )
    lines = priced(both, reserved(15), charged("12:00", 15)).lines
    assert [(line.reservation, line.reason, line.volume) for line in lines] == [
        (False, "measured", Fraction(15, 60)), (False, "step", Fraction(5, 60)),
        (True, "measured", Fraction(15, 60)), (True, "step", Fraction(5, 60)),
    ]  # fmt: skip


def test_every_line_says_where_it_comes_from() -> None:
    lines = priced(STEPPED, charged("16:55", 5), charged("17:00", 5), charged("17:05", 2, "PARKING_TIME")).lines
    assert [(line.period, line.element, line.dimension, line.reason, line.before_tax) for line in lines] == [
        (0, 0, "TIME", "measured", Fraction("0.10")),
        (1, 1, "TIME", "measured", Fraction("0.20")),
        (2, 1, "PARKING_TIME", "measured", Fraction(2, 60)),
        (2, 1, "PARKING_TIME", "step", Fraction(13, 60)),
    ]
    assert {line.step_size for line in lines} == {1800, 900}
