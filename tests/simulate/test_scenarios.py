"""Every scenario in every version, against the gateway with its database: what the meter counted is what is booked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.charging.events import SessionView
from wattbook.charging.views import orphans, sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import StopReason
from wattbook.ocpp.transactions.event_log import missing_events
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.versions import VERSIONS
from wattbook.simulate.estate import Estate, furnish
from wattbook.simulate.evses import Evse, Meter
from wattbook.simulate.fleet import FleetPlan, FleetReport, run_fleet
from wattbook.simulate.network import Network, Outage
from wattbook.simulate.scenarios import SCENARIOS
from wattbook.simulate.sessions import Outcome, Pace
from wattbook.simulate.smart_charging import set_profile
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import Vehicle, VehicleModel

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = system_clock().replace(microsecond=0)
BEGAN = NOW - 3 * HOUR
CAR = Vehicle(VehicleModel("car", 50 * MWH_PER_KWH, 11_000, 100_000, feed_in_max_w=11_000), 20 * MWH_PER_KWH)
ANY_VERSION = pytest.mark.parametrize("version", [version.name for version in VERSIONS])


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 4)


@pytest.fixture
async def gateway(database: Database, estate: Estate) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300)
    await running.open("127.0.0.1", 0)
    yield running
    await running.close()


def url(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/ocpp"


def station_of(estate: Estate, version: str, network: Network | None = None) -> SimulatedStation:
    outlet = Evse(11_000, feed_in_max_w=11_000, meter=Meter(5_000_000, 3_000_000))
    return SimulatedStation(
        estate.station(0), ManualClock(BEGAN), [outlet], subprotocols=[f"ocpp{version}"], network=network
    )


async def booked(database: Database) -> list[SessionView]:
    async with database.snapshot() as connection:
        return await sessions_between(connection, NOW - DAY, NOW)


async def drawn_mwh(database: Database, estate: Estate) -> int:
    account = Account(estate.customer(0), "consumption", ENERGY)
    async with database.snapshot() as connection:
        return (await balances(connection, [account]))[account].posted


async def kept(database: Database, query: str) -> Any:
    async with database.snapshot() as connection:
        return (await connection.execute(text(query))).scalar_one()


# Offline


async def charge_through(
    gateway: Gateway, estate: Estate, version: str, since: timedelta, until: timedelta
) -> tuple[SimulatedStation, Outcome]:
    """An hour's session, while the network is away from one time to the other, counted from its begin."""
    network = Network(Random(version), [Outage(BEGAN + since, BEGAN + until)])
    station = station_of(estate, version)
    await station.connect(url(gateway))
    station.line.network = network
    outcome = await station.charge(estate.token(0), CAR, lasting=HOUR)
    await station.line.come_back()
    return station, outcome


@ANY_VERSION
@pytest.mark.parametrize(
    ("since", "until"),
    [
        pytest.param(20 * MINUTE, 40 * MINUTE, id="in-the-middle"),
        pytest.param(timedelta(0), 20 * MINUTE, id="at-the-begin"),
        pytest.param(40 * MINUTE, 80 * MINUTE, id="at-the-end"),
        pytest.param(timedelta(0), 80 * MINUTE, id="all-the-time"),
    ],
)
async def test_what_was_not_heard_is_said_later_and_booked_once(
    database: Database, gateway: Gateway, estate: Estate, version: str, since: timedelta, until: timedelta
) -> None:
    """1.6, 3.7; E04, E11, E12: in order, with the same content, and the energy is complete."""
    station, outcome = await charge_through(gateway, estate, version, since, until)
    assert (outcome.refusal, outcome.faults, station.line.outbox.take_dropped()) == (None, (), ())
    assert outcome.import_mwh == 11 * MWH_PER_KWH == station.evse(1).meter.shown_import_mwh - 5_000_000
    (session,) = await booked(database)
    assert (session.state, session.import_mwh) == ("completed", outcome.import_mwh)
    assert (session.started_at, session.ended_at) == (BEGAN, BEGAN + HOUR)
    assert await drawn_mwh(database, estate) == outcome.import_mwh
    samples = await kept(database, "SELECT count(DISTINCT sampled_at) FROM charging.meter_values")
    assert samples == outcome.samples + 1, "each minute is there, and the stop"
    async with database.snapshot() as connection:
        assert await orphans(connection, NOW - DAY) == []
    assert (await prove(database)).holds
    await station.leave()


@ANY_VERSION
async def test_an_answer_that_was_lost_with_the_connection_is_asked_for_again(
    database: Database, gateway: Gateway, estate: Estate, version: str
) -> None:
    """R25: what was processed and not answered is said again, and booked once."""
    cuts = 0

    def cut_now_and_then(frame: bytes) -> bytes:
        """After the frame has left."""
        nonlocal cuts
        if b"MeterValue" in frame and station.tally.sent % 7 == 0:
            cuts += 1
            asyncio.get_running_loop().call_soon(station.cut)
        return frame

    station = SimulatedStation(
        estate.station(0),
        ManualClock(BEGAN),
        [Evse(11_000)],
        subprotocols=[f"ocpp{version}"],
        network=Network(Random(0)),
        rewrite=cut_now_and_then,
    )
    await station.connect(url(gateway))
    outcome = await station.charge(estate.token(0), CAR, lasting=HOUR)
    await station.line.come_back()
    await station.leave()
    assert station.tally.errors == cuts > 3
    assert (outcome.refusal, outcome.faults) == (None, ())
    (session,) = await booked(database)
    assert (session.state, session.import_mwh) == ("completed", 11 * MWH_PER_KWH)
    assert await drawn_mwh(database, estate) == 11 * MWH_PER_KWH
    assert (await prove(database)).holds


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_no_number_is_left_out_over_a_loss(
    database: Database, gateway: Gateway, estate: Estate, version: str
) -> None:
    station, outcome = await charge_through(gateway, estate, version, 20 * MINUTE, 40 * MINUTE)
    await station.leave()
    assert outcome.transaction_id is not None
    async with database.snapshot() as connection:
        assert await missing_events(connection, station.station_id, outcome.transaction_id) == []
    heard = await kept(database, "SELECT upper(heard) FROM charging.sessions")
    assert heard == outcome.samples + 2


async def test_a_driver_whom_nobody_knows_is_stopped_when_the_station_hears_of_it(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    station = station_of(estate, "1.6", Network(Random(0), [Outage(BEGAN, BEGAN + 20 * MINUTE)]))
    await station.connect(url(gateway))
    outcome = await station.charge("UNHEARD-OF", CAR, lasting=HOUR)
    await station.line.come_back()
    await station.leave()
    assert outcome.stop_reason == "DeAuthorized"
    assert 20 * MINUTE <= outcome.ended_at - outcome.started_at < 30 * MINUTE
    (session,) = await booked(database)
    assert (session.state, session.import_mwh) == ("invalid", outcome.import_mwh)
    assert (await prove(database)).holds


@pytest.mark.parametrize("dc", [False, True], ids=["AC", "DC"])
@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_what_a_vehicle_needs_is_answered_with_a_schedule(
    database: Database, gateway: Gateway, estate: Estate, version: str, *, dc: bool
) -> None:
    """K15."""
    station = SimulatedStation(
        estate.station(0), ManualClock(BEGAN), [Evse(11_000, dc=dc)], subprotocols=[f"ocpp{version}"]
    )
    await station.connect(url(gateway))
    given: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()

    async def take(payload: JsonObject) -> JsonObject:
        given.set_result(payload)
        return await set_profile(station, payload)

    station.further_commands["SetChargingProfile"] = take
    pace = Pace(MINUTE, pause_s=60.0)
    charging = asyncio.create_task(station.charge(estate.token(0), CAR, tells_needs=True, pace=pace))
    profile = (await asyncio.wait_for(given, 20))["chargingProfile"]
    (period,) = profile["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert period["limit"] == (100_000 if dc else 15 * 230 * 3)
    assert len(station.profiles) == 1
    await station.stop_session(1, StopReason.LOCAL)
    assert (await charging).faults == ()
    await station.leave()


# Fleets


async def play(gateway: Gateway, scenario: str, version: str, estate: Estate, **more: Any) -> FleetReport:
    fields = {"url": url(gateway), "count": 3, "sessions": 1, "token": estate.token(0), "prefix": "LOAD-", **more}
    plan = FleetPlan(ends_before=NOW, version=version, scenario=scenario, **fields)
    return await run_fleet(plan)


@ANY_VERSION
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in ("smart", "certificates")])
async def test_what_the_meters_counted_is_what_is_booked(
    database: Database, gateway: Gateway, estate: Estate, scenario: str, version: str
) -> None:
    sessions = 1 if scenario in ("storm", "charge") else 2
    report = await play(gateway, scenario, version, estate, sessions=sessions, count=1 if sessions == 2 else 3)
    assert (report.faults, report.refusals) == ({}, {})
    ended = await booked(database)
    assert report.tried == report.sessions == len(ended)
    assert {session.state for session in ended} == {"completed"}
    assert sum(session.import_mwh for session in ended) == report.import_mwh
    assert sum(session.export_mwh for session in ended) == report.export_mwh
    assert bool(report.import_mwh) is (scenario != "feed-in")
    assert bool(report.export_mwh) is (scenario in ("feed-in", "v2x"))
    assert (await kept(database, "SELECT count(*) FROM ocpp.quarantine") > 0) is (scenario == "quirks")
    assert (await prove(database)).holds
