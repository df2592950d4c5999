"""The composition root: which parts make a running wattbook, and in which order they start and stop."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import structlog
import uvicorn
from cryptography.x509 import Certificate
from fastapi import FastAPI
from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError

import wattbook.billing.tables
import wattbook.book.tables
import wattbook.charging.tables
import wattbook.household.tables
import wattbook.ocpp.device_tables
import wattbook.ocpp.security.tables
import wattbook.ocpp.tables
import wattbook.payments.tables
import wattbook.registry.tables
import wattbook.roaming.tables  # noqa: F401
from wattbook.api.application import mount_api
from wattbook.api.login import mount_login
from wattbook.api.services import Services
from wattbook.billing.checks import CHECKS as BILLING_CHECKS
from wattbook.book.audit import Proof, audit
from wattbook.book.posting import expire_holds
from wattbook.charging.checks import CHECKS as CHARGING_CHECKS
from wattbook.charging.history import roll_up, tend_meter_values
from wattbook.charging.policy import Policy
from wattbook.config import Settings
from wattbook.console import mount_household, mount_overview
from wattbook.db.embedded import EmbeddedServer, running_url
from wattbook.db.engine import Database
from wattbook.db.group_commit import LANES
from wattbook.db.jobs import job_app
from wattbook.db.metadata import metadata
from wattbook.db.migrate import upgrade
from wattbook.household.checks import CHECKS as HOUSEHOLD_CHECKS
from wattbook.household.intervals import IntervalStore
from wattbook.household.watching import look_at_houses
from wattbook.kernel.clock import Clock, system_clock
from wattbook.kernel.errors import Unavailable
from wattbook.kernel.telemetry import tune_garbage_collection
from wattbook.ocpp.gateway import Gateway
from wattbook.ocpp.limits import arrival_limits, socket_limits
from wattbook.ocpp.local_lists import keep_in_step
from wattbook.ocpp.outcomes import Outcomes, webhook_tasks
from wattbook.ocpp.prepaid import prepaid_subscriber
from wattbook.ocpp.reaper import Patience, reap
from wattbook.ocpp.retention import forget, kept_for
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.desk import CertificateDesk
from wattbook.ocpp.security.ocsp import Responders
from wattbook.ocpp.security.renewal import ask_for_renewals
from wattbook.ocpp.security.tls import ListeningTls
from wattbook.ocpp.security.tls import read_roots as read_certificates
from wattbook.ocpp.told_costs import tell_costs
from wattbook.ocpp.told_tariffs import tell_tariffs
from wattbook.payments.cards import settle_overdue
from wattbook.payments.checks import CHECKS as PAYMENT_CHECKS
from wattbook.payments.operations import Providers
from wattbook.payments.operations import tasks as payment_tasks
from wattbook.payments.providers.setup import providers_of
from wattbook.roaming.checks import CHECKS as ROAMING_CHECKS
from wattbook.roaming.consent import OcpiConsent
from wattbook.roaming.delivery import announce
from wattbook.roaming.deployment import PREFIX, Roaming
from wattbook.roaming.edge import router, subscriber, tasks

CHECKS: Final = (*BILLING_CHECKS, *CHARGING_CHECKS, *HOUSEHOLD_CHECKS, *PAYMENT_CHECKS, *ROAMING_CHECKS)
"""What the rooms prove of their documents, beside what the book proves of itself."""

HOLDS_EXPIRE_EVERY: Final = timedelta(seconds=30)
CARDS_SETTLE_EVERY: Final = timedelta(minutes=1)
HOUSES_EVERY: Final = timedelta(seconds=10)
HOUSES_AGAIN_AFTER: Final = timedelta(hours=1)
LISTS_EVERY: Final = timedelta(minutes=1)
TARIFFS_EVERY: Final = timedelta(minutes=1)
COSTS_EVERY: Final = timedelta(seconds=10)
REAP_EVERY: Final = timedelta(seconds=30)
HISTORY_EVERY: Final = timedelta(minutes=5)
FORGETS_EVERY: Final = timedelta(minutes=10)
RENEWS_EVERY: Final = timedelta(minutes=1)
ROOTS_EVERY: Final = timedelta(minutes=1)
JOBS_AT_ONCE: Final = 8
GATEWAY_ENDS_WITHIN_S: Final = 15.0

log = structlog.get_logger(__name__)


def declared_tables() -> MetaData:
    """The tables of all rooms: imported above, so that each has declared its own."""
    return metadata


@contextmanager
def owned_database(settings: Settings) -> Iterator[str]:
    """The URL of a database at the newest revision, which is ours while the block runs.

    Raises:
        Conflict: another process owns the data folder.
    """
    with contextlib.ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedServer(settings.data)).url
        upgrade(url)
        yield url


@contextmanager
def readable_database(settings: Settings) -> Iterator[str]:
    """The same, also beside a process that serves from this data folder."""
    beside = None if settings.database_url else running_url(settings.data)
    if beside is not None:
        yield beside
    else:
        with owned_database(settings) as url:
            yield url


async def prove(database: Database) -> Proof:
    """The audit with the checks of all rooms, on one snapshot."""
    async with database.snapshot() as connection:
        return await audit(connection, CHECKS)


async def prove_once(settings: Settings) -> Proof:
    """The same for a command: of the database that serves, or of one that nobody serves."""
    with readable_database(settings) as url:
        database = Database(url)
        try:
            return await prove(database)
        finally:
            await database.close()


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
        _mount(web, settings, database, roaming, clock, outcomes, providers)
        await stack.enter_async_context(_working(database, roaming, providers))
        await stack.enter_async_context(_every(CARDS_SETTLE_EVERY, _settle_cards, database, clock))
        await stack.enter_async_context(_every(HOLDS_EXPIRE_EVERY, _expire_holds, database, clock))
        await _tend_history(settings, database, clock)
        await stack.enter_async_context(_every(HISTORY_EVERY, partial(_tend_history, settings), database, clock))
        await stack.enter_async_context(_every(HOUSES_EVERY, _HouseWatch(settings), database, clock))
        await stack.enter_async_context(_every(LISTS_EVERY, _keep_lists, database, clock))
        if settings.ocpp_tell_tariffs:
            await stack.enter_async_context(_every(TARIFFS_EVERY, _tell_tariffs, database, clock))
        if settings.ocpp_tell_costs_every_s is not None:
            every = timedelta(seconds=settings.ocpp_tell_costs_every_s)
            await stack.enter_async_context(_every(COSTS_EVERY, partial(_tell_costs, every), database, clock))
        await stack.enter_async_context(_every(REAP_EVERY, partial(_reap, settings, roaming), database, clock))
        await stack.enter_async_context(_every(FORGETS_EVERY, partial(_forget, settings), database, clock))
        await stack.enter_async_context(_every(RENEWS_EVERY, partial(_renew, settings), database, clock))
        gateway = await stack.enter_async_context(_gateway(settings, roaming))
        await stack.enter_async_context(_more_gateways(settings, url, gateway))
        # The last door: who asks `/healthz` and hears that all is well finds the stations' door open too.
        web_port = await stack.enter_async_context(_listening(web, settings))
        await stack.enter_async_context(_beside(announce(roaming)))
        log.info("serving", party=settings.party, ocpp_port=gateway.port, web_port=web_port)
        yield Running(settings, database, gateway.port, web_port, gateway.tls_port)


@asynccontextmanager
async def _gateway(settings: Settings, roaming: Roaming) -> AsyncIterator[Gateway]:
    """The stations' doors, open while the block runs."""
    async with AsyncExitStack() as stack:
        clock = roaming.clock
        authority = Authority.open(settings.authority_folder, settings.name, clock())
        responders = await stack.enter_async_context(Responders(clock))
        contract_roots = _roots(settings.ocpp_contract_roots)
        trusting: list[ListeningTls] = []

        def read_roots() -> None:
            """Ours, after a rotation anywhere: to sign with the newest, and to trust all."""
            if authority.reload(clock()):
                for tls in trusting:
                    tls.trust(authority.trusted(clock()))
                log.info("roots-read", newest=authority.newest.number)

        async def read_roots_again(*_: object) -> None:
            read_roots()

        shared = settings.ocpp_gateways > 1
        gateway = Gateway(
            roaming.database,
            clock,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            partners=OcpiConsent(roaming),
            subscribers=[subscriber(roaming), prepaid_subscriber(clock, _policy(settings))],
            policy=_policy(settings),
            security_profile=settings.ocpp_security_profile,
            certificates=CertificateDesk(authority, responders, clock, contract_roots=contract_roots),
            journal=settings.ocpp_journal,
            journal_days=settings.ocpp_journal_days,
            limits=socket_limits(settings),
            arrivals=arrival_limits(settings),
            read_roots=read_roots,
            # Several processes keep the database busy by themselves, and larger batches cost less.
            lanes=1 if shared else LANES,
        )
        await gateway.open(settings.ocpp_host, settings.ocpp_port, shared=shared)
        stack.push_async_callback(gateway.close)
        if settings.ocpp_tls_port is not None:
            tls = _station_tls(settings, authority, clock)
            trusting.append(tls)
            await gateway.open_tls(settings.ocpp_host, settings.ocpp_tls_port, tls, shared=shared)
        # A notice may have been missed while the database was away.
        await stack.enter_async_context(_every(ROOTS_EVERY, read_roots_again, roaming.database, clock))
        yield gateway


def _policy(settings: Settings) -> Policy:
    hours = settings.token_cache_hours
    return Policy(
        change_interval=timedelta(seconds=settings.announce_interval_s),
        concurrent_max=settings.token_sessions_max,
        master_pass_group=settings.master_pass_group,
        cache_for=None if hours is None else timedelta(hours=hours),
    )


@asynccontextmanager
async def _more_gateways(settings: Settings, url: str, first: Gateway) -> AsyncIterator[None]:
    """Processes that share the ports of the first gateway; they end when their standard input does, and so with us."""
    alike = settings.model_copy(
        update={"database_url": url, "ocpp_port": first.port, "ocpp_tls_port": first.tls_port}
    ).environment()
    async with AsyncExitStack() as stack:
        for _ in range(settings.ocpp_gateways - 1):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wattbook", "gateway"), env=os.environ | alike, stdin=PIPE, stdout=PIPE
            )
            stack.push_async_callback(_end, process)
            assert process.stdout is not None, "a pipe was asked for"
            if not await process.stdout.readline():
                raise Unavailable(f"a gateway did not open: it ended with code {await process.wait()}")
        yield


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it commit and answer what it has taken."""
    assert process.stdin is not None, "a pipe was asked for"
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), GATEWAY_ENDS_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def serve_gateway(settings: Settings) -> None:
    """A gateway beside others, in a process of its own, until standard input ends; says when it is open."""
    assert settings.database_url is not None, "it is told where the database is"
    tune_garbage_collection()
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        roaming = await stack.enter_async_context(Roaming.open(database, settings))
        gateway = await stack.enter_async_context(_gateway(settings, roaming))
        print("open", gateway.port, flush=True)
        await _standard_input_ends()


async def _standard_input_ends() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # A signal to the whole group reaches us too; the process that started us says when to go.
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def _station_tls(settings: Settings, authority: Authority, clock: Clock) -> ListeningTls:
    """How the stations' second port speaks TLS: with the operator's certificate, or one of our own authority."""
    if settings.ocpp_tls_certificate is not None and settings.ocpp_tls_key is not None:
        files = settings.ocpp_tls_certificate, settings.ocpp_tls_key
    else:
        files = authority.server_files(settings.ocpp_tls_hosts, clock())
    return ListeningTls(*files, [*authority.trusted(clock()), *_roots(settings.ocpp_client_roots)])


def _roots(path: Path | None) -> list[Certificate]:
    return [] if path is None else read_certificates(path)


def _mount(
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
async def _working(database: Database, roaming: Roaming, providers: Providers) -> AsyncIterator[None]:
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
async def _listening(web: FastAPI, settings: Settings) -> AsyncIterator[int]:
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


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do it while the block runs; what is not done by its end is left."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _every(
    pause: timedelta, work: Callable[[Database, Clock], Awaitable[None]], database: Database, clock: Clock
) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await asyncio.sleep(pause.total_seconds())
            try:
                await work(database, clock)
            except (DBAPIError, OSError) as error:
                log.warning("periodic-work-failed", work=str(work), error=str(error))

    async with _beside(repeat()):
        yield


async def _tend_history(settings: Settings, database: Database, clock: Clock) -> None:
    """Make partitions ahead, roll up what came in, drop what is old."""
    keep = _days(settings.meter_values_keep_days)
    async with database.transaction() as connection:
        await roll_up(connection, now=clock())
    async with database.transaction() as connection:
        await tend_meter_values(connection, now=clock(), keep=keep)


class _HouseWatch:
    """Looks at some houses at a time; when all were seen, again from the first after a while."""

    def __init__(self, settings: Settings) -> None:
        self._intervals = IntervalStore(settings.data / "intervals")
        self._after = ""
        self._began: datetime | None = None

    async def __call__(self, database: Database, clock: Clock) -> None:
        now = clock()
        if not self._after:
            if self._began is not None and now - self._began < HOUSES_AGAIN_AFTER:
                return
            self._began = now
        try:
            async with database.transaction() as connection:
                looked = await look_at_houses(connection, self._intervals, self._after, now=now)
        except duckdb.Error as error:
            raise OSError(f"readings cannot be read: {error}") from error
        self._after = looked.after


async def _keep_lists(database: Database, clock: Clock) -> None:
    """Tell stations which tokens are new and which are gone."""
    async with database.transaction() as connection:
        await keep_in_step(connection, clock())


async def _tell_tariffs(database: Database, clock: Clock) -> None:
    """Tell stations which tariff is in force where, as far as it is new to them."""
    async with database.transaction() as connection:
        await tell_tariffs(connection, clock())


async def _tell_costs(every: timedelta, database: Database, clock: Clock) -> None:
    """Tell stations that show it what a session costs so far."""
    async with database.transaction() as connection:
        await tell_costs(connection, clock(), every=every)


async def _reap(settings: Settings, roaming: Roaming, database: Database, clock: Clock) -> None:
    """Look after transactions that nobody ends."""
    patience = Patience(
        silent=timedelta(minutes=settings.transaction_silent_minutes),
        gone=timedelta(hours=settings.transaction_gone_hours),
    )
    async with database.transaction() as connection:
        subscribers = [subscriber(roaming), prepaid_subscriber(clock, _policy(settings))]
        await reap(connection, now=clock(), patience=patience, subscribers=subscribers)


async def _forget(settings: Settings, database: Database, clock: Clock) -> None:
    """Delete what is older than the operator wants it kept."""
    await forget(database, clock, kept_for(settings))


async def _renew(settings: Settings, database: Database, clock: Clock) -> None:
    """Tell stations whose certificate ends soon to ask for another."""
    async with database.transaction() as connection:
        within = timedelta(days=settings.ocpp_renew_before_days)
        told = await ask_for_renewals(connection, now=clock(), within=within)
    if told:
        log.info("renewals-asked", stations=len(told))


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


async def _settle_cards(database: Database, clock: Clock) -> None:
    """Give up what was authorised and not used, and capture what nobody has asked for yet."""
    async with database.transaction() as connection:
        await settle_overdue(connection, now=clock())


async def _expire_holds(database: Database, clock: Clock) -> None:
    async with database.transaction() as connection:
        await expire_holds(connection, now=clock())


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with owned_database(settings) as url:
        async with serving(settings, url):
            await stop.wait()
