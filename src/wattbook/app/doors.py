"""What a deployment shows to partners, programs and people, and the jobs that its rooms leave for later."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from wattbook.api.application import mount_api
from wattbook.api.login import mount_login
from wattbook.api.services import Services
from wattbook.app.databases import prove
from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.console import mount_household, mount_overview
from wattbook.db.engine import Database
from wattbook.db.jobs import job_app
from wattbook.kernel.clock import Clock
from wattbook.ocpp.commands.outcomes import Outcomes, webhook_tasks
from wattbook.payments.operations import Providers
from wattbook.payments.operations import tasks as payment_tasks
from wattbook.roaming.deployment import PREFIX, Roaming
from wattbook.roaming.edge import router, tasks

JOBS_AT_ONCE: Final = 8


def mount(
    web: FastAPI,
    settings: Settings,
    database: Database,
    roaming: Roaming,
    clock: Clock,
    outcomes: Outcomes,
    providers: Providers,
) -> None:
    async def proof() -> Proof:
        return await prove(database)

    web.include_router(router(roaming), prefix=PREFIX)
    services = Services(database, settings, clock, proof, outcomes, providers)
    mount_api(web, services)
    mount_login(web, services)
    mount_household(web, database=database, settings=settings, clock=clock)
    mount_overview(web, database=database, settings=settings, clock=clock, proof=proof)


@asynccontextmanager
async def working(database: Database, roaming: Roaming, providers: Providers) -> AsyncIterator[None]:
    """Run the jobs that rooms enqueued."""
    jobs = job_app(database)
    tasks(jobs, roaming)
    webhook_tasks(jobs, database, allow_private=roaming.settings.allow_private_webhooks)
    payment_tasks(jobs, database, providers, roaming.clock)
    async with jobs.open_async():
        worker = asyncio.create_task(jobs.run_worker_async(concurrency=JOBS_AT_ONCE, install_signal_handlers=False))
        try:
            yield
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


@asynccontextmanager
async def listening(web: FastAPI, settings: Settings) -> AsyncIterator[int]:
    """Serve HTTP; the port, which is any free one when the setting is 0."""
    config = uvicorn.Config(
        web,
        host=settings.web_host,
        port=settings.web_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    listener = config.bind_socket()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.up.wait()
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Leaves the signals to us, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
