"""An independent client, the npm package ocpp-rpc in strict mode, charges at our own gateway in every version."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.ocpp.conftest import Ours
from wattbook.ocpp.dialects import DIALECTS

PACKAGE: Final = "ocpp-rpc"
VERSION: Final = "2.2.1"
SCRIPT: Final = Path(__file__).with_name("ocpp_rpc_session.cjs")
BUILD: Final = Path(__file__).parents[3] / "build"

ANSWERS_16 = [
    ["BootNotification", "Accepted"],
    ["StatusNotification", None],
    ["Authorize", "Accepted"],
    ["StartTransaction", "Accepted"],
    ["MeterValues", None],
    ["StartTransaction", "Accepted"],
    ["StopTransaction", None],
]
ANSWERS_2 = [
    ["BootNotification", "Accepted"],
    ["StatusNotification", None],
    ["Authorize", "Accepted"],
    ["TransactionEvent", "Accepted"],
    ["TransactionEvent", None],
    ["TransactionEvent", None],
]


@pytest.fixture(scope="session")
def installed() -> Path:
    """A folder with the package in it, kept between runs; the test is skipped where it cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("ocpp-rpc was not tried: node and npm are not on this machine")
    folder = BUILD / f"{PACKAGE}-{VERSION}"
    if not folder.exists():
        BUILD.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=BUILD, prefix=PACKAGE))
        command = [npm, "install", "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        try:
            subprocess.run([*command, f"{PACKAGE}@{VERSION}"], check=True, timeout=120, capture_output=True)
        except (subprocess.SubprocessError, OSError) as fault:
            shutil.rmtree(fresh, ignore_errors=True)
            pytest.skip(f"ocpp-rpc was not tried: npm could not install it ({fault})")
        try:
            fresh.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("number", "subprotocol"), list(enumerate(DIALECTS)))
async def test_a_session_with_ocpp_rpc(ours: Ours, installed: Path, number: int, subprotocol: str) -> None:
    target = ours.target(number)
    assert target.token is not None
    client = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), str(installed), target.url, target.station, subprotocol, target.token,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, complained = await client.communicate()
    assert client.returncode == 0, complained.decode()
    report = json.loads(said)
    assert report["protocol"] == subprotocol
    if subprotocol == "ocpp1.6":
        assert report["answers"] == ANSWERS_16
    else:
        assert report["answers"][:6] == ANSWERS_2
        assert report["answers"][6][0] == "TransactionEvent"
