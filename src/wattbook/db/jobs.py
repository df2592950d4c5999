"""Work for later, kept in the same database and enqueued in the same transaction as its cause.

A job exists exactly when the change that asked for it was committed. It is tried again with growing pauses until it
succeeds or its attempts are used up; jobs of one lock run one at a time, in the order they were enqueued.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from procrastinate import App, PsycopgConnector, RetryStrategy
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database

RETRY = RetryStrategy(max_attempts=12, exponential_wait=2)
"""2, 4, 8 … seconds: about two hours in all before a person must look."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do: a task's name and its arguments (JSON)."""

    task: str
    arguments: dict[str, Any] = field(default_factory=dict)
    lock: str | None = None
    at: datetime | None = None


def job_app(database: Database) -> App:
    """The queue over this database; a room adds its tasks to it, then a worker runs them."""
    return App(connector=PsycopgConnector(conninfo=database.conninfo, min_size=1, max_size=4))


async def enqueue(connection: AsyncConnection, jobs: Sequence[Job]) -> None:
    """Add jobs in one statement, inside the caller's transaction."""
    if not jobs:
        return
    await connection.execute(
        text("""
            SELECT procrastinate_defer_jobs_v1(array_agg(
                ROW('default', task, 0, lock, NULL, arguments, at)::procrastinate_job_to_defer_v1 ORDER BY place))
            FROM unnest(CAST(:tasks AS text[]), CAST(:locks AS text[]), CAST(:arguments AS jsonb[]),
                        CAST(:at AS timestamptz[])) WITH ORDINALITY AS job(task, lock, arguments, at, place)
        """),
        {
            "tasks": [job.task for job in jobs],
            "locks": [job.lock for job in jobs],
            "arguments": [msgspec.json.encode(job.arguments).decode() for job in jobs],
            "at": [job.at for job in jobs],
        },
    )
