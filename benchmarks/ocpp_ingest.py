"""How many OCPP messages a second does wattbook take in durably, from 500 stations, 4 samples a message?

`wattbook serve` runs with two gateway processes (`--gateways`; by itself it runs one), PostgreSQL on the same machine
and the journal on; every answer is sent after its commit. The peer is a central system on the `ocpp` package that keeps
the values in memory and commits nothing. Both get the same load from the same process: each station is in a transaction
and sends the next message when the one before is answered. Afterwards our database is asked for every acknowledged
message. The bare row is our own gateway with nothing behind it: against it one sees what durability costs.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from benchmarks._report import report
from wattbook.app.databases import owned_database
from wattbook.config import Settings
from wattbook.db.embedded import running_url
from wattbook.db.engine import Database
from wattbook.demo.deployments import free_port
from wattbook.demo.processes import require_up, serving_process
from wattbook.simulate.estate import Estate, furnish

HOST = "127.0.0.1"
AGAINST = "the ocpp package's central system, in memory"
OURS, BARE, PEER = "wattbook, durable", "wattbook, bare", "peer, in memory"
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench ocpp-ingest", description=__doc__)
    parser.add_argument("--version", default="1.6", choices=["1.6", "2.0.1", "2.1"])
    parser.add_argument("--message", default=None, choices=["MeterValues", "TransactionEvent"])
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--peer-messages", type=int, default=10_000)
    parser.add_argument("--gateways", type=int, default=2, help="processes of ours; the machine has two cores")
    parser.add_argument("--runs", type=int, default=1, help="the ratio is the median of so many")
    chosen = parser.parse_args()
    message = chosen.message or ("MeterValues" if chosen.version == "1.6" else "TransactionEvent")
    kind = ("--version", chosen.version, "--message", message)
    runs = [measured(chosen, kind) for _ in range(chosen.runs)]
    ratios = [_ratio(run, OURS, PEER) for run in runs]
    to_bare = [_ratio(run, OURS, BARE) for run in runs]
    rows = [[str(number), *row] for number, run in enumerate(runs, 1) for row in _rows(run, chosen.gateways)]
    report(
        "ocpp-ingest",
        ratio=median(ratios),
        against=AGAINST,
        figures={
            "version": chosen.version,
            "message": message,
            "stations": chosen.stations,
            "gateways": chosen.gateways,
            "ratios": [round(ratio, 2) for ratio in ratios],
            "durable_to_bare": round(median(to_bare), 2),
            "runs": runs,
        },
        columns=["run", "central system", "processes", f"{message}/s", "p50", "p99", "to peer", "to bare"],
        rows=rows,
    )


def measured(chosen: argparse.Namespace, kind: tuple[str, ...]) -> dict[str, Figures]:
    """One run: ours, ours without a database, and the peer, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), chosen.stations, kind, chosen.gateways)
        return {
            OURS: asyncio.run(measure_ours(plan, chosen.messages)),
            BARE: measure_process(plan, chosen.messages, "benchmarks._gateway_without_database", path="/ocpp"),
            PEER: measure_process(plan, chosen.peer_messages, "benchmarks._peer_ocpp", chosen.version),
        }


def _rows(run: dict[str, Figures], gateways: int) -> list[list[str]]:
    processes = {OURS: gateways, BARE: 1, PEER: 1}
    return [
        [
            name,
            str(processes[name]),
            f"{figures['messages_per_s']:,}",
            f"{figures['p50_ms']:.1f} ms",
            f"{figures['p99_ms']:.1f} ms",
            f"{_ratio(run, name, PEER):.1f} ×",
            f"{_ratio(run, name, BARE):.2f}",
        ]
        for name, figures in run.items()
    ]


def _ratio(run: dict[str, Figures], one: str, other: str) -> float:
    ratio: float = run[one]["messages_per_s"] / run[other]["messages_per_s"]
    return ratio


@dataclass(frozen=True)
class Plan:
    """Where files go, how many stations speak, what they say, and how many processes of ours listen."""

    folder: Path
    stations: int
    kind: tuple[str, ...]
    gateways: int


async def measure_ours(plan: Plan, messages: int) -> Figures:
    settings = Settings(
        data=plan.folder / "data",
        ocpp_host=HOST,
        ocpp_port=free_port(),
        web_host=HOST,
        web_port=free_port(),
        name="bench",
        ocpp_gateways=plan.gateways,
    )
    estate = await furnished(settings, plan.stations)
    log = settings.data / "serve.log"
    async with serving_process(settings, log) as process:
        await require_up(settings, process, log)
        url = f"ws://{HOST}:{settings.ocpp_port}/ocpp"
        figures = await asyncio.to_thread(load, plan, url, messages, estate.token(0))
        await _require_durable(settings, figures["acknowledged"])
    return figures


def measure_process(plan: Plan, messages: int, module: str, *arguments: str, path: str = "") -> Figures:
    """A central system in a process of its own that prints its port."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return load(plan, f"ws://{HOST}:{port}{path}", messages, "TOKEN")
        finally:
            process.terminate()


def load(plan: Plan, url: str, messages: int, token: str) -> Figures:
    """Run the load in a process of its own; its summary."""
    out = plan.folder / "load.json"
    options = {"--url": url, "--stations": plan.stations, "--messages": messages, "--token": token, "--out": out}
    arguments = [*plan.kind, *(str(part) for option in options.items() for part in option)]
    done = subprocess.run(
        [sys.executable, "-m", "wattbook.simulate.load", *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"the load failed: {done.stderr or done.stdout}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


async def furnished(settings: Settings, stations: int) -> Estate:
    with owned_database(settings) as url:
        database = Database(url)
        async with database.transaction() as connection:
            estate = await furnish(connection, stations)
        await database.close()
    return estate


async def _require_durable(settings: Settings, acknowledged: int) -> None:
    url = running_url(settings.data)
    assert url is not None, "it serves"
    database = Database(url)
    async with database.snapshot() as connection:
        kept = (await connection.execute(text("SELECT count(*) FROM charging.meter_values"))).scalar_one()
    await database.close()
    if kept < acknowledged:
        raise SystemExit(f"{acknowledged} messages were acknowledged and {kept} are in the database")


if __name__ == "__main__":
    main()
