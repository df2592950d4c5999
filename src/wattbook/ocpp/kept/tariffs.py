"""Block I (2.1): which tariffs stations have, as far as they agreed or told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.ocpp.kept.answered import Answered, json_text

DEFAULT = "DefaultTariff"


class KeptTariff(Struct, frozen=True):
    """`evse_no` 0: of the station; `tariff` in the words of 2.1, None when the station only named it."""

    station_id: str
    evse_no: int
    tariff_id: str
    kind: str
    tariff: Any
    told_at: datetime


async def set_default(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SetDefaultTariff: one default an EVSE; of the station it is that of every EVSE (I07)."""
    for each in answers:
        if each.accepted:
            evse, tariff = int(each.payload["evseId"]), each.payload["tariff"]
            await _forget(connection, each.station_id, evse or None, kind=DEFAULT)
            await _keep(connection, [KeptTariff(each.station_id, evse, tariff["tariffId"], DEFAULT, tariff, each.at)])


async def told(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """GetTariffs: what it names; what we gave it stays known in full."""
    for each in answers:
        asked = int(each.payload["evseId"])
        if each.answer["status"] == "NoTariff":
            await _forget(connection, each.station_id, asked or None)
        for said in each.answer.get("tariffAssignments", ()):
            places = [int(evse) for evse in said.get("evseIds", ())] or [asked]
            named = (said["tariffId"], said["tariffKind"])
            await _keep(connection, [KeptTariff(each.station_id, place, *named, None, each.at) for place in places])


async def cleared(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ClearTariffs."""
    for each in answers:
        evse = each.payload.get("evseId")
        gone = [said for said in each.answer["clearTariffsResult"] if said["status"] != "Rejected"]
        for said in gone:
            await _forget(connection, each.station_id, int(evse) if evse else None, tariff=said.get("tariffId"))


async def tariffs_of(connection: AsyncConnection, station_id: str, *, limit: int = 1_000) -> list[KeptTariff]:
    """By EVSE."""
    found = await connection.execute(
        text("""
            SELECT station_id, evse_no, tariff_id, kind, tariff, told_at FROM ocpp.tariffs
            WHERE station_id = :station ORDER BY evse_no, tariff_id LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [KeptTariff(*row) for row in found]


async def _keep(connection: AsyncConnection, tariffs: Sequence[KeptTariff]) -> None:
    await connection.execute(
        text("""
            INSERT INTO ocpp.tariffs AS known
            SELECT * FROM jsonb_populate_recordset(NULL::ocpp.tariffs, CAST(:given AS jsonb))
            ON CONFLICT (station_id, evse_no, tariff_id) DO UPDATE
            SET kind = excluded.kind, told_at = excluded.told_at, tariff = coalesce(excluded.tariff, known.tariff)
        """),
        {"given": json_text(tariffs)},
    )


async def _forget(
    connection: AsyncConnection,
    station_id: str,
    evse: int | None,
    *,
    kind: str | None = None,
    tariff: str | None = None,
) -> None:
    await connection.execute(
        text("""
            DELETE FROM ocpp.tariffs
            WHERE station_id = :station AND (CAST(:evse AS int) IS NULL OR evse_no = CAST(:evse AS int))
              AND (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
              AND (CAST(:tariff AS text) IS NULL OR tariff_id = CAST(:tariff AS text))
        """),
        {"station": station_id, "evse": evse, "kind": kind, "tariff": tariff},
    )
