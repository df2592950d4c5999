"""What the meter said while a session ran, for those sessions whose price depends on it.

Most tariffs ask for totals alone, and cost no statement here.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.price import needs_readings, pricer_of
from wattbook.charging.records import FoundSession, SessionRow
from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.course import Knot


async def read_running_courses(connection: AsyncConnection, found: Iterable[FoundSession]) -> None:
    """The same for those that are not priced for good."""
    await read_courses(connection, [each for each in found if each.session.bought_before_tax is None])


async def read_courses(connection: AsyncConnection, found: Iterable[FoundSession]) -> None:
    """Give every session the readings that its tariff needs, with one statement or none."""
    asked = {each.session.id: each for each in found if _needed(each)}
    if not asked:
        return
    rows = await connection.execute(
        text("""
            SELECT session_id::text, sampled_at, import_register_mwh, export_register_mwh FROM charging.meter_values
            WHERE session_id = ANY(CAST(:ids AS uuid[])) AND import_register_mwh IS NOT NULL
            ORDER BY session_id, sampled_at
        """),
        {"ids": list(asked)},
    )
    for session_id, *reading in rows:
        each = asked[session_id]
        each.readings.append(_knot(each.session, each.readings[-1] if each.readings else None, *reading))


def _knot(session: SessionRow, before: Knot | None, sampled_at: datetime, drawn: int, fed_in: int | None) -> Knot:
    """A reading that does not tell what was fed in leaves it as it was."""
    counted = before.fed_in_mwh if before else 0
    if fed_in is not None and session.export_start_mwh is not None:
        counted = fed_in - session.export_start_mwh
    return Knot(sampled_at, drawn - session.meter_start_mwh, counted)


def _needed(found: FoundSession) -> bool:
    if found.tariff is None or found.session.state == "invalid":
        return False
    try:
        return needs_readings(pricer_of(found.tariff, found.session.time_zone))
    except InvalidInput:
        return False  # it has no price, and whoever asks for it will hear why
