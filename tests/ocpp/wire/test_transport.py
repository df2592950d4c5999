"""The door and the socket: who is let in, and what a socket that misbehaves learns."""

import asyncio
from typing import cast

import msgspec
import picows
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.ocpp.loopback import Central, running
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.server import identity_of
from wattbook.ocpp.wire.transport import SocketLimits

HEARTBEAT = '[2,"1","Heartbeat",{}]'


def station_socket(central: Central, path: str = "/CP1", *subprotocols: str) -> connect:
    """The independent `websockets` client, offering 1.6 unless told otherwise."""
    offered = [Subprotocol(name) for name in subprotocols or ("ocpp1.6",)]
    return connect(central.url + path, subprotocols=offered, compression=None)


async def heartbeat(socket: ClientConnection) -> int:
    """The type number of the answer."""
    await socket.send(HEARTBEAT)
    return cast(int, msgspec.json.decode(await socket.recv())[0])


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        (b"/ocpp/CP1", "CP1"),
        (b"/ocpp/CP%201%2Fa", "CP 1/a"),
        (b"/ocpp/%C3%A4", "ä"),
        (b"/ocpp/CP1?token=1", "CP1"),
        (b"/ocpp/", None),
        (b"/ocpp", None),
        (b"/", None),
        (b"/other/CP1", None),
        (b"/ocpp/a/b", None),
        (b"/ocpp/%FF", None),
    ],
)
def test_the_identity_is_the_last_element_of_the_path(path: bytes, identity: str | None) -> None:
    assert identity_of(path, "/ocpp/") == identity


async def test_a_station_is_let_in_with_the_subprotocol_it_named_first() -> None:
    async with running() as central:
        async with station_socket(central, "/CP%201", "ocpp2.9", "ocpp1.6") as socket:
            assert socket.subprotocol == "ocpp1.6"
            assert await heartbeat(socket) == 3
        (knock,) = central.knocks
        assert (knock.identity, knock.subprotocols) == ("CP 1", ("ocpp2.9", "ocpp1.6"))


@pytest.mark.parametrize(("path", "status"), [("/unknown", 404), ("/a/b", 404), ("/", 404), ("/broken", 503)])
async def test_who_is_not_let_in_gets_an_http_status_and_no_secret(path: str, status: int) -> None:
    async with running() as central:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await station_socket(central, path)
        assert caught.value.response.status_code == status
        assert b"secret" not in (caught.value.response.body or b"")


@pytest.mark.parametrize("offered", [("ocpp1.5",), ("ocpp2.9", "soap")])
async def test_without_common_subprotocol_the_handshake_is_completed_and_the_socket_closed(
    offered: tuple[str, ...],
) -> None:
    async with running() as central, station_socket(central, "/CP1", *offered) as socket:
        assert socket.subprotocol is None
        await socket.wait_closed()
        assert socket.close_code == 1002
        assert central.end.connections.get("CP1") is None


async def test_a_connection_header_with_more_than_one_token_is_understood() -> None:
    async with running() as central:
        reader, writer = await asyncio.open_connection("127.0.0.1", central.end.port)
        writer.write(
            b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        assert await reader.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        writer.close()


async def test_a_binary_frame_ends_the_socket() -> None:
    async with running() as central, station_socket(central) as socket:
        await socket.send(HEARTBEAT.encode())
        await socket.wait_closed()
        assert socket.close_code == 1003
        assert central.heard == []


@pytest.mark.parametrize("parts", [1, 5])
async def test_a_frame_that_is_too_big_ends_the_socket_whole_or_in_parts(parts: int) -> None:
    async with running(limits=SocketLimits(frame_bytes_max=1 << 16)) as central, station_socket(central) as socket:
        part = "x" * ((1 << 16) // parts + 1)
        await socket.send(part if parts == 1 else [part] * parts)
        await socket.wait_closed()
        assert socket.close_code == 1009
        connection = await central.closed.get()
        assert "65536" in (connection.rpc.closed_because or "")


async def test_a_frame_within_the_limit_passes_whole_and_in_parts() -> None:
    async with running() as central, station_socket(central) as socket:
        await socket.send([HEARTBEAT[:5], "", HEARTBEAT[5:]])
        assert msgspec.json.decode(await socket.recv())[0] == 3
        big = '[2,"2","DataTransfer",{"vendorId":"v","data":"' + "x" * 900_000 + '"}]'
        await socket.send(big)
        assert msgspec.json.decode(await socket.recv())[:2] == [3, "2"]


async def test_a_ping_is_answered() -> None:
    async with running() as central, station_socket(central) as socket:
        await (await socket.ping(b"are you there"))


class Deaf(picows.WSListener):
    """A client that answers no ping."""


async def test_a_silent_socket_is_pinged_and_dropped_after_the_deadline() -> None:
    limits = SocketLimits(ping_after_s=0.01, pong_within_s=0.01)
    async with running(limits=limits) as central:
        await picows.ws_connect(
            Deaf,
            central.url + "/CP1",
            extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"},
            enable_auto_pong=False,
        )
        connection = await central.closed.get()
        assert "nothing was heard" in (connection.rpc.closed_because or "")


async def test_a_socket_that_answers_pings_stays() -> None:
    limits = SocketLimits(ping_after_s=0.01, pong_within_s=0.5)
    async with running(limits=limits) as central:
        pings = asyncio.Semaphore(0)

        class Answering(picows.WSListener):
            def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
                transport.send_pong()
                pings.release()

        transport, _ = await picows.ws_connect(
            Answering,
            central.url + "/CP1",
            extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"},
            enable_auto_pong=False,
        )
        for _ in range(2):  # the second comes only to a socket that answered the first
            await pings.acquire()
        assert central.end.connections.get("CP1") is not None
        transport.disconnect()


async def test_a_station_learns_why_it_cannot_connect() -> None:
    async with running() as central:
        with pytest.raises(Unavailable, match="HTTP 404"):
            await Station.connect(central.url, "unknown")
        with pytest.raises(Unavailable, match="no common sub-protocol"):
            await Station.connect(central.url, "CP1", subprotocols=["ocpp2.9"])
        port = central.end.port
    with pytest.raises(Unavailable, match="cannot be reached"):
        await Station.connect(f"ws://127.0.0.1:{port}/ocpp", "CP1")


async def test_a_password_is_sent_as_basic_authentication() -> None:
    async with running() as central:
        station = await Station.connect(central.url, "CP1", password=b"\x00\xffsecret")
        assert central.knocks[0].headers["Authorization"] == "Basic Q1AxOgD/c2VjcmV0"
        await station.close()
