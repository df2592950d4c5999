"""Connections that come and go by the thousand leave nothing behind (R4, R5), and torture frames hurt nobody else."""

import asyncio
import gc
from typing import Any

import msgspec
import picows
import pytest

from tests.ocpp.loopback import running
from tests.ocpp.wire.test_transport import heartbeat, station_socket
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.connection import Connection
from wattbook.ocpp.connections.rpc import RpcConnection
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.transport import Socket


def timers() -> int:
    """Timers that wait in the present loop."""
    loop: Any = asyncio.get_running_loop()
    return sum(not handle.cancelled() for handle in loop._scheduled)


def alive(*kinds: type[object]) -> int:
    gc.collect()
    return sum(isinstance(each, kinds) for each in gc.get_objects())


async def test_thousands_of_connections_leave_no_timer_no_task_and_no_object_behind() -> None:
    """R5: some leave politely, some are cut, some in the middle of a call of either side."""
    answering = asyncio.Event()

    async def slowly(command: m.Request[Any]) -> m.Answer:
        await answering.wait()
        return m.CommandAnswer(m.CommandStatus.ACCEPTED)

    async def visit(number: int) -> None:
        station = await Station.connect(central.url, f"CP{number % 50}", {m.Reset: slowly}, compress=number % 3 == 0)
        await station.heartbeat()
        connection = central.end.connections.get(f"CP{number % 50}")
        assert connection is not None
        if number % 4 == 0:
            asked.append(asyncio.ensure_future(connection.call(m.Reset(m.ResetKind.SOFT))))
            await asyncio.sleep(0)
        if number % 2:
            await station.close()
        else:
            station.cut()
            await station.wait_closed()

    asked: list[asyncio.Future[Any]] = []
    kept_by_other_tests = alive(Connection, RpcConnection, Socket)
    async with running() as central:
        before = timers(), len(asyncio.all_tasks())
        for round_number in range(40):
            await asyncio.gather(*(visit(round_number * 50 + n) for n in range(50)))
        answering.set()
        await asyncio.gather(*asked, return_exceptions=True)
        async with asyncio.timeout(10):
            while True:
                await asyncio.sleep(0)
                if len(central.end.connections) == 0 and len(asyncio.all_tasks()) == before[1]:
                    break
        asked.clear()
        while not central.opened.empty():
            central.opened.get_nowait()
        while not central.closed.empty():
            central.closed.get_nowait()
        assert (timers(), len(asyncio.all_tasks())) == before
        assert alive(Connection, RpcConnection, Socket) <= kept_by_other_tests


async def test_a_thousand_stations_stay_online_while_all_talk_at_once() -> None:
    """R4"""
    async with running() as central:
        stations = [await Station.connect(central.url, f"CP{n}") for n in range(1000)]
        for _ in range(3):
            await asyncio.gather(*(station.heartbeat() for station in stations))
        assert len(central.end.connections) == 1000
        assert central.closed.empty()
        await asyncio.gather(*(station.close() for station in stations))


# Torture

TORTURE: dict[str, bytes] = {
    "wrong type": b'[7,"1","Heartbeat",{}]',
    "type as text": b'["2","1","Heartbeat",{}]',
    "id too long": b'[2,"' + b"x" * 37 + b'","Heartbeat",{}]',
    "id very long": b'[2,"' + b"x" * 5000 + b'","Heartbeat",{}]',
    "id -1": b'[2,"-1","Heartbeat",{}]',
    "id empty": b'[2,"","Heartbeat",{}]',
    "id a number": b'[2,1,"Heartbeat",{}]',
    "id null": b'[2,null,"Heartbeat",{}]',
    "payload null": b'[2,"1","Heartbeat",null]',
    "payload a text": b'[2,"1","Heartbeat","x"]',
    "five elements": b'[2,"1","Heartbeat",{},{}]',
    "an object": b'{"2":"1"}',
    "a number": b"2",
    "nothing": b"[]",
    "half a frame": b'[2,"1","Heart',
    "not UTF-8": b'[2,"1","Heart\xff",{}]',
    "deep nesting": b"[" * 100_000,
    "deep payload": b'[2,"1","DataTransfer",{"vendorId":"v","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}]",
    "many keys": b'[2,"1","Heartbeat",{' + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}]",
    "big number": b'[2,"1","Heartbeat",{"a":' + b"9" * 5000 + b"}]",
    "huge exponent": b'[2,"1","Heartbeat",{"a":1e999999999999}]',
    "lone surrogate": b'[2,"1","Heartbeat",{"a":"\\ud800"}]',
    "NUL": b'[2,"1","Heartbeat",{"a":"\\u0000"}]',
    "an answer to nothing": b'[3,"1",{}]',
    "an error to nothing": b'[4,"1","GenericError","",{}]',
    "a refused answer to nothing": b'[5,"1","GenericError","",{}]',
    "a send of nonsense": b'[6,"1","Nonsense",{}]',
    "a send of a call": b'[6,"1","Heartbeat",{}]',
    "a call of a send": b'[2,"1","NotifyPeriodicEventStream",{}]',
    "signed nonsense": b'[2,"1","Heartbeat-Signed",{"payload":"x"}]',
    "spaces only": b"   \n",
}


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_torture_frames_are_answered_or_not_and_the_connection_goes_on(subprotocol: str) -> None:
    async with running() as central, station_socket(central, "/CP1", subprotocol) as socket:
        for name, frame in TORTURE.items():
            transport_frame = frame.decode("latin-1") if name != "not UTF-8" else frame.decode(errors="replace")
            await socket.send(transport_frame)
            await socket.send('[2,"alive","Heartbeat",{}]')
            async with asyncio.timeout(10):
                while (answer := msgspec.json.decode(await socket.recv()))[1] != "alive":
                    assert answer[0] in (3, 4), name
                    assert answer[2] != "InternalError", name
            assert answer[0] == 3, name
        assert {type(inbound.message) for inbound in central.heard} == {m.Heartbeat}


@pytest.mark.parametrize("frame", [b"\xff\xfe", b'[2,"1","Heartbeat",{"a":"\xff"}]'])
async def test_bytes_that_are_no_text_are_garbage_like_any_other(frame: bytes) -> None:
    said: asyncio.Queue[bytes] = asyncio.Queue()

    class Listening(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            said.put_nowait(frame.get_payload_as_bytes())

    async with running() as central:
        transport, _ = await picows.ws_connect(
            Listening, central.url + "/CP1", extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"}
        )
        transport.send(picows.WSMsgType.TEXT, frame)
        transport.send(picows.WSMsgType.TEXT, b'[2,"alive","Heartbeat",{}]')
        assert (await said.get()).startswith(b'[3,"alive"')
        assert [kept.raw for kept in central.rejected] == [frame]
        transport.disconnect(graceful=False)


async def test_two_mebibytes_end_their_connection_and_no_other() -> None:
    async with running() as central, station_socket(central, "/CP2") as other, station_socket(central) as socket:
        await socket.send('[2,"1","DataTransfer",{"vendorId":"v","data":"' + "x" * (2 << 20) + '"}]')
        await socket.wait_closed()
        assert socket.close_code == 1009
        assert await heartbeat(other) == 3


async def test_a_newer_connection_wins_and_the_answer_of_the_older_is_not_sent_twice() -> None:
    """R1"""
    both = asyncio.Barrier(3)

    async def hold(inbound: Any) -> m.Answer:
        await both.wait()
        return m.HeartbeatAnswer(inbound.received_at)

    async with running(hold) as central, station_socket(central) as old:
        await old.send('[2,"old","Heartbeat",{}]')
        async with station_socket(central) as new:
            await new.send('[2,"new","Heartbeat",{}]')
            async with asyncio.timeout(10):
                await both.wait()
            assert msgspec.json.decode(await new.recv())[:2] == [3, "new"]
            await old.wait_closed()
            assert old.close_code == 1008
