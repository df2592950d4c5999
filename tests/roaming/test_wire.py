"""JSON of OCPI: exact numbers, unknown fields, times without zone."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.roaming.ocpi.wire import (
    ChargingPeriod,
    NotJson,
    Price,
    decode,
    decode_object,
    encode,
    energy,
    moment,
    money,
    party_of,
)

NUMBERS = st.decimals(min_value=0, max_value=Decimal(10) ** 12, places=6, allow_nan=False, allow_infinity=False)


@given(NUMBERS)
def test_a_number_comes_back_with_every_digit(number: Decimal) -> None:
    body = encode(Price(number))
    assert b'"' not in body.partition(b":")[2], "a JSON number, not a text"
    assert decode(body, Price).excl_vat == number
    assert decode_object(body)["excl_vat"] == number
    assert decode(b'{"excl_vat": "%s"}' % str(number).encode(), Price).excl_vat == number


@given(st.integers(min_value=0, max_value=10**15))
def test_energy_crosses_the_wire_to_the_milliwatt_hour(mwh: int) -> None:
    assert energy(decode(encode([Energy(mwh).kwh]), list[Decimal])[0], "kwh") == Energy(mwh)


def test_what_is_finer_than_the_book_is_rounded_half_up() -> None:
    assert energy(Decimal("15.3420004999"), "kwh").mwh == 15_342_000
    assert energy(Decimal("0.0000005"), "kwh").mwh == 1
    assert money(Decimal("0.00005"), "KRW", "cost").amount == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1E999999", "1E-999999", "9" * 30])
def test_a_number_beyond_all_measure_is_refused(number: str) -> None:
    with pytest.raises(InvalidInput):
        energy(Decimal(number), "kwh")
    with pytest.raises(InvalidInput):
        money(Decimal(number), "KRW", "cost")


@pytest.mark.parametrize("body", [b'{"x": 1e999999}', b'{"x": "\\u0000"}', b"[]", b"1"])
def test_what_cannot_be_stored_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_object(body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"x": nan}'])
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(NotJson):
        decode_object(body)


def test_a_time_without_zone_is_utc_and_an_unknown_field_is_passed_over() -> None:
    period = decode(
        b'{"start_date_time":"2026-11-21T12:00:00.5","dimensions":[{"type":"TIME","volume":1,"x":{}}],"y":[1]}',
        ChargingPeriod,
    )
    assert moment(period.start_date_time) == datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)
    assert party_of("kr", "opa") == "KR*OPA"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="dimensions"):
        decode(b'{"start_date_time":"2026-11-21T12:00:00Z"}', ChargingPeriod)
