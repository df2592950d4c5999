"""What other processes say through the database: LISTEN on a connection of its own, which comes back when it is lost.

PostgreSQL delivers a notice after the commit of the transaction that said it, and to nobody who is not there at that
moment. So whoever listens looks for himself when the connection was made, and treats a notice as a hint to look again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Self

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database

NOTICE_BYTES_MAX: Final = 7_900
"""PostgreSQL allows less than 8000 bytes."""

CHECK_EVERY_S: Final = 30.0
RECONNECT_AFTER_S: Final = (0.1, 0.5, 2.0, 5.0)

log = structlog.get_logger(__name__)

Hear = Callable[[Sequence[str]], None]
"""Takes the words of a notice; does not raise and does not wait."""


class Listener:
    """Open it with `async with`; it listens when the block begins.

    `connected` runs at every connection, after LISTEN and before the first notice: to look what was missed, and to take
    what belongs to the connection, such as an advisory lock.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Hear],
        *,
        connected: Callable[[psycopg.AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        self._database = database
        self._channels = dict(channels)
        self._connected = connected
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        connection = await self._connect()
        self._task = asyncio.create_task(self._listen(connection), name="listener")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(self._database.conninfo, autocommit=True)
        try:
            for channel in self._channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            if self._connected is not None:
                await self._connected(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            try:
                async with connection:
                    while True:
                        async for notice in connection.notifies(timeout=CHECK_EVERY_S):
                            self._channels[notice.channel](notice.payload.split())
                        await connection.execute("SELECT 1")  # a dead network would keep silent for ever
            except (psycopg.Error, OSError) as error:
                log.warning("listener-lost", error=str(error))
            connection = await self._reconnect()

    async def _reconnect(self) -> psycopg.AsyncConnection:
        attempt = 0
        while True:
            await asyncio.sleep(RECONNECT_AFTER_S[min(attempt, len(RECONNECT_AFTER_S) - 1)])
            try:
                return await self._connect()
            except (psycopg.Error, OSError) as error:
                log.warning("listener-not-connected", error=str(error))
                attempt += 1


async def notify(connection: AsyncConnection, channel: str, words: Sequence[str]) -> None:
    """Say words without white space to all listeners of a channel, after the commit; as few notices as hold them."""
    notices: list[list[str]] = []
    free_bytes = 0
    for word in dict.fromkeys(words):
        word_bytes = len(word.encode()) + 1
        if word_bytes > free_bytes:
            notices.append([])
            free_bytes = NOTICE_BYTES_MAX
        notices[-1].append(word)
        free_bytes -= word_bytes
    if notices:
        await connection.execute(
            text("SELECT pg_notify(:channel, notice) FROM unnest(CAST(:notices AS text[])) AS notice"),
            {"channel": channel, "notices": [" ".join(notice) for notice in notices]},
        )
