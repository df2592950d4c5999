"""Block K: schedules for vehicles that tell what they need (K15, K16), and new ones when a limit changes (K17).

A vehicle is offered all it takes until it wants to leave, within every limit that is known of its station: of the whole
station, of the grid's or the owner's system as the station told of it, and of the outlet by default. The limits of a
station are shared equally by what charges there.

A schedule is relative to the beginning of its transaction, and how much of it has passed is counted by the station's
clock, so that it holds at once whatever the difference of the clocks.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.counting import Key, heard_of
from wattbook.charging.open_sessions import open_places
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.journal.notices import Notice
from wattbook.ocpp.kept import profiles
from wattbook.ocpp.kept.answered import Answered
from wattbook.ocpp.kept.charging_limits import SECOND, ChargingProfile, ChargingProfiles, Purpose, read_profile
from wattbook.ocpp.kept.profiles import KeptProfile
from wattbook.ocpp.messages import ChargingNeeds
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.versions import V201

PROFILE_WITHIN: Final = timedelta(seconds=60)
"""K15.FR.04: a station that has waited so long lets the vehicle charge without."""

DURATION_MAX: Final = timedelta(days=1)
STACK_LEVEL: Final = 0
PERIODS_MAX: Final = 100
REQUESTED_BY: Final = "smart-charging"
EXTERNAL: Final = "ChargingStationExternalConstraints"
ABOVE_ALL: Final = 10**6

_read_needs = DIALECTS[V201.subprotocol].by_action["NotifyEVChargingNeeds"].exchange.read_request


class Running(Struct, frozen=True):
    """A transaction that runs, by the station's clock: since when, and when it was heard of last.

    `sharing`: how many run at its station.
    """

    station_id: str
    evse_no: int
    transaction_id: str
    started_at: datetime
    newest_at: datetime
    sharing: int


async def running(
    connection: AsyncConnection, stations: Sequence[str], *, evses: Sequence[int] | None = None
) -> dict[tuple[str, int], Running]:
    """By (station, EVSE), the newest there, should an end have been lost; of all EVSEs or of one each station."""
    found = await connection.execute(
        text("""
            SELECT DISTINCT ON (station_id, evse_no) station_id, evse_no, transaction_id,
                   coalesce(started_at, newest_at), newest_at,
                   (SELECT count(DISTINCT evse_no) FROM ocpp.transactions AS other
                    WHERE other.station_id = known.station_id AND other.ended_at IS NULL AND other.evse_no > 0)
            FROM ocpp.transactions AS known
            WHERE station_id = ANY(CAST(:stations AS text[])) AND evse_no > 0 AND ended_at IS NULL
            ORDER BY station_id, evse_no, newest_at DESC
        """),
        {"stations": sorted(set(stations))},
    )
    each = [Running(*row) for row in found]
    heard = await heard_of(connection, [(running.station_id, running.transaction_id) for running in each])
    rows = {(running.station_id, running.evse_no): _as_heard(running, heard) for running in each}
    if evses is None:
        return rows
    return {place: rows[place] for place in zip(stations, evses, strict=True) if place in rows}


def _as_heard(running: Running, heard: Mapping[Key, tuple[str, datetime]]) -> Running:
    """Of what goes on as expected, only the session is told."""
    counted = heard.get((running.station_id, running.transaction_id))
    return running if counted is None else structs.replace(running, newest_at=max(running.newest_at, counted[1]))


async def offer(
    connection: AsyncConnection, wanted: Sequence[tuple[Running, ChargingNeeds]], now: datetime
) -> list[bool]:
    """Send a schedule for each of these; whether it was accepted for sending."""
    if not wanted:
        return []
    limits = await _limits(connection, [each.station_id for each, _ in wanted])
    requests = [
        CommandRequest(
            each.station_id,
            "SetChargingProfile",
            schedule(each, needs, limits.get(each.station_id, ()), now),
            now + PROFILE_WITHIN,
        )
        for each, needs in wanted
    ]
    outcomes = await submit(connection, requests, requested_by=REQUESTED_BY, now=now)
    return [isinstance(outcome, Command) for outcome in outcomes]


def schedule(running: Running, needs: ChargingNeeds, limits: Sequence[ChargingProfile], now: datetime) -> JsonObject:
    """The payload of SetChargingProfile.

    A later profile of the same transaction has the same id and so takes the place of the one before (K01).
    """
    assert needs.power_max_w is not None, "nothing can be offered to a vehicle that does not say what it takes"
    known = ChargingProfiles()
    for each in limits:
        known.put(each)
    leaves_in = None if needs.departs_at is None else needs.departs_at - now
    is_told = leaves_in is not None and timedelta(0) < leaves_in <= DURATION_MAX
    lasting = leaves_in if is_told and leaves_in is not None else DURATION_MAX
    passed_s = max(0, (running.newest_at - running.started_at) // SECOND)
    periods = known.composite(running.evse_no, now, lasting, needs.power_max_w, sharing=running.sharing)[:PERIODS_MAX]
    said: JsonObject = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [
            # The first one has passed in part: a schedule begins with 0.
            {"startPeriod": passed_s + start_s if start_s else 0, "limit": power_w}
            for start_s, power_w in periods
        ],
    }
    if is_told:
        said["duration"] = passed_s + lasting // SECOND
    return {
        "evseId": running.evse_no,
        "chargingProfile": {
            "id": profile_id(running.transaction_id),
            "stackLevel": STACK_LEVEL,
            "chargingProfilePurpose": Purpose.TX.value,
            "chargingProfileKind": "Relative",
            "transactionId": running.transaction_id,
            "chargingSchedule": [said],
        },
    }


def profile_id(transaction_id: str) -> int:
    return zlib.crc32(transaction_id.encode()) & 0x7FFFFFFF


async def renegotiate(connection: AsyncConnection, stations: Sequence[str], now: datetime) -> None:
    """K17: a limit of these stations has changed; what runs there and told its needs gets a new schedule."""
    places = await running(connection, stations)
    if not places:
        return
    needs = await _latest_needs(connection, sorted({station for station, _ in places}))
    wanted = [(each, needs[place]) for place, each in places.items() if place in needs]
    await offer(connection, [(each, said) for each, said in wanted if said.power_max_w is not None], now)


async def _latest_needs(connection: AsyncConnection, stations: Sequence[str]) -> dict[tuple[str, int], ChargingNeeds]:
    """By (station, EVSE), what the vehicle there told since its session began, by our clock."""
    begun = await open_places(connection, stations)
    found = await connection.execute(
        text("""
            SELECT DISTINCT ON (station_id, evse_no) station_id, evse_no, payload::text
            FROM unnest(CAST(:stations AS text[]), CAST(:evses AS int[]), CAST(:begun AS timestamptz[]))
                AS place(station, evse_no, begun_at)
            JOIN ocpp.notices ON station_id = place.station AND action = 'NotifyEVChargingNeeds'
             AND (payload->>'evseId')::numeric = place.evse_no AND received_at >= place.begun_at
            ORDER BY station_id, evse_no, id DESC
        """),
        {
            "stations": [station for station, _ in begun],
            "evses": [evse for _, evse in begun],
            "begun": list(begun.values()),
        },
    )
    return {(row[0], row[1]): _read_needs(profiles.exact(row[2])) for row in found}


async def _limits(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, list[ChargingProfile]]:
    """By station, every profile that is no transaction's own, as far as it can be read."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(kept)::text FROM ocpp.charging_profiles AS kept
            WHERE station_id = ANY(CAST(:stations AS text[])) AND purpose <> 'TxProfile'
            ORDER BY station_id, profile_id
        """),
        {"stations": sorted(set(stations))},
    )
    kept = [msgspec.json.decode(row, type=KeptProfile) for row in found.scalars()]
    return {
        station: [profile for each in group if (profile := _limit(each)) is not None]
        for station, group in groupby(kept, key=lambda each: each.station_id)
    }


def _limit(kept: KeptProfile) -> ChargingProfile | None:
    try:
        said = profiles.exact(msgspec.json.encode(kept.profile))
        profile = read_profile({"evseId": kept.evse_no, "chargingProfile": said})
    except (InvalidInput, KeyError):
        return None
    if kept.purpose == EXTERNAL and kept.evse_no:
        # Somebody else's limit of one outlet goes before every default of that outlet.
        return _above_all(profile)
    return profile


def _above_all(profile: ChargingProfile) -> ChargingProfile:
    return replace(profile, purpose=Purpose.TX_DEFAULT, stack_level=ABOVE_ALL)


# What changes limits


async def set_profiles(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """SetChargingProfile: keep it, and renegotiate when it was no transaction's own."""
    await profiles.set_profiles(connection, answers)
    changed = [each for each in answers if each.accepted and not _is_of_transaction(each.payload)]
    await _renegotiate_after(connection, changed)


async def cleared_profiles(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    """ClearChargingProfile: the same."""
    await profiles.cleared_profiles(connection, answers)
    await _renegotiate_after(connection, [each for each in answers if each.accepted])


async def external_limit(connection: AsyncConnection, notice: Notice) -> None:
    """NotifyChargingLimit (K12): somebody else limits the station or an outlet; how, only a schedule says."""
    said = notice.payload
    schedules = said.get("chargingSchedule")
    if not schedules:
        return
    evse = int(said.get("evseId", 0))
    profile = {
        "id": _external_id(evse),
        "stackLevel": 0,
        "chargingProfilePurpose": EXTERNAL,
        "chargingProfileKind": "Absolute" if "startSchedule" in schedules[0] else "Relative",
        "chargingSchedule": schedules,
    }
    payload = {"evseId": evse, "chargingProfile": profile}
    await profiles.keep(connection, [profiles.read_profile(notice.station_id, payload, notice.received_at)])
    await renegotiate(connection, [notice.station_id], notice.received_at)


async def external_limit_cleared(connection: AsyncConnection, notice: Notice) -> None:
    """ClearedChargingLimit (K13)."""
    evse = int(notice.payload.get("evseId", 0))
    await connection.execute(
        text("DELETE FROM ocpp.charging_profiles WHERE station_id = :station AND profile_id = :id"),
        {"station": notice.station_id, "id": _external_id(evse)},
    )
    await renegotiate(connection, [notice.station_id], notice.received_at)


def _external_id(evse: int) -> int:
    """Beside the ids of stations, which count from 0."""
    return -1 - evse


def _is_of_transaction(payload: Mapping[str, Any]) -> bool:
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    return bool(profile["chargingProfilePurpose"] == Purpose.TX.value)


async def _renegotiate_after(connection: AsyncConnection, answers: Sequence[Answered]) -> None:
    if answers:
        await renegotiate(connection, [each.station_id for each in answers], answers[-1].at)
