"""Commands as frames: what stations of another make hear, and what is made of answers that are written by hand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import websockets
from ocpp import v21, v201
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from tests.ocpp.commands.scene import WAIT_S, accept, ask, until, url
from wattbook.db.engine import Database
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.commands.records import CommandState
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.simulate.estate import Estate


@asynccontextmanager
async def raw_station(gateway: Gateway, station_id: str) -> AsyncIterator[ClientConnection]:
    """A socket whose frames the test writes by hand, after a boot."""
    async with websockets.connect(f"{url(gateway)}/{station_id}", subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        await socket.send('[2,"boot","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
        assert json.loads(await socket.recv())[1] == "boot"
        yield socket


class IndependentStation(ChargePoint):  # type: ignore[misc]
    @on("GetConfiguration")  # type: ignore[untyped-decorator]
    def configuration(self, **_: Any) -> Any:
        setting = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        return call_result.GetConfiguration(configuration_key=[setting])


async def test_a_station_of_another_make_is_told_too(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    address = f"{url(gateway)}/{estate.station(0)}"
    async with websockets.connect(address, subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        station = IndependentStation(estate.station(0), socket)
        reading = asyncio.ensure_future(station.start())
        await station.call(call.BootNotification(charge_point_model="M", charge_point_vendor="V"))
        (command,) = await accept(database, [ask(estate.station(0), "GetConfiguration", {})])
        done = await outcomes.wait(command.id, WAIT_S)
        assert msgspec.json.decode(done.answer)["configurationKey"][0]["value"] == "300"
        reading.cancel()


class Independent201(v201.ChargePoint):  # type: ignore[misc]
    @on("GetVariables")  # type: ignore[untyped-decorator]
    def variables(self, get_variable_data: Any, **_: Any) -> Any:
        return v201.call_result.GetVariables(
            [each | {"attribute_status": "Accepted", "attribute_value": "7"} for each in get_variable_data]
        )


class Independent21(v21.ChargePoint):  # type: ignore[misc]
    @on("GetVariables")  # type: ignore[untyped-decorator]
    def variables(self, get_variable_data: Any, **_: Any) -> Any:
        return v21.call_result.GetVariables(
            [each | {"attribute_status": "Accepted", "attribute_value": "7"} for each in get_variable_data]
        )


@pytest.mark.parametrize(
    ("subprotocol", "make", "calls"),
    [("ocpp2.0.1", Independent201, v201.call), ("ocpp2.1", Independent21, v21.call)],
)
async def test_a_station_of_another_make_is_told_in_the_newer_versions(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes, subprotocol: str, make: Any, calls: Any
) -> None:
    address = f"{url(gateway)}/{estate.station(0)}"
    async with websockets.connect(address, subprotocols=[Subprotocol(subprotocol)]) as socket:
        station = make(estate.station(0), socket)
        reading = asyncio.ensure_future(station.start())
        await station.call(
            calls.BootNotification(charging_station={"model": "M", "vendor_name": "V"}, reason="PowerUp")
        )
        wanted = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
        (command,) = await accept(database, [ask(estate.station(0), "GetVariables", {"getVariableData": [wanted]})])
        done = await outcomes.wait(command.id, WAIT_S)
        (said,) = msgspec.json.decode(done.answer)["getVariableResult"]
        assert (done.state, said["attributeValue"]) == (CommandState.ANSWERED, "7")
        reading.cancel()


async def test_a_station_that_answers_unfit_is_told_so_where_the_version_can(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R17: CALLRESULTERROR of OCPP 2.1."""
    address = f"{url(gateway)}/{estate.station(0)}"
    async with websockets.connect(address, subprotocols=[Subprotocol("ocpp2.1")]) as socket:
        boot = {"chargingStation": {"model": "M", "vendorName": "V"}, "reason": "PowerUp"}
        await socket.send(json.dumps([2, "boot", "BootNotification", boot]))
        await asyncio.wait_for(socket.recv(), WAIT_S)
        (command,) = await accept(database, [ask(estate.station(0), "ClearCache", {})])
        await asyncio.wait_for(socket.recv(), WAIT_S)
        await socket.send(json.dumps([3, str(command.id), {"status": "Perhaps"}]))
        told = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
        assert told[:3] == [5, str(command.id), "PropertyConstraintViolation"]
        done = await outcomes.wait(command.id, WAIT_S)
        assert (done.state, bytes(done.answer), done.error_code) == (
            CommandState.ANSWERED,
            b'{"status":"Perhaps"}',
            "invalid-answer",
        )


async def test_the_frame_is_compact_bears_the_commands_id_and_exact_numbers(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    async with raw_station(gateway, estate.station(0)) as socket:
        period = {"startPeriod": 0, "limit": 16.1}
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
        }
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        (command,) = await accept(database, [ask(estate.station(0), "SetChargingProfile", payload)])
        frame = await asyncio.wait_for(socket.recv(), WAIT_S)
        assert isinstance(frame, str)
        assert frame.startswith(f'[2,"{command.id}","SetChargingProfile",{{')
        assert " " not in frame
        assert '"limit":16.1' in frame
        await socket.send(f'[3,"{command.id}",{{"status":"Perhaps"}}]')
        done = await outcomes.wait(command.id, WAIT_S)
        assert (done.state, bytes(done.answer)) == (CommandState.ANSWERED, b'{"status":"Perhaps"}')
        assert done.error_code == "invalid-answer", "the answer is kept, and what is wrong with it is said"


async def test_an_answer_that_the_database_cannot_keep_does_not_stop_the_queue(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    async with raw_station(gateway, estate.station(0)) as socket:
        first, second = await accept(database, [ask(estate.station(0), "GetConfiguration", {})] * 2)
        await asyncio.wait_for(socket.recv(), WAIT_S)
        await socket.send(f'[3,"{first.id}",{{"configurationKey":[],"x":1e200000}}]')
        done = await outcomes.wait(first.id, WAIT_S)
        assert (done.state, bytes(done.answer), done.error_code) == (CommandState.ANSWERED, b"null", "invalid-answer")
        await asyncio.wait_for(socket.recv(), WAIT_S)
        await socket.send(f'[3,"{second.id}",{{"configurationKey":[]}}]')
        assert (await outcomes.wait(second.id, WAIT_S)).state is CommandState.ANSWERED


async def test_an_answer_that_is_late_and_unfit_is_kept_as_both(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    async with raw_station(gateway, estate.station(0)) as socket:
        (command,) = await accept(database, [ask(estate.station(0), answer_within_s=1)])
        await asyncio.wait_for(socket.recv(), WAIT_S)
        assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.TIMED_OUT
        await socket.send(f'[3,"{command.id}",{{"status":"Perhaps"}}]')
        done = await until(database, outcomes, command, CommandState.ANSWERED)
        assert (done.late, bytes(done.answer), done.error_code) == (True, b'{"status":"Perhaps"}', "invalid-answer")
