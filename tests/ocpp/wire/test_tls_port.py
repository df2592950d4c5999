"""What the port for TLS makes of those who never get through their handshake."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ocpp.loopback import Central, running
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.security.authority import Authority
from wattbook.ocpp.security.tls import ListeningTls, station_tls
from wattbook.ocpp.wire.transport import SocketLimits
from wattbook.ocpp.wire.turnstile import ArrivalLimits

TRIES_MAX = 200


async def serve_tls(central: Central, folder: Path) -> Authority:
    now = system_clock()
    authority = Authority.open(folder, "Test Operator", now)
    files = authority.server_files(["127.0.0.1"], now)
    await central.end.listen_tls("127.0.0.1", 0, ListeningTls(*files, authority.trusted(now)))
    return authority


async def hang_up(central: Central, said: bytes) -> None:
    """Open a connection, say something that is no TLS, and be gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", central.end.tls_port)
    with suppress(OSError):
        if said:
            writer.write(said)
            await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_who_fails_the_handshake_gives_the_place_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattbook.ocpp.wire.turnstile.TLS_MARGIN_S", 0.05)
    limits, arrivals = SocketLimits(handshake_within_s=2.0), ArrivalLimits(connections_max=4, handshakes_max=2)
    async with running(limits=limits, arrivals=arrivals) as central:
        authority = await serve_tls(central, tmp_path)
        trusting = station_tls(authority.trusted(system_clock()))
        for said in (b"GET / HTTP/1.1\r\n\r\n", b""):
            for _ in range(4):
                await hang_up(central, said)
        for _ in range(TRIES_MAX):
            with suppress(Unavailable):
                url = f"wss://127.0.0.1:{central.end.tls_port}/ocpp"
                station = await Station.connect(url, "CP1", tls=trusting)
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the port stayed full")
        await station.heartbeat()
        await station.close()


async def test_a_health_check_of_the_port_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as central:
        authority = await serve_tls(central, tmp_path)
        for _ in range(3):
            await hang_up(central, b"")
        station = await Station.connect(
            f"wss://127.0.0.1:{central.end.tls_port}/ocpp", "CP1", tls=station_tls(authority.trusted(system_clock()))
        )
        await station.heartbeat()
        await station.close()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
