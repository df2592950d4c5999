"""Block K: which charging profiles stations keep, and which schedules they said come of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import parse_rfc3339
from wattbook.ocpp.dialects.fields import whole
from wattbook.ocpp.kept.answered import Answered, evse_no, json_text
from wattbook.ocpp.wire.frames import JsonObject

_decode = msgspec.json.Decoder(float_hook=Decimal).decode

PURPOSES_OF_1_6: Final = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}


class KeptProfile(Struct, frozen=True):
    """`evse_no` 0: of the station; `purpose` in the words of 2.x, `profile` in those of the station's version."""

    station_id: str
    profile_id: int
    evse_no: int
    purpose: str
    stack_level: int
    transaction_id: str | None
    profile: Any
    set_at: datetime


class CompositeSchedule(Struct, frozen=True):
    """What a station said it will offer, as things stood; `periods` as in OCPP."""

    station_id: str
    evse_no: int
    unit: str
    starts_at: datetime
    duration_s: int
    periods: Any
    told_at: datetime


async def set_profiles(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SetChargingProfile: what was accepted, in the place of what it replaces (K01.FR.05, FR.06)."""
    await keep(connection, [read_profile(each.station_id, each.payload, each.at) for each in answers if each.accepted])


async def keep(connection: AsyncConnection, profiles: Sequence[KeptProfile]) -> None:
    """One of a purpose, stack level and place at a time; of transactions, one for each transaction."""
    for profile in profiles:
        await connection.execute(
            text("""
                DELETE FROM ocpp.charging_profiles
                WHERE station_id = :station AND (profile_id = :id
                    OR (evse_no, purpose, stack_level) = (:evse, :purpose, :level)
                       AND coalesce(transaction_id, '') = coalesce(CAST(:transaction AS text), ''))
            """),
            {
                "station": profile.station_id,
                "id": profile.profile_id,
                "evse": profile.evse_no,
                "purpose": profile.purpose,
                "level": profile.stack_level,
                "transaction": profile.transaction_id,
            },
        )
        await connection.execute(
            text("""
                INSERT INTO ocpp.charging_profiles
                SELECT * FROM jsonb_populate_record(NULL::ocpp.charging_profiles, CAST(:given AS jsonb))
            """),
            {"given": json_text(profile)},
        )


async def cleared_profiles(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ClearChargingProfile: what was asked for is gone, or was not there (K10)."""
    for each in answers:
        asked = each.payload if each.is_1_6 else each.payload.get("chargingProfileCriteria", {})
        purpose: str = asked.get("chargingProfilePurpose", "")
        await connection.execute(
            text("""
                DELETE FROM ocpp.charging_profiles
                WHERE station_id = :station
                  AND (CAST(:id AS int) IS NULL OR profile_id = CAST(:id AS int))
                  AND (CAST(:evse AS int) IS NULL OR evse_no = CAST(:evse AS int))
                  AND (CAST(:purpose AS text) IS NULL OR purpose = CAST(:purpose AS text))
                  AND (CAST(:level AS int) IS NULL OR stack_level = CAST(:level AS int))
            """),
            {
                "station": each.station_id,
                "id": each.payload.get("id" if each.is_1_6 else "chargingProfileId"),
                "evse": evse_no(asked) if {"connectorId", "evseId"} & set(asked) else None,
                "purpose": PURPOSES_OF_1_6.get(purpose, purpose) or None,
                "level": asked.get("stackLevel"),
            },
        )


async def told_schedules(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """GetCompositeSchedule (K08)."""
    rows = [row for each in answers if each.accepted and (row := _composite(each)) is not None]
    latest = {(row.station_id, row.evse_no): row for row in rows}
    if latest:
        await connection.execute(
            text("""
                INSERT INTO ocpp.composite_schedules
                SELECT * FROM jsonb_populate_recordset(NULL::ocpp.composite_schedules, CAST(:given AS jsonb))
                ON CONFLICT (station_id, evse_no) DO UPDATE
                SET unit = excluded.unit, starts_at = excluded.starts_at, duration_s = excluded.duration_s,
                    periods = excluded.periods, told_at = excluded.told_at
            """),
            {"given": json_text([latest[key] for key in sorted(latest)])},
        )


def _composite(answered: Answered) -> CompositeSchedule | None:
    said = answered.answer
    schedule = said.get("chargingSchedule" if answered.is_1_6 else "schedule")
    if schedule is None:
        return None
    starts = said.get("scheduleStart") if answered.is_1_6 else schedule["scheduleStart"]
    place = said.get("connectorId", evse_no(answered.payload)) if answered.is_1_6 else schedule["evseId"]
    return CompositeSchedule(
        answered.station_id,
        int(place),
        schedule["chargingRateUnit"],
        answered.at if starts is None else parse_rfc3339(starts),
        int(schedule.get("duration", answered.payload["duration"])),
        schedule["chargingSchedulePeriod"],
        answered.at,
    )


def read_profile(station_id: str, payload: JsonObject, at: datetime) -> KeptProfile:
    """Of SetChargingProfile in any version, or of one profile that a station reports.

    Raises:
        InvalidInput: a number that is none of a profile.
    """
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    transaction_id, purpose = profile.get("transactionId"), profile["chargingProfilePurpose"]
    return KeptProfile(
        station_id,
        whole(profile, "chargingProfileId" if "chargingProfileId" in profile else "id"),
        evse_no(payload),
        PURPOSES_OF_1_6.get(purpose, purpose),
        whole(profile, "stackLevel"),
        None if transaction_id is None else str(transaction_id),
        profile,
        at,
    )


def exact(json: bytes | str) -> Any:
    """A JSON value with exact numbers."""
    return _decode(json)


async def reported(connection: AsyncConnection, station_id: str, payload: JsonObject, at: datetime) -> None:
    """ReportChargingProfiles: those of other systems at the station (its owner's, the grid's) are kept too."""
    place = {"evseId": payload["evseId"]}
    said = [read_profile(station_id, place | {"chargingProfile": each}, at) for each in payload["chargingProfile"]]
    await keep(connection, said)


async def profiles_of(connection: AsyncConnection, station_id: str, *, limit: int = 1_000) -> list[KeptProfile]:
    """By place and stack level."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(kept)::text FROM ocpp.charging_profiles AS kept
            WHERE station_id = :station ORDER BY evse_no, purpose, stack_level, profile_id LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [msgspec.json.decode(row, type=KeptProfile) for row in found.scalars()]


async def schedules_of(connection: AsyncConnection, station_id: str, *, limit: int = 1_000) -> list[CompositeSchedule]:
    """By place."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(kept)::text FROM ocpp.composite_schedules AS kept
            WHERE station_id = :station ORDER BY evse_no LIMIT :limit
        """),
        {"station": station_id, "limit": limit},
    )
    return [msgspec.json.decode(row, type=CompositeSchedule) for row in found.scalars()]
