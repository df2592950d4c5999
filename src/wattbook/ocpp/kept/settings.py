"""Settings: the keys of 1.6 in a table of their own, the variables of 2.x in the device model."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.kept.answered import Answered, json_text
from wattbook.ocpp.kept.device_model import record_values
from wattbook.ocpp.messages import ReportedVariable
from wattbook.ocpp.wire.frames import JsonObject

TAKEN = frozenset({"Accepted", "RebootRequired"})
"""It has the value, or will have it after a new start."""


class Setting(Struct, frozen=True):
    """A setting of a station that speaks 1.6, as it was told last."""

    key: str
    value: str | None
    read_only: bool
    told_at: datetime


async def got_configuration(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """GetConfiguration: what it told, and which keys it does not have."""
    told = [
        _row(each, said["key"], said.get("value"), said["readonly"])
        for each in answers
        for said in each.answer.get("configurationKey", ())
    ]
    await _keep(connection, told)
    unknown = [(each.station_id, key) for each in answers for key in each.answer.get("unknownKey", ())]
    if unknown:
        await connection.execute(
            text("""
                DELETE FROM ocpp.configuration AS known
                USING unnest(CAST(:stations AS text[]), CAST(:keys AS text[])) AS gone(station, key)
                WHERE (known.station_id, known.key) = (gone.station, gone.key)
            """),
            {"stations": [station for station, _ in unknown], "keys": [key for _, key in unknown]},
        )


async def changed_configuration(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ChangeConfiguration."""
    taken = [each for each in answers if each.answer["status"] in TAKEN]
    await _keep(connection, [_row(each, each.payload["key"], each.payload["value"], False) for each in taken])


async def got_variables(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """GetVariables: of each variable that was told, the value."""
    await record_values(
        connection,
        [
            (each.station_id, each.at, [_variable(said, said.get("attributeValue"))])
            for each in answers
            for said in each.answer["getVariableResult"]
            if said["attributeStatus"] == "Accepted"
        ],
    )


async def set_variables(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SetVariables: what was taken has the value that it was given."""
    await record_values(
        connection,
        [
            (each.station_id, each.at, [_variable(said, given[_name(said)])])
            for each in answers
            for given in [{_name(asked): asked["attributeValue"] for asked in each.payload["setVariableData"]}]
            for said in each.answer["setVariableResult"]
            if said["attributeStatus"] in TAKEN and _name(said) in given
        ],
    )


async def configuration_of(connection: AsyncConnection, station_id: str, *, limit: int = 1_000) -> list[Setting]:
    """By key."""
    found = await connection.execute(
        text("""
            SELECT key, value, read_only, told_at FROM ocpp.configuration
            WHERE station_id = :station ORDER BY key LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [Setting(*row) for row in found]


def _row(answered: Answered, key: str, value: str | None, read_only: bool) -> dict[str, Any]:
    return {
        "station_id": answered.station_id,
        "key": key,
        "value": value,
        "read_only": read_only,
        "told_at": answered.at,
    }


async def _keep(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    latest = {(row["station_id"], row["key"]): row for row in rows}
    if latest:
        await connection.execute(
            text("""
                INSERT INTO ocpp.configuration
                SELECT * FROM jsonb_populate_recordset(NULL::ocpp.configuration, CAST(:given AS jsonb))
                ON CONFLICT (station_id, key) DO UPDATE
                SET value = excluded.value, read_only = excluded.read_only, told_at = excluded.told_at
            """),
            {"given": json_text([latest[key] for key in sorted(latest)])},
        )


def _name(said: JsonObject) -> str:
    return json_text([said["component"], said["variable"], said.get("attributeType", "Actual")])


def _variable(said: JsonObject, value: str | None) -> ReportedVariable:
    component, variable = said["component"], said["variable"]
    evse = component.get("evse", {})
    return ReportedVariable(
        component["name"],
        variable["name"],
        said.get("attributeType", "Actual"),
        component.get("instance", ""),
        variable.get("instance", ""),
        int(evse.get("id", 0)),
        int(evse.get("connectorId", 0)),
        value,
    )
