"""The stations' doors: in this process, and in as many more as share its ports."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography.x509 import Certificate

from wattbook.app.chores import Chore, coming_round
from wattbook.app.policy import policy_of
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import Unavailable
from wattbook.kernel.telemetry import tune_garbage_collection
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.gateway.limits import arrival_limits, socket_limits
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.desk import CertificateDesk
from wattbook.ocpp.security.ocsp import Responders
from wattbook.ocpp.security.tls import ListeningTls
from wattbook.ocpp.security.tls import read_roots as read_certificates
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.roaming.consent import OcpiConsent
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.edge import subscriber

FILES_EVERY: Final = timedelta(minutes=1)
GATEWAY_ENDS_WITHIN_S: Final = 15.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def stations_doors(settings: Settings, roaming: Roaming) -> AsyncIterator[Gateway]:
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

        async def read_files_again(*_: object) -> None:
            """A notice of new roots may have been missed while the database was away; our certificate may be new."""
            read_roots()
            for tls in trusting:
                if tls.show(*_server_files(settings, authority, clock)):
                    log.info("certificate-renewed")

        shared = settings.ocpp_gateways > 1
        gateway = Gateway(
            roaming.database,
            clock,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            partners=OcpiConsent(roaming),
            subscribers=[subscriber(roaming), prepaid_subscriber(clock, policy_of(settings))],
            policy=policy_of(settings),
            security_profile=settings.ocpp_security_profile,
            certificates=CertificateDesk(authority, responders, clock, contract_roots=contract_roots),
            journal=settings.ocpp_journal,
            journal_days=settings.ocpp_journal_days,
            limits=socket_limits(settings),
            arrivals=arrival_limits(settings),
            read_roots=read_roots,
        )
        await gateway.open(settings.ocpp_host, settings.ocpp_port, shared=shared)
        stack.push_async_callback(gateway.close)
        if settings.ocpp_tls_port is not None:
            tls = _station_tls(settings, authority, clock)
            trusting.append(tls)
            await gateway.open_tls(settings.ocpp_host, settings.ocpp_tls_port, tls, shared=shared)
        await stack.enter_async_context(coming_round(Chore(FILES_EVERY, read_files_again), roaming.database, clock))
        yield gateway


@asynccontextmanager
async def more_gateways(settings: Settings, url: str, first: Gateway) -> AsyncIterator[None]:
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
        gateway = await stack.enter_async_context(stations_doors(settings, roaming))
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
    """How the stations' second port speaks TLS."""
    roots = [*authority.trusted(clock()), *_roots(settings.ocpp_client_roots)]
    return ListeningTls(*_server_files(settings, authority, clock), roots)


def _server_files(settings: Settings, authority: Authority, clock: Clock) -> tuple[Path, Path]:
    """The operator's certificate and its key, or those of our own authority, renewed when they are due."""
    if settings.ocpp_tls_certificate is not None and settings.ocpp_tls_key is not None:
        return settings.ocpp_tls_certificate, settings.ocpp_tls_key
    return authority.server_files(settings.ocpp_tls_hosts, clock())


def _roots(path: Path | None) -> list[Certificate]:
    return [] if path is None else read_certificates(path)
