"""What is set for single stations and for makers, on a gateway with a real database: quirks, deadlines, attendance."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import websockets
from sqlalchemy import text

from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import messages as m
from wattbook.ocpp.connections.quirks import Maker, always
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.attendance import Attendance
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.gateway.options import Options, StationOptions, set_maker_quirks, set_options
from wattbook.ocpp.wire.errors import ConnectionLost
from wattbook.registry.presence import list_stations
from wattbook.simulate.estate import Estate, furnish

NOW = datetime.now(UTC).replace(microsecond=0)
BOOT = {"chargePointVendor": "Maker", "chargePointModel": "Model 1", "chargePointSerialNumber": "x" * 30}


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 3)


@pytest.fixture
async def gateway(database: Database, estate: Estate) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300)
    await running.open("127.0.0.1", 0)
    yield running
    await running.close()


class Raw:
    """A station that says what it likes."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0

    async def ask(self, action: str, payload: object) -> list[Any]:
        self._number += 1
        await self._socket.send(msgspec.json.encode([2, str(self._number), action, payload]).decode())
        answer: list[Any] = msgspec.json.decode(await self._socket.recv())
        return answer


def raw(gateway: Gateway, station: str) -> Any:
    url = f"ws://127.0.0.1:{gateway.port}/ocpp/{station}"
    return websockets.connect(url, subprotocols=[websockets.Subprotocol("ocpp1.6")])


async def quarantined(database: Database, number: int) -> list[tuple[str, bool, str]]:
    async with asyncio.timeout(10):
        while True:
            async with database.snapshot() as connection:
                found = await connection.execute(
                    text("SELECT error_code, accepted, reason FROM ocpp.quarantine ORDER BY id")
                )
                rows = [(row[0], row[1], row[2]) for row in found]
            if len(rows) >= number:
                return rows
            await asyncio.sleep(0.02)


async def test_a_quirk_set_for_a_maker_helps_its_stations_from_their_first_word_and_no_others(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    async with raw(gateway, estate.station(0)) as socket:
        assert (await Raw(socket).ask("BootNotification", BOOT))[2] == "PropertyConstraintViolation"
    async with database.transaction() as connection:
        await set_maker_quirks(connection, {Maker("maker", "model *"): ["long-texts", "own-error-codes"]})
    await gateway.refresh_stations()
    async with raw(gateway, estate.station(0)) as socket:
        station = Raw(socket)
        assert (await station.ask("BootNotification", BOOT))[0] == 3
        assert (await station.ask("BootNotification", BOOT | {"chargePointModel": "Another"}))[0] == 4
    async with raw(gateway, estate.station(0)) as socket:  # who made it is known from its boot
        status = {"connectorId": 1, "status": "Faulted", "errorCode": "Error"}
        assert (await Raw(socket).ask("StatusNotification", status))[0] == 3
    async with raw(gateway, estate.station(1)) as socket:
        assert (await Raw(socket).ask("StatusNotification", status))[0] == 4
    async with database.snapshot() as connection:
        found = await connection.execute(text("SELECT serial FROM registry.presence WHERE serial IS NOT NULL"))
        assert list(found.scalars()) == ["x" * 25]
    kept = await quarantined(database, 5)
    assert ("PropertyConstraintViolation", True,
            "BootNotification: truncate maxLength chargePointSerialNumber") in kept  # fmt: skip
    assert [accepted for _, accepted, _ in kept].count(True) == 2


async def test_a_billing_message_with_an_unknown_word_is_booked_and_kept_once(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    at = NOW - timedelta(hours=1)
    async with raw(gateway, estate.station(0)) as socket:
        station = Raw(socket)
        start = {"connectorId": 1, "idTag": estate.token(0), "meterStart": 0, "timestamp": at.isoformat()}
        transaction = (await station.ask("StartTransaction", start))[2]["transactionId"]
        for minute in (1, 2, 3):
            samples = [{"value": str(1000 * minute)}, {"value": "50.01", "unit": "Hz", "measurand": "Frequency"},
                       {"value": "1", "measurand": "Mood"}]  # fmt: skip
            moment = (at + timedelta(minutes=minute)).isoformat()
            values = [{"timestamp": moment, "sampledValue": samples}]
            payload = {"connectorId": 1, "transactionId": transaction, "meterValue": values}
            assert await station.ask("MeterValues", payload) == [3, str(minute + 1), {}]
        stop = {"transactionId": transaction, "meterStop": 7000, "timestamp": NOW.isoformat(), "reason": "Bored"}
        assert (await station.ask("StopTransaction", stop))[0] == 3
    async with database.snapshot() as connection:
        found = await connection.execute(text("SELECT state, import_mwh FROM charging.sessions"))
        assert [tuple(row) for row in found] == [("completed", 7_000_000)]
    assert [(accepted, reason.split(":")[0]) for _, accepted, reason in await quarantined(database, 2)] == [
        (True, "MeterValues"),
        (True, "StopTransaction"),
    ]


async def test_a_station_may_have_deadlines_of_its_own(database: Database, gateway: Gateway, estate: Estate) -> None:
    async with database.transaction() as connection:
        await set_options(connection, {estate.station(0): StationOptions(ping_after_s=1, pong_within_s=1)})
    await gateway.refresh_stations()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"GET /ocpp/{estate.station(0)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\x89\x00", "a ping"
        assert await reader.read() == b"", "and the end, since nobody answered"
    writer.close()


@pytest.mark.parametrize(
    "options",
    [StationOptions(quirks=("nonsense",)), StationOptions(ping_after_s=0), StationOptions(pong_within_s=90_000)],
)
async def test_what_cannot_be_is_not_set(database: Database, options: StationOptions) -> None:
    async with database.transaction() as connection:
        with pytest.raises(InvalidInput):
            await set_options(connection, {"CP1": options})
        with pytest.raises(InvalidInput):
            await set_maker_quirks(connection, {Maker("v", "*"): ["nonsense"]})


async def test_a_profile_that_is_no_more_in_the_list_is_passed_over(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO ocpp.station_options (station_id, quirks) VALUES ('CP1', ARRAY['gone', 'extra-fields'])")
        )
    options = Options(database, journal=False)
    await options.refresh()
    assert len(await options.rules_of("CP1", None)) == len(always()) + 1
    assert list(await options.rules_of("CP2", None)) == list(always())


# Attendance (R3)


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await done():
                return
            await asyncio.sleep(0.01)


async def last_seen(database: Database, station: str) -> datetime | None:
    async with database.snapshot() as connection:
        for overview in await list_stations(connection):
            if overview.station.id == station and overview.presence is not None:
                return overview.presence.last_seen_at
    return None


async def test_a_station_that_only_answers_pings_is_there(database: Database, gateway: Gateway, estate: Estate) -> None:
    attendance = Attendance(database, system_clock, gateway.connections, look_every_s=0.01, told_again_after_s=0)
    seen: set[datetime | None] = set()

    async def seen_times() -> int:
        seen.add(await last_seen(database, estate.station(0)))
        return len(seen - {None})

    async def once() -> bool:
        return await seen_times() == 1

    async def twice() -> bool:
        return await seen_times() == 2

    async with raw(gateway, estate.station(0)) as socket:
        attendance.open()
        await until(once)
        await (await socket.ping())
        await until(twice)
        await attendance.close()


async def test_when_a_station_was_heard_last_is_told_after_it_left(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    station = await Station.connect(f"ws://127.0.0.1:{gateway.port}/ocpp", estate.station(0))
    before = system_clock()
    await station.call(m.DataTransfer("vendor"))
    await station.close()
    await gateway.close()
    seen = await last_seen(database, estate.station(0))
    assert seen is not None
    assert before <= seen <= system_clock()


# The end


async def test_a_gateway_that_closes_answers_what_it_took(database: Database, gateway: Gateway, estate: Estate) -> None:
    url = f"ws://127.0.0.1:{gateway.port}/ocpp"
    stations = [await Station.connect(url, estate.station(n)) for n in range(3)]
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE charging.refusals"))
        asked = [asyncio.ensure_future(station.authorize(m.IdToken("NOBODY"))) for station in stations]

        async def taken() -> bool:
            return sum(each.counts.calls for each in gateway.connections) == 3

        await until(taken)
        closing = asyncio.ensure_future(gateway.close())
        await asyncio.sleep(0)
        assert not closing.done()
    answers = await asyncio.gather(*asked)
    assert {answer.token_info.status for answer in answers} == {m.Authorization.INVALID}
    await closing
    with pytest.raises(ConnectionLost):
        await stations[0].heartbeat()
