"""`wattbook tariff price` and `wattbook tariff lint`, as a user types them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.tariffs.ocpi_objects import MINUTE, cdr, element, local, part, period, tariff
from wattbook.cli import main

JSON = msgspec.json.Encoder(decimal_format="number")
EVENING = tariff(
    element(part("ENERGY", "0.20", 19), end_time="17:00"),
    element(part("ENERGY", "0.30", 19), start_time="17:00"),
    element(part("FLAT", "0.50", 19)),
)
SESSION = cdr(
    period(local("2026-05-04T16:30"), ENERGY=10, TIME=30 * MINUTE),
    period(local("2026-05-04T17:00"), ENERGY="2.5", TIME=10 * MINUTE),
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["tariff", *arguments])


def written(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_bytes(
        content if isinstance(content, bytes) else msgspec.json.Encoder(decimal_format="number").encode(content)
    )
    return str(path)


def priced(folder: Path, one: Any, session: Any, *more: str) -> Result:
    return run("price", "--tariff", written(folder, "t.json", one), "--cdr", written(folder, "c.json", session), *more)


def test_a_session_is_priced_as_one_json_object(tmp_path: Path) -> None:
    result = priced(tmp_path, EVENING, SESSION, "--timezone", "Europe/Berlin", "--json")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["currency"] == "EUR"
    assert (printed["total"]["before_taxes"], printed["total"]["after_taxes"]) == ("3.25", "3.8675")
    assert printed["total"]["taxes"] == [{"name": "VAT", "percentage": "19", "amount": "0.6175"}]
    assert printed["dimensions"]["ENERGY"] == {
        "volume": "12.5", "unit": "kWh", "before_taxes": "2.75", "after_taxes": "3.2725",
    }  # fmt: skip
    said = ("period", "element", "component", "before_taxes")
    assert [tuple(line[name] for name in said) for line in printed["lines"]] == [
        (0, 2, "FLAT", "0.50"), (0, 0, "ENERGY", "2.00"), (1, 1, "ENERGY", "0.75"),
    ]  # fmt: skip


def test_the_hours_are_those_of_the_location(tmp_path: Path) -> None:
    in_london = priced(tmp_path, EVENING, SESSION, "--timezone", "Europe/London", "--json")
    assert json.loads(in_london.stdout)["total"]["before_taxes"] == "3.00"


def test_a_record_brings_its_own_tariffs(tmp_path: Path) -> None:
    path = written(tmp_path, "c.json", SESSION | {"tariffs": [EVENING]})
    printed = json.loads(run("price", "--cdr", path, "--timezone", "Europe/Berlin", "--json").stdout)
    assert printed["total"]["before_taxes"] == "3.25"


def test_without_json_the_price_is_a_table(tmp_path: Path) -> None:
    shown = priced(tmp_path, EVENING, SESSION, "--timezone", "Europe/Berlin").stdout
    for word in ("3.25 EUR", "3.8675 EUR", "10 kWh", "19 %", "FLAT"):
        assert word in shown


@pytest.mark.parametrize(
    ("one", "session", "more", "reason"),
    [
        (EVENING, SESSION, (), "time zone is needed"),
        (EVENING, SESSION, ("--timezone", "Europe/Nowhere"), "unknown time zone"),
        (b"{", SESSION, (), "not JSON"),
        (b"[" * 100_000, SESSION, (), "not JSON"),
        (EVENING, [], (), "CDR: must be an object"),
        (EVENING | {"elements": [{}]}, SESSION, (), "elements[0]: price_components"),
        (EVENING, cdr({"start_date_time": "yesterday"}), (), "charging_periods[0].start_date_time"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_exit_code_two(
    tmp_path: Path, one: Any, session: Any, more: tuple[str, ...], reason: str
) -> None:
    result = priced(tmp_path, one, session, *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_an_error() -> None:
    result = run("lint", "no-such-file.json")
    assert (result.exit_code, result.stderr) == (2, "wattbook: no-such-file.json: No such file or directory\n")


def test_lint_tells_by_its_exit_code(tmp_path: Path) -> None:
    clean = tariff(element(part("ENERGY", "0.20", 19)))
    assert run("lint", written(tmp_path, "clean.json", clean)).exit_code == 0
    odd = tariff(element(part("ENERGY", "0.20", 19, 5_000)))
    result = run("lint", written(tmp_path, "odd.json", [clean, odd]), "--json")
    assert result.exit_code == 1
    assert [finding["code"] for finding in json.loads(result.stdout)] == ["large-step"]
    assert "large-step" in run("lint", written(tmp_path, "odd.json", {"data": odd})).stdout
