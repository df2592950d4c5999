"""The SQL of readings: what every message of every charging station costs.

A batch is one statement: it moves the sessions on that are still as they were seen, and keeps the readings. Its columns
travel as one text each, which costs the driver least, and are cut again by PostgreSQL; a column without any value
travels empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.running import Reading, Running, Samples
from wattbook.db.engine import driver_of
from wattbook.kernel.units import AMOUNT_MAX

CUT: Final = "\x1f"
UUID_LENGTH: Final = 36
MARK: Final = ", 'None'"  # how a null is written

Key = tuple[str, str]
"""Station and transaction id."""


async def running(connection: AsyncConnection, transactions: Iterable[Key]) -> dict[Key, Running]:
    """Sessions as they are now; whatever has ended is `completed`.

    Nothing is locked: `write` leaves alone what has changed since.
    """
    # A station's own transaction id may hold anything; one with the separator in it is not found.
    asked = [(station, id_) for station, id_ in transactions if CUT not in id_]
    if not asked:
        return {}
    async with driver_of(connection).cursor() as cursor:
        await cursor.execute(_RUNNING, (CUT.join(key[0] for key in asked), CUT.join(key[1] for key in asked)))
        return {(row[0], row[1]): Running(*row[2:]) for row in await cursor.fetchall()}


async def write(
    connection: AsyncConnection,
    moved: Sequence[Running],
    announced: frozenset[str],
    kept: Sequence[tuple[Samples, str | None]],
    now: datetime,
) -> dict[str, str]:
    """Write sessions that moved, announced ones with the time, and keep readings, each with the id of its session.

    Returns, by id, how the sessions look now that were as they had been seen; no other one was written.
    """
    async with driver_of(connection).cursor() as cursor:
        await cursor.execute(_WRITE, (now, *_of_sessions(moved, announced, now), now, *_of_readings(kept)))
        ((written,),) = await cursor.fetchall()
    return {} if written is None else {each[:UUID_LENGTH]: each[UUID_LENGTH:] for each in written.split(" ")}


def _of_sessions(moved: Sequence[Running], announced: frozenset[str], now: datetime) -> tuple[str, ...]:
    return (
        CUT.join([each.id for each in moved]),
        CUT.join([each.seen for each in moved]),
        _column([now if each.id in announced else None for each in moved]) if announced else "",
        CUT.join([_text(each.sampled_at or each.started_at) for each in moved]),
        _column([each.import_register_mwh for each in moved]),
        _column([each.export_start_mwh for each in moved]),
        _column([each.export_register_mwh for each in moved]),
        _column([each.power_w for each in moved]),
        _column([each.soc_percent for each in moved]),
        _column([each.shortfall_wms or None for each in moved]),
        _column([each.flags or None for each in moved]),
    )


def _of_readings(kept: Sequence[tuple[Samples, str | None]]) -> tuple[str, ...]:
    rows: list[tuple[Samples, str | None, Reading]] = [
        (samples, session_id, reading) for samples, session_id in kept for reading in samples.readings
    ]
    return (
        CUT.join([samples.station_id for samples, _, _ in rows]),
        CUT.join([str(samples.connector_no) for samples, _, _ in rows]),
        _column([session_id for _, session_id, _ in rows]),
        CUT.join([_text(reading.sampled_at) for _, _, reading in rows]),
        _column([_amount(reading.import_register_mwh) for _, _, reading in rows]),
        _column([_amount(reading.export_register_mwh) for _, _, reading in rows]),
        _column([_amount(reading.power_w) for _, _, reading in rows]),
        _column([reading.soc_percent for _, _, reading in rows]),
        _column([None if reading.other is None else _json_text(reading.other) for _, _, reading in rows]),
    )


def _column(values: list[Any]) -> str:
    return "" if values.count(None) == len(values) else CUT.join(map(str, values))


def _amount(value: int | None) -> int | None:
    """Null also for what no column can hold."""
    return value if value is None or -AMOUNT_MAX <= value <= AMOUNT_MAX else None


@lru_cache(maxsize=1024)
def _text(moment: datetime) -> str:
    """Written often: a session's newest reading and the reading itself have the same time."""
    return str(moment)


def _json_text(value: object) -> str:
    """Without the one character that JSON allows and PostgreSQL does not."""
    return _encode(value).decode().replace("\\u0000", "\\ufffd")


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _table(columns: Mapping[str, str]) -> bytes:
    """Parameters, one a column, as rows; a `text` is never null, so that it may also say `None`."""
    mark = {"text": ""}
    cut = (f"string_to_array(%s, chr(31){mark.get(kind, MARK)})" for kind in columns.values())
    typed = ", ".join(f"{name}::{kind} AS {name}" for name, kind in columns.items())
    return f"SELECT {typed} FROM unnest({', '.join(cut)}) AS cut({', '.join(columns)})".encode()


_SEEN: Final = b"(session.xmin::text || session.ctid::text)"
"""A version of a row: who wrote it, and where; its place changes also when one transaction writes it twice."""

_MOVED: Final = _table(
    {
        "id": "uuid",
        "seen": "text",
        "announced_at": "timestamptz",
        "sampled_at": "timestamptz",
        "import_register_mwh": "bigint",
        "export_start_mwh": "bigint",
        "export_register_mwh": "bigint",
        "power_w": "int",
        "soc_percent": "numeric",
        "shortfall_wms": "bigint",
        "flags": "varchar",
    }
)
_KEPT: Final = _table(
    {
        "station_id": "text",
        "connector_no": "smallint",
        "session_id": "uuid",
        "sampled_at": "timestamptz",
        "import_register_mwh": "bigint",
        "export_register_mwh": "bigint",
        "power_w": "bigint",
        "soc_percent": "numeric",
        "other": "jsonb",
    }
)

_WRITE: Final = (
    b"""
    WITH written AS (
        UPDATE charging.sessions AS session
        SET updated_at = %s::timestamptz, announced_at = coalesce(now.announced_at, session.announced_at),
            sampled_at = now.sampled_at, import_register_mwh = now.import_register_mwh,
            export_start_mwh = now.export_start_mwh, export_register_mwh = now.export_register_mwh,
            power_w = now.power_w, soc_percent = now.soc_percent, shortfall_wms = coalesce(now.shortfall_wms, 0),
            import_mwh = coalesce(now.import_register_mwh - session.meter_start_mwh, 0),
            export_mwh = coalesce(now.export_register_mwh - now.export_start_mwh, 0),
            flags = string_to_array(coalesce(now.flags, ''), ' ')
        FROM (MOVED) AS now
        WHERE session.id = now.id AND SEEN = now.seen
        RETURNING session.id::text || SEEN AS seen
    ), kept AS (
        INSERT INTO charging.meter_values (received_at, station_id, connector_no, session_id, sampled_at,
                                           import_register_mwh, export_register_mwh, power_w, soc_percent, other)
        SELECT %s::timestamptz, reading.* FROM (KEPT) AS reading
    )
    SELECT string_agg(seen, ' ') FROM written
""".replace(b"MOVED", _MOVED)
    .replace(b"KEPT", _KEPT)
    .replace(b"SEEN", _SEEN)
)

_RUNNING: Final = b"""
    SELECT station_id, transaction_id, id::text, CASE WHEN ended_at IS NULL THEN state ELSE 'completed' END,
           started_at, meter_start_mwh, rated_power_w, announced_at, sampled_at, import_register_mwh,
           export_start_mwh, export_register_mwh, power_w, soc_percent, import_mwh, export_mwh, shortfall_wms,
           array_to_string(flags, ' '), SEEN
    FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31))) AS asked(station, transaction)
    JOIN charging.sessions AS session ON (station_id, transaction_id) = (asked.station, asked.transaction)
""".replace(b"SEEN", _SEEN)
