"""What becomes of meter values in time: partitions made ahead, hours rolled up, old months dropped.

Readings are kept one by one for as long as an operator wants them. What a page or a report reads of the past are the
hours they roll up to: one row a connector and hour, however many readings it took. A month is dropped only after all of
it has been rolled up.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.partitions import Partitioned, tend
from wattbook.kernel.clock import utc

SETTLED_AFTER: Final = timedelta(minutes=2)
"""A batch that began before this has committed or failed by now, so no reading turns up behind the roll-up."""

STEP_MAX: Final = timedelta(hours=6)
"""Of one call, so that a backlog is worked off in bounded transactions."""


async def tend_meter_values(connection: AsyncConnection, *, now: datetime, keep: timedelta | None) -> list[str]:
    """Make the partitions that will be needed, drop those that are over; the names of the dropped."""
    through = await _through(connection)
    safe = None if keep is None else max(keep, utc(now) - through)
    return await tend(connection, Partitioned("charging.meter_values", "received_at", "month", safe), now=now)


async def roll_up(connection: AsyncConnection, *, now: datetime) -> datetime:
    """Add what was received since the last call to its hours; up to where everything is rolled up now."""
    since = await _through(connection, lock=True)
    until = min(utc(now) - SETTLED_AFTER, since + STEP_MAX)
    if until <= since:
        return since
    await connection.execute(
        text("""
            INSERT INTO charging.meter_hours AS hours
            SELECT station_id, connector_no, date_trunc('hour', sampled_at, 'UTC'), count(*),
                   min(import_register_mwh), max(import_register_mwh),
                   min(export_register_mwh), max(export_register_mwh), min(power_w), max(power_w)
            FROM charging.meter_values WHERE received_at >= :since AND received_at < :until GROUP BY 1, 2, 3
            ON CONFLICT (station_id, connector_no, hour) DO UPDATE SET
                readings = hours.readings + excluded.readings,
                import_first_mwh = least(hours.import_first_mwh, excluded.import_first_mwh),
                import_last_mwh = greatest(hours.import_last_mwh, excluded.import_last_mwh),
                export_first_mwh = least(hours.export_first_mwh, excluded.export_first_mwh),
                export_last_mwh = greatest(hours.export_last_mwh, excluded.export_last_mwh),
                power_low_w = least(hours.power_low_w, excluded.power_low_w),
                power_high_w = greatest(hours.power_high_w, excluded.power_high_w)
        """),
        {"since": since, "until": until},
    )
    await connection.execute(text("UPDATE charging.rolled_up SET through = :until"), {"until": until})
    return until


async def _through(connection: AsyncConnection, *, lock: bool = False) -> datetime:
    found = await connection.execute(text(f"SELECT through FROM charging.rolled_up {'FOR UPDATE' if lock else ''}"))
    through: datetime = found.scalar_one()
    return through
