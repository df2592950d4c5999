"""Block R and payments on the web (2.1): what stations tell of them is kept as what it means."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.ocpp.deployment import NOW, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.kept import generation
from wattbook.ocpp.kept.payments import web_payments_of
from wattbook.ocpp.messages import Verbatim
from wattbook.ocpp.wire.frames import JsonObject

MINUTE = timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)
LIMIT = {"priority": 1, "pctMaxDischargePower": 50}
CURVE = {"priority": 2, "yUnit": "PctMaxW", "curveData": [{"x": 100, "y": 1}, {"x": 110, "y": 0}]}


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


async def send(place: Deployment, action: str, payload: JsonObject) -> None:
    async with place.database.transaction() as connection:
        request = CommandRequest(place.estate.station(0), action, payload, LATER)
        (command,) = await submit(connection, [request], requested_by="test", now=place.clock())
    assert isinstance(command, Command), command
    await place.answered(action)


async def tell(station: Station, action: str, **said: Any) -> None:
    await station.call(Verbatim(action, said))


async def controls(place: Deployment) -> dict[str, tuple[str | None, bool | None, bool, bool | None]]:
    async with place.database.snapshot() as connection:
        found = await generation.controls_of(connection, place.estate.station(0))
    return {each.control_id: (each.control_type, each.is_default, each.superseded, each.active) for each in found}


def at(minutes: int) -> str:
    return (NOW + minutes * MINUTE).isoformat().replace("+00:00", "Z")


async def test_controls_are_those_that_were_set_reported_begun_and_not_cleared(place: Deployment) -> None:
    superseded: list[str] = []
    puppet = Puppet(
        answers={
            "SetDERControl": lambda _: {"status": "Accepted"} | ({"supersededIds": superseded} if superseded else {}),
            "ClearDERControl": lambda _: {"status": "Accepted"},
        }
    )
    station = await place.connect(0, "2.1", puppet)
    limit = {"controlType": "LimitMaxDischarge", "limitMaxDischarge": LIMIT}
    await send(place, "SetDERControl", {"isDefault": False, "controlId": "a"} | limit)
    assert await controls(place) == {"a": ("LimitMaxDischarge", False, False, None)}
    superseded.append("a")
    await send(place, "SetDERControl", {"isDefault": False, "controlId": "b"} | limit)
    assert await controls(place) == {
        "a": ("LimitMaxDischarge", False, True, False),
        "b": ("LimitMaxDischarge", False, False, None),
    }
    await tell(station, "NotifyDERStartStop", controlId="b", started=True, timestamp=at(0), supersededIds=["d"])
    await tell(
        station, "ReportDERControl", requestId=1,
        curve=[{"id": "c", "curveType": "VoltWatt", "isDefault": True, "isSuperseded": False, "curve": CURVE}],
        limitMaxDischarge=[{"id": "b", "isDefault": False, "isSuperseded": False, "limitMaxDischarge": LIMIT}],
    )  # fmt: skip
    assert await controls(place) == {
        "a": ("LimitMaxDischarge", False, True, False),
        "b": ("LimitMaxDischarge", False, False, True),
        "c": ("VoltWatt", True, False, None),
    }
    async with place.database.snapshot() as connection:
        said = {
            each.control_id: each.control for each in await generation.controls_of(connection, place.estate.station(0))
        }
    assert said["c"] == {"curve": CURVE}
    assert said["b"] == {"limitMaxDischarge": LIMIT}
    await send(place, "ClearDERControl", {"isDefault": True, "controlType": "VoltWatt"})
    await send(place, "ClearDERControl", {"isDefault": False, "controlId": "a"})
    assert set(await controls(place)) == {"b"}
    await station.close()


async def test_a_station_is_believed_so_many_controls(place: Deployment) -> None:
    station = await place.connect(0, "2.1")
    for number in range(generation.CONTROLS_MAX // 24 + 2):
        entries = [
            {"id": f"{number}-{n}", "isDefault": False, "isSuperseded": False, "limitMaxDischarge": LIMIT}
            for n in range(24)
        ]
        place.clock.advance(MINUTE)
        await tell(station, "ReportDERControl", requestId=number, limitMaxDischarge=entries)
    kept = await controls(place)
    assert len(kept) == generation.CONTROLS_MAX
    assert "0-0" not in kept
    await station.close()


async def test_an_alarm_is_the_latest_of_its_type_whenever_it_comes(place: Deployment) -> None:
    station = await place.connect(0, "2.1")
    fault = {"controlType": "HVMustTrip", "gridEventFault": "OverVoltage"}
    await tell(station, "NotifyDERAlarm", **fault, timestamp=at(0), extraInfo="phase 2")
    await tell(station, "NotifyDERAlarm", controlType="HVMustTrip", alarmEnded=True, timestamp=at(2))
    await tell(station, "NotifyDERAlarm", **fault, timestamp=at(1))
    await tell(station, "NotifyDERAlarm", controlType="LFMustTrip", timestamp=at(3))
    async with place.database.snapshot() as connection:
        found = await generation.alarms_of(connection, place.estate.station(0))
    assert [(each.control_type, each.fault, each.ended, each.at) for each in found] == [
        ("LFMustTrip", None, False, NOW + 3 * MINUTE),
        ("HVMustTrip", "OverVoltage", True, NOW + 2 * MINUTE),
    ]
    await station.close()


async def test_an_evse_waits_for_a_payment_on_the_web_as_long_as_told_but_not_for_ever(
    place: Deployment,
) -> None:
    puppet = Puppet(answers={"NotifyWebPaymentStarted": lambda _: {}})
    station = await place.connect(0, "2.1", puppet)
    await send(place, "NotifyWebPaymentStarted", {"evseId": 1, "timeout": 90})
    await send(place, "NotifyWebPaymentStarted", {"evseId": 2, "timeout": 1 << 30})

    async def waiting() -> dict[int, timedelta]:
        async with place.database.snapshot() as connection:
            found = await web_payments_of(connection, place.estate.station(0), place.clock())
        return {each.evse_no: each.expires_at - each.started_at for each in found}

    assert await waiting() == {1: timedelta(seconds=90), 2: timedelta(days=1)}
    place.clock.advance(2 * MINUTE)
    assert set(await waiting()) == {2}
    await send(place, "NotifyWebPaymentStarted", {"evseId": 2, "timeout": 0})
    assert await waiting() == {}
    await station.close()
