"""`wattbook simulate stations` as a person calls it, against a management end in this process."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.simulate.conftest import GOOD, Central
from wattbook.ocpp import messages as m
from wattbook.simulate.scenarios import SCENARIOS


async def simulate(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wattbook", "simulate", "stations", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_a_fleet_charges_and_a_summary_closes(central: Central) -> None:
    code, printed = await simulate("--url", central.url, "--count", "3", "--sessions", "2", "--token", GOOD)
    assert code == 0, printed
    assert "acknowledged" in printed
    assert len(central.said(m.TransactionStopped)) == 6


async def test_a_scenario_is_played_in_another_version(central: Central) -> None:
    code, printed = await simulate(
        "--url", central.url, "--count", "2", "--token", GOOD, "--version", "2.1", "--scenario", "offline"
    )
    assert code == 0, printed
    assert "OCPP 2.1, offline" in printed
    ends = [event for event in central.said(m.TransactionEvent) if event.phase is m.Phase.ENDED]
    assert len(ends) == 2
    assert any(event.offline for event in central.said(m.TransactionEvent))


@pytest.mark.parametrize(
    ("option", "word"), [("--scenario", "sunshine"), ("--version", "1.5"), ("--quirk", "politeness")]
)
async def test_what_there_is_not_is_refused_in_one_line(central: Central, option: str, word: str) -> None:
    code, printed = await simulate("--url", central.url, "--token", GOOD, option, word)
    assert (code, len(printed.splitlines())) == (2, 1)
    assert word in printed


def test_the_page_about_simulated_stations_tells_every_scenario() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulating.md").read_text()
    assert re.findall(r"^\| `([a-z0-9][a-z0-9-]*)` \|", page, re.MULTILINE) == list(SCENARIOS)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://127.0.0.1:1/ocpp", "cannot be reached"),
        ("http://127.0.0.1:1/ocpp", "is no address"),
        ("ws://127.0.0.1:99999/ocpp", "is no address"),
    ],
)
async def test_a_fleet_that_reaches_nobody_says_so_and_fails(url: str, words: str) -> None:
    code, printed = await simulate("--url", url, "--count", "1", "--token", GOOD)
    assert code == 1
    assert words in " ".join(printed.split())
    assert "Traceback" not in printed


async def test_a_fleet_without_stations_is_refused_in_one_line(central: Central) -> None:
    code, printed = await simulate("--url", central.url, "--count", "0", "--token", GOOD)
    assert (code, len(printed.splitlines())) == (2, 1)
