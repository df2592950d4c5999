"""All sessions at once, in a few numbers, however many there are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc


@dataclass(frozen=True, slots=True)
class Live:
    """The sessions that run.

    Attributes:
        drawn_mwh, fed_in_mwh: by them so far.
        drawing_w, feeding_w: the sums of the last known powers of each direction; both are at least zero.
    """

    sessions: int
    drawn_mwh: int
    fed_in_mwh: int
    drawing_w: int
    feeding_w: int


@dataclass(frozen=True, slots=True)
class HourOfEnergy:
    """What sessions that ended within an hour of the clock drew and fed in, in mWh."""

    start: datetime
    drawn_mwh: int
    fed_in_mwh: int


async def live(connection: AsyncConnection) -> Live:
    """The sessions that run now, summed."""
    found = await connection.execute(
        text("""
            SELECT count(*), coalesce(sum(import_mwh), 0)::bigint, coalesce(sum(export_mwh), 0)::bigint,
                   coalesce(sum(greatest(power_w, 0)), 0)::bigint, coalesce(sum(greatest(-power_w, 0)), 0)::bigint
            FROM charging.sessions WHERE state = 'active'
        """)
    )
    return Live(*found.one())


async def energy_by_hour(connection: AsyncConnection, start: datetime, end: datetime) -> list[HourOfEnergy]:
    """Hours of [start, end) in which sessions ended, each counted from `start` on: a day may start at any minute."""
    found = await connection.execute(
        text("""
            SELECT date_bin('1 hour', ended_at, :start) AS hour, sum(import_mwh)::bigint, sum(export_mwh)::bigint
            FROM charging.sessions WHERE ended_at >= :start AND ended_at < :end GROUP BY hour ORDER BY hour
        """),
        {"start": utc(start), "end": utc(end)},
    )
    return [HourOfEnergy(*row) for row in found]
