"""Simulated stations against a real management end: what they say, what they obey, and meters that only count on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from tests.simulate.conftest import BLOCKED, GOOD, NOW, UNKNOWN, Central
from wattbook.kernel.clock import ManualClock
from wattbook.kernel.errors import Conflict, InvalidInput, Refused, Unavailable
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.simulate.evses import Evse, Meter
from wattbook.simulate.network import BackOff, Network, Outage
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import Vehicle, VehicleModel

CAR = VehicleModel("car", 50 * MWH_PER_KWH, 11_000, 100_000, feed_in_max_w=10_000)
EMPTY, HALF = Vehicle(CAR, 0), Vehicle(CAR, 25 * MWH_PER_KWH)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STATUS = m.ConnectorStatus


@pytest.fixture
async def station(central: Central, clock: ManualClock) -> AsyncIterator[SimulatedStation]:
    """Two outlets; the second can feed in. Its meters have counted before."""
    outlets = [
        Evse(11_000, meter=Meter(123_456_000, 0)),
        Evse(50_000, dc=True, feed_in_max_w=10_000, meter=Meter(5_000_000, 7_000_000)),
    ]
    simulated = SimulatedStation("SIM-1", clock, outlets)
    await simulated.connect(central.url)
    yield simulated
    await simulated.leave()


def statuses(central: Central, evse: int) -> list[m.ConnectorStatus]:
    return [report.status for report in central.said(m.StatusNotification) if report.evse == evse]


# Connecting


async def test_a_station_introduces_itself_and_reports_every_outlet(
    central: Central, station: SimulatedStation
) -> None:
    (boot,) = central.said(m.BootNotification)
    assert boot.serial_number == station.station_id
    assert [report.evse for report in central.said(m.StatusNotification)] == [0, 1, 2]
    assert station.heartbeat_s == 300
    await station.heartbeat()
    assert len(central.said(m.Heartbeat)) == 1


async def test_a_station_that_is_not_accepted_says_so_and_leaves(central: Central, clock: ManualClock) -> None:
    central.registration = m.Registration.PENDING
    stranger = SimulatedStation("SIM-9", clock)
    with pytest.raises(Refused, match="Pending"):
        await stranger.connect(central.url)
    assert not stranger.is_connected
    with pytest.raises(Unavailable):
        await stranger.heartbeat()


# Charging


async def test_a_session_draws_what_was_asked_and_says_so_on_the_way(
    central: Central, station: SimulatedStation, clock: ManualClock
) -> None:
    began = clock()
    outcome = await station.charge(GOOD, HALF, energy_mwh=11 * MWH_PER_KWH)

    assert outcome.refusal is None
    assert outcome.faults == ()
    assert (outcome.import_mwh, outcome.export_mwh) == (11 * MWH_PER_KWH, 0)
    assert outcome.ended_at - outcome.started_at == HOUR
    assert clock() == began + HOUR
    assert outcome.vehicle.stored_mwh == HALF.stored_mwh + outcome.import_mwh

    (started,), (stopped,) = central.said(m.TransactionStarted), central.said(m.TransactionStopped)
    assert (started.meter_mwh, started.started_at) == (123_456_000, began)
    assert stopped.meter_mwh - started.meter_mwh == 11 * MWH_PER_KWH
    assert (stopped.transaction_id, stopped.reason) == (outcome.transaction_id, m.StopReason.LOCAL)
    assert stopped.samples[0].import_mwh == stopped.meter_mwh

    values = central.said(m.MeterValues)
    assert len(values) == outcome.samples == 60  # the first at the start, the last in the stop
    samples = [value.samples[0] for value in values]
    assert {value.transaction_id for value in values} == {outcome.transaction_id}
    assert samples[0].context == "Transaction.Begin"
    assert all(later.taken_at - earlier.taken_at == MINUTE for earlier, later in pairwise(samples))
    assert samples[1].import_w == Decimal(11_000)
    assert samples[-1].soc_percent == Decimal("71.6")
    assert statuses(central, 1)[1:] == [STATUS.PREPARING, STATUS.CHARGING, STATUS.FINISHING, STATUS.AVAILABLE]


async def test_feeding_in_counts_the_other_register(central: Central, station: SimulatedStation) -> None:
    outcome = await station.feed_in(GOOD, HALF, evse=2, energy_mwh=5 * MWH_PER_KWH)
    assert (outcome.import_mwh, outcome.export_mwh) == (0, 5 * MWH_PER_KWH)
    assert outcome.vehicle.stored_mwh == HALF.stored_mwh - 5 * MWH_PER_KWH
    (stopped,) = central.said(m.TransactionStopped)
    assert stopped.meter_mwh == 5_000_000
    assert stopped.samples[0].export_mwh == 7_000_000 + 5 * MWH_PER_KWH
    first, second = (value.samples[0] for value in central.said(m.MeterValues)[:2])
    assert first.export_mwh == 7_000_000
    assert (second.export_w, second.import_w) == (Decimal(10_000), None)


async def test_registers_count_on_over_sessions(central: Central, station: SimulatedStation) -> None:
    for _ in range(3):
        await station.charge(GOOD, HALF, energy_mwh=1_234_567)  # not whole watt-hours: the meter shows them later
    starts, stops = central.said(m.TransactionStarted), central.said(m.TransactionStopped)
    assert [start.meter_mwh for start in starts[1:]] == [stop.meter_mwh for stop in stops[:-1]]
    assert stops[-1].meter_mwh == 123_456_000 + 3_703_000
    assert station.evse(1).meter.import_mwh == 123_456_000 + 3 * 1_234_567
    assert all(stop.stopped_at <= start.started_at for stop, start in zip(stops, starts[1:], strict=False))


async def test_a_full_vehicle_ends_the_session_unless_it_stays_for_a_time(
    central: Central, station: SimulatedStation
) -> None:
    nearly_full = Vehicle(CAR, CAR.capacity_mwh - MWH_PER_KWH)
    until_full = await station.charge(GOOD, nearly_full)
    assert until_full.vehicle.room_mwh == 0
    stays = await station.charge(GOOD, nearly_full, lasting=3 * HOUR)
    assert stays.import_mwh == MWH_PER_KWH
    assert stays.ended_at - stays.started_at == 3 * HOUR
    assert STATUS.SUSPENDED_EV in statuses(central, 1)


async def test_two_outlets_run_side_by_side_each_in_its_own_time(
    central: Central, station: SimulatedStation, clock: ManualClock
) -> None:
    began = clock()
    slow, fast = await asyncio.gather(
        station.charge(GOOD, EMPTY, lasting=2 * HOUR), station.charge(GOOD, HALF, evse=2, lasting=MINUTE * 10)
    )
    assert slow.import_mwh == 22 * MWH_PER_KWH
    assert fast.ended_at - fast.started_at == MINUTE * 10
    assert clock() == began + 2 * HOUR
    assert slow.transaction_id != fast.transaction_id


# Refusals


@pytest.mark.parametrize(("token", "reason"), [(BLOCKED, "Blocked"), (UNKNOWN, "Invalid")])
async def test_a_refused_token_gets_no_energy_and_the_reason(
    central: Central, station: SimulatedStation, token: str, reason: str
) -> None:
    outcome = await station.charge(token, HALF)
    assert (outcome.refusal, outcome.transaction_id, outcome.import_mwh) == (reason, None, 0)
    assert not central.said(m.TransactionStarted)
    assert station.evse(1).status is STATUS.AVAILABLE


async def test_a_transaction_that_is_refused_at_its_start_is_stopped_without_energy(
    central: Central, station: SimulatedStation
) -> None:
    central.start_verdict = m.Authorization.CONCURRENT_TRANSACTION
    outcome = await station.charge(GOOD, HALF)
    assert (outcome.refusal, outcome.import_mwh, outcome.stop_reason) == (
        "ConcurrentTx",
        0,
        m.StopReason.DEAUTHORIZED,
    )
    (stopped,) = central.said(m.TransactionStopped)
    assert stopped.reason is m.StopReason.DEAUTHORIZED


async def test_what_an_outlet_or_a_driver_cannot_do_is_refused_before_anything_is_said(
    central: Central, station: SimulatedStation
) -> None:
    heard = len(central.heard)
    with pytest.raises(Refused, match="EVSE 1"):
        await station.feed_in(GOOD, HALF, evse=1)
    with pytest.raises(Refused, match="cannot feed in"):
        await station.feed_in(GOOD, Vehicle(VehicleModel("one way", MWH_PER_KWH, 1, 1), 0), evse=2)
    with pytest.raises(InvalidInput):
        await station.charge(GOOD, HALF, energy_mwh=0)
    assert len(central.heard) == heard


async def test_what_could_not_be_processed_is_said_again_after_a_while(
    central: Central, station: SimulatedStation, clock: ManualClock
) -> None:
    """1.6, 4.10: the same content, and each time a longer wait."""
    told: list[tuple[m.Request[m.Answer], timedelta]] = []
    began = clock()

    def fail_twice(inbound: InboundMessage) -> None:
        if isinstance(inbound.message, m.TransactionStopped):
            told.append((inbound.message, clock() - began))
            if len(told) < 3:
                raise RpcError(ErrorCode.INTERNAL_ERROR, "the database is away")

    central.on_message = fail_twice
    outcome = await station.charge(GOOD, HALF, lasting=5 * MINUTE)
    assert (outcome.stop_reason, outcome.faults) == (m.StopReason.LOCAL, ())
    assert len({repr(message) for message, _ in told}) == 1
    assert [after for _, after in told] == [5 * MINUTE, 6 * MINUTE, 8 * MINUTE]
    assert station.tally.errors == 2


async def test_what_cannot_be_processed_at_last_is_named_and_the_session_goes_on(
    central: Central, station: SimulatedStation
) -> None:
    def fail(inbound: InboundMessage) -> None:
        if isinstance(inbound.message, m.MeterValues) and inbound.message.samples[0].taken_at == NOW - DAY + MINUTE:
            raise RpcError(ErrorCode.INTERNAL_ERROR, "the database is away")

    central.on_message = fail
    outcome = await station.charge(GOOD, HALF, lasting=5 * MINUTE)
    assert outcome.stop_reason is m.StopReason.LOCAL
    assert outcome.samples == 4
    assert len(outcome.faults) == 1
    assert "the database is away" in outcome.faults[0]
    assert station.tally.errors == station.retries.attempts == 3


async def test_a_session_without_a_network_ends_and_its_meter_keeps_what_flowed(
    central: Central, station: SimulatedStation
) -> None:
    def cut(inbound: InboundMessage) -> None:
        if isinstance(inbound.message, m.MeterValues) and len(central.said(m.MeterValues)) == 3:
            station.cut()

    central.on_message = cut
    outcome = await station.charge(GOOD, HALF)
    assert outcome.stop_reason is None
    assert any("connection" in fault for fault in outcome.faults)
    assert outcome.import_mwh == station.evse(1).meter.shown_import_mwh - 123_456_000 > 0
    await station.connect(central.url)
    assert (await station.charge(GOOD, HALF, lasting=MINUTE)).refusal is None


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_what_happens_unheard_is_told_in_order_and_said_to_be_so(
    central: Central, clock: ManualClock, version: str
) -> None:
    """1.6, 3.7; 2.x: E12."""
    away = Outage(clock() + 2 * MINUTE, clock() + 4 * MINUTE)
    simulated = SimulatedStation("SIM-1", clock, subprotocols=[f"ocpp{version}"], network=Network(Random(0), [away]))
    await simulated.connect(central.url)
    outcome = await simulated.charge(GOOD, HALF, lasting=10 * MINUTE)
    await simulated.leave()
    assert (outcome.stop_reason, outcome.faults, len(simulated.line.outbox)) == (m.StopReason.LOCAL, (), 0)
    assert len(central.said(m.BootNotification)) == 1, "it was known all the time"
    if version == "1.6":
        taken = [values.samples[0].taken_at for values in central.said(m.MeterValues)]
        assert {values.transaction_id for values in central.said(m.MeterValues)} == {"1"}
    else:
        events = central.said(m.TransactionEvent)
        assert [event.seq_no for event in events] == list(range(12))
        assert [event.seq_no for event in events if event.offline] == [3, 4]
        taken = [event.occurred_at for event in events[1:-1]]
    assert taken == [outcome.started_at + minutes * MINUTE for minutes in range(10)]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_transaction_that_begins_unheard_is_named_afterwards(
    central: Central, clock: ManualClock, version: str
) -> None:
    """E04; in 1.6 what waits behind the begin takes the name that it is given."""
    network = Network(Random(0), [Outage(clock() + MINUTE, clock() + HOUR)])
    simulated = SimulatedStation("SIM-1", clock, subprotocols=[f"ocpp{version}"], network=network)
    await simulated.connect(central.url)
    clock.advance(MINUTE)
    outcome = await simulated.charge(UNKNOWN, HALF, lasting=10 * MINUTE)
    assert outcome.transaction_id == "offline-1"
    assert len(simulated.line.outbox) == 12
    await simulated.line.come_back()
    assert not central.said(m.Authorize)
    names = {values.transaction_id for values in central.said(m.MeterValues)}
    names |= {stop.transaction_id for stop in central.said(m.TransactionStopped)}
    names |= {event.transaction_id for event in central.said(m.TransactionEvent)}
    assert len(names) == 1
    assert "offline-1" not in names
    await simulated.leave()


async def test_a_station_waits_longer_each_time_and_gives_up_at_last(central: Central, clock: ManualClock) -> None:
    back_off = BackOff(timedelta(seconds=10), timedelta(0), doublings=2, tries_max=5, real_s_per_s=0.0)
    simulated = SimulatedStation("SIM-1", clock, network=Network(Random(0), back_off=back_off))
    await simulated.connect(central.url)
    began = clock()
    assert central.end is not None
    await central.end.close()
    await simulated.line.lose()
    with pytest.raises(Unavailable, match="cannot come back"):
        await simulated.line.come_back()
    assert clock() - began == timedelta(seconds=10 + 20 + 40 + 40 + 40)
    await simulated.leave()


# Commands


async def test_a_remote_start_charges_what_is_plugged_in_and_a_remote_stop_ends_it(
    central: Central, station: SimulatedStation
) -> None:
    assert (await central.tell("SIM-1", m.RemoteStart(m.IdToken(GOOD)))).status is m.CommandStatus.REJECTED
    await station.plug_in(HALF, 2)
    station.pace = Pace(timedelta(seconds=1))
    assert (await central.tell("SIM-1", m.RemoteStart(m.IdToken(GOOD)))).status is m.CommandStatus.ACCEPTED
    await central.hears(m.MeterValues, 3)
    assert (await central.tell("SIM-1", m.RemoteStop("77"))).status is m.CommandStatus.REJECTED
    assert (await central.tell("SIM-1", m.RemoteStop("1"))).status is m.CommandStatus.ACCEPTED
    (outcome,) = await station.remote_outcomes()
    assert (outcome.transaction_id, outcome.stop_reason) == ("1", m.StopReason.REMOTE)
    assert not central.said(m.Authorize)
    assert station.evse(2).status is STATUS.FINISHING
    vehicle = await station.unplug(2)
    assert vehicle is not None
    assert vehicle.stored_mwh == outcome.vehicle.stored_mwh > HALF.stored_mwh
    assert station.evse(2).status is STATUS.AVAILABLE


async def test_a_stop_ends_the_pause_that_a_person_watches(central: Central, station: SimulatedStation) -> None:
    charging = asyncio.create_task(station.charge(GOOD, HALF, pace=Pace(MINUTE, pause_s=3600.0)))
    await central.hears(m.MeterValues)
    await central.tell("SIM-1", m.RemoteStop("1"))
    assert (await charging).stop_reason is m.StopReason.REMOTE


async def test_closing_a_busy_outlet_waits_for_the_end_of_its_session(
    central: Central, station: SimulatedStation
) -> None:
    charging = asyncio.create_task(station.charge(GOOD, HALF, pace=Pace(MINUTE, pause_s=3600.0)))
    await central.hears(m.MeterValues)
    closed = await central.tell("SIM-1", m.ChangeAvailability(0, operative=False))
    assert closed.status is m.CommandStatus.SCHEDULED
    await central.tell("SIM-1", m.RemoteStop("1"))
    await charging
    assert statuses(central, 1)[-1] is STATUS.UNAVAILABLE
    assert statuses(central, 2)[-1] is STATUS.UNAVAILABLE
    with pytest.raises(Conflict, match="out of service"):
        await station.charge(GOOD, HALF)
    opened = await central.tell("SIM-1", m.ChangeAvailability(1, operative=True))
    assert opened.status is m.CommandStatus.ACCEPTED
    assert (await station.charge(GOOD, HALF, lasting=MINUTE)).refusal is None


async def test_unlocking_ends_the_session_first(central: Central, station: SimulatedStation) -> None:
    charging = asyncio.create_task(station.charge(GOOD, HALF, pace=Pace(MINUTE, pause_s=3600.0)))
    await central.hears(m.MeterValues)
    assert (await central.tell("SIM-1", m.UnlockConnector(1))).status is m.CommandStatus.UNLOCKED
    assert (await charging).stop_reason is m.StopReason.UNLOCK_COMMAND
    assert (await central.tell("SIM-1", m.UnlockConnector(3))).status is m.CommandStatus.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(m.ResetKind.SOFT, m.StopReason.SOFT_RESET), (m.ResetKind.HARD, m.StopReason.HARD_RESET)],
)
async def test_a_reset_ends_sessions_and_the_station_comes_back(
    central: Central, station: SimulatedStation, kind: m.ResetKind, reason: m.StopReason
) -> None:
    charging = asyncio.create_task(station.charge(GOOD, HALF, pace=Pace(MINUTE, pause_s=3600.0)))
    await central.hears(m.MeterValues)
    reports = len(central.said(m.StatusNotification))
    assert (await central.tell("SIM-1", m.Reset(kind))).status is m.CommandStatus.ACCEPTED
    assert (await charging).stop_reason is reason
    await central.hears(m.BootNotification, 2)
    await central.hears(m.StatusNotification, reports + 5)  # two as the session ends, three as the station starts
    assert (await station.charge(GOOD, HALF, lasting=MINUTE)).refusal is None


async def test_the_configuration_is_told_and_only_what_can_change_changes(
    central: Central, station: SimulatedStation
) -> None:
    everything = await central.tell("SIM-1", m.GetConfiguration())
    assert {value.key: value.value for value in everything.values}["NumberOfConnectors"] == "2"
    some = await central.tell("SIM-1", m.GetConfiguration(("HeartbeatInterval", "Colour")))
    assert ([value.value for value in some.values], some.unknown_keys) == (["300"], ("Colour",))
    answers = [
        (await central.tell("SIM-1", m.ChangeConfiguration(key, value))).status.value
        for key, value in (
            ("HeartbeatInterval", "60"),
            ("HeartbeatInterval", "often"),
            ("TransactionMessageAttempts", "5"),
            ("NumberOfConnectors", "9"),
            ("Colour", "blue"),
        )
    ]
    assert answers == ["Accepted", "Rejected", "Accepted", "Rejected", "NotSupported"]
    assert (station.heartbeat_s, station.retries.attempts) == (60, 5)
    assert (await central.tell("SIM-1", m.ClearCache())).status is m.CommandStatus.REJECTED
    assert (await central.tell("SIM-1", m.DataTransfer("ACME"))).status is m.DataTransferStatus.UNKNOWN_VENDOR
