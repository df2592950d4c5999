"""Which limit holds at an outlet at a moment (block K), and what a station does and says about it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulate.conftest import GOOD, NOW, Central
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.ocpp import messages as m
from wattbook.ocpp.kept.charging_limits import ChargingProfile, ChargingProfiles, Limit, Period, Purpose
from wattbook.ocpp.wire.errors import ErrorCode, PeerRefused
from wattbook.ocpp.wire.versions import VERSIONS
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import Vehicle, VehicleModel

CAR = Vehicle(VehicleModel("car", 50 * MWH_PER_KWH, 22_000, 100_000), 0)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGAN = NOW - DAY


def profile(id: int, purpose: Purpose, *periods: tuple[int, int], evse: int = 1, **more: Any) -> ChargingProfile:
    more.setdefault("stack_level", 0)
    return ChargingProfile(id, evse, purpose, periods=tuple(Period(*period) for period in periods), **more)


def limits(*profiles: ChargingProfile) -> ChargingProfiles:
    shelf = ChargingProfiles()
    for each in profiles:
        shelf.put(each)
    return shelf


def at(shelf: ChargingProfiles, after: timedelta, *, sharing: int = 1) -> Limit:
    return shelf.limit(1, BEGAN + after, BEGAN, "1", sharing=sharing)


def test_periods_follow_each_other_from_the_begin_of_the_transaction() -> None:
    shelf = limits(profile(1, Purpose.TX, (0, 11_000), (600, 3_000)))
    assert at(shelf, MINUTE) == Limit(11_000, BEGAN + 10 * MINUTE)
    assert at(shelf, 10 * MINUTE) == Limit(3_000, None)


def test_a_schedule_ends_and_one_that_recurs_begins_again() -> None:
    daily = profile(1, Purpose.TX_DEFAULT, (0, 5_000), starts_at=BEGAN - 9 * DAY, repeats_after=DAY, lasting=HOUR)
    assert at(limits(daily), MINUTE) == Limit(5_000, BEGAN + HOUR)
    assert at(limits(daily), HOUR) == Limit(None, BEGAN + DAY)


def test_a_profile_that_is_not_valid_yet_says_nothing_until_it_is() -> None:
    shelf = limits(profile(1, Purpose.TX, (0, 5_000), valid_from=BEGAN + HOUR, valid_to=BEGAN + 2 * HOUR))
    assert at(shelf, MINUTE) == Limit(None, BEGAN + HOUR)
    assert at(shelf, HOUR) == Limit(5_000, BEGAN + 2 * HOUR)
    assert at(shelf, 2 * HOUR) == Limit(None, None)


def test_the_highest_stack_level_counts_and_the_transactions_own_stands_for_the_default() -> None:
    low = profile(1, Purpose.TX_DEFAULT, (0, 1_000), evse=0)
    high = profile(2, Purpose.TX_DEFAULT, (0, 2_000), stack_level=5, lasting=HOUR)
    assert at(limits(low, high), MINUTE).power_w == 2_000
    assert at(limits(low, high), HOUR).power_w == 1_000
    own = profile(3, Purpose.TX, (0, 9_000), transaction_id="1")
    assert at(limits(low, high, own), MINUTE).power_w == 9_000
    another = profile(3, Purpose.TX, (0, 9_000), transaction_id="2")
    assert at(limits(low, high, another), MINUTE).power_w == 2_000


def test_the_limit_of_the_station_bounds_everything_and_is_shared() -> None:
    shelf = limits(profile(1, Purpose.STATION, (0, 10_000), evse=0), profile(2, Purpose.TX, (0, 9_000)))
    assert at(shelf, MINUTE).power_w == 9_000
    assert at(shelf, MINUTE, sharing=2).power_w == 5_000


def test_a_profile_takes_the_place_of_the_one_before_and_a_transactions_ends_with_it() -> None:
    shelf = limits(profile(1, Purpose.TX, (0, 1)), profile(1, Purpose.TX, (0, 2)), profile(2, Purpose.TX, (0, 3)))
    assert len(shelf) == 1
    shelf.end_transaction(1)
    assert len(shelf) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(Purpose), st.integers(0, 7_200), st.integers(0, 50_000)),
        max_size=6,
    ),
    st.integers(0, 7_200),
)
def test_a_composite_schedule_says_what_holds_at_every_moment(
    rows: list[tuple[int, Purpose, int, int]], after_s: int
) -> None:
    shelf = limits(
        *(
            profile(n, purpose, (0, watts), (start_s, 7), evse=int(purpose is not Purpose.STATION), stack_level=level)
            for n, (level, purpose, start_s, watts) in enumerate(rows)
        )
    )
    schedule = shelf.composite(1, BEGAN, 2 * HOUR + MINUTE, 22_000, "1")
    told = [power_w for start_s, power_w in schedule if start_s <= after_s][-1]
    limit = at(shelf, timedelta(seconds=after_s)).power_w
    assert told == (22_000 if limit is None else min(limit, 22_000))
    assert [start for start, _ in schedule] == sorted({start for start, _ in schedule})


# A station that obeys


@pytest.fixture(params=[version.subprotocol for version in VERSIONS])
async def station(
    request: pytest.FixtureRequest, central: Central, clock: ManualClock
) -> AsyncIterator[SimulatedStation]:
    simulated = SimulatedStation("SIM-1", clock, [Evse(22_000), Evse(22_000)], subprotocols=[request.param])
    await simulated.connect(central.url)
    yield simulated
    await simulated.leave()


async def tell(central: Central, action: str, payload: dict[str, Any]) -> Any:
    return (await central.tell("SIM-1", m.Verbatim(action, payload))).payload


def set_profile(
    station: SimulatedStation, purpose: str, limit: object, *, evse: int = 0, unit: str = "W"
) -> dict[str, Any]:
    """As the station's version has it: from `NOW - 1 day` on, and an hour later without a limit to speak of."""
    starts_at = "2026-09-30T12:00:00Z"
    periods = [{"startPeriod": 0, "limit": limit}, {"startPeriod": 3600, "limit": 22_000}]
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods, "startSchedule": starts_at}
    profile = {"stackLevel": 1, "chargingProfileKind": "Absolute"}
    if station.line.version == "1.6":
        purpose = purpose.replace("ChargingStation", "ChargePoint")
        profile |= {"chargingProfileId": 7, "chargingSchedule": schedule, "chargingProfilePurpose": purpose}
        return {"connectorId": evse, "csChargingProfiles": profile}
    profile |= {"id": 7, "chargingSchedule": [schedule | {"id": 1}], "chargingProfilePurpose": purpose}
    return {"evseId": evse, "chargingProfile": profile}


async def test_a_station_charges_within_its_limit_and_says_so(central: Central, station: SimulatedStation) -> None:
    asked = set_profile(station, "ChargingStationMaxProfile", 6_000)
    assert await tell(central, "SetChargingProfile", asked) == {"status": "Accepted"}
    outcome = await station.charge(GOOD, CAR, lasting=90 * MINUTE)
    assert outcome.import_mwh == (6 + 11) * MWH_PER_KWH, "an hour within the limit, half an hour at full power"
    said = [message.samples for message in central.said(m.MeterValues)]
    said += [event.samples for event in central.said(m.TransactionEvent) if event.phase is m.Phase.UPDATED]
    assert [sample.import_w for samples in said for sample in samples][1:61] == [Decimal(6_000)] * 60


async def test_a_limit_in_amperes_holds_for_each_phase(central: Central, station: SimulatedStation) -> None:
    await tell(central, "SetChargingProfile", set_profile(station, "TxDefaultProfile", 10, evse=1, unit="A"))
    outcome = await station.charge(GOOD, CAR, lasting=HOUR)
    assert outcome.import_mwh == 6_900_000, "10 A × 230 V × 3"
    assert (await station.charge(GOOD, CAR, evse=2, lasting=6 * MINUTE)).import_mwh == 2_200_000


async def test_a_session_that_is_held_back_waits_for_its_power(central: Central, station: SimulatedStation) -> None:
    await tell(central, "SetChargingProfile", set_profile(station, "ChargingStationMaxProfile", 0))
    outcome = await station.charge(GOOD, CAR, energy_mwh=22 * MWH_PER_KWH)
    assert outcome.ended_at - outcome.started_at == 2 * HOUR
    if station.line.version == "1.6":
        assert m.ConnectorStatus.SUSPENDED_EVSE in [said.status for said in central.said(m.StatusNotification)]


async def test_a_transactions_profile_needs_its_transaction(central: Central, station: SimulatedStation) -> None:
    asked = set_profile(station, "TxProfile", 6_000, evse=1)
    asked.get("chargingProfile", {})["transactionId"] = "unheard"
    assert (await tell(central, "SetChargingProfile", asked))["status"] == "Rejected"
    everywhere = set_profile(station, "ChargingStationMaxProfile", 6_000, evse=1)
    assert (await tell(central, "SetChargingProfile", everywhere))["status"] == "Rejected"


async def test_a_limit_that_comes_while_a_car_charges_holds_from_then_on(
    central: Central, station: SimulatedStation
) -> None:
    charging = asyncio.create_task(station.charge(GOOD, CAR, lasting=HOUR, pace=Pace(MINUTE, pause_s=0.01)))
    await central.hears(m.MeterValues if station.line.version == "1.6" else m.TransactionEvent, 5)
    await tell(central, "SetChargingProfile", set_profile(station, "ChargingStationMaxProfile", 1_000))
    assert MWH_PER_KWH < (await charging).import_mwh < 22 * MWH_PER_KWH


async def test_what_was_set_is_told_and_taken_away_again(central: Central, station: SimulatedStation) -> None:
    await tell(central, "SetChargingProfile", set_profile(station, "ChargingStationMaxProfile", 6_900))
    place = "connectorId" if station.line.version == "1.6" else "evseId"
    answer = await tell(central, "GetCompositeSchedule", {place: 1, "duration": 7200, "chargingRateUnit": "A"})
    assert answer["status"] == "Accepted"
    schedule = answer["chargingSchedule"] if place == "connectorId" else answer["schedule"]
    periods = [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]]
    assert periods == [(0, Decimal(10)), (3600, Decimal("31.8"))]
    assert (await tell(central, "GetCompositeSchedule", {place: 9, "duration": 60}))["status"] == "Rejected"
    which = {"id": 7} if place == "connectorId" else {"chargingProfileId": 7}
    answers = [(await tell(central, "ClearChargingProfile", which))["status"] for _ in range(2)]
    assert answers == ["Accepted", "Unknown"]


async def test_what_a_station_does_not_know_it_says(central: Central, station: SimulatedStation) -> None:
    with pytest.raises(PeerRefused) as refused:
        await tell(central, "GetLocalListVersion", {})
    assert refused.value.rpc_code is ErrorCode.NOT_SUPPORTED


async def test_settings_are_read_and_changed(central: Central, station: SimulatedStation) -> None:
    """B05, B06; 1.6 has keys for them."""
    if station.line.version == "1.6":
        return
    heartbeat = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    unknown = {"component": {"name": "Moon"}, "variable": {"name": "Phase"}}
    phase = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "Phase"}}
    (got, *others) = (await tell(central, "GetVariables", {"getVariableData": [heartbeat, unknown, phase]}))[
        "getVariableResult"
    ]
    assert (got["attributeStatus"], got["attributeValue"]) == ("Accepted", "300")
    assert [other["attributeStatus"] for other in others] == ["UnknownComponent", "UnknownVariable"]
    asked = [heartbeat | {"attributeValue": value} for value in ("60", "often")]
    results = (await tell(central, "SetVariables", {"setVariableData": asked}))["setVariableResult"]
    assert [result["attributeStatus"] for result in results] == ["Accepted", "Rejected"]
    assert station.heartbeat_s == 60


async def test_what_is_triggered_is_said(central: Central, station: SimulatedStation) -> None:
    """1.6, 5.17; F06."""
    answers = [
        (await tell(central, "TriggerMessage", {"requestedMessage": message}))["status"]
        for message in ("BootNotification", "Heartbeat", "StatusNotification", "FirmwareStatusNotification")
    ]
    assert answers == ["Accepted", "Accepted", "Accepted", "NotImplemented"]
    await central.hears(m.BootNotification, 2)
    await central.hears(m.Heartbeat, 1)
    await central.hears(m.StatusNotification, 3 + 2)
    place = {"connectorId": 9} if station.line.version == "1.6" else {"evse": {"id": 9}}
    asked = {"requestedMessage": "StatusNotification", **place}
    assert (await tell(central, "TriggerMessage", asked))["status"] == "Rejected"


def test_the_clock_of_these_tests_is_the_one_of_the_schedule() -> None:
    assert datetime(2026, 9, 30, 12, tzinfo=BEGAN.tzinfo) == BEGAN
