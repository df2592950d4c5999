"""What is odd about a tariff is told by a name and a place."""

from typing import Any

import pytest

from tests.tariffs.ocpi_objects import element, part, tariff
from wattbook.tariffs.lint import lint
from wattbook.tariffs.ocpi import parse_tariff

ENERGY = part("ENERGY", "0.25", 19)
OTHER = part("ENERGY", "0.35", 19)


def found(*elements: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    return [(each.level, each.code, each.place) for each in lint(parse_tariff(tariff(*elements, **more)))]


def test_a_plain_tariff_is_not_odd() -> None:
    assert found(element(ENERGY, part("FLAT", "0.50", 19))) == []
    assert found(element(ENERGY, end_time="17:00"), element(OTHER, start_time="17:00")) == []
    assert found(element(ENERGY, max_kwh=10), element(OTHER)) == []


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([element(ENERGY), element(OTHER)], ("warning", "unreachable", "elements[1]")),
        (
            [element(ENERGY, max_power=50), element(OTHER, max_power=20), element(OTHER)],
            ("warning", "unreachable", "elements[1]"),
        ),
        (
            # two that together leave nothing to the third
            [element(ENERGY, end_time="12:00"), element(ENERGY, start_time="12:00"), element(OTHER)],
            ("warning", "unreachable", "elements[2]"),
        ),
        ([element(ENERGY, end_time="17:00")], ("warning", "gap", "elements")),
        ([element(ENERGY, max_kwh=10)], ("warning", "gap", "elements")),
        ([element(ENERGY, day_of_week=["MONDAY"])], ("warning", "gap", "elements")),
        ([element(ENERGY, min_kwh=5, max_kwh=5), element(OTHER)], ("error", "never-active", "elements[0]")),
        (
            [element(ENERGY, start_time="08:00", end_time="12:00"), element(OTHER, day_of_week=["SUNDAY"]),
             element(OTHER)],
            ("info", "overlap", "elements[1]"),
        ),
        (
            [element(ENERGY, start_time="22:00", end_time="06:00", day_of_week=["FRIDAY"]), element(OTHER)],
            ("warning", "night-and-days", "elements[0]"),
        ),
        (
            [element(ENERGY, start_time="08:00", end_time="08:00"), element(part("TIME", 1, 19))],
            ("warning", "equal-times", "elements[0]"),
        ),
        ([element(ENERGY, OTHER)], ("error", "twice-in-element", "elements[0]")),
        ([element(part("ENERGY", "0.25", 19, 10_000))], ("warning", "large-step", "elements[0]")),
        ([element(part("TIME", "0.25", 19, 3_600))], ("warning", "large-step", "elements[0]")),
        ([element(part("ENERGY", "0.25", 19, 0))], ("warning", "step-zero", "elements[0]")),
        ([element(part("ENERGY", "0.25", 0.19))], ("warning", "vat-fraction", "elements[0]")),
        ([element(part("ENERGY", "0.25"))], ("warning", "missing-vat", "tariff")),
        ([element(ENERGY, part("FLAT", "0.50"))], ("warning", "missing-vat", "tariff")),
        ([element(ENERGY, min_soc=20), element(OTHER)], ("error", "not-priceable", "tariff")),
        ([element(part("FLAT", "0.50", 19))], ("info", "free-charging", "tariff")),
        (
            [element(ENERGY, part("TIME", 1, 19, 60), part("PARKING_TIME", 1, 19, 300))],
            ("info", "steps-differ", "elements"),
        ),
    ],
)  # fmt: skip
def test_an_oddity_is_told_with_its_place(elements: list[dict[str, Any]], expected: tuple[str, str, str]) -> None:
    assert expected in found(*elements)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"min_price": {"excl_vat": 5, "incl_vat": 6}, "max_price": {"excl_vat": 4, "incl_vat": 5}},
            ("error", "min-above-max", "min_price"),
        ),
        ({"max_price": {"before_taxes": 10, "after_taxes": 9}}, ("error", "limit-below-itself", "max_price")),
        ({"max_price": {"excl_vat": 10}}, ("warning", "half-limit", "max_price")),
        ({"tax_included": "N/A"}, ("warning", "vat-without-tax", "tariff")),
        ({"party_id": None}, ("warning", "missing-field", "tariff")),
    ],
)
def test_limits_taxes_and_fields_are_looked_at(more: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert expected in found(element(ENERGY), **more)


def test_elements_of_reservations_stand_beside_the_others() -> None:
    free = part("TIME", "3.00", 19)
    assert found(element(free, reservation="RESERVATION"), element(ENERGY)) == []
    twice = found(element(free, reservation="RESERVATION"), element(free, reservation="RESERVATION"), element(ENERGY))
    assert ("warning", "unreachable", "elements[1]") in twice


def test_a_tariff_beyond_every_measure_is_not_looked_at_case_by_case() -> None:
    many = [element(ENERGY, min_kwh=n, max_duration=n + 1, start_time=f"{n % 24:02d}:00") for n in range(60)]
    assert ("info", "intricate", "elements") in found(*many, element(OTHER))
