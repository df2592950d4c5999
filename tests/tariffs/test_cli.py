"""`wattbook tariff household`, as a user types it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def test_a_tariff_with_zones_takes_the_energy_of_each() -> None:
    used = ("--zone", "off-peak=120", "--zone", "mid-peak=100", "--zone", "peak=80", "--contract-kw", "3")
    result = run("kr-jeju-time-of-use", *used, "--month", "2026-10", "--json")
    assert json.loads(result.stdout)["total"] == 69_180


def test_a_tariff_with_cents_prints_decimals() -> None:
    result = run("de-static-example", "--kwh", "3500", "--from", "2026-01-01", "--to", "2026-12-31", "--json")
    printed = json.loads(result.stdout)
    assert (printed["total"], printed["vat"], printed["kwh"], printed["currency"]) == (
        "1430.42",
        "228.39",
        3_500,
        "EUR",
    )


def test_a_file_of_intervals_fills_the_zones(tmp_path: Path) -> None:
    start, hours = datetime(2026, 7, 1, 7, tzinfo=UTC), 31 * 24
    rows = [f"{(start + timedelta(hours=hour)).isoformat()},60,0.5" for hour in range(hours)]
    file = tmp_path / "july.csv"
    file.write_text("\n".join(["start,minutes,kwh", *rows]), encoding="utf-8")
    result = run("us-sce-tou-d-prime", "--intervals", str(file), "--month", "2026-07", "--json")
    printed = json.loads(result.stdout)
    # 23 weekdays and 8 days of weekend (the Fourth is a Saturday), five hours each, half a kWh an hour.
    assert printed["kwh"] == 58 + 20 + 295
    assert printed["energy"] == "118.92"  # 58 × 0.59 + 20 × 0.40 + 295 × 0.26
    assert printed["base"] == "24.49"


def test_without_json_the_bill_explains_itself() -> None:
    shown = run(LOW_VOLTAGE, "--kwh", "450", "--month", "2026-10").stdout
    for part in ("200 kWh × 214.6", "9,588.5, half up to 1", "9,589", "floor to 10", "108,050", "after March 2026"):
        assert part in shown.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("kr-resident", "--kwh", "1", "--month", "2026-10"), "kr-residential-high-voltage, kr-residential-low"),
        ((LOW_VOLTAGE, "--kwh", "-1", "--month", "2026-10"), "negative"),
        ((LOW_VOLTAGE, "--kwh", "many", "--month", "2026-10"), "not a number"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2026-13"), "not a month"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2020-12"), "begin on 2021-01-01"),
        ((LOW_VOLTAGE, "--kwh", "1"), "either --month"),
        ((LOW_VOLTAGE, "--month", "2026-10"), "either --kwh"),
        (("kr-jeju-time-of-use", "--kwh", "1", "--contract-kw", "3", "--month", "2026-10"), "needs 3 energies"),
        (("kr-jeju-time-of-use", "--zone", "peak", "--month", "2026-10"), "not a zone"),
        (("us-sce-tou-d-prime", "--zone", "peak=1", "--month", "2026-10"), "has the zones off-peak, winter mid-peak"),
        ((LOW_VOLTAGE, "--kwh", "1", "--month", "2026-10", "--to", "2026-10-31"), "either --month"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_exit_code_two(arguments: tuple[str, ...], reason: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
