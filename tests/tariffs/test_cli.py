"""`wattbook tariff household`, as a user types it."""

import json

import pytest
from typer.testing import CliRunner, Result

from wattbook.cli import main

LOW_VOLTAGE = "kr-residential-low-voltage"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["tariff", "household", *arguments])


def test_a_month_is_billed_as_one_json_object() -> None:
    result = run(LOW_VOLTAGE, "--kwh", "350", "--month", "2026-10", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "kwh": 350, "base": 1_600, "energy": 56_190, "climate": 3_150, "fuel": 1_750, "subtotal": 62_690,
        "vat": 6_269, "fund": 1_690, "total": 70_640,
    }  # fmt: skip


def test_decimals_of_a_kwh_are_rounded_half_up() -> None:
    assert json.loads(run(LOW_VOLTAGE, "--kwh", "350.4", "--month", "2026-10", "--json").stdout)["kwh"] == 350
    assert json.loads(run(LOW_VOLTAGE, "--kwh", "350.5", "--month", "2026-10", "--json").stdout)["kwh"] == 351


def test_a_split_period_is_given_by_its_first_and_last_day() -> None:
    result = run(LOW_VOLTAGE, "--kwh", "350", "--from", "2022-03-11", "--to", "2022-04-10", "--json")
    printed = json.loads(result.stdout)
    assert (printed["energy"], printed["climate"]) == (45_648, 2_080)


def test_without_json_the_bill_explains_itself() -> None:
    shown = run(LOW_VOLTAGE, "--kwh", "450", "--month", "2026-10").stdout
    for part in ("200 kWh × 214.6", "9,588.5, half up to 1", "9,589", "floor to 10", "108,050", "after March 2026"):
        assert part in shown.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("kr-resident", "--kwh", "1", "--month", "2026-10"), "known: kr-residential-high-voltage, kr-residential-low"),
        ((LOW_VOLTAGE, "--kwh", "-1", "--month", "2026-10"), "negative"),
        ((LOW_VOLTAGE, "--kwh", "many", "--month", "2026-10"), "not a number"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2026-13"), "not a month"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2020-12"), "begin on 2021-01-01"),
        ((LOW_VOLTAGE, "--kwh", "1"), "either --month"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2026-10", "--to", "2026-10-31"), "either --month"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_exit_code_two(arguments: tuple[str, ...], reason: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
