"""Equipment is protected well enough for its place, or it is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.registry.conftest import STATION
from wattbook.kernel.errors import InvalidInput, Refused
from wattbook.registry.protection import IpCode, Placement, require_protection
from wattbook.registry.stations import Station, add_stations, find_stations

OUTDOOR, INDOOR = Placement.OUTDOOR, Placement.INDOOR


@pytest.mark.parametrize(
    ("placement", "code"),
    [
        (OUTDOOR, "IP54"),
        (OUTDOOR, "IP65"),
        (OUTDOOR, "ip 54"),
        (OUTDOOR, "IP69K"),
        (INDOOR, "IP32"),
        (INDOOR, "IP43CM"),
    ],
)
def test_enough_protection_passes(placement: Placement, code: str) -> None:
    require_protection("station", placement, IpCode.parse(code))


@pytest.mark.parametrize(
    ("placement", "code", "reason"),
    [
        (OUTDOOR, "IP53", "protection against water is 3, below 4"),
        (OUTDOOR, "IP44", "protection against solids is 4, below 5"),
        (OUTDOOR, "IP46", "protection against solids is 4, below 5"),  # more water does not make up for dust
        (OUTDOOR, "IPX4", "protection against solids is not stated"),
        (OUTDOOR, "IP5X", "protection against water is not stated"),
        (INDOOR, "IP31", "protection against water is 1, below 2"),
        (INDOOR, "IP22", "protection against solids is 2, below 3"),
    ],
)
def test_too_little_or_unknown_protection_is_refused_with_the_rule(
    placement: Placement, code: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        require_protection("station A", placement, IpCode.parse(code))
    minimum = {OUTDOOR: "IP54", INDOOR: "IP32"}[placement]
    assert f"{placement} equipment needs at least {minimum}" in refused.value.message
    assert refused.value.details == {
        "reason": "protection",
        "placement": placement.value,
        "ip_code": code,
        "minimum": minimum,
    }


@given(st.integers(0, 6), st.integers(0, 9))
def test_each_digit_must_reach_its_minimum(solids: int, water: int) -> None:
    code = IpCode.parse(f"IP{solids}{water}")
    for placement, least_solids, least_water in ((OUTDOOR, 5, 4), (INDOOR, 3, 2)):
        if solids >= least_solids and water >= least_water:
            require_protection("station", placement, code)
        else:
            with pytest.raises(Refused):
                require_protection("station", placement, code)


@pytest.mark.parametrize("text", ["", "54", "IP", "IP5", "IP75", "IP544", "IPAB", "IP54Z"])
def test_what_is_no_ip_code_is_invalid(text: str) -> None:
    with pytest.raises(InvalidInput, match="not an IP code"):
        IpCode.parse(text)


async def test_a_refused_station_is_not_stored_and_neither_is_its_batch(connection: AsyncConnection) -> None:
    with pytest.raises(Refused):
        await add_stations(
            connection, [Station("good", "park-1", INDOOR, "IP32"), Station("bad", "park-1", OUTDOOR, "IP44")]
        )
    assert await find_stations(connection, ["good", "bad", "WTB-0001"]) == [None, None, STATION]
