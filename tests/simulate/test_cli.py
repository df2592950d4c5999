"""`wattbook simulate stations` as a person calls it, against a management end in this process."""

import asyncio
import sys

from tests.simulate.conftest import GOOD, Central
from wattbook.ocpp import messages as m


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


async def test_a_fleet_that_reaches_nobody_says_so_and_fails() -> None:
    code, printed = await simulate("--url", "ws://127.0.0.1:1/ocpp", "--count", "1", "--token", GOOD)
    assert code == 1
    assert "cannot be reached" in printed


async def test_a_fleet_without_stations_is_refused_in_one_line(central: Central) -> None:
    code, printed = await simulate("--url", central.url, "--count", "0", "--token", GOOD)
    assert (code, len(printed.splitlines())) == (2, 1)
