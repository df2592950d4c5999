"""Block R (2.1), energy fed in by vehicles: which controls stations have, which of them act, and what went wrong."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.kept.answered import Answered, json_text
from wattbook.ocpp.wire.frames import JsonObject

CONTROLS_MAX: Final = 500
"""Of one station; the longest unchanged go first."""

TYPES: Final = {
    "enterService": "EnterService",
    "fixedPFAbsorb": "FixedPFAbsorb",
    "fixedPFInject": "FixedPFInject",
    "fixedVar": "FixedVar",
    "freqDroop": "FreqDroop",
    "gradient": "Gradients",
    "limitMaxDischarge": "LimitMaxDischarge",
}
"""Field of a report → type of control; a curve says its type itself."""

NAMES: Final = frozenset({"id", "isDefault", "isSuperseded", "curveType", "customData"})


class Control(Struct, frozen=True):
    """A control of a station; None: it was not told.

    Attributes:
        superseded: another took its place.
        active: it began and has not ended.
        control: what it asks for, in the words of 2.1.
    """

    station_id: str
    control_id: str
    control_type: str | None
    is_default: bool | None
    superseded: bool
    active: bool | None
    control: Any
    changed_at: datetime


class Alarm(Struct, frozen=True):
    """What a station told last of a type of control; `fault` of the grid, `ended`: it is over. `at` by its clock."""

    station_id: str
    control_type: str
    fault: str | None
    ended: bool
    extra: str | None
    at: datetime


async def reported(connection: AsyncConnection, station_id: str, said: JsonObject, at: datetime) -> None:
    """ReportDERControl: what it has."""
    await _keep(connection, list(_read_report(station_id, said, at)))


async def started_or_stopped(connection: AsyncConnection, station_id: str, said: JsonObject, at: datetime) -> None:
    """NotifyDERStartStop: a control began, in the place of others, or ended."""
    known = Control(station_id, said["controlId"], None, None, False, said["started"], None, at)
    await _keep(connection, [known])
    await _supersede(connection, station_id, said.get("supersededIds", ()), at)


async def alarmed(connection: AsyncConnection, station_id: str, said: JsonObject, at: datetime) -> None:
    """NotifyDERAlarm: a fault of the grid began or is over; one that is older than what is known says nothing."""
    await connection.execute(
        text("""
            INSERT INTO ocpp.der_alarms AS known (station_id, control_type, fault, ended, extra, at)
            VALUES (:station, :type, :fault, :ended, :extra, :at)
            ON CONFLICT (station_id, control_type) DO UPDATE
            SET fault = coalesce(excluded.fault, known.fault), ended = excluded.ended, extra = excluded.extra,
                at = excluded.at
            WHERE excluded.at >= known.at
        """),
        {
            "station": station_id,
            "type": said["controlType"],
            "fault": said.get("gridEventFault"),
            "ended": bool(said.get("alarmEnded")),
            "extra": said.get("extraInfo"),
            "at": parse_rfc3339(said["timestamp"]),
        },
    )


async def set_controls(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SetDERControl."""
    for each in answers:
        if each.accepted:
            said = each.payload
            named = said["controlId"], said["controlType"], bool(said["isDefault"])
            asked = {name: value for name, value in said.items() if name in TYPES or name == "curve"}
            await _keep(connection, [Control(each.station_id, *named, False, None, asked, each.at)])
            await _supersede(connection, each.station_id, each.answer.get("supersededIds", ()), each.at)


async def cleared(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ClearDERControl: one by its id, or all of a type or of every type, defaults or others."""
    for each in answers:
        if each.accepted:
            said = each.payload
            await connection.execute(
                text("""
                    DELETE FROM ocpp.der_controls
                    WHERE station_id = :station
                      AND CASE WHEN CAST(:control AS text) IS NOT NULL THEN control_id = CAST(:control AS text)
                          ELSE is_default = :is_default
                              AND (CAST(:type AS text) IS NULL OR control_type = CAST(:type AS text)) END
                """),
                {
                    "station": each.station_id,
                    "control": said.get("controlId"),
                    "is_default": bool(said["isDefault"]),
                    "type": said.get("controlType"),
                },
            )


async def controls_of(connection: AsyncConnection, station_id: str, *, limit: int = CONTROLS_MAX) -> list[Control]:
    """By type and id."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(kept)::text FROM ocpp.der_controls AS kept
            WHERE station_id = :station ORDER BY control_type, control_id LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [msgspec.json.decode(row, type=Control) for row in found.scalars()]


async def alarms_of(connection: AsyncConnection, station_id: str) -> list[Alarm]:
    """The latest of each type of control, the newest first."""
    found = await connection.execute(
        text("""
            SELECT station_id, control_type, fault, ended, extra, at FROM ocpp.der_alarms
            WHERE station_id = :station ORDER BY at DESC, control_type
        """),
        {"station": station_id},
    )
    return [Alarm(*row) for row in found]


def _read_report(station_id: str, said: JsonObject, at: datetime) -> Iterator[Control]:
    for field in ("curve", *TYPES):
        for each in said.get(field, ()):
            yield Control(
                station_id,
                each["id"],
                TYPES.get(field) or each["curveType"],
                each.get("isDefault"),
                bool(each.get("isSuperseded")),
                None,
                {name: value for name, value in each.items() if name not in NAMES},
                at,
            )


async def _keep(connection: AsyncConnection, controls: Sequence[Control]) -> None:
    """What is not told of one that is known stays as it was."""
    latest = {(each.station_id, each.control_id): each for each in controls}
    await connection.execute(
        text("""
            INSERT INTO ocpp.der_controls AS known
            SELECT station_id, control_id, control_type, is_default, superseded, active, nullif(control, 'null'),
                   changed_at
            FROM jsonb_populate_recordset(NULL::ocpp.der_controls, CAST(:given AS jsonb))
            ON CONFLICT (station_id, control_id) DO UPDATE
            SET control_type = coalesce(excluded.control_type, known.control_type),
                is_default = coalesce(excluded.is_default, known.is_default),
                superseded = excluded.superseded,
                active = coalesce(excluded.active, known.active),
                control = coalesce(excluded.control, known.control),
                changed_at = excluded.changed_at
        """),
        {"given": json_text([latest[key] for key in sorted(latest)])},
    )
    for station in {each.station_id for each in controls}:
        await connection.execute(
            text("""
                DELETE FROM ocpp.der_controls WHERE station_id = :station AND control_id IN (
                    SELECT control_id FROM ocpp.der_controls WHERE station_id = :station
                    ORDER BY changed_at DESC, control_id OFFSET :most)
            """),
            {"station": station, "most": CONTROLS_MAX},
        )


async def _supersede(connection: AsyncConnection, station_id: str, controls: Sequence[str], at: datetime) -> None:
    if controls:
        await connection.execute(
            text("""
                UPDATE ocpp.der_controls SET superseded = true, active = false, changed_at = :at
                WHERE station_id = :station AND control_id = ANY(CAST(:controls AS text[]))
            """),
            {"station": station_id, "controls": list(controls), "at": at},
        )
