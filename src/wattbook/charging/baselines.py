"""A wrong baseline never bills the odometer (R27).

Some stations begin a transaction at 0 and count it on from the register of a lifetime: 910 kWh instead of 0.083. When a
session drew more than its outlet can give in its time, its samples tell: if from the lowest register that any of them
showed it drew what can be, it counts from there. Where no sample tells, and it is far beyond what any plate can be
wrong by, nothing is billed. Either is flagged, and what the station said of the start stays in its frames.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.records import SessionRow
from wattbook.charging.running import CLOCK_IMPLAUSIBLE

BASELINE_IMPLAUSIBLE: Final = "baseline-implausible"
MARGIN: Final = timedelta(hours=1)
"""For clocks of stations."""

DOUBTFUL, IMPOSSIBLE = (3, 2), (10, 1)
"""Beyond so many times (as a fraction) what the plate of its outlet allows."""

_SECOND: Final = timedelta(seconds=1)


async def mend_baselines(connection: AsyncConnection, sessions: Sequence[SessionRow]) -> None:
    """Count sessions that ended from a register that can be true; the others are left as they are."""
    doubtful = [session for session in sessions if exceeds(session, session.import_mwh, DOUBTFUL)]
    if not doubtful:
        return
    lowest = await _lowest_registers(connection, [session.id for session in doubtful])
    for session in doubtful:
        stop_mwh = session.meter_start_mwh + session.import_mwh
        register_mwh = lowest.get(session.id, session.meter_start_mwh)
        tells = session.meter_start_mwh < register_mwh <= stop_mwh
        if tells and not exceeds(session, stop_mwh - register_mwh, DOUBTFUL):
            _count_from(session, register_mwh, stop_mwh)
        elif exceeds(session, session.import_mwh, IMPOSSIBLE):
            _count_from(session, stop_mwh, stop_mwh)


def exceeds(session: SessionRow, energy_mwh: int, times: tuple[int, int]) -> bool:
    """Whether its outlet cannot have given so much, so many times over; not known while power or time are not."""
    if not session.rated_power_w or session.ended_at is None or CLOCK_IMPLAUSIBLE in session.flags:
        return False
    lasted_s = (session.ended_at - session.begun_at + MARGIN) // _SECOND
    # W × s × 1000 mWh/Wh, over 3600 s/h
    return energy_mwh * 3_600 * times[1] > session.rated_power_w * lasted_s * 1_000 * times[0]


def _count_from(session: SessionRow, register_mwh: int, stop_mwh: int) -> None:
    session.meter_start_mwh, session.import_mwh = register_mwh, stop_mwh - register_mwh
    session.flags = [*session.flags, BASELINE_IMPLAUSIBLE]


async def _lowest_registers(connection: AsyncConnection, sessions: Sequence[str]) -> dict[str, int]:
    """By session, of those that its samples showed and that count at all."""
    found = await connection.execute(
        text("""
            SELECT session_id::text, min(import_register_mwh) FROM charging.meter_values
            WHERE session_id = ANY(CAST(:sessions AS uuid[])) AND import_register_mwh > 0 GROUP BY session_id
        """),
        {"sessions": list(sessions)},
    )
    return {row[0]: row[1] for row in found}
