"""The load generator: what it logs as acknowledged is what the other end had, also when that end goes away."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulate.conftest import BLOCKED, GOOD, NOW, Central
from wattbook.kernel.errors import InvalidInput, Refused
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.simulate.load import LoadLog, LoadPlan, read_log, run_load, write_log

FIRST = NOW - timedelta(days=1)


def plan(central: Central, **changes: object) -> LoadPlan:
    fields = {"url": central.url, "stations": 5, "messages": 100, "first_sampled_at": FIRST, **changes}
    return LoadPlan(**fields)  # type: ignore[arg-type]


def heard(central: Central) -> set[tuple[str, object, int | None]]:
    return {
        (inbound.station_id, sample.taken_at, sample.import_mwh)
        for inbound in central.heard
        if isinstance(inbound.message, m.MeterValues)
        for sample in inbound.message.samples
    }


async def test_everything_acknowledged_was_heard_with_its_time_and_register(central: Central) -> None:
    log = await run_load(plan(central))
    assert (log.sent, log.acknowledged, log.refused) == (100, 100, 0)
    samples = set(log.acknowledged_samples())
    assert len(samples) == 100
    assert samples == heard(central)
    assert log.p50_ms <= log.p99_ms <= log.max_ms


async def test_each_message_carries_four_values(central: Central) -> None:
    await run_load(plan(central, stations=1, messages=1))
    (values,) = central.said(m.MeterValues)
    (sample,) = values.samples
    assert None not in (sample.import_mwh, sample.import_w, sample.soc_percent)
    assert [reading.measurand for reading in sample.readings] == ["Current.Import"]


async def test_with_a_token_the_samples_belong_to_transactions_that_are_stopped(central: Central) -> None:
    log = await run_load(plan(central, token=GOOD))
    ids = {str(station.transaction_id) for station in log.stations}
    assert len(ids) == 5
    assert {values.transaction_id for values in central.said(m.MeterValues)} == ids
    stops = {stop.transaction_id: stop.meter_mwh for stop in central.said(m.TransactionStopped)}
    assert stops.keys() == ids
    start = central.said(m.TransactionStarted)[0].meter_mwh
    assert sum(meter_mwh - start for meter_mwh in stops.values()) == 100 * 1000


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_events_of_a_transaction_are_counted_without_a_gap_and_end(central: Central, version: str) -> None:
    log = await run_load(plan(central, token=GOOD, version=version, message="TransactionEvent"))
    assert (log.acknowledged, log.refused) == (100, 0)
    for station in log.stations:
        events = [event for event in central.said(m.TransactionEvent) if event.transaction_id == station.transaction_id]
        assert [event.seq_no for event in events] == list(range(station.sent + 2))
        assert [event.phase for event in (events[0], *events[-1:])] == [m.Phase.STARTED, m.Phase.ENDED]
        update = events[1].samples[0]
        assert None not in (update.import_mwh, update.import_w, update.soc_percent)
        assert [reading.measurand for reading in update.readings] == ["Current.Import"]
        taken = {
            (station.station_id, each.taken_at, each.import_mwh) for event in events[1:-1] for each in event.samples
        }
        assert taken == {each for each in log.acknowledged_samples() if each[0] == station.station_id}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_meter_values_belong_to_no_transaction_in_later_versions(central: Central, version: str) -> None:
    log = await run_load(plan(central, version=version))
    assert set(log.acknowledged_samples()) == heard(central)


def test_a_version_without_the_message_is_refused(central: Central) -> None:
    with pytest.raises(InvalidInput, match=r"not TransactionEvent in 1\.6"):
        plan(central, message="TransactionEvent", token=GOOD)
    with pytest.raises(InvalidInput, match="token"):
        plan(central, message="TransactionEvent", version="2.1")


async def test_a_refused_sample_is_not_counted_as_acknowledged(central: Central) -> None:
    def refuse_some(inbound: InboundMessage) -> None:
        if isinstance(inbound.message, m.MeterValues) and inbound.unique_id == "3":
            raise RpcError(ErrorCode.INTERNAL_ERROR, "not this one")

    central.on_message = refuse_some
    log = await run_load(plan(central))
    refused = {station.station_id: station.refused for station in log.stations if station.refused}
    assert set(map(tuple, refused.values())) == {(3,)}
    assert (log.sent, log.acknowledged + log.refused) == (100, 100)
    assert len(set(log.acknowledged_samples())) == 100 - len(refused)


async def test_when_the_other_end_goes_away_the_log_still_says_what_was_acknowledged(central: Central) -> None:
    def cut(inbound: InboundMessage) -> None:
        assert central.end is not None
        if len(central.said(m.MeterValues)) == 50:
            for connection in central.end.connections:
                connection.close(1001, "gone")

    central.on_message = cut
    log = await run_load(plan(central, messages=None, seconds=60.0))
    assert all(station.lost for station in log.stations)
    acknowledged = set(log.acknowledged_samples())
    assert 45 <= len(acknowledged) == log.acknowledged
    assert acknowledged < heard(central)
    assert all(station.unanswered is not None for station in log.stations)


async def test_a_command_on_the_way_is_answered_and_the_load_goes_on(central: Central) -> None:
    answers: list[asyncio.Task[object]] = []

    def ask(inbound: InboundMessage) -> None:
        if len(central.said(m.MeterValues)) == 10 and not answers:
            answers.append(asyncio.create_task(central.tell(inbound.station_id, m.ClearCache())))

    central.on_message = ask
    log = await run_load(plan(central))
    assert log.acknowledged == 100
    with pytest.raises(Exception, match="NotSupported"):
        await answers[0]


async def test_a_load_that_cannot_begin_says_why(central: Central) -> None:
    with pytest.raises(Refused, match="BLOCKED is Blocked"):
        await run_load(plan(central, token=BLOCKED))
    with pytest.raises(InvalidInput):
        plan(central, messages=None)
    with pytest.raises(InvalidInput):
        plan(central, first_sampled_at=FIRST + timedelta(microseconds=1))


async def test_it_runs_as_its_own_process_and_leaves_its_log(central: Central, tmp_path: Path) -> None:
    out = tmp_path / "load.json"
    arguments = ["--url", central.url, "--stations", "3", "--messages", "30", "--out", str(out), "--progress"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wattbook.simulate.load", *arguments, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert printed.startswith(b"acknowledged ")
    assert b'"acknowledged":30' in printed.splitlines()[-1]
    log = read_log(out)
    assert set(log.acknowledged_samples()) == heard(central)


def test_a_log_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    log = LoadLog("ws://127.0.0.1", FIRST, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, [])
    write_log(log, tmp_path / "log.json")
    assert read_log(tmp_path / "log.json") == log
