"""The suite finds what a careless management system does wrong, and tells it to people and to programs."""

import asyncio
import json
import shlex
import sys
import uuid
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from tests.conformance.ocpp.careless import careless
from wattbook.cli import main
from wattbook.conformance.bench import Bench, Target
from wattbook.conformance.checks import CHECKS
from wattbook.conformance.outcome import Outcome
from wattbook.conformance.suite import plan
from wattbook.conformance.trigger import CommandTrigger
from wattbook.conformance.versions import VERSIONS
from wattbook.kernel.clock import system_clock

V16 = VERSIONS["1.6"]
WRONG = [
    ("3.2 unknown station", "let in"),
    ("3.1.2 no common sub-protocol", "still open"),
    ("4.1.3 unknown type", "FormatViolation"),
    ("4.2 garbage", "closed"),
    ("R20 one bad frame", "closed"),
    ("R19 empty frame", "closed"),
    ("4.2.1 too few or too many elements", "closed"),
    ("4.1.4 id too long", "as if it were right"),
    ("4.2.3 payload is no object", "CALLRESULT"),
    ("R17 answer nobody asked for", "replied"),
    ("4.2.3 unknown action", "InternalError"),
    ("4.2.3 action of the other direction", "InternalError"),
    ("4.2.3 field missing", "CALLRESULT"),
    ("R1 newest connection wins", "still open"),
    ("R25 replayed start and stop", "booked twice"),
    ("R31 unknown token", "Accepted"),
    ("R22 garbage in fields", "accepted"),
    ("schemas right DataTransfer", "breaks its schema"),
    ("schemas right SecurityEventNotification", "InternalError"),
    ("schemas wrong Authorize", "CALLRESULT; expected"),
]
RIGHT = [
    "3.1 known station",
    "4.2.1 empty payload",
    "R3 ping",
    "R15 order",
    "4.1.4 id of 36 characters",
    "4 charging session",
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with careless() as running:
        yield running


def target(url: str, token: str | None = "ANYBODY") -> Target:
    return Target(url, "CP1", system_clock, lambda: str(uuid.uuid4()), token, within_s=0.5)


@pytest.mark.parametrize(("title", "seen"), WRONG)
async def test_a_fault_is_found_and_named(url: str, title: str, seen: str) -> None:
    ((version, check),) = plan([V16], title)
    finding = await check.make(Bench(target(url), version))
    assert finding.outcome is Outcome.FAILED, finding.seen
    assert seen in finding.seen


@pytest.mark.parametrize("title", RIGHT)
async def test_what_is_right_passes(url: str, title: str) -> None:
    ((version, check),) = plan([V16], title)
    finding = await check.make(Bench(target(url), version))
    assert finding.outcome is Outcome.PASSED, finding.seen


@pytest.mark.parametrize("title", ["charging session", "one CALL outstanding", "CALL before accepted", "basic auth"])
async def test_what_cannot_be_checked_says_what_it_needs(url: str, title: str) -> None:
    ((version, check),) = plan([V16], title)
    finding = await check.make(Bench(target(url, token=None), version))
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert finding.seen.startswith("needs a ")


def test_every_check_has_its_own_title() -> None:
    titles = [(version, check.title(version)) for check in CHECKS for version in check.demands]
    assert len(titles) == len(set(titles))


def ask(url: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["conformance", "--url", url, "--station", "CP1", "--within", "0.5", *options])


def test_a_program_gets_one_object_and_exit_code_1(url: str) -> None:
    result = ask(url, "--check", "unknown action", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["counts"] == {"passed": 0, "failed": 1, "not applicable": 0}
    (check,) = report["checks"]
    assert (check["check"], check["version"], check["outcome"]) == ("1.6:4.2.3 unknown action", "1.6", "failed")
    assert check["source"] == "OCPP-J 1.6, 4.2.3"


def test_a_person_gets_a_table_and_exit_code_0_when_nothing_failed(url: str) -> None:
    result = ask(url, "--check", "R3 ", "--token", "ANYBODY")
    assert result.exit_code == 0
    assert "R3 ping" in result.stdout
    assert "1 passed, 0 failed, 0 not applicable" in result.stdout


def test_a_command_makes_the_system_call(url: str) -> None:
    result = ask(
        url, "--check", "form of a CALL", "--trigger", "no-such-program {station} {action} {payload}", "--json"
    )
    (check,) = json.loads(result.stdout)["checks"]
    assert "cannot run" in check["seen"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "http://127.0.0.1/"], "is no WebSocket"),
        (["--url", "ws://127.0.0.1:1/ocpp"], "cannot connect"),
        (["--version", "1.5"], "no version 1.5"),
        (["--check", "no such check"], "nothing to check"),
        (["--password", "hex:xyz"], "is no hex"),
    ],
)
def test_a_mistake_is_told_in_one_line(url: str, options: list[str], said: str) -> None:
    result = ask(url, *options)
    assert result.exit_code == 2
    assert said in result.stderr


async def test_the_command_gets_station_action_and_payload() -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        program = f"import socket, sys; socket.create_connection(('127.0.0.1', {port})).sendall(sys.argv[1].encode())"
        command = shlex.join([sys.executable, "-c", program, '{station} {"do": "{action}", "with": {payload}}'])
        async with CommandTrigger(command) as trigger, asyncio.timeout(30):
            await trigger("CP 1", "Reset", {"type": "Soft; rm -rf"})
            assert await heard == b'CP 1 {"do": "Reset", "with": {"type":"Soft; rm -rf"}}'
