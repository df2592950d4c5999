"""How many stations can a deployment hold, what does each cost, and how fast do all come back after a power cut?

Stations of OCPP 1.6 connect over loopback and boot; a boot is answered after its commit. Then every connection is cut
at once and all of them come back, each trying again when it is turned away. Afterwards commands go through the REST API
to stations picked at random while a load of meter values runs, and the round trip is measured: row, wake-up, socket,
answer, row, HTTP.

The peer is a central system on the `ocpp` package that keeps everything in memory, with fewer stations because it takes
longer. The ratio is boots a second in the storm, ours to the peer's. A process may open a limited number of files, so
stations and gateways are two processes each; memory is that of both gateways, and the number of stations is cut only
where two processes could not open so many sockets either.
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks._report import report
from benchmarks.ocpp_ingest import HOST, furnished
from wattbook.config import Settings
from wattbook.demo.deployments import free_port
from wattbook.demo.processes import require_up, serving_process

AGAINST = "the ocpp package's central system, in memory"
FILES_SPARE = 300
COMMANDS = 400
STATION_PROCESSES = 2
COMMANDS_AT_ONCE = 8
LOADED = 50
LOAD_S_MAX = 600
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench ocpp-connections", description=__doc__)
    parser.add_argument("--stations", type=int, default=20_000)
    parser.add_argument("--peer-stations", type=int, default=2_000)
    parser.add_argument("--gateways", type=int, default=2, help="processes of ours that hold stations")
    chosen = parser.parse_args()
    stations = min(chosen.stations, stations_max(chosen.gateways))
    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(measure_ours(Path(folder), stations, chosen.gateways))
    peer = asyncio.run(measure_peer(chosen.peer_stations))
    ratio = ours["storm_per_s"] / peer["storm_per_s"]
    shown = (
        ("stations", "{:,.0f}"),
        ("processes", "{:,.0f}"),
        ("held_most", "{:,.0f}"),
        ("memory_kib", "{:,.1f} KiB"),
        ("connect_s", "{:.1f} s"),
        ("storm_s", "{:.1f} s"),
        ("storm_per_s", "{:,.0f}"),
        ("command_p50_ms", "{:.1f} ms"),
        ("command_p99_ms", "{:.1f} ms"),
    )
    report(
        "ocpp-connections",
        ratio=ratio,
        against=AGAINST,
        figures={
            "wattbook": {name: round(value, 2) for name, value in ours.items()},
            "peer": {name: round(value, 2) for name, value in peer.items()},
        },
        columns=["figure", "wattbook, durable", "peer, in memory"],
        rows=[
            [name, form.format(ours[name]), form.format(peer[name]) if name in peer else "-"] for name, form in shown
        ],
    )


def stations_max(gateways: int) -> int:
    """The port is shared by the kernel's choice, nearly evenly: a twentieth is kept free for the rest."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - FILES_SPARE
    return min(STATION_PROCESSES * files, files if gateways == 1 else gateways * files * 19 // 20)


async def measure_ours(folder: Path, stations: int, gateways: int) -> Figures:
    settings = Settings(
        data=folder / "data",
        ocpp_host=HOST,
        ocpp_port=free_port(),
        web_host=HOST,
        web_port=free_port(),
        name="bench",
        ocpp_gateways=gateways,
    )
    estate = await furnished(settings, stations)
    log = settings.data / "serve.log"
    async with serving_process(settings, log) as process:
        await require_up(settings, process, log)
        crowd = Crowd(f"ws://{HOST}:{settings.ocpp_port}/ocpp", stations)
        figures = await crowd.measure([process.pid, *other_gateways(process.pid)])
        figures |= await commands(settings, estate.token(0), stations)
        await crowd.leave()
    return figures


async def measure_peer(stations: int) -> Figures:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._peer_ocpp", "1.6", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    crowd = Crowd(f"ws://{HOST}:{port}", stations)
    figures = await crowd.measure([process.pid])
    await crowd.leave()
    process.terminate()
    await process.wait()
    return figures


class Crowd:
    """Stations in two processes: one could not open enough sockets."""

    def __init__(self, url: str, stations: int) -> None:
        half = stations // STATION_PROCESSES
        self._stations = stations
        self._parts = [(url, 1, half), (url, half + 1, stations - half)]
        self._processes: list[asyncio.subprocess.Process] = []

    async def measure(self, pids: Sequence[int]) -> Figures:
        """`pids` are the processes that hold the stations."""
        for url, first, count in self._parts:
            arguments = ("--url", url, "--first", str(first), "--count", str(count))
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks._many_stations", *arguments,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
        empty, files = sum(map(resident_kib, pids)), [open_files(pid) for pid in pids]
        connect_s = await self._all("connect")
        full = sum(map(resident_kib, pids))
        await self._all("cut")
        storm_s = await self._all("connect")
        return {
            "stations": self._stations,
            "processes": len(pids),
            "held_most": max(open_files(pid) - before for pid, before in zip(pids, files, strict=True)),
            "memory_kib": (full - empty) / self._stations,
            "connect_s": connect_s,
            "storm_s": storm_s,
            "storm_per_s": self._stations / storm_s,
        }

    async def leave(self) -> None:
        for process in self._processes:
            process.terminate()
            await process.wait()

    async def _all(self, word: str) -> float:
        """Say a word to both; the seconds until the slower one is done."""
        return max(await asyncio.gather(*(self._say(process, word) for process in self._processes)))

    async def _say(self, process: asyncio.subprocess.Process, word: str) -> float:
        assert process.stdin is not None, "a pipe was asked for"
        assert process.stdout is not None, "a pipe was asked for"
        process.stdin.write(f"{word}\n".encode())
        await process.stdin.drain()
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
        return float(answer["seconds"])


def other_gateways(pid: int) -> list[int]:
    """The processes that a deployment started to share its stations."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"\0gateway\0" in Path(f"/proc/{child}/cmdline").read_bytes()]


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def commands(settings: Settings, token: str, stations: int) -> Figures:
    """Round trips of commands through the API while meter values come in; stations of the load are left out."""
    url = f"ws://{HOST}:{settings.ocpp_port}/ocpp"
    options = ("--url", url, "--stations", str(LOADED), "--seconds", str(LOAD_S_MAX), "--token", token)
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wattbook.simulate.load", *options, stdout=subprocess.DEVNULL
    )
    choose, gate, took = random.Random(1), asyncio.Semaphore(COMMANDS_AT_ONCE), []

    async def command(http: aiohttp.ClientSession) -> None:
        station = f"LOAD-{choose.randint(LOADED + 1, stations):05}"
        async with gate:
            began = time.perf_counter()
            call = {"action": "ClearCache", "payload": {}, "wait_s": 30}
            async with http.post(f"/api/v1/stations/{station}/calls", json=call) as answer:
                body = await answer.text()
                if answer.status != 200:
                    raise SystemExit(f"{station} was commanded in vain: {answer.status} {body}")
            took.append((time.perf_counter() - began) * 1000)

    async with aiohttp.ClientSession(f"http://{HOST}:{settings.web_port}") as http:
        await asyncio.sleep(3)  # until the load runs
        await asyncio.gather(*(command(http) for _ in range(COMMANDS)))
    if load.returncode is not None:
        raise SystemExit("the load ended before the commands were answered: they were not measured under load")
    load.terminate()
    await load.wait()
    cuts = statistics.quantiles(took, n=100)
    return {"command_p50_ms": cuts[49], "command_p99_ms": cuts[98]}


if __name__ == "__main__":
    main()
