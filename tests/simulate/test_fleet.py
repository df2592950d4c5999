"""A fleet: every session is accounted for, a seed gives the same day, and one station's trouble is its own."""

from datetime import timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.simulate.conftest import GOOD, NOW, UNKNOWN, Central
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.simulate.fleet import FleetPlan, FleetReport, run_fleet
from wattbook.simulate.latencies import percentile
from wattbook.simulate.terminal import show_fleet


def plan(central: Central, **changes: object) -> FleetPlan:
    fields = {"url": central.url, "count": 4, "sessions": 2, "token": GOOD, "ends_before": NOW, **changes}
    return FleetPlan(**fields)  # type: ignore[arg-type]


async def test_every_session_is_played_and_every_message_answered(central: Central) -> None:
    seen: list[int] = []
    report = await run_fleet(plan(central), watch=lambda so_far: seen.append(so_far.tried))
    assert (report.tried, report.sessions, report.faults, report.refusals) == (8, 8, {}, {})
    assert seen == list(range(1, 9))
    assert report.tally.sent == report.tally.acknowledged == len(report.tally.latencies_s) == len(central.heard)
    starts, stops = central.said(m.TransactionStarted), central.said(m.TransactionStopped)
    total = sum(stop.meter_mwh for stop in stops) - sum(start.meter_mwh for start in starts)
    assert total == report.import_mwh > 0
    assert all(stop.stopped_at <= NOW for stop in stops)
    assert len({inbound.station_id for inbound in central.heard}) == 4


async def test_the_same_seed_draws_the_same_energy_however_it_is_scheduled(central: Central) -> None:
    energies = [
        (await run_fleet(plan(central, seed=seed, at_once=at_once))).import_mwh
        for seed, at_once in ((7, 1), (7, 4), (8, 4))
    ]
    assert energies[0] == energies[1] != energies[2]


async def test_refusals_are_counted_by_their_reason(central: Central) -> None:
    report = await run_fleet(plan(central, token=UNKNOWN))
    assert (report.tried, report.sessions, report.refusals) == (8, 0, {"Invalid": 8})


async def test_a_station_that_loses_its_network_does_not_stop_the_others(central: Central) -> None:
    def cut(inbound: InboundMessage) -> None:
        assert central.end is not None
        if inbound.station_id == "SIM-00002" and isinstance(inbound.message, m.MeterValues):
            connection = central.end.connections.get(inbound.station_id)
            if connection is not None:
                connection.close(1001, "gone")

    central.on_message = cut
    report = await run_fleet(plan(central))
    assert report.sessions == 6
    assert report.faults


async def test_nobody_at_the_other_end_is_a_fault_of_each_station() -> None:
    report = await run_fleet(FleetPlan("ws://127.0.0.1:1/ocpp", 3, 1, GOOD, NOW))
    assert (report.tried, report.faults.total()) == (0, 3)


async def test_a_person_sees_what_came_of_it(central: Central) -> None:
    console = Console(file=StringIO(), width=100)
    report = await show_fleet(plan(central, count=2), console)
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert "4/4" in shown
    assert f"{report.tally.acknowledged}" in shown
    assert " kWh" in shown


def test_a_fleet_needs_stations_and_a_time_in_which_meters_count() -> None:
    with pytest.raises(InvalidInput):
        FleetPlan("ws://127.0.0.1/ocpp", 0, 1, GOOD, NOW)
    with pytest.raises(InvalidInput):
        FleetPlan("ws://127.0.0.1/ocpp", 1, 100_000, GOOD, NOW)
    assert NOW - FleetPlan("", 1, 2, GOOD, NOW).starts_at == timedelta(hours=2, minutes=20)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(0, 100))
def test_a_percentile_is_a_value_that_enough_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)


def test_without_answers_there_is_no_latency() -> None:
    assert FleetReport().latency_ms(99) == 0.0
