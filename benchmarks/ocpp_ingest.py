"""How many OCPP messages a second does wattbook take in durably, from 500 stations, 4 samples a message?

`wattbook serve` runs with two gateway processes (`--gateways`; by itself it runs one), PostgreSQL on the same machine
and the journal on; every answer is sent after its commit. The peer is a central system on the `ocpp` package that keeps
the values in memory and commits nothing. Both get the same load from the same process: each station is in a transaction
and sends the next message when the one before is answered. Afterwards our database is asked for every acknowledged
message. The third row is our own gateway with nothing behind it: against it one sees what durability costs.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks._report import report
from wattbook.app import owned_database
from wattbook.config import Settings
from wattbook.db.embedded import running_url
from wattbook.db.engine import Database
from wattbook.demo.deployments import free_port
from wattbook.demo.processes import require_up, serving_process
from wattbook.simulate.estate import Estate, furnish

HOST = "127.0.0.1"
AGAINST = "the ocpp package's central system, in memory"
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench ocpp-ingest", description=__doc__)
    parser.add_argument("--version", default="1.6", choices=["1.6", "2.0.1", "2.1"])
    parser.add_argument("--message", default=None, choices=["MeterValues", "TransactionEvent"])
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--peer-messages", type=int, default=10_000)
    parser.add_argument("--gateways", type=int, default=2, help="processes of ours; the machine has two cores")
    chosen = parser.parse_args()
    message = chosen.message or ("MeterValues" if chosen.version == "1.6" else "TransactionEvent")
    kind = ("--version", chosen.version, "--message", message)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), chosen.stations, kind, chosen.gateways)
        ours = asyncio.run(measure_ours(plan, chosen.messages))
        bare = measure_process(plan, chosen.messages, "benchmarks._gateway_without_database", path="/ocpp")
        peer = measure_process(plan, chosen.peer_messages, "benchmarks._peer_ocpp", chosen.version)
    measured = {"wattbook, durable": ours, "peer, in memory": peer, "wattbook without a database": bare}
    rows = [
        [
            name,
            f"{figures['messages_per_s']:,}",
            f"{figures['p50_ms']:.1f} ms",
            f"{figures['p99_ms']:.1f} ms",
            f"{figures['messages_per_s'] / peer['messages_per_s']:.1f} ×",
        ]
        for name, figures in measured.items()
    ]
    report(
        "ocpp-ingest",
        ratio=ours["messages_per_s"] / peer["messages_per_s"],
        against=AGAINST,
        figures={
            "version": chosen.version,
            "message": message,
            "stations": chosen.stations,
            "gateways": chosen.gateways,
            "durable_to_bare": round(ours["messages_per_s"] / bare["messages_per_s"], 2),
            **measured,
        },
        columns=["central system", f"{message}/s", "p50", "p99", "ratio"],
        rows=rows,
    )


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
