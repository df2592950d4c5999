"""Everything in one process."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from fastapi import FastAPI

from wattbook.app.chores import beside, chores, coming_round, tend_history
from wattbook.app.databases import owned_database
from wattbook.app.doors import listening, mount, working
from wattbook.app.gateways import more_gateways, stations_doors
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock, system_clock
from wattbook.kernel.telemetry import tune_garbage_collection
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.payments.providers.setup import providers_of
from wattbook.roaming.delivery import announce
from wattbook.roaming.deployment import Roaming

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A deployment that serves: where its doors are."""

    settings: Settings
    database: Database
    ocpp_port: int
    web_port: int
    ocpp_tls_port: int | None = None

    @property
    def web_url(self) -> str:
        return f"http://{self.settings.web_host}:{self.web_port}"


@asynccontextmanager
async def serving(settings: Settings, url: str, *, clock: Clock = system_clock) -> AsyncIterator[Running]:
    """Everything in one process: stations, partners, people and programs, jobs.

    It opens from the inside out and closes from the outside in: what was taken is committed and answered before the
    database goes.

    Raises:
        OSError: a port is taken.
    """
    tune_garbage_collection()
    async with AsyncExitStack() as stack:
        database = Database(url)
        stack.push_async_callback(database.close)
        roaming = await stack.enter_async_context(Roaming.open(database, settings, clock=clock))
        web = FastAPI(title=settings.name, docs_url=None, redoc_url=None, openapi_url=None)
        outcomes = await stack.enter_async_context(Outcomes(database))
        providers = await stack.enter_async_context(providers_of(settings))
        mount(web, settings, database, roaming, clock, outcomes, providers)
        await stack.enter_async_context(working(database, roaming, providers))
        await tend_history(settings, database, clock)
        for chore in chores(settings, roaming, providers):
            await stack.enter_async_context(coming_round(chore, database, clock))
        gateway = await stack.enter_async_context(stations_doors(settings, roaming))
        await stack.enter_async_context(more_gateways(settings, url, gateway))
        # The last door: who asks `/healthz` and hears that all is well finds the stations' door open too.
        web_port = await stack.enter_async_context(listening(web, settings))
        await stack.enter_async_context(beside(announce(roaming)))
        log.info("serving", party=settings.party, ocpp_port=gateway.port, web_port=web_port)
        yield Running(settings, database, gateway.port, web_port, gateway.tls_port)


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with owned_database(settings) as url:
        async with serving(settings, url):
            await stop.wait()
