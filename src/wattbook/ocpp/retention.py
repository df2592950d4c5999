"""How long is kept what stations told and what was told to them; what is older is deleted, a bounded slice at a time.

Each table is read from its oldest end by an index that it has anyway, so that looking for what is old costs the same
however much there is. Frames and meter values are not deleted but dropped, a partition at a time: `db.partitions`.

What runs is never deleted: a command that waits, or a transaction whose session has not ended (one for which none could
ever begin does not run). A transaction whose end
was estimated stays open for its true one, and is forgotten when nothing was heard of it for as long as others are kept;
what is told after that is heard as a new one, and still makes its session good.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.open_sessions import running_transactions
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock

SLICE_MAX: Final = 5_000
SLICES_MAX: Final = 50
"""Of one table at one time: a quarter of a million rows, then the others have their turn."""

log = structlog.get_logger(__name__)


class Keep(Struct, frozen=True):
    """How long each is kept by our own clock; None: for ever.

    Attributes:
        notices: what stations told that has no other place, their own security events among it.
        rejected: frames that could not be accepted.
        security_events: what happened at the door.
        commands: that are done.
        transactions: what the events of a transaction told whose session has ended, or for which none could begin; a
            replay after that is heard as a new one.
        signatures: what became of signatures, and the signed meter values: the evidence of a bill.
        stuck_transactions: what was noticed of transactions that nobody ended, once they are over.
        reservations: from the moment they end.
        settlements: payments at terminals, as stations told them.
    """

    notices: timedelta | None = timedelta(days=90)
    rejected: timedelta | None = timedelta(days=90)
    security_events: timedelta | None = timedelta(days=365)
    commands: timedelta | None = timedelta(days=90)
    transactions: timedelta | None = timedelta(days=400)
    signatures: timedelta | None = None
    stuck_transactions: timedelta | None = timedelta(days=400)
    reservations: timedelta | None = timedelta(days=90)
    settlements: timedelta | None = None


def kept_for(settings: Settings) -> Keep:
    """As the operator set it."""

    def days(number: int | None) -> timedelta | None:
        return None if number is None else timedelta(days=number)

    return Keep(
        notices=days(settings.ocpp_notices_keep_days),
        rejected=days(settings.ocpp_rejected_keep_days),
        security_events=days(settings.ocpp_security_events_keep_days),
        commands=days(settings.ocpp_commands_keep_days),
        transactions=days(settings.ocpp_transactions_keep_days),
        signatures=days(settings.ocpp_signatures_keep_days),
        stuck_transactions=days(settings.ocpp_stuck_transactions_keep_days),
        reservations=days(settings.ocpp_reservations_keep_days),
        settlements=days(settings.ocpp_settlements_keep_days),
    )


_BY_NUMBER: Final = """
    DELETE FROM ocpp.{table} WHERE id IN (
        SELECT id FROM (SELECT id, {at} AS at FROM ocpp.{table} ORDER BY id LIMIT :slice) AS oldest
        WHERE at < :before)
"""
"""Numbers grow with our clock: the oldest are the lowest."""

_STATEMENTS: Final[Mapping[str, str]] = {
    "notices": _BY_NUMBER.format(table="notices", at="received_at"),
    "rejected": _BY_NUMBER.format(table="quarantine", at="received_at"),
    "security_events": _BY_NUMBER.format(table="security_events", at="last_at"),
    "signatures": _BY_NUMBER.format(table="signatures", at="received_at"),
    "commands": """
        DELETE FROM ocpp.commands WHERE id IN (
            SELECT id FROM ocpp.commands
            WHERE created_at < :before AND state NOT IN ('accepted', 'sent') ORDER BY created_at LIMIT :slice)
    """,
    "settlements": _BY_NUMBER.format(table="settlements", at="received_at"),
    "stuck_transactions": """
        DELETE FROM ocpp.stuck_transactions WHERE session_id IN (
            SELECT session_id FROM ocpp.stuck_transactions AS stuck
            WHERE noticed_at < :before AND (ended_at IS NOT NULL OR NOT EXISTS (
                SELECT FROM ocpp.transactions AS running WHERE NOT running.settled
                AND (running.station_id, running.transaction_id) = (stuck.station_id, stuck.transaction_id)))
            ORDER BY noticed_at LIMIT :slice)
    """,
    "reservations": """
        DELETE FROM ocpp.reservations WHERE (station_id, reservation_id) IN (
            SELECT station_id, reservation_id FROM ocpp.reservations
            WHERE expires_at < :before ORDER BY expires_at LIMIT :slice)
    """,
}

_SETTLED: Final = """
    DELETE FROM ocpp.transactions WHERE (station_id, transaction_id) IN (
        SELECT station_id, transaction_id FROM ocpp.transactions
        WHERE begun AND settled AND heard_at < :before ORDER BY heard_at LIMIT :slice)
"""

_UNSETTLED: Final = text("""
    SELECT station_id, transaction_id FROM ocpp.transactions
    WHERE begun AND NOT settled AND heard_at < :before AND NOT newest_at BETWEEN :before AND :now
    ORDER BY heard_at LIMIT :slice FOR UPDATE SKIP LOCKED
""")
"""What a station's clock tells that runs ahead says nothing."""

_UNBEGUN: Final = text("""
    DELETE FROM ocpp.transactions WHERE (station_id, transaction_id) IN (
        SELECT station_id, transaction_id FROM ocpp.transactions
        WHERE NOT begun AND heard_at < :before AND NOT newest_at BETWEEN :before AND :now
        ORDER BY heard_at LIMIT :slice FOR UPDATE SKIP LOCKED)
""")

_FORGET: Final = text("""
    DELETE FROM ocpp.transactions USING unnest(CAST(:stations AS text[]), CAST(:transactions AS text[]))
        AS given(station, transaction)
    WHERE (station_id, transaction_id) = (given.station, given.transaction)
""")


async def forget(database: Database, clock: Clock, keep: Keep, *, slice_max: int = SLICE_MAX) -> dict[str, int]:
    """Delete what is older than it is kept; how many of each. A slice is a transaction."""
    now = clock()
    deleted: dict[str, int] = {}
    for name, forget_slice in _SLICES.items():
        kept_for: timedelta | None = getattr(keep, name)
        if kept_for is None:
            continue
        number = 0
        for _ in range(SLICES_MAX):
            async with database.transaction() as connection:
                gone = await forget_slice(connection, now, now - kept_for, slice_max)
            number += gone
            if gone < slice_max:
                break
        if number:
            deleted[name] = number
    if deleted:
        log.info("forgotten", **deleted)
    return deleted


async def _delete(statement: str, connection: AsyncConnection, _: datetime, before: datetime, slice_max: int) -> int:
    return (await connection.execute(text(statement), {"before": before, "slice": slice_max})).rowcount


async def _forget_transactions(connection: AsyncConnection, now: datetime, before: datetime, slice_max: int) -> int:
    """Those that are settled; after the last of them those whose end was estimated, and whose true end did not come."""
    gone = await _delete(_SETTLED, connection, now, before, slice_max)
    for forget_slice in (_forget_unsettled, _forget_unbegun):
        if gone < slice_max:
            gone += await forget_slice(connection, now, before, slice_max - gone)
    return gone


async def _forget_unsettled(connection: AsyncConnection, now: datetime, before: datetime, slice_max: int) -> int:
    found = await connection.execute(_UNSETTLED, {"now": now, "before": before, "slice": slice_max})
    silent = [(row.station_id, row.transaction_id) for row in found]
    over = set(silent) - await running_transactions(connection, silent)
    given = {"stations": [station for station, _ in over], "transactions": [transaction for _, transaction in over]}
    return (await connection.execute(_FORGET, given)).rowcount


async def _forget_unbegun(connection: AsyncConnection, now: datetime, before: datetime, slice_max: int) -> int:
    """The reaper has tried to begin and end them since a little after they were heard of."""
    return (await connection.execute(_UNBEGUN, {"now": now, "before": before, "slice": slice_max})).rowcount


_SLICES: Final[Mapping[str, Callable[[AsyncConnection, datetime, datetime, int], Awaitable[int]]]] = {
    "transactions": _forget_transactions,
    **{name: partial(_delete, statement) for name, statement in _STATEMENTS.items()},
}
