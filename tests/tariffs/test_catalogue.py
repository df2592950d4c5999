"""Which tariffs there are, and data files that contradict themselves."""

from typing import Any

import msgspec
import pytest

from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.tariffs.catalogue import household_tariff, household_tariff_names, parse_household_tariff


def test_every_tariff_that_is_listed_can_be_loaded() -> None:
    names = household_tariff_names()
    assert names == ("kr-residential-high-voltage", "kr-residential-low-voltage")
    assert [household_tariff(name).name for name in names] == list(names)


def test_a_tariff_is_loaded_once() -> None:
    assert household_tariff("kr-residential-low-voltage") is household_tariff("kr-residential-low-voltage")


@pytest.mark.parametrize("name", ["kr-residential", "", "../pyproject", "shared/kr-electricity"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(NotFound, match="known: kr-residential-high-voltage, kr-residential-low-voltage"):
        household_tariff(name)


def _content(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(household_tariff("kr-residential-low-voltage"))
    return content | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seasons": [{"name": "all", "months": list(range(1, 12)), "tier_limits_kwh": [200, 400]}]}, "twelve months"),
        ({"seasons": [{"name": "all", "months": list(range(1, 13)), "tier_limits_kwh": [200]}]}, "number of tiers"),
        ({"fuel": []}, "order of valid_from"),
        ({"climate": _content()["climate"][::-1]}, "order of valid_from"),
        ({"pricing": 1}, "unknown field"),
        ({"currency": 410}, "Expected `str`"),
    ],
)
def test_a_data_file_that_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert parse_household_tariff(_content()) == household_tariff("kr-residential-low-voltage")
    with pytest.raises(InvalidInput, match=reason):
        parse_household_tariff(_content(**changes))
