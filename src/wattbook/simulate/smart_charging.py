"""What a station does about charging profiles when it is told to (OCPP 1.6, 5.7, 5.10, 5.16; 2.0.1 Part 2, K).

The versions name the fields of these messages differently and mean the same.
"""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, Protocol

from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.dialects.fields import write_time
from wattbook.ocpp.kept.charging_limits import (
    PHASES,
    VOLTS,
    ChargingProfile,
    ChargingProfiles,
    Purpose,
    place_of,
    read_profile,
)
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Session

TENTH: Final = Decimal("0.1")
"""Limits have one decimal (1.6, 7.14)."""


class Charges(Protocol):
    """What of a station is asked here."""

    @property
    def clock(self) -> Clock: ...

    @property
    def profiles(self) -> ChargingProfiles: ...

    @property
    def evses(self) -> dict[int, Evse]: ...

    def session(self, evse: int) -> Session | None: ...


async def set_profile(station: Charges, payload: JsonObject) -> JsonObject:
    try:
        profile = read_profile(payload)
    except InvalidInput:
        return {"status": "Rejected"}
    if not _fits(station, profile):
        return {"status": "Rejected"}
    station.profiles.put(profile)
    return {"status": "Accepted"}


def _fits(station: Charges, profile: ChargingProfile) -> bool:
    """A station's limit is of the station, a transaction's of one that runs; the default may be of either."""
    if profile.evse and profile.evse not in station.evses:
        return False
    if profile.purpose is Purpose.TX:
        session = station.session(profile.evse)
        return session is not None and profile.transaction_id in (None, session.transaction_id)
    return profile.purpose is Purpose.TX_DEFAULT or profile.evse == 0


async def clear_profile(station: Charges, payload: JsonObject) -> JsonObject:
    asked = payload.get("chargingProfileCriteria", payload)
    cleared = station.profiles.clear(
        payload.get("chargingProfileId", payload.get("id")),
        asked.get("connectorId", asked.get("evseId")),
        asked.get("chargingProfilePurpose"),
        asked.get("stackLevel"),
    )
    return {"status": "Accepted" if cleared else "Unknown"}


async def composite_schedule(station: Charges, payload: JsonObject) -> JsonObject:
    number = place_of(payload)
    if number and number not in station.evses:
        return {"status": "Rejected"}
    outlets = [station.evses[number]] if number else station.evses.values()
    session = station.session(number)
    periods = station.profiles.composite(
        number,
        now := station.clock(),
        timedelta(seconds=payload["duration"]),
        sum(evse.max_w for evse in outlets),
        None if session is None else session.transaction_id,
    )
    return _written(payload, now, periods)


def _written(payload: JsonObject, now: datetime, periods: list[tuple[int, int]]) -> JsonObject:
    unit = payload.get("chargingRateUnit", "W")
    schedule = {
        "duration": payload["duration"],
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start_s, "limit": _in(unit, power_w)} for start_s, power_w in periods
        ],
    }
    if "connectorId" in payload:
        place = {"connectorId": payload["connectorId"], "scheduleStart": write_time(now)}
        return {"status": "Accepted", "chargingSchedule": schedule, **place}
    return {
        "status": "Accepted",
        "schedule": {**schedule, "evseId": payload["evseId"], "scheduleStart": write_time(now)},
    }


def _in(unit: str, power_w: int) -> Decimal | int:
    return power_w if unit == "W" else (Decimal(power_w) / (VOLTS * PHASES)).quantize(TENTH, ROUND_DOWN)
