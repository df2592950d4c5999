"""Station tariffs as OCPI 2.2.1 JSON: what comes in goes out again, and what is wrong is named."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.ocpi import parse_tariff, print_tariff
from wattbook.tariffs.station import Dimension, PriceComponent, PriceLimit

JSON = """{
    "country_code": "KR", "party_id": "WTB", "id": "T1", "currency": "KRW", "type": "REGULAR",
    "tariff_alt_text": [{"language": "ko", "text": "kWh당 347.2원"}],
    "min_price": {"excl_vat": 500.0}, "max_price": {"excl_vat": 50000, "incl_vat": 55000},
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 347.2, "vat": 10.0, "step_size": 1},
                              {"type": "FLAT", "price": 0.0, "step_size": 0}]},
        {"price_components": [{"type": "PARKING_TIME", "price": 2.1, "step_size": 60}],
         "restrictions": {"start_time": "09:00", "end_time": "18:00"}}
    ],
    "wattbook_feed_in": [{"price_components": [{"type": "ENERGY_EXPORT", "price": 160.1, "step_size": 1}]}],
    "last_updated": "2026-10-01T00:00:00Z", "some_vendor_field": {"kept": true}
}"""


def content(**changes: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(JSON)
    return decoded | changes


def test_numbers_are_read_exactly_and_unread_fields_are_kept() -> None:
    tariff = parse_tariff(content())
    energy, flat = tariff.elements[0].components
    assert energy == PriceComponent(Dimension.ENERGY, Decimal("347.2"), Decimal(10), step_size=1)
    assert flat.vat is None
    assert tariff.min_price == PriceLimit(Decimal(500), None)
    assert tariff.feed_in[0].components[0].dimension is Dimension.ENERGY_EXPORT
    assert tariff.extra["some_vendor_field"] == {"kept": True}


def test_what_is_printed_is_read_as_the_same_tariff() -> None:
    tariff = parse_tariff(content())
    wire = msgspec.json.Encoder(decimal_format="number").encode(print_tariff(tariff))
    assert b'"price":347.2,' in wire
    assert parse_tariff(msgspec.json.decode(wire)) == tariff
    assert msgspec.json.decode(wire) == content()


def test_the_elements_stay_free_of_the_feed_in_extension() -> None:
    printed = print_tariff(parse_tariff(content()))
    assert "ENERGY_EXPORT" not in str(printed["elements"])


def test_a_missing_step_size_is_one_and_numbers_may_be_texts() -> None:
    tariff = parse_tariff(content(elements=[{"price_components": [{"type": "TIME", "price": "2.10"}]}]))
    assert tariff.elements[0].components[0].step_size == 1
    assert tariff.elements[0].components[0].price == Decimal("2.10")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": None}, "currency is missing"),
        ({"currency": "WON"}, "unknown currency"),
        ({"elements": []}, "elements must be a list"),
        ({"elements": ["free"]}, r"elements\[0\]: must be an object"),
        ({"elements": [{"price_components": []}]}, r"elements\[0\]: price_components"),
        (
            {"elements": [{"price_components": [{"type": "POWER", "price": 1}]}]},
            r"components\[0\]: unknown type 'POWER'",
        ),
        ({"elements": [{"price_components": [{"type": "TIME"}]}]}, r"components\[0\].price: must be a number"),
        ({"elements": [{"price_components": [{"type": "TIME", "price": True}]}]}, "must be a number"),
        ({"elements": [{"price_components": [{"type": "TIME", "price": -1}]}]}, r"components\[0\]: a price cannot be"),
        ({"elements": [{"price_components": [{"type": "TIME", "price": 1, "step_size": 0.5}]}]}, "whole number"),
        ({"min_price": {"incl_vat": 1}}, "min_price.excl_vat"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_tariff(content(**changes))
