"""Group commit: many writers share one transaction, and each is answered only after it committed.

Batches form by themselves. While one batch is being committed, whatever arrives gathers; when the commit is done, all
of it becomes the next batch. One item alone is committed at once, so a quiet system answers fast; a busy one makes big
batches, so it keeps up. Nothing waits for a timer.

Several lanes commit at once, each on a connection of its own, so that the database works on one batch while the next is
prepared. A lane takes its share of all that is open and no more: else every sender would sit in one batch, and senders
and database would take turns at idling. Items that must not pass each other come one after the other: the next one is
submitted when the one before is answered.

The handler receives a whole batch and uses a fixed number of set-based statements. When it raises, the batch is rolled
back and tried again in halves, each behind a savepoint, until the item at fault is alone: only its sender is told. When
the server
chose the transaction as victim of a deadlock, the batch is tried again as a whole; when the connection broke, nobody
can know whether the commit happened, so every sender is told `Unavailable` and repeats under the same business key.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.kernel.errors import LimitExceeded, Unavailable, WattbookError
from wattbook.kernel.telemetry import COMMIT_ITEMS, COMMIT_SECONDS
from wattbook.kernel.units import div_ceil

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Handle = Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Answer | WattbookError]]]
"""Writes a batch and gives one answer an item, in order; an item's own refusal is a value in its place."""

Done = Callable[[Answer | Exception], None]
"""Hears what became of an item, once, after the commit; it neither waits nor raises."""

QUEUE_MAX = 50_000
BATCH_MAX = 4_000
LANES = 2
TRIES_MAX = 5
VICTIM_STATES = ("40001", "40P01")  # serialization failure, deadlock detected

log = structlog.get_logger(__name__)


class GroupCommit(Generic[Item, Answer]):
    """One committer over one handler. `start` it, `submit` items from anywhere in the loop, `stop` it.

    Raises from `submit`:
        LimitExceeded: the queue is full; nothing was taken.
        Unavailable: the outcome is unknown (connection lost) or the committer has stopped.
        WattbookError: what the handler said of this item.
        Exception: what the handler raised with this item alone.
    """

    def __init__(
        self,
        database: Database,
        handle: Handle[Item, Answer],
        *,
        queue_max: int = QUEUE_MAX,
        batch_max: int = BATCH_MAX,
        lanes: int = LANES,
    ) -> None:
        self._database = database
        self._handle = handle
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._waiting: deque[tuple[Item, Done[Answer]]] = deque()
        self._arrived = asyncio.Event()
        self._lanes = lanes
        self._tasks: list[asyncio.Task[None]] = []
        self._running = 0
        self._in_flight = 0
        self._stopping = False

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(), name=f"group-commit-{n}") for n in range(self._lanes)]
        self._running = self._lanes
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Commit what was taken, then end."""
        self._stopping = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)

    async def submit(self, item: Item) -> Answer:
        """Wait until the item is committed and answer what the handler said."""
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> "asyncio.Future[Answer]":
        """Take the item now; the future is done after the commit."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.put(item, partial(_settle, future))
        return future

    def put(self, item: Item, done: Done[Answer]) -> None:
        """Take the item now; `done` is called after the commit. The cheapest way in, for what comes by the thousand."""
        if self._stopping or not self._running:
            raise Unavailable("the database writer is not running")
        if len(self._waiting) >= self._queue_max:
            raise LimitExceeded(f"{self._queue_max} messages already wait for the database; try again later")
        self._waiting.append((item, done))
        self._arrived.set()

    def _ended(self, _: "asyncio.Task[None]") -> None:
        self._running -= 1

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            share = div_ceil(len(self._waiting) + self._in_flight, self._lanes)
            size = min(len(self._waiting), share, self._batch_max)
            batch = [self._waiting.popleft() for _ in range(size)]
            self._in_flight += size
            with COMMIT_SECONDS.time():
                outcomes = await self._commit([item for item, _ in batch])
            COMMIT_ITEMS.observe(size)
            self._in_flight -= size
            # Senders are answered while the database is at the next batch already.
            loop.call_soon(_tell, batch, outcomes)

    async def _commit(self, items: list[Item]) -> Sequence[Answer | Exception]:
        attempt: Callable[[AsyncConnection, list[Item]], Awaitable[Sequence[Answer | Exception]]] = self._whole
        for tries in range(1, TRIES_MAX + 1):
            try:
                async with self._database.transaction() as connection:
                    return await attempt(connection, items)
            except Exception as error:
                if not _spoils_transaction(error):
                    attempt = self._isolate
                elif _sqlstate(error) not in VICTIM_STATES or tries == TRIES_MAX:
                    log.warning("batch-lost", items=len(items), error=str(error))
                    break
        return [Unavailable("the database did not confirm; send it again")] * len(items)

    async def _whole(self, connection: AsyncConnection, items: list[Item]) -> Sequence[Answer | Exception]:
        answers = await self._handle(connection, items)
        assert len(answers) == len(items), "a handler answers each item once"
        return answers

    async def _isolate(self, connection: AsyncConnection, items: list[Item]) -> Sequence[Answer | Exception]:
        try:
            async with connection.begin_nested():
                return await self._whole(connection, items)
        except Exception as error:
            if _spoils_transaction(error):
                raise
            if len(items) == 1:
                if not isinstance(error, WattbookError):
                    log.error("poison-item", exc_info=error)
                return [error]
        middle = len(items) // 2
        return [*await self._isolate(connection, items[:middle]), *await self._isolate(connection, items[middle:])]


def _tell(batch: Sequence[tuple[Item, Done[Answer]]], outcomes: Sequence[Answer | Exception]) -> None:
    for (_, done), outcome in zip(batch, outcomes, strict=True):
        try:
            done(outcome)
        except Exception as error:
            log.error("answer-not-told", exc_info=error)


def _settle(future: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    if future.done():  # the sender went away; what it sent is committed all the same
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _spoils_transaction(error: Exception) -> bool:
    """No savepoint helps: the connection is gone or the server chose the whole transaction as victim."""
    if isinstance(error, DBAPIError | psycopg.Error):
        return _sqlstate(error) in (None, *VICTIM_STATES)
    return isinstance(error, OSError)


def _sqlstate(error: Exception) -> str | None:
    """What the server said, also through the toolkit's own error; None when it said nothing: the connection broke."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None
