"""Tables that grow without end, cut by our own time of receipt: made ahead, dropped when they are old.

A partition is a table of its own with small indexes of its own, so what a message costs does not grow with history, and
dropping a month of readings costs no more than dropping a file. It is cut by when we received a row, not by what the
sender's clock said: rows always arrive in the newest partition, and no wrong clock can reach into another one.

Partitions live in the schema `partitions`, named after their table and their first day. Each table has a default
partition, made by its migration, so that no row is refused should nobody have tended to it; what fell in there moves to
its own partition when that is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc

AHEAD: Final = 2
"""Partitions made before they are needed: a gateway that cannot make one for weeks still has where to write."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table declared `PARTITION BY RANGE` of a time of receipt.

    Attributes:
        table: with its schema, such as `charging.meter_values`.
        by: the column with the time of receipt.
        every: the length of one partition, by the calendar in UTC.
        keep: how long a partition is kept after its end; None: for ever.
    """

    table: str
    by: str
    every: Literal["day", "month"]
    keep: timedelta | None = None

    def start(self, moment: datetime) -> datetime:
        """Of the partition that a moment belongs to."""
        day = utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self.every == "day" else day.replace(day=1)

    def following(self, start: datetime) -> datetime:
        """Start of the next partition."""
        if self.every == "day":
            return start + timedelta(days=1)
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)

    def name(self, start: datetime) -> str:
        return f"{self._stem}_{start:%Y_%m_%d}"

    @property
    def default(self) -> str:
        return f"{self._stem}_default"

    @property
    def _stem(self) -> str:
        return self.table.replace(".", "_")

    def wanted(self, now: datetime) -> Iterator[datetime]:
        """Starts of the present partition and of those ahead."""
        start = self.start(now)
        for _ in range(AHEAD + 1):
            yield start
            start = self.following(start)

    def is_over(self, name: str, now: datetime) -> bool:
        """Whether the partition of this name has been kept long enough."""
        if self.keep is None or name == self.default:
            return False
        start = datetime.strptime(name[-10:], "%Y_%m_%d").replace(tzinfo=UTC)
        return self.following(start) + self.keep <= utc(now)


async def tend(connection: AsyncConnection, partitioned: Partitioned, *, now: datetime) -> list[str]:
    """Make what is missing and drop what is over; the names of the dropped. Safe on several nodes at once."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:table))"), {"table": partitioned.table})
    found = await connection.execute(
        text("""
            SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = CAST(:table AS regclass)
        """),
        {"table": partitioned.table},
    )
    existing = set(found.scalars())
    for start in partitioned.wanted(now):
        if partitioned.name(start) not in existing:
            await _make(connection, partitioned, start)
    over = sorted(name for name in existing if partitioned.is_over(name, now))
    for name in over:
        await connection.execute(text(f"DROP TABLE partitions.{name}"))
        log.info("partition-dropped", table=partitioned.table, partition=name)
    return over


async def _make(connection: AsyncConnection, partitioned: Partitioned, start: datetime) -> None:
    """Filled before it is attached, so that writers of the table do not wait."""
    name, since, until = f"partitions.{partitioned.name(start)}", start, partitioned.following(start)
    span = f"{partitioned.by} >= '{since.isoformat()}' AND {partitioned.by} < '{until.isoformat()}'"
    for statement in (
        f"CREATE TABLE {name} (LIKE {partitioned.table} INCLUDING ALL)",
        f"WITH moved AS (DELETE FROM partitions.{partitioned.default} WHERE {span} RETURNING *)"
        f" INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {partitioned.table} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{since.isoformat()}') TO ('{until.isoformat()}')",
    ):
        await connection.execute(text(statement))
