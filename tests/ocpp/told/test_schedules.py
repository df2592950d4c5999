"""K12 to K17: vehicles get schedules within every limit that is known, and new ones when a limit changes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import (
    ChargingNeeds,
    IdToken,
    NeedsStatus,
    Phase,
    Sample,
    StopReason,
    TransactionEvent,
    Verbatim,
)
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part, check, validator
from wattbook.ocpp.wire.versions import VERSIONS as SPOKEN
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import MODELS, Vehicle

KWH = 1_000_000
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
IN_2_X = pytest.mark.parametrize("version", VERSIONS[1:])
ACCEPTED = {"status": "Accepted"}


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


def puppet() -> Puppet:
    return Puppet(
        answers={"SetChargingProfile": lambda _: dict(ACCEPTED), "ClearChargingProfile": lambda _: dict(ACCEPTED)}
    )


async def begin(place: Deployment, station: Station, evse: int = 1, ago: timedelta = HOUR) -> None:
    """Begun then, and heard of now."""
    token = IdToken(place.estate.token(0))
    for seq_no, (phase, at) in enumerate(((Phase.STARTED, NOW - ago), (Phase.UPDATED, NOW))):
        samples = (Sample(at, import_mwh=KWH),)
        await station.call(TransactionEvent(phase, f"tx-{evse}", seq_no, at, "Trigger", samples, evse, 1, token))


def needs(watts: int = 11_000, departs_in: timedelta = 2 * HOUR) -> ChargingNeeds:
    departs = (NOW + departs_in).isoformat().replace("+00:00", "Z")
    told = {
        "requestedEnergyTransfer": "DC",
        "departureTime": departs,
        "dcChargingParameters": {"evMaxCurrent": 100, "evMaxVoltage": 400, "evMaxPower": watts},
    }
    return ChargingNeeds(1, "DC", said={"evseId": 1, "chargingNeeds": told})


def limited(version: str, watts: int, *, after_s: int | None = None) -> JsonObject:
    """The limit of a station, for good or from then on."""
    periods = [{"startPeriod": 0, "limit": watts}]
    if after_s is not None:
        periods = [{"startPeriod": 0, "limit": 50_000}, {"startPeriod": after_s, "limit": watts}]
    schedule = {
        "id": 1,
        "startSchedule": NOW.isoformat().replace("+00:00", "Z"),
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": periods,
    }
    profile = {
        "id": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    return {"evseId": 0, "chargingProfile": profile}


async def tell(place: Deployment, action: str, payload: JsonObject) -> None:
    request = CommandRequest(place.estate.station(0), action, payload, NOW + HOUR)
    async with place.database.transaction() as connection:
        (command,) = await submit(connection, [request], requested_by="test", now=place.clock())
    assert isinstance(command, Command), command
    await place.until(lambda: place.value("SELECT 1 FROM ocpp.commands WHERE id = :id AND state = 'answered'",
                                          id=command.id))  # fmt: skip


async def offered(place: Deployment, heard: Puppet, number: int) -> JsonObject:
    """The number-th schedule for the vehicle, as the station heard it."""

    async def found() -> list[JsonObject]:
        profiles = [each["chargingProfile"] for each in heard.of("SetChargingProfile")]
        own = [each for each in profiles if each["chargingProfilePurpose"] == "TxProfile"]
        return own[number - 1 :]

    profile: JsonObject = (await place.until(found))[0]
    return profile


def watts(profile: JsonObject) -> list[tuple[int, int]]:
    (schedule,) = profile["chargingSchedule"]
    return [(int(each["startPeriod"]), int(each["limit"])) for each in schedule["chargingSchedulePeriod"]]


@IN_2_X
async def test_k15_a_schedule_stays_within_the_limit_of_the_station(place: Deployment, version: str) -> None:
    heard = puppet()
    station = await place.connect(0, version, heard)
    await tell(place, "SetChargingProfile", limited(version, 4_000, after_s=1_800))
    await begin(place, station)
    assert (await station.call(needs())).status is NeedsStatus.ACCEPTED
    profile = await offered(place, heard, 1)
    assert (profile["chargingProfileKind"], profile["transactionId"]) == ("Relative", "tx-1")
    assert watts(profile) == [(0, 11_000), (3_600 + 1_800, 4_000)], "an hour of the transaction has passed"
    assert profile["chargingSchedule"][0]["duration"] == 3 * 3_600
    for spoken in SPOKEN[1:]:
        check(validator(spoken, "SetChargingProfile", Part.REQUEST), {"evseId": 1, "chargingProfile": profile})
    await station.close()


@IN_2_X
async def test_k17_a_limit_that_changes_while_it_charges_brings_a_new_schedule(place: Deployment, version: str) -> None:
    heard = puppet()
    station = await place.connect(0, version, heard)
    await begin(place, station)
    await station.call(needs())
    assert watts(await offered(place, heard, 1)) == [(0, 11_000)]
    await tell(place, "SetChargingProfile", limited(version, 6_000))
    assert watts(await offered(place, heard, 2)) == [(0, 6_000)]
    criteria = {"chargingProfilePurpose": "ChargingStationMaxProfile"}
    await tell(place, "ClearChargingProfile", {"chargingProfileCriteria": criteria})
    again = await offered(place, heard, 3)
    assert watts(again) == [(0, 11_000)]
    assert again["id"] == (await offered(place, heard, 1))["id"], "the later one takes the place of the former"
    await station.close()


@IN_2_X
async def test_k12_a_limit_of_somebody_else_bounds_it_until_it_is_lifted(place: Deployment, version: str) -> None:
    heard = puppet()
    station = await place.connect(0, version, heard)
    await begin(place, station)
    await station.call(needs())
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}
    limit = {"chargingLimit": {"chargingLimitSource": "EMS"}, "chargingSchedule": [schedule], "evseId": 1}
    await station.call(Verbatim("NotifyChargingLimit", limit))
    assert watts(await offered(place, heard, 2)) == [(0, 6_900)], "10 A on three phases of 230 V"
    await station.call(Verbatim("ClearedChargingLimit", {"chargingLimitSource": "EMS", "evseId": 1}))
    assert watts(await offered(place, heard, 3)) == [(0, 11_000)]
    await station.close()


@IN_2_X
async def test_the_limit_of_a_station_is_shared_by_what_charges_there(place: Deployment, version: str) -> None:
    heard = puppet()
    station = await place.connect(0, version, heard)
    await tell(place, "SetChargingProfile", limited(version, 9_000))
    await begin(place, station)
    await station.call(needs())
    assert watts(await offered(place, heard, 1)) == [(0, 9_000)]
    await begin(place, station, 2)
    await station.call(needs())
    assert watts(await offered(place, heard, 2)) == [(0, 4_500)]
    await station.close()


@IN_2_X
async def test_a_simulated_station_obeys_the_schedule_its_vehicle_was_sent(place: Deployment, version: str) -> None:
    """The scenario `smart`: in its own time, which is over, the schedule bites."""
    began = NOW - 3 * HOUR
    station = SimulatedStation(
        place.estate.station(0), ManualClock(began), [Evse(11_000)], subprotocols=[f"ocpp{version}"]
    )
    await station.connect(f"ws://127.0.0.1:{place.gateway.port}/ocpp")
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4_000}]}
    limit = {"chargingLimit": {"chargingLimitSource": "EMS"}, "chargingSchedule": [schedule], "evseId": 1}
    await station.call(Verbatim("NotifyChargingLimit", limit))
    car = Vehicle(next(each for each in MODELS if each.ac_max_w >= 11_000), 10 * MWH_PER_KWH)
    pace = Pace(MINUTE, pause_s=0.1)
    charging = asyncio.create_task(station.charge(place.estate.token(0), car, tells_needs=True, pace=pace))

    async def is_bounded() -> bool:
        return bool(await place.value("SELECT count(*) >= 3 FROM charging.meter_values WHERE power_w = 4000"))

    await place.until(is_bounded)
    await station.stop_session(1, StopReason.LOCAL)
    assert (await charging).faults == ()
    powers = [row[0] for row in await place.rows("SELECT power_w FROM charging.meter_values ORDER BY sampled_at")]
    assert max(powers[powers.index(4_000) :]) == 4_000, "from the schedule on, never more"
    await station.leave()
