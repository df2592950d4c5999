"""CDRs and sessions as partners send them: read permissively, refused with a place, never by a crash."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tariffs.ocpi_objects import BERLIN, element, part, tariff
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.lint import lint
from wattbook.tariffs.ocpi import decode, parse_tariff, print_tariff
from wattbook.tariffs.ocpi_records import parse_record, price_record

START = "2026-05-04T10:00:00Z"


def with_dimensions(*dimensions: Any, **more: Any) -> dict[str, Any]:
    return {"charging_periods": [{"start_date_time": START, "dimensions": list(dimensions), **more}]}


def volume(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "volume": value}


def test_a_period_is_read_with_all_that_a_price_needs() -> None:
    (period,) = parse_record(
        with_dimensions(
            volume("ENERGY", Decimal("1.5")), volume("TIME", "0.5"), volume("PARKING_TIME", 0.25),
            volume("MIN_CURRENT", 6), volume("MAX_CURRENT", 16), volume("POWER", 11), volume("STATE_OF_CHARGE", 80),
            volume("SOMETHING_NEW", 1), tariff_id="T7",
        )
    ).periods  # fmt: skip
    assert (period.energy, period.time, period.parking) == (
        Energy(1_500_000), timedelta(minutes=30), timedelta(minutes=15),
    )  # fmt: skip
    assert (period.current_a, period.power_kw) == ((Decimal(6), Decimal(16)), (Decimal(11), Decimal(11)))
    assert period.tariff_id == "T7"


def test_a_session_is_read_as_a_record_and_times_without_a_zone_are_utc() -> None:
    content = {
        "id": "S1",
        "kwh": 3,
        "status": "ACTIVE",
        "charging_periods": [{"start_date_time": "2026-05-04T10:00:00"}],
    }
    record = parse_record(content)
    assert (record.id, record.periods[0].start) == ("S1", datetime(2026, 5, 4, 10, tzinfo=UTC))


def test_periods_are_put_in_the_order_of_time() -> None:
    starts = ["2026-05-04T12:00:00Z", "2026-05-04T12:00:00+02:00", "2026-05-04T11:00:00Z"]
    record = parse_record({"charging_periods": [{"start_date_time": each} for each in starts]})
    assert [period.start.hour for period in record.periods] == [10, 11, 12]


def test_numbers_are_exact_from_the_json_on() -> None:
    assert decode('{"price": 0.1, "step": 3}') == {"price": Decimal("0.1"), "step": 3}
    one = parse_tariff(
        decode(json.dumps(tariff(element(part("ENERGY", 0))), default=str).replace('"0"', "0.123456789012345678"))
    )
    assert one.elements[0].components[0].price == Decimal("0.123456789012345678")


def test_unknown_fields_are_kept_at_every_level_in_both_versions() -> None:
    plain = tariff(
        element(part("ENERGY", "0.25", 19) | {"note": "a"}, min_kwh=5, future="x") | {"colour": "red"},
        tax_included="NO", max_price={"before_taxes": Decimal(5), "after_taxes": Decimal(6)}, type="REGULAR",
    )  # fmt: skip
    assert print_tariff(parse_tariff(plain)) == plain
    of_2_2_1 = tariff(element(part("FLAT", "1")), min_price={"excl_vat": Decimal(5)})
    assert print_tariff(parse_tariff(of_2_2_1)) == of_2_2_1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "CDR: must be an object"),
        ({"charging_periods": {}}, "charging_periods must be a list"),
        ({"charging_periods": [1]}, r"charging_periods\[0\]: must be an object"),
        ({"charging_periods": [{}]}, r"charging_periods\[0\].start_date_time: must be a time"),
        ({"tariffs": {}}, "tariffs must be a list"),
        ({"tariffs": [{}]}, "currency is missing"),
        (with_dimensions("ENERGY"), r"dimensions\[0\]: must be an object"),
        (with_dimensions(volume("ENERGY", "much")), r"dimensions\[0\].volume: must be a number"),
        (with_dimensions(volume("ENERGY", True)), "must be a number"),
        (with_dimensions(volume("ENERGY", "NaN")), "must be a number"),
        (with_dimensions(volume("ENERGY", "1e400000000")), "must be a number|out of range"),
        (with_dimensions(volume("ENERGY", "1e-400")), "out of range"),
        (with_dimensions(volume("ENERGY", 10**15)), "out of range"),
        (with_dimensions(volume("TIME", 10**9)), "out of range"),
        (with_dimensions(volume("TIME", -1)), "negative volume"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(content: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_record(content)


@pytest.mark.parametrize(
    ("restrictions", "reason"),
    [
        ({"start_time": "25:00"}, r"restrictions.start_time: must be a time"),
        ({"start_time": "9:00"}, "must be a time"),
        ({"end_time": 17}, "must be a time"),
        ({"start_date": "2026-02-30"}, r"start_date: must be a day"),
        ({"day_of_week": ["FUNDAY"]}, "'FUNDAY'"),
        ({"day_of_week": {"MONDAY": True}}, "must be a list of days"),
        ({"min_kwh": "some"}, r"restrictions.min_kwh: must be a number"),
        ({"reservation": "MAYBE"}, "RESERVATION_EXPIRES"),
    ],
)
def test_restrictions_that_cannot_be_read_are_refused(restrictions: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_tariff(tariff(element(part("FLAT", "1"), **restrictions)))


def test_a_limit_of_every_kind() -> None:
    with pytest.raises(InvalidInput, match="more than 1000 elements"):
        parse_tariff(tariff(*[element(part("FLAT", "1"))] * 1_001))
    with pytest.raises(InvalidInput, match="charging_periods must be a list of at most 100000"):
        parse_record({"charging_periods": [{"start_date_time": START}] * 100_001})
    with pytest.raises(InvalidInput, match="step_size must be a whole number up to"):
        parse_tariff(tariff(element(part("TIME", "1", step=10**12))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["elements", "price_components", "restrictions", "type", "price", "vat", "step_size", "min_price", "max_price",
     "excl_vat", "start_time", "day_of_week", "min_kwh", "currency", "tax_included", "charging_periods", "dimensions",
     "volume", "start_date_time", "tariff_id", "id"]
)  # fmt: skip


def spoilt(content: Any, name: str, value: Any) -> Any:
    """The same object with every field of that name replaced."""
    if isinstance(content, dict):
        return {key: value if key == name else spoilt(each, name, value) for key, each in content.items()}
    if isinstance(content, list):
        return [spoilt(each, name, value) for each in content]
    return content


@given(NAMES, JSON)
def test_whatever_stands_in_a_field_is_priced_or_refused(name: str, value: Any) -> None:
    whole = tariff(
        element(part("ENERGY", "0.25", 19), start_time="08:00", day_of_week=["MONDAY"], min_kwh=1),
        element(part("TIME", "1")), min_price={"excl_vat": 1}, max_price={"excl_vat": 9}, tax_included="NO",
    )  # fmt: skip
    record = with_dimensions(volume("ENERGY", 5), volume("TIME", 1), tariff_id="T1")
    try:
        one = parse_tariff(spoilt(whole, name, value))
        price_record([one], parse_record(spoilt(record, name, value)), BERLIN)
        lint(one)
    except InvalidInput:
        pass
