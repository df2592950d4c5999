"""`kill -9` of the serving process, or of its database, in the middle of a load.

What was acknowledged is there, once, and the proof holds. Beside stations that charge, session after session, a load of
two thousand stations sends meter values as fast as they are answered.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from wattbook.app.databases import owned_database
from wattbook.config import Settings
from wattbook.db.embedded import running_url
from wattbook.db.engine import Database
from wattbook.demo.deployments import free_port
from wattbook.demo.processes import require_up, serving_process
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import Authorization, IdToken, Sample
from wattbook.registry import stations as registry
from wattbook.registry.protection import Placement
from wattbook.simulate.estate import Estate, furnish
from wattbook.simulate.load import LoadLog, read_log

STATIONS = 40
LOAD_STATIONS = 2_000
LOAD_SECONDS = 20
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)


@dataclass
class Acknowledged:
    """What stations were told has been taken."""

    samples: set[tuple[str, datetime]] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    stopped: dict[str, int] = field(default_factory=dict)
    """Transaction → energy in mWh."""

    @property
    def count(self) -> int:
        return len(self.samples) + len(self.started) + len(self.stopped)


@pytest.mark.parametrize(
    ("victim", "gateways", "seed"), [("serve", 1, 1), ("serve", 2, 2), ("database", 1, 3), ("database", 2, 4)]
)
async def test_every_acknowledged_message_survives_a_kill(
    tmp_path: Path, victim: str, gateways: int, seed: int
) -> None:
    random_ = random.Random(seed)
    settings = Settings(
        data=tmp_path / "data",
        web_host="127.0.0.1",
        web_port=free_port(),
        ocpp_host="127.0.0.1",
        ocpp_port=free_port(),
        ocpp_gateways=gateways,
    )
    estate = await _furnished(settings)
    acknowledged = Acknowledged()
    async with _serve(settings) as process:
        async with _load(settings, tmp_path / "load.json"):
            drivers = [asyncio.create_task(_drive(settings, estate, n, acknowledged, seed)) for n in range(STATIONS)]
            enough = random_.randint(150, 600)
            while acknowledged.count < enough or not acknowledged.stopped:
                assert not all(task.done() for task in drivers), f"seed {seed}: the load ended before the kill"
                await asyncio.sleep(0.005)
            pid = process.pid if victim == "serve" else _postmaster(settings)
            os.kill(pid, signal.SIGKILL)
            await asyncio.gather(*drivers)
        if victim == "serve":
            await process.wait()
    log = read_log(tmp_path / "load.json")
    assert log.acknowledged > LOAD_STATIONS, f"seed {seed}: the load had hardly begun"

    async with _serve(settings):
        url = running_url(settings.data)
        assert url is not None
        database = Database(url)
        await _require_all(database, acknowledged, seed)
        await _require_loaded(database, log, seed)
        await database.close()
        code, said = await _wattbook(settings, "audit", "--json")
        proof = json.loads(said)
        assert (code, proof["holds"]) == (0, True), f"seed {seed}: {proof['findings']}"
        # And it goes on: a station comes back and charges.
        more = Acknowledged()
        await asyncio.wait_for(_drive(settings, estate, 0, more, seed, sessions=1), 30)
        assert len(more.stopped) == 1, f"seed {seed}"


def _postmaster(settings: Settings) -> int:
    return int((settings.data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


@asynccontextmanager
async def _load(settings: Settings, out: Path) -> AsyncIterator[None]:
    """A load in a process of its own, which lives on when the other end is killed, and writes down what it heard."""
    url = f"ws://127.0.0.1:{settings.ocpp_port}/ocpp"
    options = {"--url": url, "--stations": LOAD_STATIONS, "--seconds": LOAD_SECONDS, "--out": out, "--prefix": "MASS-"}
    arguments = [str(part) for option in options.items() for part in option]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wattbook.simulate.load", *arguments, "--progress", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while b"acknowledged" not in await process.stdout.readline():
        assert process.returncode is None, "the load did not begin"
    yield
    await asyncio.wait_for(process.communicate(), 4 * LOAD_SECONDS)


async def _require_loaded(database: Database, log: LoadLog, seed: int) -> None:
    async with database.snapshot() as connection:
        found = await connection.execute(
            text("SELECT station_id, sampled_at FROM charging.meter_values WHERE station_id LIKE 'MASS-%'")
        )
        kept = [(row[0], row[1]) for row in found]
    acknowledged = {(station, sampled_at) for station, sampled_at, _ in log.acknowledged_samples()}
    assert acknowledged <= set(kept), f"seed {seed}: {len(acknowledged - set(kept))} acknowledged samples are lost"
    assert len(kept) == len(set(kept)), f"seed {seed}: samples are doubled"


async def _require_all(database: Database, acknowledged: Acknowledged, seed: int) -> None:
    async with database.snapshot() as connection:
        found = await connection.execute(text("SELECT station_id, sampled_at FROM charging.meter_values"))
        missing = acknowledged.samples - {(row[0], row[1]) for row in found}
        assert not missing, f"seed {seed}: {len(missing)} acknowledged samples are lost"
        found = await connection.execute(text("SELECT transaction_id, state, import_mwh FROM charging.sessions"))
        sessions = {row[0]: (row[1], row[2]) for row in found}
    assert acknowledged.started <= sessions.keys(), f"seed {seed}: an acknowledged start is lost"
    for transaction, energy_mwh in acknowledged.stopped.items():
        assert sessions[transaction] == ("completed", energy_mwh), f"seed {seed}: transaction {transaction}"


async def _drive(
    settings: Settings, estate: Estate, n: int, acknowledged: Acknowledged, seed: int, sessions: int = 60
) -> None:
    """One station: session after session, until the server is gone."""
    random_ = random.Random(seed * 1000 + n)
    url, token = f"ws://127.0.0.1:{settings.ocpp_port}/ocpp", IdToken(estate.token(n))
    try:
        station = await Station.connect(url, estate.station(n))
        await station.boot("load", "station")
        at, register = START + timedelta(seconds=n), 0
        if sessions == 1:  # after the kill: time and register have gone on
            at, register = at + timedelta(hours=5), 10**9
        for _ in range(sessions):
            started = await station.start_transaction(1, token, register, at)
            assert started.token_info.status is Authorization.ACCEPTED
            acknowledged.started.add(started.transaction_id)
            begun = register
            for _ in range(random_.randint(1, 8)):
                at += timedelta(seconds=10)
                register += random_.randint(1, 50) * 1000
                await station.meter_values(1, [Sample(at, import_mwh=register)], started.transaction_id)
                acknowledged.samples.add((estate.station(n), at))
            at += timedelta(seconds=1)
            await station.stop_transaction(started.transaction_id, register, at)
            acknowledged.stopped[started.transaction_id] = register - begun
        await station.close()
    except WattbookError:
        return  # the server is gone


async def _furnished(settings: Settings) -> Estate:
    with owned_database(settings) as url:
        database = Database(url)
        async with database.transaction() as connection:
            estate = await furnish(connection, STATIONS)
            mass = (f"MASS-{n:05}" for n in range(1, LOAD_STATIONS + 1))
            await registry.add_stations(
                connection, [registry.Station(each, "load", Placement.OUTDOOR, "IP54") for each in mass]
            )
        await database.close()
    return estate


@asynccontextmanager
async def _serve(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    log = settings.data / "serve.log"
    async with serving_process(settings, log) as process:
        await require_up(settings, process, log)
        yield process


async def _wattbook(settings: Settings, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wattbook",
        *arguments,
        env=os.environ | settings.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
