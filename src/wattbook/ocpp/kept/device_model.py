"""The device model of OCPP 2.x: the variables of each station, as its reports told them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp import tables
from wattbook.ocpp.messages import ReportedVariable

LIMIT_MAX = 10_000

_encode = msgspec.json.Encoder(decimal_format="number").encode


async def record_variables(
    connection: AsyncConnection, reports: Sequence[tuple[str, datetime, Sequence[ReportedVariable]]]
) -> None:
    """Keep of each variable what was reported last; reports are (station, when it was generated, variables)."""
    rows = {
        (station, *_key(said)): {"station_id": station, "reported_at": at, **_row(said)}
        for station, at, variables in sorted(reports, key=lambda report: report[1])
        for said in variables
    }
    if not rows:
        return
    names = ", ".join(column.name for column in tables.variables.columns)
    updated = ", ".join(
        f"{column.name} = excluded.{column.name}" for column in tables.variables.columns if not column.primary_key
    )
    await connection.execute(
        text(f"""
            INSERT INTO ocpp.variables AS known ({names})
            SELECT {names} FROM jsonb_populate_recordset(NULL::ocpp.variables, CAST(:given AS jsonb))
            ON CONFLICT ON CONSTRAINT variables_pkey DO UPDATE SET {updated}
            WHERE excluded.reported_at >= known.reported_at
        """),
        {"given": _encode([rows[key] for key in sorted(rows)]).decode()},
    )


async def record_values(
    connection: AsyncConnection, told: Sequence[tuple[str, datetime, Sequence[ReportedVariable]]]
) -> None:
    """Keep of each variable the value alone; what a report said of its nature stays."""
    rows = {
        (station, *_key(said)): {"station_id": station, "reported_at": at, **_row(said)}
        for station, at, variables in told
        for said in variables
    }
    if not rows:
        return
    names = ", ".join(column.name for column in tables.variables.columns)
    await connection.execute(
        text(f"""
            INSERT INTO ocpp.variables AS known ({names})
            SELECT {names} FROM jsonb_populate_recordset(NULL::ocpp.variables, CAST(:given AS jsonb))
            ON CONFLICT ON CONSTRAINT variables_pkey DO UPDATE
            SET value = excluded.value, reported_at = greatest(known.reported_at, excluded.reported_at)
        """),
        {"given": _encode([rows[key] for key in sorted(rows)]).decode()},
    )


async def variables_of(connection: AsyncConnection, station_id: str) -> list[ReportedVariable]:
    """The device model of a station as far as it was reported, by component and variable."""
    columns = tables.variables.c
    chosen = [columns[name] for name in ReportedVariable.__struct_fields__]
    found = await connection.execute(
        select(*chosen).where(columns.station_id == station_id).order_by(*chosen[:7]).limit(LIMIT_MAX)
    )
    return [ReportedVariable(*row) for row in found]


def _key(said: ReportedVariable) -> tuple[str, str, int, int, str, str, str]:
    component = said.component, said.component_instance, said.evse, said.connector
    return *component, said.variable, said.variable_instance, said.attribute


def _row(said: ReportedVariable) -> dict[str, object]:
    return {name: getattr(said, name) for name in ReportedVariable.__struct_fields__}
