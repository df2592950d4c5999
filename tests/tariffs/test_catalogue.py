"""Which tariffs there are, and data files that contradict themselves."""

from typing import Any

import msgspec
import pytest

from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.tariffs.catalogue import household_tariff, household_tariff_names, parse_household_tariff


def test_every_tariff_that_is_listed_can_be_loaded() -> None:
    names = household_tariff_names()
    assert names == (
        "de-demand-example",
        "de-static-example",
        "kr-jeju-time-of-use",
        "kr-residential-high-voltage",
        "kr-residential-low-voltage",
        "us-sce-tou-d-5-8pm",
        "us-sce-tou-d-prime",
    )
    assert [household_tariff(name).name for name in names] == list(names)


def test_a_tariff_is_loaded_once() -> None:
    assert household_tariff("kr-residential-low-voltage") is household_tariff("kr-residential-low-voltage")


@pytest.mark.parametrize("name", ["kr-residential", "", "../pyproject", "shared/kr-electricity"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(NotFound, match=r"known: .*kr-residential-high-voltage, kr-residential-low-voltage"):
        household_tariff(name)


def _content(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(household_tariff("kr-residential-low-voltage"))
    return content | changes


def _charges(which: str, **changes: Any) -> list[dict[str, Any]]:
    """The charges, one of them changed."""
    return [charge | (changes if charge["name"] == which else {}) for charge in _content()["charges"]]


def _versions(name: str) -> list[dict[str, Any]]:
    versions: list[dict[str, Any]] = next(each["versions"] for each in _content()["charges"] if each["name"] == name)
    return versions


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seasons": [{"name": "all", "months": list(range(1, 12)), "tier_limits_kwh": [200, 400]}]}, "twelve months"),
        ({"seasons": [{"name": "all", "months": list(range(1, 13)), "tier_limits_kwh": [200]}]}, "number of tiers"),
        ({"charges": _charges("fuel", versions=[])}, "order of valid_from"),
        ({"charges": _charges("climate", versions=_versions("climate")[::-1])}, "order of valid_from"),
        ({"charges": _charges("fund", name="levy")}, "rounding names the steps"),
        ({"charges": _charges("vat", of=["fund"])}, "do not stand above"),
        ({"charges": _charges("base", line="vat")}, "comes after a levy"),
        ({"pricing": 1}, "unknown field"),
        ({"currency": 410}, "Expected `str`"),
    ],
)
def test_a_data_file_that_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert parse_household_tariff(_content()) == household_tariff("kr-residential-low-voltage")
    with pytest.raises(InvalidInput, match=reason):
        parse_household_tariff(_content(**changes))
