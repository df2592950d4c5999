"""What the events of each transaction told, in whichever order they came (OCPP 2.x).

A station counts the events of a transaction, keeps those it could not send, and repeats those that were not answered,
with the same number; the message id may differ. So the log keeps for each transaction which numbers were heard. An
event that is heard again changes nothing; a gap between the numbers is an event that is still missing.

A number that comes again with a later time than any before is no repetition: some stations do not count. It is heard.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.arrays import bigints, moments
from wattbook.db.engine import fetch

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
        cost_due: the driver has not been told for a while what it costs so far.
    """

    fresh: bool
    begun: bool
    settled: bool
    cost_due: bool


class Progress(Struct, frozen=True, gc=False):
    """What one event tells of a transaction that goes on: its number, its time, and the registers it showed."""

    station_id: str
    transaction_id: str
    seq_no: int
    newest_at: datetime
    register_min_mwh: int | None
    register_max_mwh: int | None


class Progressed(Struct, frozen=True, gc=False):
    """What is known of the transaction then; see `Known`."""

    evse_no: int
    fresh: bool
    cost_due: bool


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
        seen = known.seen + excluded.seen,
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
) -> dict[tuple[str, str], Known]:
    """Note events, at most one a transaction, and answer what is known of each (station, transaction) now."""
    found = await connection.execute(
        _NOTE, {"given": _encode(told).decode(), "now": now, "told_before": now - cost_interval}
    )
    return {(row[0], row[1]): Known(*row[2:]) for row in found}


_CUT = "\x1f"

_NOTE_PROGRESS = """
    WITH told AS (
        SELECT * FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31)), %b, %b, %b, %b)
            WITH ORDINALITY AS told(station_id, transaction_id, seq_no, newest_at, register_min, register_max, place)
    ), noted AS (
        UPDATE ocpp.transactions AS known SET
            seen = known.seen + int8multirange(int8range(told.seq_no, told.seq_no, '[]')),
            fresh = NOT known.seen @> told.seq_no OR told.newest_at > known.newest_at,
            newest_at = greatest(known.newest_at, told.newest_at),
            oldest_at = least(known.oldest_at, told.newest_at),
            cost_told_at = CASE WHEN known.cost_told_at <= %s THEN %s ELSE known.cost_told_at END,
            register_min_mwh = least(known.register_min_mwh, told.register_min),
            register_max_mwh = greatest(known.register_max_mwh, told.register_max)
        FROM told
        WHERE (known.station_id, known.transaction_id) = (told.station_id, told.transaction_id)
          AND CASE WHEN known.begun AND NOT known.settled AND known.ended_at IS NULL
              THEN known.evse_no IS NOT NULL END
        RETURNING told.place, known.evse_no, known.fresh, known.cost_told_at = %s AS due
    )
    SELECT string_agg(place || ' ' || evse_no || ' ' || fresh::int || ' ' || due::int, ' ') FROM noted
"""


async def note_progress(
    connection: AsyncConnection, told: Sequence[Progress], *, now: datetime, cost_interval: timedelta
) -> list[Progressed | None]:
    """Note events that only say how far a transaction has come, at most one a transaction.

    This is what nearly every event is, and costs a third of `note`. Returns, one an event: None where charging does not
    know the transaction as running; then nothing was noted.
    """
    # A station's own transaction id may hold anything; one with the separator in it is not found.
    asked = [(place, each) for place, each in enumerate(told) if _CUT not in each.transaction_id]
    answers: list[Progressed | None] = [None] * len(told)
    if not asked:
        return answers
    ((said,),) = await fetch(
        connection,
        _NOTE_PROGRESS,
        (
            _CUT.join([each.station_id for _, each in asked]),
            _CUT.join([each.transaction_id for _, each in asked]),
            bigints([each.seq_no for _, each in asked]),
            moments([each.newest_at for _, each in asked]),
            bigints([each.register_min_mwh for _, each in asked]),
            bigints([each.register_max_mwh for _, each in asked]),
            now - cost_interval,
            now,
            now,
        ),
    )
    words = iter([] if said is None else said.split(" "))
    for nth, evse_no, fresh, due in zip(words, words, words, words, strict=True):
        answers[asked[int(nth) - 1][0]] = Progressed(int(evse_no), fresh == "1", due == "1")
    return answers


async def mark(
    connection: AsyncConnection, transactions: Sequence[tuple[str, str]], *, begun: bool = False, settled: bool = False
) -> None:
    """Charging has taken over the begin of these, or their end."""
    if not transactions:
        return
    await connection.execute(
        text("""
            UPDATE ocpp.transactions AS known SET begun = begun OR :begun, settled = settled OR :settled
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS given(station, transaction)
            WHERE (known.station_id, known.transaction_id) = (given.station, given.transaction)
        """),
        {
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
            "begun": begun,
            "settled": settled,
        },
    )


async def missing_events(connection: AsyncConnection, station_id: str, transaction_id: str) -> list[int] | None:
    """Numbers below the greatest heard that were not heard, at most a thousand; None for an unknown transaction."""
    found = await connection.execute(
        text("""
            SELECT ARRAY(
                SELECT number
                FROM unnest(int8multirange(int8range(least(lower(seen), 0), upper(seen))) - seen) AS gap,
                     generate_series(lower(gap), least(upper(gap) - 1, lower(gap) + 999)) AS number
                ORDER BY number LIMIT 1000
            )
            FROM ocpp.transactions WHERE (station_id, transaction_id) = (:station, :transaction)
        """),
        {"station": station_id, "transaction": transaction_id},
    )
    numbers: list[int] | None = found.scalar_one_or_none()
    return numbers
