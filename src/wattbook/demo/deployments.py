"""Three deployments on one machine: three processes of `wattbook serve`, three databases, real HTTP between them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psycopg
from sqlalchemy import make_url

from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade
from wattbook.demo.processes import require_up, serving_process
from wattbook.kernel.errors import Unavailable
from wattbook.registry.parties import Party

HOST: Final = "127.0.0.1"


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
        processes = [
            await stack.enter_async_context(serving_process(deployment.settings, deployment.log))
            for deployment in deployments
        ]
        for deployment, process in zip(deployments, processes, strict=True):
            await require_up(deployment.settings, process, deployment.log)
        yield


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
