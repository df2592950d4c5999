"""How many OCPP 1.6 MeterValues a second does wattbook take in durably, from 500 stations, 4 samples a message?

`wattbook serve` runs as it does for an operator, with PostgreSQL on the same machine and every answer sent after its
commit. The peer is a central system on the `ocpp` package that keeps the values in memory and commits nothing. Both get
the same load from the same process: each station is in a transaction and sends the next message when the one before is
answered. Afterwards our database is asked for every acknowledged message.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
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
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--peer-messages", type=int, default=10_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(measure_ours(Path(folder), chosen.stations, chosen.messages))
        peer = measure_peer(Path(folder), chosen.stations, chosen.peer_messages)
    rows = [
        [
            name,
            f"{figures['messages_per_s']:,}",
            f"{figures['p50_ms']:.1f} ms",
            f"{figures['p99_ms']:.1f} ms",
            f"{figures['messages_per_s'] / peer['messages_per_s']:.1f} ×",
        ]
        for name, figures in (("wattbook, durable", ours), ("peer, in memory", peer))
    ]
    report(
        "ocpp-ingest",
        ratio=ours["messages_per_s"] / peer["messages_per_s"],
        against=AGAINST,
        figures={"stations": chosen.stations, "wattbook": ours, "peer": peer},
        columns=["central system", "MeterValues/s", "p50", "p99", "ratio"],
        rows=rows,
    )


async def measure_ours(folder: Path, stations: int, messages: int) -> Figures:
    settings = Settings(
        data=folder / "data", ocpp_host=HOST, ocpp_port=free_port(), web_host=HOST, web_port=free_port(), name="bench"
    )
    estate = await _furnished(settings, stations)
    log = settings.data / "serve.log"
    async with serving_process(settings, log) as process:
        await require_up(settings, process, log)
        url = f"ws://{HOST}:{settings.ocpp_port}/ocpp"
        figures = await asyncio.to_thread(load, folder, url, stations, messages, estate.token(0))
        await _require_durable(settings, figures["acknowledged"])
    return figures


def measure_peer(folder: Path, stations: int, messages: int) -> Figures:
    command = [sys.executable, "-m", "benchmarks._peer_ocpp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None
        port = int(peer.stdout.readline())
        try:
            return load(folder, f"ws://{HOST}:{port}", stations, messages, "TOKEN")
        finally:
            peer.terminate()


def load(folder: Path, url: str, stations: int, messages: int, token: str) -> Figures:
    """Run the load in a process of its own; its summary."""
    out = folder / "load.json"
    options = {"--url": url, "--stations": stations, "--messages": messages, "--token": token, "--out": out}
    arguments = [str(part) for option in options.items() for part in option]
    done = subprocess.run(
        [sys.executable, "-m", "wattbook.simulate.load", *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"the load failed: {done.stderr or done.stdout}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


async def _furnished(settings: Settings, stations: int) -> Estate:
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
