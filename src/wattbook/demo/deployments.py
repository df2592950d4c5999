"""Three deployments on one machine: three processes of `wattbook serve`, three databases, real HTTP between them."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import aiohttp
import psycopg
from sqlalchemy import make_url

from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade
from wattbook.kernel.errors import Unavailable
from wattbook.registry.parties import Party

HOST: Final = "127.0.0.1"
UP_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0


Role = Literal["CPO", "EMSP", "HUB"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One of the three, running; `database` is a second pair of eyes on its database."""

    settings: Settings
    database: Database
    log: Path

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.settings.web_port}"

    @property
    def ocpp_url(self) -> str:
        return f"ws://{HOST}:{self.settings.ocpp_port}/ocpp"


def settings_for(party: Party, role: Role, server_url: str, folder: Path, ports: tuple[int, int]) -> Settings:
    """A deployment of this party with a database of its own on the server; an older one of the same name is gone."""
    name = f"demo_{party.id.replace('*', '_').lower()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    ocpp_port, web_port = ports
    return Settings(
        data=folder / name,
        database_url=make_url(server_url).set(database=name).render_as_string(hide_password=False),
        country_code=party.id[:2],
        party_id=party.id[3:],
        role=role,
        name=party.name,
        ocpp_host=HOST,
        ocpp_port=ocpp_port,
        web_host=HOST,
        web_port=web_port,
        public_url=f"http://{HOST}:{web_port}",
        allow_private_partners=True,
        announce_interval_s=1,
    )


@asynccontextmanager
async def prepared(settings: Sequence[Settings]) -> AsyncIterator[list[Deployment]]:
    """Each with its database at the newest revision, not serving yet: time to write master data."""
    async with AsyncExitStack() as stack:
        deployments = []
        for each in settings:
            assert each.database_url is not None
            await asyncio.to_thread(upgrade, each.database_url)
            each.data.mkdir(parents=True, exist_ok=True)
            deployments.append(Deployment(each, Database(each.database_url), each.data / "serve.log"))
            stack.push_async_callback(deployments[-1].database.close)
        yield deployments


@asynccontextmanager
async def serving(deployments: Sequence[Deployment]) -> AsyncIterator[None]:
    """Start all of them at once; stop all of them at the end.

    Raises:
        Unavailable: one did not come up; the message shows the end of its log.
    """
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(_process(deployment)) for deployment in deployments]
        for deployment, process in zip(deployments, processes, strict=True):
            await _up(deployment, process)
        yield


@asynccontextmanager
async def _process(deployment: Deployment) -> AsyncIterator[asyncio.subprocess.Process]:
    with deployment.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wattbook", "serve", env=_environment(deployment.settings), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    said = settings.model_dump(mode="json", exclude_none=True)
    return os.environ | {f"WATTBOOK_{name.upper()}": str(value) for name, value in said.items()}


async def _up(deployment: Deployment, process: asyncio.subprocess.Process) -> None:
    deadline = asyncio.get_running_loop().time() + UP_WITHIN_S
    async with aiohttp.ClientSession() as http:
        while process.returncode is None and asyncio.get_running_loop().time() < deadline:
            try:
                async with http.get(f"{deployment.web_url}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    tail = deployment.log.read_text(errors="replace")[-2000:]
    raise Unavailable(f"{deployment.settings.name} did not come up:\n{tail}")


def free_port(wanted: int = 0) -> int:
    """The wanted port if it is free on this machine, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no port is free")
