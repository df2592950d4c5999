"""What the events of each transaction told, in whichever order they came (OCPP 2.x).

A station counts the events of a transaction, keeps those it could not send, and repeats those that were not answered,
with the same number; the message id may differ. So the log keeps for each transaction which numbers were heard. An
event that is heard again changes nothing; a gap between the numbers is an event that is still missing.

A number that comes again with a later time than any before is no repetition: some stations do not count. It is heard.

Once charging has begun a transaction as a session, the session counts (`charging.counting`), and what goes on as
expected does not come here at all: it would cost as much again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import counting
from wattbook.charging.counting import Counted, Heard, Key

_encode = msgspec.json.Encoder().encode


class Told(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What one event tells of its transaction; None: nothing."""

    station_id: str
    transaction_id: str
    seq_no: int
    newest_at: datetime
    evse_no: int | None = None
    token_uid: str | None = None
    started_at: datetime | None = None
    meter_start_mwh: int | None = None
    export_start_mwh: int | None = None
    register_min_mwh: int | None = None
    register_max_mwh: int | None = None
    ended_at: datetime | None = None
    meter_stop_mwh: int | None = None
    export_stop_mwh: int | None = None
    stop_reason: str | None = None
    stop_token_uid: str | None = None


class Facts(Struct, frozen=True, gc=False):
    """What the events of a transaction told so far; None: nothing. Registers are of the energy drawn, or fed in."""

    evse_no: int | None
    token_uid: str | None
    started_at: datetime | None
    meter_start_mwh: int | None
    export_start_mwh: int | None
    register_min_mwh: int | None
    register_max_mwh: int | None
    ended_at: datetime | None
    meter_stop_mwh: int | None
    export_stop_mwh: int | None
    stop_reason: str | None
    stop_token_uid: str | None

    @property
    def register_start_mwh(self) -> int | None:
        """Of the begin; where it did not tell, the least that any event showed."""
        return self.register_min_mwh if self.meter_start_mwh is None else self.meter_start_mwh

    @property
    def register_stop_mwh(self) -> int | None:
        """Of the end; where it did not tell, the greatest."""
        return self.register_max_mwh if self.meter_stop_mwh is None else self.meter_stop_mwh


class Known(Facts, frozen=True, gc=False):
    """What is known of a transaction after an event of it was noted.

    Attributes:
        fresh: the event just noted had not been heard before.
        counted: its session says so.
        cost_due: the driver has not been told for a while what it costs so far.
    """

    fresh: bool
    begun: bool
    settled: bool
    cost_due: bool
    counted: bool = False


_TOLD_ONCE = (
    "evse_no", "token_uid", "started_at", "meter_start_mwh", "export_start_mwh", "ended_at", "meter_stop_mwh",
    "export_stop_mwh", "stop_reason", "stop_token_uid",
)  # fmt: skip
_KNOWN = ", ".join(f"known.{name}" for name in Facts.__struct_fields__)
_GIVEN = ", ".join(Told.__struct_fields__[3:])

_NOTE = text(f"""
    INSERT INTO ocpp.transactions AS known
        (station_id, transaction_id, seen, fresh, begun, settled, cost_told_at, heard_at, oldest_at, {_GIVEN})
    SELECT station_id, transaction_id, int8multirange(int8range(seq_no, seq_no, '[]')), true, false, false,
           CAST(:now AS timestamptz), CAST(:now AS timestamptz), newest_at, {_GIVEN}
    FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS told(
        station_id text, transaction_id text, seq_no bigint, newest_at timestamptz, evse_no smallint, token_uid text,
        started_at timestamptz, meter_start_mwh bigint, export_start_mwh bigint, register_min_mwh bigint,
        register_max_mwh bigint, ended_at timestamptz, meter_stop_mwh bigint, export_stop_mwh bigint,
        stop_reason text, stop_token_uid text)
    ORDER BY station_id, transaction_id
    ON CONFLICT (station_id, transaction_id) DO UPDATE SET
        seen = CASE WHEN known.begun THEN known.seen ELSE known.seen + excluded.seen END,
        fresh = NOT known.seen @> excluded.seen OR excluded.newest_at > known.newest_at,
        newest_at = greatest(known.newest_at, excluded.newest_at),
        oldest_at = least(known.oldest_at, excluded.oldest_at),
        cost_told_at = CASE WHEN known.cost_told_at <= CAST(:told_before AS timestamptz)
                       THEN excluded.cost_told_at ELSE known.cost_told_at END,
        register_min_mwh = least(known.register_min_mwh, excluded.register_min_mwh),
        register_max_mwh = greatest(known.register_max_mwh, excluded.register_max_mwh),
        {", ".join(f"{name} = coalesce(known.{name}, excluded.{name})" for name in _TOLD_ONCE)}
    RETURNING known.station_id, known.transaction_id, {_KNOWN}, known.fresh, known.begun, known.settled,
              known.cost_told_at = CAST(:now AS timestamptz)
""")


async def note(
    connection: AsyncConnection, told: Sequence[Told], *, now: datetime, cost_interval: timedelta
) -> dict[Key, Known]:
    """Note events, at most one a transaction, and answer what is known of each (station, transaction) now."""
    found = await connection.execute(
        _NOTE, {"given": _encode(told).decode(), "now": now, "told_before": now - cost_interval}
    )
    known = {(row[0], row[1]): Known(*row[2:]) for row in found}
    counted = await counting.count(
        connection, [Heard(each.station_id, each.transaction_id, each.seq_no, each.newest_at) for each in told]
    )
    return known | {key: _counted(known[key], by_session) for key, by_session in counted.items()}


def _counted(known: Known, by_session: Counted) -> Known:
    registers = [mwh for mwh in (known.register_max_mwh, by_session.register_mwh) if mwh is not None]
    return structs.replace(known, fresh=by_session.fresh, counted=True, register_max_mwh=max(registers, default=None))


async def mark_begun(connection: AsyncConnection, transactions: Sequence[Key]) -> None:
    """Charging knows these as sessions, which count from now on."""
    if not transactions:
        return
    found = await connection.execute(
        text("""
            UPDATE ocpp.transactions AS known SET begun = true
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS given(station, transaction)
            WHERE (known.station_id, known.transaction_id) = (given.station, given.transaction)
            RETURNING station_id, transaction_id, seen::text, newest_at
        """),
        _columns(transactions),
    )
    await counting.hand_over(connection, [(row[0], row[1], row[2], row[3]) for row in found])


async def mark_settled(connection: AsyncConnection, transactions: Sequence[Key]) -> None:
    """Charging knows the end of these."""
    if not transactions:
        return
    await connection.execute(
        text("""
            UPDATE ocpp.transactions AS known SET settled = true
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS given(station, transaction)
            WHERE (known.station_id, known.transaction_id) = (given.station, given.transaction)
        """),
        _columns(transactions),
    )


def _columns(transactions: Sequence[Key]) -> dict[str, Any]:
    return {
        "stations": [station for station, _ in transactions],
        "transactions": [transaction for _, transaction in transactions],
    }


async def missing_events(connection: AsyncConnection, station_id: str, transaction_id: str) -> list[int] | None:
    """Numbers below the greatest heard that were not heard, at most a thousand; None for an unknown transaction."""
    counted = await counting.heard_of(connection, [(station_id, transaction_id)])
    heard = counted.get((station_id, transaction_id))
    found = await connection.execute(
        text("""
            SELECT ARRAY(
                SELECT number
                FROM unnest(int8multirange(int8range(least(lower(seen), 0), upper(seen))) - seen) AS gap,
                     generate_series(lower(gap), least(upper(gap) - 1, lower(gap) + 999)) AS number
                ORDER BY number LIMIT 1000
            )
            FROM (
                SELECT coalesce(CAST(:heard AS int8multirange), seen) AS seen
                FROM ocpp.transactions WHERE (station_id, transaction_id) = (:station, :transaction)
            ) AS known
        """),
        {"station": station_id, "transaction": transaction_id, "heard": None if heard is None else heard[0]},
    )
    numbers: list[int] | None = found.scalar_one_or_none()
    return numbers
