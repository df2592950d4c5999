"""What stations answer to commands is kept where it belongs: settings, reservations, availability, profiles, starts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.db.engine import Database
from wattbook.ocpp.commands.orders import order
from wattbook.ocpp.commands.records import Command, CommandRequest
from wattbook.ocpp.commands.submission import submit
from wattbook.ocpp.kept.availability import availability_of
from wattbook.ocpp.kept.device_model import variables_of
from wattbook.ocpp.kept.profiles import profiles_of, schedules_of
from wattbook.ocpp.kept.reservations import reservations_of
from wattbook.ocpp.kept.settings import configuration_of
from wattbook.ocpp.messages import (
    CommandStatus,
    ConfigurationAnswer,
    ConfigurationValue,
    IdToken,
    Phase,
    RemoteStart,
    Sample,
    TransactionEvent,
    Verbatim,
)
from wattbook.ocpp.wire.frames import JsonObject

KWH = 1_000_000
MINUTE = timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)
IN_ALL, IN_2_X = pytest.mark.parametrize("version", VERSIONS), pytest.mark.parametrize("version", VERSIONS[1:])


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running


async def tell(place: Deployment, action: str, payload: JsonObject) -> None:
    """Send a command, and wait until its answer is kept."""
    request = CommandRequest(place.estate.station(0), action, payload, LATER)
    async with place.database.transaction() as connection:
        (command,) = await submit(connection, [request], requested_by="test", now=place.clock())
    assert isinstance(command, Command), command
    await place.answered(action)
    assert await place.value("SELECT state FROM ocpp.commands WHERE id = :id", id=command.id) == "answered"


async def test_the_configuration_of_1_6_is_what_was_told_and_set_last(place: Deployment) -> None:
    puppet = Puppet(
        configuration=ConfigurationAnswer(
            (ConfigurationValue("HeartbeatInterval", False, "300"), ConfigurationValue("Maker", True)), ("Colour",)
        )
    )
    station = await place.connect(0, "1.6", puppet)
    await tell(place, "GetConfiguration", {})
    await tell(place, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    puppet.status = CommandStatus.REJECTED
    place.clock.advance(MINUTE)
    await tell(place, "ChangeConfiguration", {"key": "Maker", "value": "Ours"})
    async with place.database.snapshot() as connection:
        kept = await configuration_of(connection, place.estate.station(0))
    assert [(each.key, each.value, each.read_only) for each in kept] == [
        ("HeartbeatInterval", "60", False),
        ("Maker", None, True),
    ]
    puppet.configuration = ConfigurationAnswer(unknown_keys=("Maker",))
    await tell(place, "GetConfiguration", {"key": ["Maker"]})
    async with place.database.snapshot() as connection:
        assert [each.key for each in await configuration_of(connection, place.estate.station(0))] == [
            "HeartbeatInterval"
        ]
    await station.close()


@IN_2_X
async def test_variables_are_what_was_told_and_set_last(place: Deployment, version: str) -> None:
    def named(variable: str) -> JsonObject:
        return {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": variable}}

    results = [
        named("HeartbeatInterval") | {"attributeStatus": "Accepted", "attributeValue": "300"},
        named("Unknown") | {"attributeStatus": "UnknownVariable"},
    ]
    taken = [
        named("HeartbeatInterval") | {"attributeStatus": "Accepted"},
        named("Unknown") | {"attributeStatus": "Rejected"},
    ]
    puppet = Puppet(
        answers={
            "GetVariables": lambda _: {"getVariableResult": results},
            "SetVariables": lambda _: {"setVariableResult": taken},
        }
    )
    station = await place.connect(0, version, puppet)
    await tell(place, "GetVariables", {"getVariableData": [named("HeartbeatInterval"), named("Unknown")]})
    async with place.database.snapshot() as connection:
        assert [each.value for each in await variables_of(connection, place.estate.station(0))] == ["300"]
    asked = [named(name) | {"attributeValue": "60"} for name in ("HeartbeatInterval", "Unknown")]
    await tell(place, "SetVariables", {"setVariableData": asked})
    async with place.database.snapshot() as connection:
        assert [(each.variable, each.value) for each in await variables_of(connection, place.estate.station(0))] == [
            ("HeartbeatInterval", "60")
        ]
    await station.close()


def reservation(version: str, number: int, token: str) -> JsonObject:
    expires = LATER.isoformat().replace("+00:00", "Z")
    if version == "1.6":
        return {"connectorId": 1, "expiryDate": expires, "idTag": token, "reservationId": number}
    return {"id": number, "expiryDateTime": expires, "idToken": {"idToken": token, "type": "ISO14443"}, "evseId": 1}


@IN_ALL
async def test_h01_a_reservation_is_kept_until_it_is_used_cancelled_or_runs_out(
    place: Deployment, version: str
) -> None:
    token = place.estate.token(0)
    puppet = Puppet(
        answers={"ReserveNow": lambda _: {"status": "Accepted"}, "CancelReservation": lambda _: {"status": "Accepted"}}
    )
    station = await place.connect(0, version, puppet)

    async def states() -> dict[int, str]:
        async with place.database.snapshot() as connection:
            kept = await reservations_of(connection, place.estate.station(0))
        return {each.reservation_id: each.state for each in kept}

    for number in (1, 2, 3):
        await tell(place, "ReserveNow", reservation(version, number, token))
    puppet.answers["ReserveNow"] = lambda _: {"status": "Occupied"}
    await tell(place, "ReserveNow", reservation(version, 3, token))
    assert await states() == dict.fromkeys((1, 2, 3), "Accepted"), "the former one stands"
    await tell(place, "CancelReservation", {"reservationId": 1})
    if version == "1.6":
        begin = Verbatim("StartTransaction", {"connectorId": 1, "idTag": token, "meterStart": 0, "reservationId": 2,
                                              "timestamp": NOW.isoformat().replace("+00:00", "Z")})  # fmt: skip
        await station.call(begin)
        assert await states() == {1: "Cancelled", 2: "Used", 3: "Accepted"}
    else:
        await station.call(
            TransactionEvent(Phase.STARTED, "tx", 0, NOW, "Authorized", evse=1, token=IdToken(token), reservation_id=2)
        )
        await station.call(
            Verbatim("ReservationStatusUpdate", {"reservationId": 3, "reservationUpdateStatus": "Expired"})
        )
        assert await states() == {1: "Cancelled", 2: "Used", 3: "Expired"}
    await station.close()


@IN_ALL
async def test_g03_what_was_opened_and_closed_is_known(place: Deployment, version: str) -> None:
    puppet = Puppet(status=CommandStatus.SCHEDULED)
    station = await place.connect(0, version, puppet)

    def closing(evse: int, *, opens: bool = False) -> JsonObject:
        asked = "Operative" if opens else "Inoperative"
        if version == "1.6":
            return {"connectorId": evse, "type": asked}
        return {"operationalStatus": asked} | ({"evse": {"id": evse}} if evse else {})

    await tell(place, "ChangeAvailability", closing(1))
    puppet.status = CommandStatus.REJECTED
    await tell(place, "ChangeAvailability", closing(1, opens=True))
    puppet.status = CommandStatus.ACCEPTED
    await tell(place, "ChangeAvailability", closing(0))
    async with place.database.snapshot() as connection:
        kept = await availability_of(connection, place.estate.station(0))
    assert [(each.evse_no, each.operative, each.state) for each in kept] == [
        (0, False, "Accepted"),
        (1, False, "Scheduled"),
    ]
    await station.close()


def profile(version: str, number: int, level: int, watts: int) -> JsonObject:
    schedule: Any = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}]}
    common = {"stackLevel": level, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    if version == "1.6":
        return {
            "connectorId": 1,
            "csChargingProfiles": common | {"chargingProfileId": number, "chargingSchedule": schedule},
        }
    return {"evseId": 1, "chargingProfile": common | {"id": number, "chargingSchedule": [schedule | {"id": 1}]}}


@IN_ALL
async def test_k01_profiles_take_each_others_place_and_are_cleared(place: Deployment, version: str) -> None:
    puppet = Puppet(
        answers={
            "SetChargingProfile": lambda _: {"status": "Accepted"},
            "ClearChargingProfile": lambda _: {"status": "Accepted"},
        }
    )
    station = await place.connect(0, version, puppet)

    async def kept() -> list[tuple[int, int]]:
        async with place.database.snapshot() as connection:
            found = await profiles_of(connection, place.estate.station(0))
        return [(each.profile_id, each.stack_level) for each in found]

    for number, level in ((1, 0), (2, 1), (3, 1), (1, 2)):
        await tell(place, "SetChargingProfile", profile(version, number, level, 7_000))
    assert await kept() == [(3, 1), (1, 2)], "one of an id, and one of a purpose, level and place"
    puppet.answers["SetChargingProfile"] = lambda _: {"status": "Rejected"}
    await tell(place, "SetChargingProfile", profile(version, 9, 9, 1))
    criteria = {"stackLevel": 1}
    await tell(place, "ClearChargingProfile", criteria if version == "1.6" else {"chargingProfileCriteria": criteria})
    assert await kept() == [(1, 2)]
    await station.close()


@IN_ALL
async def test_k08_the_composite_schedule_is_kept_as_it_was_told(place: Deployment, version: str) -> None:
    start = NOW.isoformat().replace("+00:00", "Z")
    periods = [{"startPeriod": 0, "limit": 7000}, {"startPeriod": 600, "limit": 3600.5}]

    def answer(payload: JsonObject) -> JsonObject:
        schedule = {"duration": 900, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}
        if version == "1.6":
            return {"status": "Accepted", "connectorId": 1, "scheduleStart": start, "chargingSchedule": schedule}
        return {"status": "Accepted", "schedule": schedule | {"evseId": payload["evseId"], "scheduleStart": start}}

    station = await place.connect(0, version, Puppet(answers={"GetCompositeSchedule": answer}))
    where = {"connectorId": 1} if version == "1.6" else {"evseId": 1}
    await tell(place, "GetCompositeSchedule", where | {"duration": 900})
    async with place.database.snapshot() as connection:
        (kept,) = await schedules_of(connection, place.estate.station(0))
    assert (kept.evse_no, kept.unit, kept.starts_at, kept.duration_s) == (1, "W", NOW, 900)
    assert kept.periods == periods
    await station.close()


async def ask_to_start(place: Deployment) -> Command:
    async with place.database.transaction() as connection:
        (command,) = await order(
            connection,
            [place.estate.station(0)],
            RemoteStart(IdToken(place.estate.token(0)), 1),
            requested_by="test",
            now=place.clock(),
            expires_at=LATER,
        )
    assert isinstance(command, Command), command
    await place.answered(command.action)
    return command


async def began_by(place: Deployment) -> list[Any]:
    return [row[0] for row in await place.rows("SELECT command_id FROM charging.sessions ORDER BY started_at")]


async def test_f01_in_1_6_the_command_that_began_a_session_is_found_by_its_token(place: Deployment) -> None:
    station = await place.connect(0, "1.6", Puppet())
    command = await ask_to_start(place)
    other, token = IdToken(place.estate.token(1)), IdToken(place.estate.token(0))
    await station.start_transaction(1, other, 0, NOW - 3 * MINUTE)
    await station.start_transaction(1, token, 0, NOW - 2 * MINUTE)
    await station.start_transaction(1, token, 0, NOW - MINUTE)
    assert await began_by(place) == [None, command.id, None], "a command begins one transaction"
    await station.close()


@IN_2_X
async def test_f02_the_number_of_the_command_comes_back_with_the_transaction(place: Deployment, version: str) -> None:
    puppet = Puppet()
    station = await place.connect(0, version, puppet)
    first, second = await ask_to_start(place), await ask_to_start(place)
    numbers = [each.remote_start_id for each in puppet.told if isinstance(each, RemoteStart)]
    assert len(set(numbers)) == 2
    token, samples = IdToken(place.estate.token(0)), (Sample(NOW, import_mwh=KWH),)
    await station.call(
        TransactionEvent(
            Phase.STARTED, "a", 0, NOW, "RemoteStart", samples, 1, 1, token, remote_start_id=numbers[1]
        )
    )  # fmt: skip
    later = NOW + MINUTE
    await station.call(TransactionEvent(Phase.STARTED, "b", 0, later, "RemoteStart", remote_start_id=numbers[0]))
    await station.call(TransactionEvent(Phase.UPDATED, "b", 1, later, "CablePluggedIn", samples, 1, 1, token))
    assert await began_by(place) == [second.id, first.id], "also when it begins with a later event"
    await station.close()


@IN_2_X
async def test_f02_a_session_that_had_begun_before_is_told_which_command_was_meant(
    place: Deployment, version: str
) -> None:
    puppet = Puppet()
    station = await place.connect(0, version, puppet)
    token, samples = IdToken(place.estate.token(0)), (Sample(NOW, import_mwh=KWH),)
    await station.call(TransactionEvent(Phase.STARTED, "a", 0, NOW, "CablePluggedIn", samples, 1, 1, token))
    command = await ask_to_start(place)
    (number,) = [each.remote_start_id for each in puppet.told if isinstance(each, RemoteStart)]
    await station.call(TransactionEvent(Phase.UPDATED, "a", 1, NOW, "RemoteStart", remote_start_id=number))
    assert await began_by(place) == [command.id]
    await station.close()
