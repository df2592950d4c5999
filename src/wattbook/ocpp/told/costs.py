"""I02: what a running session costs so far, told to stations that show it and have not heard it for a while.

A station hears the cost in the answers to its transaction events. One that sends few of them, or sends readings in
MeterValues, would show an old number; it is told by CostUpdated. Who shows costs says so in its device model:
`TariffCostCtrlr.Enabled[Cost]`. What is told is worth nothing later, so it expires before it is told again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.counting import Key
from wattbook.charging.identity import session_of_transaction
from wattbook.charging.views import find_sessions
from wattbook.kernel.errors import WattbookError
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit

TOLD_MAX: Final = 1_000
"""Sessions of one pass, the longest untold first."""

REQUESTED_BY: Final = "costs"


async def tell_costs(
    connection: AsyncConnection, now: datetime, *, every: timedelta, told_max: int = TOLD_MAX
) -> list[Command | WattbookError]:
    """One pass; what was told. A transaction whose event is being handled just now is passed over: it hears by that."""
    found = await connection.execute(
        text("""
            SELECT running.station_id, running.transaction_id
            FROM ocpp.transactions AS running
            JOIN ocpp.connections AS there USING (station_id)
            WHERE running.ended_at IS NULL AND running.begun AND NOT running.settled
              AND running.cost_told_at <= :before AND there.disconnected_at IS NULL AND there.version <> '1.6'
              AND EXISTS (
                  SELECT FROM ocpp.variables AS said
                  WHERE said.station_id = running.station_id AND said.component = 'TariffCostCtrlr'
                    AND said.variable = 'Enabled' AND said.variable_instance = 'Cost' AND said.attribute = 'Actual'
                    AND lower(said.value) = 'true')
            ORDER BY running.cost_told_at, running.station_id, running.transaction_id LIMIT :limit
            FOR NO KEY UPDATE OF running SKIP LOCKED
        """),
        {"before": now - every, "limit": told_max},
    )
    due = [(row.station_id, row.transaction_id) for row in found]
    if not due:
        return []
    sessions = await find_sessions(connection, [str(session_of_transaction(*each)) for each in due])
    requests = [
        CommandRequest(
            station, "CostUpdated", {"transactionId": transaction, "totalCost": session.cost_after_tax}, now + every
        )
        for (station, transaction), session in zip(due, sessions, strict=True)
        if session is not None and session.state == "active" and session.cost_after_tax is not None
    ]
    outcomes = await submit(connection, requests, requested_by=REQUESTED_BY, now=now) if requests else []
    await mark_told(connection, due, now)
    return outcomes


async def mark_told(connection: AsyncConnection, transactions: Sequence[Key], now: datetime) -> None:
    """The drivers of these have just been told what they cost so far."""
    await connection.execute(
        text("""
            UPDATE ocpp.transactions AS known SET cost_told_at = :now
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS told(station, transaction)
            WHERE (known.station_id, known.transaction_id) = (told.station, told.transaction)
        """),
        {
            "now": now,
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
        },
    )
