"""Commands as rows: what becomes of them, whatever stations, networks and processes do.

R10: nothing is sent before the boot was answered. R13: one outstanding CALL. R16: an answer that comes late is kept as
late. R34, R35: many nodes, many stations.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.ocpp.commands.scene import (
    WAIT_S,
    Obedient,
    accept,
    ask,
    connect,
    gateway_has_entered,
    gateway_on,
    refusals,
    until,
    url,
)
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Unavailable
from wattbook.ocpp.commands.orders import answer_of, order
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.commands.records import Command, CommandState
from wattbook.ocpp.commands.submission import WAITING_MAX, cancel, commands_of_station, find_commands
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import (
    CommandAnswer,
    CommandStatus,
    RemoteStart,
    Reset,
    ResetKind,
)
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.registry.stations import Acceptance, set_acceptance
from wattbook.simulate.estate import Estate


async def test_a_connected_station_is_told_and_its_answer_is_kept(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    obedient = Obedient()
    station = await connect(gateway, estate.station(0), obedient)
    (command,) = await accept(database, [ask(estate.station(0))])
    done = await outcomes.wait(command.id, WAIT_S)
    assert (done.state, bytes(done.answer)) == (CommandState.ANSWERED, b'{"status":"Accepted"}')
    assert (done.version, done.sendings, done.late, done.error_code) == ("1.6", 1, False, None)
    assert done.sent_at is not None
    assert done.answered_at is not None
    assert done.sent_at <= done.answered_at
    assert obedient.told == [Reset(ResetKind.SOFT)]
    await station.close()


async def test_commands_for_an_absent_station_wait_and_come_in_order(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    away = estate.station(0)
    tags = [f"TAG{n}" for n in range(20)]
    commands = await accept(database, [ask(away, "RemoteStartTransaction", {"idTag": tag}) for tag in tags])
    obedient = Obedient()
    station = await connect(gateway, away, obedient)
    for command in commands:
        assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
    assert [message.token.value for message in obedient.told] == tags
    await station.close()


async def test_nothing_is_sent_before_the_boot_was_answered(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R10, R15."""
    (command,) = await accept(database, [ask(estate.station(0))])
    obedient = Obedient()
    station = await connect(gateway, estate.station(0), obedient, boots=False)
    await station.heartbeat()
    assert (await outcomes.wait(command.id, 0.5)).state is CommandState.ACCEPTED
    assert obedient.told == []
    await station.boot("maker", "model")
    assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
    await station.close()


async def test_a_station_that_does_not_boot_again_is_told_after_a_moment(
    database: Database, estate: Estate, outcomes: Outcomes
) -> None:
    """R10."""
    async with gateway_on(database, settle_s=0.05) as gateway:
        station = await connect(gateway, estate.station(0), Obedient(), boots=False)
        (command,) = await accept(database, [ask(estate.station(0))])
        assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
        await station.close()


async def test_a_rejected_station_is_told_nothing(database: Database, estate: Estate, outcomes: Outcomes) -> None:
    """OCPP 1.6, 4.2: while Rejected, the Central System sends nothing."""
    async with database.transaction() as connection:
        await set_acceptance(connection, [(estate.station(0), Acceptance.BLOCKED)])
    async with gateway_on(database, settle_s=0.0) as gateway:
        obedient = Obedient()
        station = await connect(gateway, estate.station(0), obedient)
        (command,) = await accept(database, [ask(estate.station(0))])
        assert (await outcomes.wait(command.id, 0.5)).state is CommandState.ACCEPTED
        assert obedient.told == []
        await station.close()


async def test_a_command_expires_when_nobody_comes_for_it(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    soon = system_clock() + timedelta(milliseconds=300)
    (command,) = await accept(database, [ask(estate.station(0), expires_at=soon)])
    assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.EXPIRED
    obedient = Obedient()
    station = await connect(gateway, estate.station(0), obedient)
    (later,) = await accept(database, [ask(estate.station(0), "RemoteStartTransaction", {"idTag": "A"})])
    assert (await outcomes.wait(later.id, WAIT_S)).state is CommandState.ANSWERED
    assert [type(message) for message in obedient.told] == [RemoteStart], "the expired one was never sent"
    await station.close()


async def test_a_waiting_command_can_be_cancelled_and_an_answered_one_cannot(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    (taken_back,) = await accept(database, [ask(estate.station(0))])
    async with database.transaction() as connection:
        unknown = uuid4()
        cancelled, nobody = await cancel(connection, [taken_back.id, unknown], now=system_clock())
    assert isinstance(cancelled, Command)
    assert cancelled.state is CommandState.CANCELLED
    assert isinstance(nobody, NotFound)
    station = await connect(gateway, estate.station(0), Obedient())
    (command,) = await accept(database, [ask(estate.station(0))])
    await outcomes.wait(command.id, WAIT_S)
    async with database.transaction() as connection:
        (late,) = await cancel(connection, [command.id], now=system_clock())
    assert isinstance(late, Conflict)
    assert (await outcomes.wait(taken_back.id, 0)).state is CommandState.CANCELLED
    await station.close()


async def test_an_answer_after_its_time_is_kept_as_late(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R16."""
    obedient = Obedient()
    obedient.holding = asyncio.Event()
    station = await connect(gateway, estate.station(0), obedient)
    (command,) = await accept(database, [ask(estate.station(0), answer_within_s=1)])
    silent = await outcomes.wait(command.id, WAIT_S)
    assert (silent.state, silent.error_code) == (CommandState.TIMED_OUT, "timed-out")
    obedient.holding.set()
    late = await until(database, outcomes, command, CommandState.ANSWERED)
    assert (late.late, bytes(late.answer)) == (True, b'{"status":"Accepted"}')
    assert late.error_code is None
    await station.close()


async def test_after_a_lost_connection_the_outcome_is_unknown_and_only_what_is_repeatable_is_sent_again(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    station_id = estate.station(0)
    deaf = Obedient()
    deaf.holding = asyncio.Event()
    station = await connect(gateway, station_id, deaf)
    once, again = await accept(
        database, [ask(station_id), ask(station_id, "RemoteStartTransaction", {"idTag": "A"}, repeatable=True)]
    )
    await asyncio.wait_for(deaf.hears.wait(), WAIT_S)
    station.cut()
    lost = await outcomes.wait(once.id, WAIT_S)
    assert (lost.state, lost.error_code) == (CommandState.UNKNOWN, "connection-lost")
    deaf.hears.clear()
    station = await connect(gateway, station_id, deaf)
    await asyncio.wait_for(deaf.hears.wait(), WAIT_S)
    station.cut()
    station = await connect(gateway, station_id, Obedient())
    repeated = await outcomes.wait(again.id, WAIT_S)
    assert (repeated.state, repeated.sendings) == (CommandState.ANSWERED, 2)
    await station.close()


async def test_an_error_of_the_station_is_kept_as_it_was_spelled(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    obedient = Obedient()
    obedient.refusal = RpcError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "not today")
    station = await connect(gateway, estate.station(0), obedient)
    refused, unheard = await accept(database, [ask(estate.station(0)), ask(estate.station(0), "ClearCache", {})])
    done = await outcomes.wait(refused.id, WAIT_S)
    assert (done.state, done.error_code, done.error_description, bytes(done.answer)) == (
        CommandState.REFUSED,
        "OccurenceConstraintViolation",
        "not today",
        b"null",
    )
    assert (await outcomes.wait(unheard.id, WAIT_S)).error_code == "NotSupported"
    await station.close()


async def test_what_a_known_version_cannot_say_is_refused_at_once_in_the_schemas_words(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    station_id = estate.station(0)
    station = await connect(gateway, station_id, Obedient())
    await gateway_has_entered(database, station_id)
    wrong, unknown, backwards, nul = await refusals(
        database,
        [
            ask(station_id, payload={"type": "Warm"}),
            ask(station_id, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
            ask(station_id, "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
            ask(station_id, "DataTransfer", {"vendorId": "V", "data": "\0"}),
        ],
    )
    assert isinstance(wrong, InvalidInput)
    assert "Warm" in wrong.message
    assert "type" in wrong.message
    assert isinstance(unknown, InvalidInput)
    assert "1.6" in unknown.message
    assert isinstance(backwards, InvalidInput)
    assert isinstance(nul, InvalidInput)
    async with database.snapshot() as connection:
        assert await commands_of_station(connection, station_id) == []
    await station.close()


async def test_what_the_version_turns_out_not_to_have_is_undeliverable(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """The station never connected, so its version is known only when it comes."""
    (newer, fine) = await accept(
        database,
        [
            ask(estate.station(0), "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
            ask(estate.station(0)),
        ],
    )
    station = await connect(gateway, estate.station(0), Obedient())
    done = await outcomes.wait(newer.id, WAIT_S)
    assert (done.state, done.sendings, done.error_code) == (CommandState.UNDELIVERABLE, 0, "invalid-input")
    assert "1.6" in (done.error_description or "")
    assert (await outcomes.wait(fine.id, WAIT_S)).state is CommandState.ANSWERED, "what is behind it is not stuck"
    await station.close()


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("RemoteStartTransaction", {}),
        ("RequestStartTransaction", {"idToken": "T", "remoteStartId": 1}),
        ("RemoteStartTransaction", {"idTag": "T", "connectorId": 10**9}),
        ("RequestStartTransaction", {"idToken": {"idToken": "T", "type": "Central"}, "remoteStartId": 10**12}),
        ("GetBaseReport", {"requestId": 1, "reportBase": "X"}),
    ],
)
async def test_what_no_version_can_say_is_refused_also_for_a_station_that_never_connected(
    database: Database, estate: Estate, action: str, payload: JsonObject
) -> None:
    unfit, fine = await refusals(database, [ask(estate.station(0), action, payload), ask(estate.station(1))])
    assert isinstance(unfit, InvalidInput)
    assert isinstance(fine, Command), "it does not stand in the way of the others"


async def test_unknown_stations_and_too_many_commands_are_refused(database: Database, estate: Estate) -> None:
    full, free = estate.station(0), estate.station(1)
    await accept(database, [ask(full)] * WAITING_MAX)
    nobody, too_many, fine, never = await refusals(
        database, [ask("NOBODY"), ask(full), ask(free), ask(free, expires_at=datetime(2020, 1, 1, tzinfo=UTC))]
    )
    assert isinstance(nobody, NotFound)
    assert isinstance(too_many, LimitExceeded)
    assert isinstance(fine, Command)
    assert isinstance(never, InvalidInput)


async def test_many_stations_are_told_at_once_each_its_own(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R35."""
    stations = [await connect(gateway, estate.station(n), Obedient()) for n in range(5)]
    commands = await accept(database, [ask(estate.station(n)) for n in range(5)])
    for command in commands:
        assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
    for station in stations:
        await station.close()


async def test_the_node_that_holds_the_socket_delivers_what_any_node_was_asked(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R34. The newest connection wins across nodes too (R1), and its predecessor hears nothing more."""
    station_id = estate.station(0)
    here, there = Obedient(), Obedient()
    async with gateway_on(database) as second:
        old = await connect(gateway, station_id, here)
        (first,) = await accept(database, [ask(station_id)])
        assert (await outcomes.wait(first.id, WAIT_S)).state is CommandState.ANSWERED
        new = await connect(second, station_id, there)
        await asyncio.wait_for(old.wait_closed(), WAIT_S)
        commands = await accept(database, [ask(station_id)] * 3)
        for command in commands:
            assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
        assert (len(here.told), len(there.told)) == (1, 3)
        await new.close()


async def test_what_a_dead_process_had_sent_is_unknown_at_the_next_start(
    database: Database, estate: Estate, outcomes: Outcomes
) -> None:
    once, again, waiting = await accept(
        database, [ask(estate.station(0)), ask(estate.station(1), repeatable=True), ask(estate.station(2))]
    )
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE ocpp.commands SET state = 'sent', sent_at = now(), node = 2000000000, sendings = 1"
                 " WHERE id = ANY(:ids)"),
            {"ids": [once.id, again.id]},
        )  # fmt: skip
    async with gateway_on(database), database.snapshot() as connection:
        found = await find_commands(connection, [once.id, again.id, waiting.id])
    assert [command.state for command in found if command] == ["unknown", "accepted", "accepted"]


async def test_a_stranger_to_the_queue_may_call_a_station_meanwhile(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    """R13: the one slot of our direction is shared with whoever calls without the queue."""
    station = await connect(gateway, estate.station(0), Obedient())
    connection = gateway.connections.get(estate.station(0))
    assert connection is not None
    (command,) = await accept(database, [ask(estate.station(0))])
    direct = await connection.call(Reset(ResetKind.HARD))
    assert direct.status is CommandStatus.ACCEPTED
    assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
    await station.close()


async def test_the_list_of_a_station_goes_back_page_by_page(database: Database, estate: Estate) -> None:
    commands = await accept(database, [ask(estate.station(0)) for _ in range(5)])
    seen: list[UUID] = []
    async with database.snapshot() as connection:
        while page := await commands_of_station(
            connection, estate.station(0), before=seen[-1] if seen else None, limit=2
        ):
            seen += [command.id for command in page]
    assert seen == [command.id for command in reversed(commands)]


async def test_an_order_in_neutral_words_is_written_in_each_stations_version(
    database: Database, gateway: Gateway, estate: Estate, outcomes: Outcomes
) -> None:
    old = await connect(gateway, estate.station(0), Obedient())
    new = await Station.connect(url(gateway), estate.station(1), Obedient().commands, subprotocols=["ocpp2.0.1"])
    await new.boot("maker", "model")
    await gateway_has_entered(database, estate.station(1))
    now = system_clock()
    async with database.transaction() as connection:
        told = await order(
            connection,
            [estate.station(0), estate.station(1), estate.station(2)],
            Reset(ResetKind.SOFT),
            requested_by="test",
            now=now,
            expires_at=now + timedelta(minutes=1),
        )
    sixteen, twenty, never = told
    assert isinstance(sixteen, Command)
    assert isinstance(twenty, Command)
    assert isinstance(never, Unavailable)
    assert (bytes(sixteen.payload), bytes(twenty.payload)) == (b'{"type":"Soft"}', b'{"type":"OnIdle"}')
    for command in (sixteen, twenty):
        done = await outcomes.wait(command.id, WAIT_S)
        assert answer_of(done) == CommandAnswer(CommandStatus.ACCEPTED)
    with pytest.raises(Conflict):
        answer_of(sixteen)
    for station in (old, new):
        await station.close()
