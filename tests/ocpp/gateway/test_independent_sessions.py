"""The stations of the independent `ocpp` package charge in OCPP 2.0.1 and 2.1, down to the book."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import ocpp.v21
import ocpp.v201
import pytest
import websockets

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.charging.views import sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.clock import format_rfc3339, system_clock
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.simulate.estate import Estate, furnish

NOW = datetime.now(UTC).replace(microsecond=0)
BEGUN = NOW - timedelta(hours=1)
STATION = {"model": "M", "vendor_name": "V"}
TRANSACTION = "b1f2c3d4-0000-4000-8000-000000000001"

versions = pytest.mark.parametrize(
    ("subprotocol", "package"), [("ocpp2.0.1", ocpp.v201), ("ocpp2.1", ocpp.v21)], ids=["2.0.1", "2.1"]
)


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 1)


@pytest.fixture
async def gateway(database: Database, estate: Estate) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300)
    await running.open("127.0.0.1", 0)
    yield running
    await running.close()


@asynccontextmanager
async def independent(gateway: Gateway, station_id: str, subprotocol: str, package: ModuleType) -> AsyncIterator[Any]:
    url = f"ws://127.0.0.1:{gateway.port}/ocpp/{station_id}"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol(subprotocol)]) as socket:
        station = package.ChargePoint(station_id, socket)
        reading = asyncio.ensure_future(station.start())
        yield station
        reading.cancel()


def register(kwh: str, at: datetime, context: str) -> dict[str, Any]:
    value = {
        "value": float(kwh),
        "context": context,
        "measurand": "Energy.Active.Import.Register",
        "unit_of_measure": {"unit": "kWh"},
    }
    return {"timestamp": format_rfc3339(at), "sampled_value": [value]}


def session(package: ModuleType, token: dict[str, str]) -> list[Any]:
    """Begin, three samples, end: 11 kWh in an hour."""
    steps = [
        ("Started", "Authorized", "5", "Transaction.Begin"),
        ("Updated", "MeterValuePeriodic", "7.75", "Sample.Periodic"),
        ("Updated", "MeterValuePeriodic", "10.5", "Sample.Periodic"),
        ("Updated", "MeterValuePeriodic", "13.25", "Sample.Periodic"),
        ("Ended", "StopAuthorized", "16", "Transaction.End"),
    ]
    events = [
        package.call.TransactionEvent(
            event_type=kind,
            timestamp=format_rfc3339(BEGUN + timedelta(minutes=15 * number)),
            trigger_reason=trigger,
            seq_no=number,
            transaction_info={"transaction_id": TRANSACTION},
            meter_value=[register(kwh, BEGUN + timedelta(minutes=15 * number), context)],
        )
        for number, (kind, trigger, kwh, context) in enumerate(steps)
    ]
    events[0].evse = {"id": 1, "connector_id": 1}
    events[0].id_token = events[-1].id_token = token
    events[-1].transaction_info["stopped_reason"] = "Local"
    return events


async def booked(database: Database, estate: Estate) -> int:
    drawn = Account(estate.customer(0), "consumption", ENERGY)
    async with database.snapshot() as connection:
        return (await balances(connection, [drawn]))[drawn].posted


@versions
async def test_a_session_from_card_to_book(
    database: Database, gateway: Gateway, estate: Estate, subprotocol: str, package: ModuleType
) -> None:
    token = {"id_token": estate.token(0), "type": "ISO14443"}
    async with independent(gateway, estate.station(0), subprotocol, package) as station:
        call = package.call
        boot = await station.call(call.BootNotification(charging_station=STATION, reason="PowerUp"))
        assert boot.status == "Accepted"
        await station.call(
            call.StatusNotification(
                timestamp=format_rfc3339(NOW), connector_status="Available", evse_id=1, connector_id=1
            )
        )
        assert (await station.call(call.Authorize(id_token=token))).id_token_info["status"] == "Accepted"
        begin, *progress, end = session(package, token)
        begun = await station.call(begin)
        assert begun.id_token_info["status"] == "Accepted"
        assert begun.total_cost is None
        for event in progress:
            assert (await station.call(event)).id_token_info is None, "nobody asked"
        await station.call(call.Heartbeat())
        ended = await station.call(end)
        assert ended.id_token_info["status"] == "Accepted"
        assert Decimal(str(ended.total_cost)) == Decimal("3925.24"), "11 kWh × 324.4 × 1.1"
    async with database.snapshot() as connection:
        (found,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
    assert (found.state, found.import_mwh, found.cost_after_tax) == ("completed", 11_000_000, Decimal("3925.24"))
    assert await booked(database, estate) == 11_000_000
    assert (await prove(database)).holds


@versions
async def test_events_kept_offline_and_told_again_change_nothing(
    database: Database, gateway: Gateway, estate: Estate, subprotocol: str, package: ModuleType
) -> None:
    token = {"id_token": estate.token(0), "type": "ISO14443"}
    events = session(package, token)
    for event in events:
        event.offline = True
    async with independent(gateway, estate.station(0), subprotocol, package) as station:
        await station.call(package.call.BootNotification(charging_station=STATION, reason="PowerUp"))
        answers = [[await station.call(event) for event in events] for _ in range(2)]
    assert answers[0][-1].total_cost == answers[1][-1].total_cost
    async with database.snapshot() as connection:
        (found,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
        kept = await connection.exec_driver_sql("SELECT count(*) FROM charging.meter_values")
        assert kept.scalar_one() == len(events), "a sample that is told again is kept once"
    assert found.import_mwh == await booked(database, estate) == 11_000_000
    assert (await prove(database)).holds
