"""Who waits for the outcome of a command, in any process, and how a program is told of it."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Self
from uuid import UUID

import aiohttp
import msgspec
import psycopg
import structlog
from procrastinate import App

from wattbook.db.engine import Database
from wattbook.db.jobs import RETRY
from wattbook.db.listener import Listener
from wattbook.kernel.addresses import PublicResolver, check_url
from wattbook.kernel.clock import Clock, system_clock
from wattbook.kernel.errors import InvalidInput, NotFound, Unavailable
from wattbook.ocpp.commands import webhooks
from wattbook.ocpp.commands.records import Command
from wattbook.ocpp.commands.store import OUTCOMES, TELL
from wattbook.ocpp.commands.submission import find_commands

WEBHOOK_TIMEOUT_S: Final = 10.0

log = structlog.get_logger(__name__)


class Outcomes:
    """Open it with `async with`; `wait` as often as you like."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._listener = Listener(database, {OUTCOMES: self._heard}, connected=self._look_again)

    async def __aenter__(self) -> Self:
        await self._listener.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.__aexit__()

    async def wait(self, command_id: UUID, within_s: float) -> Command:
        """The command as soon as its outcome is known, else as it stands when the time is up.

        Raises:
            NotFound: there is no such command.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        known = asyncio.Event()
        self._waiting[command_id].add(known)
        try:
            while (command := await self._find(command_id)).state.is_open and (left_s := deadline - loop.time()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(known.wait(), left_s)
                known.clear()
            return command
        finally:
            self._waiting[command_id].discard(known)
            if not self._waiting[command_id]:
                del self._waiting[command_id]

    async def _find(self, command_id: UUID) -> Command:
        async with self._database.snapshot() as connection:
            (command,) = await find_commands(connection, [command_id])
        if command is None:
            raise NotFound(f"there is no command {command_id}")
        return command

    def _heard(self, ids: Sequence[str]) -> None:
        for each in ids:
            for known in self._waiting.get(UUID(each), ()):
                known.set()

    async def _look_again(self, _: psycopg.AsyncConnection) -> None:
        for waiting in self._waiting.values():
            for known in waiting:
                known.set()


def webhook_tasks(jobs: App, database: Database, *, allow_private: bool, clock: Clock = system_clock) -> None:
    """Register the job that tells a webhook of an outcome; it is tried again until the receiver answers 2xx."""

    @jobs.task(name=TELL, retry=RETRY)
    async def _tell(command: str, state: str) -> None:
        async with database.transaction() as connection:
            (found,) = await find_commands(connection, [UUID(command)])
            if found is None or found.webhook_url is None or found.state != state:
                return
            await webhooks.register(connection, [found.webhook_url], clock())  # it may have been forgotten since
            valid = await webhooks.valid_secrets(connection, found.webhook_url, clock())
        body = msgspec.json.encode(found)
        headers = webhooks.signed_headers(valid, body, f"{found.id}:{state}", clock())
        await _post(found.webhook_url, found, body, headers, allow_private=allow_private)


async def _post(url: str, command: Command, body: bytes, headers: Mapping[str, str], *, allow_private: bool) -> None:
    """Raises:
    Unavailable: the receiver was not reached or did not answer 2xx.
    """
    try:
        check_url(url, allow_private=allow_private)
    except InvalidInput as fault:
        log.warning("webhook-not-called", command=str(command.id), reason=fault.message)
        return
    connector = aiohttp.TCPConnector(resolver=None if allow_private else PublicResolver())
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_S)
    sent = {"Content-Type": "application/json", **headers}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as http,
            http.post(url, data=body, headers=sent, allow_redirects=False) as response,
        ):
            if not 200 <= response.status < 300:
                raise Unavailable(f"the webhook of command {command.id} answered {response.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"the webhook of command {command.id} was not reached: {error}") from None
