"""How numbers and names read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.console import words

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mwh", "shown"),
    [
        (0, "0 kWh"),
        (4_999, "0.00 kWh"),
        (5_000, "0.01 kWh"),
        (12_345_678, "12.35 kWh"),
        (1_234_567_890, "1,234.6 kWh"),
        (-1_500_000, "−1.50 kWh"),
        (-1, "0.00 kWh"),
        (99_999_940_000, "99,999.9 kWh"),
        (1_234_567_890_000, "1,234.6 MWh"),
    ],
)
def test_energy_has_as_many_digits_as_a_person_reads(mwh: int, shown: str) -> None:
    assert " ".join(words.energy(mwh)) == shown


@pytest.mark.parametrize(
    ("watt", "shown"), [(0, "0.0 kW"), (21_449, "21.4 kW"), (-9_800, "−9.8 kW"), (12_345_678, "12.3 MW")]
)
def test_power_keeps_its_direction(watt: int, shown: str) -> None:
    assert " ".join(words.power(watt)) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(Decimal("3630.4"), "KRW", "3,630 KRW"), (Decimal("-1.005"), "EUR", "−1.01 EUR"), (None, "EUR", "–")],
)
def test_cost_is_rounded_to_the_coin(amount: Decimal | None, currency: str, shown: str) -> None:
    assert words.cost(amount, currency) == shown


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=61), "1 h ago"),
        (timedelta(days=3, hours=5), "3 d ago"),
    ],
)
def test_a_moment_reads_as_time_passed(passed: timedelta, shown: str) -> None:
    assert words.ago(NOW - passed, NOW) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0, "paid amount used up"), (59, "under a minute"), (60, "1 min"), (3_601, "1 h 01 min")],
)
def test_time_left_is_never_too_short(seconds: int | None, shown: str) -> None:
    assert words.time_left(seconds) == shown


@given(st.text("0123456789ABCDEF", min_size=5, max_size=36))
def test_a_token_is_never_shown_whole(uid: str) -> None:
    shown = words.token(uid)
    assert uid not in shown
    said = words.without_token(f"token {uid.lower()} is blocked; {uid.upper()}", uid)
    assert said == f"token {shown} is blocked; {shown}"


def test_a_message_about_no_token_stays_as_it_is() -> None:
    assert words.without_token("CP1 is faulted", "") == "CP1 is faulted"
