"""`wattbook ids check`: what a person reads, what a program reads, and the exit code."""

import json

import pytest
from typer.testing import CliRunner, Result

from wattbook.cli import main


def ids_check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ids", "check", *arguments])


def test_a_valid_identifier_exits_with_0_and_prints_its_canonical_form() -> None:
    result = ids_check("nl-tnm-c00122045-k")
    assert result.exit_code == 0
    assert result.stdout.startswith("NLTNMC00122045K: a valid emaid")


def test_an_invalid_identifier_exits_with_1_and_says_what_would_be_right() -> None:
    result = ids_check("41373559242")
    assert result.exit_code == 1
    assert "check digit should be 1, not 2" in result.stdout


@pytest.mark.parametrize(
    ("text", "exit_code", "kind", "valid", "canonical"),
    [
        ("KRWTB", 0, "ocpi-party", True, "KR*WTB"),
        ("+49*822*083431571*1", 0, "evseid", True, "+49*822*083431571*1"),
        ("41373559242", 1, "malo", False, None),
        ("?", 1, None, False, None),
    ],
)
def test_a_program_gets_one_object_with_four_keys(
    text: str, exit_code: int, kind: str | None, valid: bool, canonical: str | None
) -> None:
    result = ids_check(text, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == exit_code
    assert list(answer) == ["kind", "valid", "canonical", "reason"]
    assert (answer["kind"], answer["valid"], answer["canonical"]) == (kind, valid, canonical)


def test_an_identifier_can_be_read_as_the_kind_that_is_asked_for() -> None:
    assert json.loads(ids_check("DE8AAE01234567", "--json").stdout)["kind"] == "evseid"
    assert json.loads(ids_check("DE8AAE01234567", "--kind", "emaid", "--json").stdout)["kind"] == "emaid"
    assert ids_check("41373559241", "--kind", "eic").exit_code == 1


def test_an_unknown_kind_is_a_mistake_of_usage() -> None:
    assert ids_check("41373559241", "--kind", "iban").exit_code == 2
