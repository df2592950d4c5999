"""B02, B03; 1.6, 4.2: what a station that is not accepted yet may hear and say."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.kept.device_model import variables_of
from wattbook.ocpp.messages import (
    Authorize,
    ConnectorStatus,
    Heartbeat,
    IdToken,
    Phase,
    RemoteStart,
    ReportedVariable,
    Request,
    StatusNotification,
    TransactionEvent,
    VariablesReported,
)
from wattbook.ocpp.wire.errors import ErrorCode, PeerRefused
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.stations import Acceptance, set_acceptance

IN_ALL, IN_2_X = pytest.mark.parametrize("version", VERSIONS), pytest.mark.parametrize("version", VERSIONS[1:])


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


async def put(place: Deployment, acceptance: Acceptance) -> None:
    async with place.database.transaction() as connection:
        await set_acceptance(connection, [(place.estate.station(0), acceptance)])
    await place.gateway.refresh_stations()


async def ask(place: Deployment, action: str, payload: JsonObject) -> Command:
    request = CommandRequest(place.estate.station(0), action, payload, NOW + timedelta(hours=1))
    async with place.database.transaction() as connection:
        (command,) = await submit(connection, [request], requested_by="test", now=place.clock())
    assert isinstance(command, Command), command
    return command


async def is_refused(station: Station, request: Request[Any]) -> bool:
    """For a reason of security; any other is raised."""
    try:
        await station.connection.call(request)
    except PeerRefused as refused:
        if refused.rpc_code is not ErrorCode.SECURITY_ERROR:
            raise
        return True
    return False


def begin(place: Deployment) -> TransactionEvent:
    return TransactionEvent(Phase.STARTED, "tx", 0, NOW, "Authorized", token=IdToken(place.estate.token(0)), evse=1)


@IN_2_X
async def test_b02_a_pending_station_reports_what_it_was_asked_to_and_nothing_else(
    place: Deployment, version: str
) -> None:
    await put(place, Acceptance.PENDING)
    station = await place.connect(0, version, Puppet(answers={"GetBaseReport": lambda _: {"status": "Accepted"}}))
    report = VariablesReported(1, 0, NOW, (ReportedVariable("ChargingStation", "Model", value="T"),))
    assert await is_refused(station, report), "nobody asked"
    await ask(place, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    await place.answered("GetBaseReport")
    assert not await is_refused(station, report)
    assert await is_refused(station, begin(place))
    assert await is_refused(station, Authorize(IdToken(place.estate.token(0))))
    async with place.database.snapshot() as connection:
        (kept,) = await variables_of(connection, place.estate.station(0))
    assert (kept.variable, kept.value) == ("Model", "T")
    assert await place.value("SELECT count(*) FROM ocpp.transactions") == 0
    await station.close()


@IN_ALL
async def test_what_a_pending_station_is_triggered_to_say_is_heard_for_a_while(place: Deployment, version: str) -> None:
    await put(place, Acceptance.PENDING)
    station = await place.connect(0, version, Puppet(answers={"TriggerMessage": lambda _: {"status": "Accepted"}}))
    status = StatusNotification(1, ConnectorStatus.AVAILABLE, occurred_at=NOW)
    assert await is_refused(station, Heartbeat())
    await ask(place, "TriggerMessage", {"requestedMessage": "StatusNotification"})
    await place.answered("TriggerMessage")
    assert not await is_refused(station, status)
    assert await is_refused(station, Heartbeat()), "that was not asked for"
    place.clock.advance(timedelta(minutes=11))
    assert await is_refused(station, status)
    await station.close()


@IN_2_X
async def test_b02_a_transaction_is_not_heard_though_it_was_triggered(place: Deployment, version: str) -> None:
    await put(place, Acceptance.PENDING)
    station = await place.connect(0, version, Puppet(answers={"TriggerMessage": lambda _: {"status": "Accepted"}}))
    await ask(place, "TriggerMessage", {"requestedMessage": "TransactionEvent"})
    await place.answered("TriggerMessage")
    assert await is_refused(station, begin(place))
    await station.close()


@IN_ALL
async def test_a_pending_station_is_not_told_to_begin_until_it_is_accepted(place: Deployment, version: str) -> None:
    await put(place, Acceptance.PENDING)
    puppet = Puppet(answers={"TriggerMessage": lambda _: {"status": "Accepted"}})
    station = await place.connect(0, version, puppet)
    token = place.estate.token(0)
    if version == "1.6":
        await ask(place, "RemoteStartTransaction", {"idTag": token})
    else:
        payload = {"remoteStartId": 1, "idToken": {"idToken": token, "type": "ISO14443"}}
        await ask(place, "RequestStartTransaction", payload)
    await ask(place, "TriggerMessage", {"requestedMessage": "Heartbeat"})
    await place.answered("TriggerMessage")
    assert not any(isinstance(each, RemoteStart) for each in puppet.told), "what came after it was told before it"
    await put(place, Acceptance.ACCEPTED)
    assert (await station.boot("maker", "model")).status == "Accepted"

    async def is_told() -> bool:
        return any(isinstance(each, RemoteStart) for each in puppet.told)

    await place.until(is_told)
    assert not await is_refused(station, Heartbeat())
    await station.close()


@IN_ALL
async def test_b03_a_rejected_station_is_neither_asked_nor_heard(place: Deployment, version: str) -> None:
    await put(place, Acceptance.BLOCKED)
    puppet = Puppet(answers={"TriggerMessage": lambda _: {"status": "Accepted"}})
    station = await place.connect(0, version, puppet, boots=False)
    assert (await station.boot("maker", "model")).status == "Rejected"
    await ask(place, "TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert await is_refused(station, Heartbeat())
    assert puppet.told == []
    await station.close()
