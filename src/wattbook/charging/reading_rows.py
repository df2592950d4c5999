"""The SQL of readings: what every message of every charging station costs.

A batch is one statement: it moves the sessions on that are still as they were seen, and keeps the readings. Ids,
numbers and times travel as arrays that PostgreSQL need not parse; other columns as one text each, which costs the
driver least, and are cut again by PostgreSQL. A column without any value travels empty.

Sessions are found by their id, though where their rows lie is known too: a scan by place does not tidy pages, so soon
no update would find room beside the row it replaces. Hence `IS NOT DISTINCT FROM`, which no such scan answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.running import Reading, Running, Samples
from wattbook.db.arrays import Bigints, Moments, Uuids, bigints, moments, uuids
from wattbook.db.engine import driver_of
from wattbook.kernel.units import AMOUNT_MAX

CUT: Final = "\x1f"
MARK: Final = ", 'None'"  # how a null is written
BINARY: Final = frozenset({"uuid", "bigint", "timestamptz"})

Column = str | Uuids | Bigints | Moments

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
    *,
    counted: bool = False,
) -> list[int]:
    """Write sessions that moved, announced ones with the time, and keep readings, each with the id of its session.

    With `counted` each session has heard a message too, the one before its `next_no`, and readings are kept only of
    sessions that are written.

    Returns the places, in `moved`, of the sessions that were as they had been seen: they bear their new version. No
    other one was written.
    """
    statement = _WRITE_COUNTED if counted else _WRITE
    heard = _heard(moved) if counted else ()
    values = (now, *_of_sessions(moved, announced, now), *heard, now, *_of(kept))
    cursor = await driver_of(connection).execute(statement, values)
    ((said,),) = await cursor.fetchall()
    words = iter([] if said is None else said.split(" "))
    written = []
    for nth, writer, row in zip(words, words, words, strict=True):
        place = int(nth) - 1
        moved[place].writer, moved[place].row = writer, row
        written.append(place)
    return written


def _of_sessions(moved: Sequence[Running], announced: frozenset[str], now: datetime) -> tuple[Column, ...]:
    return (
        uuids([_bytes(each.id) for each in moved]),
        CUT.join([each.writer for each in moved]),
        CUT.join([each.row for each in moved]),
        moments([now if each.id in announced else None for each in moved] if announced else ()),
        moments([each.sampled_at or each.started_at for each in moved]),
        _numbers([each.import_register_mwh for each in moved]),
        _numbers([each.export_start_mwh for each in moved]),
        _numbers([each.export_register_mwh for each in moved]),
        _numbers([each.power_w for each in moved]),
        _texts([each.soc_percent for each in moved]),
        bigints([each.shortfall_wms for each in moved]),
        _texts([each.flags or None for each in moved]),
    )


def _heard(moved: Sequence[Running]) -> tuple[Column, ...]:
    numbers = [None if each.next_no is None else each.next_no - 1 for each in moved]
    return bigints(numbers), moments([each.told_at for each in moved])


def _of(kept: Sequence[tuple[Samples, str | None]]) -> tuple[Column, ...]:
    rows: list[tuple[Samples, str | None, Reading]] = [
        (samples, session_id, reading) for samples, session_id in kept for reading in samples.readings
    ]
    return (
        CUT.join([samples.station_id for samples, _, _ in rows]),
        bigints([samples.connector_no for samples, _, _ in rows]),
        uuids([None if session_id is None else _bytes(session_id) for _, session_id, _ in rows]),
        moments([reading.sampled_at for _, _, reading in rows]),
        _numbers([_amount(reading.import_register_mwh) for _, _, reading in rows]),
        _numbers([_amount(reading.export_register_mwh) for _, _, reading in rows]),
        _numbers([_amount(reading.power_w) for _, _, reading in rows]),
        _texts([reading.soc_percent for _, _, reading in rows]),
        _texts([None if reading.other is None else _json_text(reading.other) for _, _, reading in rows]),
    )


def _bytes(id_: str) -> bytes:
    return bytes.fromhex(id_.replace("-", ""))


def _numbers(values: list[int | None]) -> Bigints:
    return bigints(() if values.count(None) == len(values) else values)


def _texts(values: list[Any]) -> str:
    return "" if values.count(None) == len(values) else CUT.join(map(str, values))


def _amount(value: int | None) -> int | None:
    """Null also for what no column can hold."""
    return value if value is None or -AMOUNT_MAX <= value <= AMOUNT_MAX else None


def _json_text(value: object) -> str:
    """Without the one character that JSON allows and PostgreSQL does not."""
    return _encode(value).decode().replace("\\u0000", "\\ufffd")


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _table(columns: Mapping[str, str]) -> bytes:
    """Parameters, one a column, as rows and their `place`; a `text` is never null, so that it may also say `None`."""
    marks = ("" if kind == "text" else MARK for kind in columns.values())
    given = ", ".join(
        "%b" if kind in BINARY else f"string_to_array(%s, chr(31){mark})"
        for kind, mark in zip(columns.values(), marks, strict=True)
    )
    typed = ", ".join(name if kind in BINARY else f"{name}::{kind} AS {name}" for name, kind in columns.items())
    names = ", ".join(columns)
    return f"SELECT {typed}, place FROM unnest({given}) WITH ORDINALITY AS cut({names}, place)".encode()


_MOVED_COLUMNS: Final = {
    "id": "uuid",
    "writer": "xid",
    "row": "tid",
    "announced_at": "timestamptz",
    "sampled_at": "timestamptz",
    "import_register_mwh": "bigint",
    "export_start_mwh": "bigint",
    "export_register_mwh": "bigint",
    "power_w": "bigint",
    "soc_percent": "numeric",
    "shortfall_wms": "bigint",
    "flags": "varchar",
}
_HEARD_COLUMNS: Final = {"heard_no": "bigint", "told_at": "timestamptz"}
_KEPT: Final = _table(
    {
        "station_id": "text",
        "connector_no": "bigint",
        "session_id": "uuid",
        "sampled_at": "timestamptz",
        "import_register_mwh": "bigint",
        "export_register_mwh": "bigint",
        "power_w": "bigint",
        "soc_percent": "numeric",
        "other": "jsonb",
    }
)

_STATEMENT: Final = b"""
    WITH written AS (
        UPDATE charging.sessions AS session
        SET updated_at = %s::timestamptz, announced_at = coalesce(now.announced_at, session.announced_at),
            sampled_at = now.sampled_at, import_register_mwh = now.import_register_mwh,
            export_start_mwh = now.export_start_mwh, export_register_mwh = now.export_register_mwh,
            power_w = now.power_w, soc_percent = now.soc_percent, shortfall_wms = now.shortfall_wms,
            import_mwh = coalesce(now.import_register_mwh - session.meter_start_mwh, 0),
            export_mwh = coalesce(now.export_register_mwh - now.export_start_mwh, 0),
            flags = string_to_array(coalesce(now.flags, ''), ' ')HEARD
        FROM (MOVED) AS now
        WHERE session.id = now.id AND session.xmin = now.writer AND session.ctid IS NOT DISTINCT FROM now.row
        RETURNING session.id, now.place || ' ' || session.xmin || ' ' || session.ctid AS version
    ), kept AS (
        INSERT INTO charging.meter_values (received_at, station_id, connector_no, session_id, sampled_at,
                                           import_register_mwh, export_register_mwh, power_w, soc_percent, other)
        SELECT %s::timestamptz, station_id, connector_no, session_id, sampled_at,
               import_register_mwh, export_register_mwh, power_w, soc_percent, other FROM (KEPT) AS readingONLY
    )
    SELECT string_agg(version, ' ') FROM written
""".replace(b"KEPT", _KEPT)
_WRITE: Final = _STATEMENT.replace(b"MOVED", _table(_MOVED_COLUMNS)).replace(b"HEARD", b"").replace(b"ONLY", b"")
_WRITE_COUNTED: Final = (
    _STATEMENT.replace(b"MOVED", _table(_MOVED_COLUMNS | _HEARD_COLUMNS))
    .replace(
        b"HEARD",
        b", told_at = now.told_at, heard = session.heard + int8multirange(int8range(heard_no, heard_no, '[]'))",
    )
    .replace(b"ONLY", b" JOIN written ON written.id = reading.session_id")
)

_RUNNING: Final = b"""
    SELECT station_id, transaction_id, id::text, CASE WHEN ended_at IS NULL THEN state ELSE 'completed' END,
           started_at, meter_start_mwh, rated_power_w, announced_at, sampled_at, import_register_mwh,
           export_start_mwh, export_register_mwh, power_w, soc_percent, import_mwh, export_mwh, shortfall_wms,
           array_to_string(flags, ' '), connector_no,
           CASE WHEN heard = int8multirange(range_merge(heard)) THEN upper(heard) END, told_at,
           session.xmin::text, session.ctid::text
    FROM unnest(string_to_array(%s, chr(31)), string_to_array(%s, chr(31))) AS asked(station, transaction)
    JOIN charging.sessions AS session ON (station_id, transaction_id) = (asked.station, asked.transaction)
"""
