"""Who may come in, how fast, and what those learn who may not (R6); and how much one who is in may say."""

import asyncio
from contextlib import suppress

import pytest
import websockets

from tests.ocpp.loopback import Central, running
from tests.ocpp.wire.test_transport import heartbeat, station_socket
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.wire.transport import SocketLimits
from wattbook.ocpp.wire.turnstile import ArrivalLimits, Turnstile


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_in_and_then_as_many_as_the_rate_allows() -> None:
    clock = Clock()
    turnstile = Turnstile(ArrivalLimits(arrivals_per_s_max=10, arrivals_burst_max=3), clock)
    assert [turnstile.enter() is None for _ in range(4)] == [True, True, True, False]
    clock.now = 0.25
    assert [turnstile.enter() is None for _ in range(3)] == [True, True, False]
    clock.now = 100
    assert [turnstile.enter() is None for _ in range(4)] == [True, True, True, False]
    assert turnstile.turned_away == 3


async def turned_away(central: Central, path: str = "/CP9") -> str:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await station_socket(central, path)
    response = caught.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
    return (response.body or b"").decode()


async def test_a_storm_is_told_when_to_come_again() -> None:
    arrivals = ArrivalLimits(arrivals_per_s_max=1, arrivals_burst_max=2)
    async with running(arrivals=arrivals) as central:
        first, second = await station_socket(central), await station_socket(central, "/CP2")
        assert "new connections a second" in await turned_away(central)
        assert [await heartbeat(first), await heartbeat(second)] == [3, 3]


async def test_there_are_no_more_connections_than_allowed_and_a_place_is_free_again_when_one_ends() -> None:
    async with running(arrivals=ArrivalLimits(connections_max=1)) as central:
        async with station_socket(central) as socket:
            assert "more than 1 connections" in await turned_away(central)
            assert await heartbeat(socket) == 3
        await central.closed.get()
        station = await Station.connect(central.url, "CP9")
        await station.heartbeat()
        await station.close()


async def test_sockets_that_say_nothing_take_no_more_than_their_places_and_lose_them_in_time() -> None:
    limits = SocketLimits(handshake_within_s=0.05)
    async with running(limits=limits, arrivals=ArrivalLimits(handshakes_max=2)) as central:
        silent = [await asyncio.open_connection("127.0.0.1", central.end.port) for _ in range(2)]
        assert "handshakes at once" in await turned_away(central)
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
        station = await Station.connect(central.url, "CP9")
        await station.heartbeat()
        await station.close()


async def test_one_that_is_turned_away_and_says_nothing_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattbook.ocpp.wire.turnstile.REFUSAL_WITHIN_S", 0.01)
    async with running(arrivals=ArrivalLimits(connections_max=0)) as central:
        reader, writer = await asyncio.open_connection("127.0.0.1", central.end.port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_who_floods_is_closed_with_the_reason_and_the_others_go_on() -> None:
    limits = SocketLimits(frames_per_s_max=50, frames_burst_max=100)
    async with running(limits=limits) as central, station_socket(central, "/CP2") as honest:
        async with station_socket(central) as socket:
            with suppress(websockets.ConnectionClosed):
                for _ in range(10_000):
                    await socket.ping()
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1008, "more than 50 frames a second")
        assert await heartbeat(honest) == 3


async def test_a_station_within_its_rate_may_send_as_long_as_it_likes() -> None:
    limits = SocketLimits(frames_per_s_max=1_000_000, frames_burst_max=3)
    async with running(limits=limits) as central, station_socket(central) as socket:
        for _ in range(20):
            assert await heartbeat(socket) == 3
