"""Both ends of the same code over real sockets: a session, commands, and sockets that come and go."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import picows
import pytest

from tests.ocpp.loopback import ACCEPTED, NOW, friendly, running
from tests.ocpp.wire.test_transport import station_socket
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.connections.rpc import RpcLimits
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.errors import CallTimedOut, ConnectionLost, ErrorCode, PeerRefused
from wattbook.ocpp.wire.transport import SocketLimits

TOKEN = m.IdToken("A1B2C3")
YES = m.CommandAnswer(m.CommandStatus.ACCEPTED)


async def test_a_charging_session_from_boot_to_stop() -> None:
    async with running() as central:
        station = await Station.connect(central.url, "CP1")
        boot = await station.boot("Vendor", "Model", firmware_version="1.0")
        assert boot == m.BootAnswer(m.Registration.ACCEPTED, NOW, 300)
        await station.status(1, m.ConnectorStatus.PREPARING)
        assert (await station.authorize(TOKEN)).token_info == ACCEPTED
        started = await station.start_transaction(1, TOKEN, 5_000_000, NOW)
        assert started == m.TransactionStartedAnswer("4711", ACCEPTED)
        sample = m.Sample(NOW + timedelta(minutes=1), import_mwh=5_183_333, import_w=Decimal("11000"))
        await station.meter_values(1, [sample], started.transaction_id)
        await station.stop_transaction(started.transaction_id, 6_000_000, NOW + timedelta(hours=1), token=TOKEN)
        assert (await station.heartbeat()).now == NOW
        assert central.messages == [
            m.BootNotification("Vendor", "Model", firmware_version="1.0"),
            m.StatusNotification(1, m.ConnectorStatus.PREPARING),
            m.Authorize(TOKEN),
            m.TransactionStarted(1, TOKEN, 5_000_000, NOW),
            m.MeterValues(1, (sample,), "4711"),
            m.TransactionStopped("4711", 6_000_000, NOW + timedelta(hours=1), token=TOKEN),
            m.Heartbeat(),
        ]
        first = central.heard[0]
        assert (first.station_id, first.epoch, first.version, first.received_at) == ("CP1", 1, "1.6", NOW)
        await station.close()
        assert (await central.closed.get()).station_id == "CP1"
        assert len(central.end.connections) == 0


async def test_commands_reach_the_station_and_their_answers_come_back() -> None:
    heard: list[m.Request[Any]] = []

    async def obey(command: m.Request[Any]) -> m.Answer:
        heard.append(command)
        if isinstance(command, m.GetConfiguration):
            return m.ConfigurationAnswer((m.ConfigurationValue("HeartbeatInterval", False, "300"),), ("Nonsense",))
        if isinstance(command, m.UnlockConnector):
            return m.CommandAnswer(m.CommandStatus.UNLOCKED)
        return YES

    commands: list[m.Request[Any]] = [
        m.RemoteStart(TOKEN, 1),
        m.RemoteStop("4711"),
        m.Reset(m.ResetKind.SOFT),
        m.ChangeAvailability(0, operative=False),
        m.ChangeConfiguration("HeartbeatInterval", "60"),
        m.ClearCache(),
        m.GetConfiguration(("HeartbeatInterval", "Nonsense")),
        m.UnlockConnector(1),
    ]
    async with running() as central:
        station = await Station.connect(central.url, "CP1", {type(command): obey for command in commands})
        connection = await central.opened.get()
        answers = await asyncio.gather(*(connection.call(command) for command in commands))
        assert heard == commands
        assert answers[:6] == [YES] * 6
        assert answers[6] == m.ConfigurationAnswer(
            (m.ConfigurationValue("HeartbeatInterval", False, "300"),), ("Nonsense",)
        )
        await station.close()


async def test_a_command_the_station_does_not_have_is_refused_by_name() -> None:
    async with running() as central:
        station = await Station.connect(central.url, "CP1")
        connection = await central.opened.get()
        with pytest.raises(PeerRefused) as caught:
            await connection.call(m.Reset(m.ResetKind.HARD))
        assert caught.value.rpc_code is ErrorCode.NOT_SUPPORTED
        await station.close()


async def test_what_does_not_fit_the_version_is_not_sent() -> None:
    async with running() as central:
        station = await Station.connect(central.url, "CP1")
        with pytest.raises(InvalidInput, match="idTag"):
            await station.authorize(m.IdToken("longer than twenty characters"))
        with pytest.raises(InvalidInput):
            await station.call(m.RemoteStop("no number"))
        assert central.heard == []
        await station.close()


async def test_no_answer_before_the_inbox_is_done() -> None:
    committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def commit(inbound: InboundMessage) -> m.Answer:
        await committed
        return await friendly(inbound)

    async with running(commit) as central, station_socket(central) as socket:
        await socket.send('[2,"1","Heartbeat",{}]')
        await (await socket.ping())  # the ping overtakes the answer that is not there yet
        assert len(central.heard) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.01)
        committed.set_result(None)
        assert msgspec.json.decode(await socket.recv())[:2] == [3, "1"]


async def test_frames_of_one_station_are_handled_in_order_and_of_two_at_once() -> None:
    both = asyncio.Barrier(2)

    async def meet(inbound: InboundMessage) -> m.Answer:
        await both.wait()
        return await friendly(inbound)

    async with running(meet) as central:
        one, two = station_socket(central, "/CP1"), station_socket(central, "/CP2")
        async with one as first, two as second:
            for n in range(5):
                for socket in (first, second):
                    await socket.send(f'[2,"{n}","Heartbeat",{{}}]')
            for socket in (first, second):
                ids = [msgspec.json.decode(await socket.recv())[1] for _ in range(5)]
                assert ids == ["0", "1", "2", "3", "4"]


# Sockets that come and go


async def test_the_newest_socket_of_a_station_replaces_the_older() -> None:
    async def never(command: m.Request[Any]) -> m.Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async with running() as central:
        old_station = await Station.connect(central.url, "CP1", {m.Reset: never})
        old = await central.opened.get()
        pending = asyncio.ensure_future(old.call(m.Reset(m.ResetKind.SOFT), timeout_s=3600))
        await asyncio.sleep(0)
        new_station = await Station.connect(central.url, "CP1")
        new = await central.opened.get()
        with pytest.raises(ConnectionLost, match="replaced"):
            await pending
        await old_station.wait_closed()
        assert "replaced by a newer connection" in (old_station.closed_because or "")
        assert central.end.connections.get("CP1") is new
        assert new.epoch > old.epoch
        assert (await new_station.heartbeat()).now == NOW
        assert central.closed.empty()
        await new_station.close()
        assert await central.closed.get() is new


async def test_a_late_end_of_the_replaced_socket_changes_nothing() -> None:
    """R2: the old socket stays half open and ends long after the new one took its place."""
    async with running() as central:
        async with station_socket(central) as old_socket:
            old = await central.opened.get()
            async with station_socket(central) as new_socket:
                new = await central.opened.get()
                old.lost("the network noticed at last")
                await old_socket.wait_closed()
                assert central.end.connections.get("CP1") is new
                await new_socket.send('[2,"1","Heartbeat",{}]')
                assert msgspec.json.decode(await new_socket.recv())[:2] == [3, "1"]
        assert await central.closed.get() is new
        assert central.closed.empty()


async def test_a_message_still_in_the_inbox_when_its_socket_is_cut_is_finished_unheard() -> None:
    entered, committed = asyncio.Event(), asyncio.Event()
    done: list[m.Request[m.Answer]] = []

    async def commit(inbound: InboundMessage) -> m.Answer:
        entered.set()
        await committed.wait()
        done.append(inbound.message)
        return await friendly(inbound)

    async with running(commit) as central:
        station = await Station.connect(central.url, "CP1")
        waiting = asyncio.ensure_future(station.heartbeat())
        await entered.wait()
        station.cut()
        with pytest.raises(ConnectionLost):
            await waiting
        await central.closed.get()
        committed.set()
        again = await Station.connect(central.url, "CP1")
        await again.heartbeat()
        assert done == [m.Heartbeat(), m.Heartbeat()]
        await again.close()


async def test_a_late_answer_names_its_command() -> None:
    slow = asyncio.Event()

    async def reset(command: m.Request[Any]) -> m.Answer:
        await slow.wait()
        return YES

    async with running() as central:
        station = await Station.connect(central.url, "CP1", {m.Reset: reset})
        connection = await central.opened.get()
        with pytest.raises(CallTimedOut):
            await connection.call(m.Reset(m.ResetKind.SOFT), timeout_s=0.001, unique_id="command-1")
        slow.set()
        late = await central.late.get()
        assert (late.unique_id, late.action, late.answer) == ("command-1", "Reset", YES)
        await station.close()


async def test_crossing_calls_of_both_ends_do_not_wait_for_each_other() -> None:
    async def reset(command: m.Request[Any]) -> m.Answer:
        await station.heartbeat()  # while the management system waits for our answer
        return YES

    async with running() as central:
        station = await Station.connect(central.url, "CP1", {m.Reset: reset})
        connection = await central.opened.get()
        results = await asyncio.gather(connection.call(m.Reset(m.ResetKind.SOFT)), station.heartbeat())
        assert results[0] == YES
        await station.close()


async def test_closing_the_end_closes_every_station() -> None:
    async with running() as central:
        stations = [await Station.connect(central.url, f"CP{n}") for n in range(3)]
        assert sorted(connection.station_id for connection in central.end.connections) == ["CP0", "CP1", "CP2"]
    for station in stations:
        await station.wait_closed()
        assert "going down" in (station.closed_because or "")
    assert len(central.end.connections) == 0


# A connection that is faster or slower than we are


async def test_a_station_that_sends_faster_than_we_commit_is_slowed_and_loses_nothing() -> None:
    begun, held = asyncio.Event(), asyncio.Event()

    async def commit(inbound: InboundMessage) -> m.Answer:
        begun.set()
        await held.wait()
        return await friendly(inbound)

    number = 3000
    async with running(commit, rpc_limits=RpcLimits(open_calls_pause=8)) as central, station_socket(central) as socket:

        async def flood() -> None:
            for n in range(number):
                await socket.send(f'[2,"{n}","DataTransfer",{{"vendorId":"v","data":"{"x" * 5000}"}}]')

        flooding = asyncio.ensure_future(flood())
        connection = await central.opened.get()
        await begun.wait()
        held.set()
        assert [msgspec.json.decode(await socket.recv())[1] for _ in range(number)] == [str(n) for n in range(number)]
        await flooding
        assert connection.counts.calls == number


async def test_a_station_that_never_reads_is_not_written_to_without_end_and_dropped() -> None:
    async def generous(inbound: InboundMessage) -> m.Answer:
        return m.DataTransferAnswer(m.DataTransferStatus.ACCEPTED, "x" * 500_000)

    limits = SocketLimits(ping_after_s=60, pong_within_s=0.05)
    async with running(generous, limits=limits) as central:
        transport, _ = await picows.ws_connect(
            picows.WSListener, central.url + "/CP1", extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"}
        )
        transport.underlying_transport.pause_reading()
        for n in range(1000):
            transport.send(picows.WSMsgType.TEXT, f'[2,"{n}","DataTransfer",{{"vendorId":"v"}}]')
        connection = await central.closed.get()
        assert "nothing could be sent" in (connection.rpc.closed_because or "")
        assert len(central.heard) < 1000
        transport.disconnect(graceful=False)
