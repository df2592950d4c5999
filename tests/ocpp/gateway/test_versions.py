"""Our own station in every version against the real gateway: the same words, the same bookings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.charging.views import live_sessions, sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.connections.station_transactions import Transactions
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import Authorization, ConnectorStatus, IdToken, Sample
from wattbook.simulate.estate import Estate, furnish
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import Vehicle, VehicleModel

NOW = datetime.now(UTC).replace(microsecond=0)
BEGUN = NOW - timedelta(hours=1)
KWH = 1_000_000


@pytest.fixture(params=DIALECTS)
def subprotocol(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


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


def address(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/ocpp"


async def test_a_session_is_said_the_same_way_in_every_version(
    database: Database, gateway: Gateway, estate: Estate, subprotocol: str
) -> None:
    station = await Station.connect(address(gateway), estate.station(0), subprotocols=[subprotocol])
    token = IdToken(estate.token(0))
    await station.boot("maker", "model")
    await station.status(1, ConnectorStatus.PREPARING)
    assert (await station.authorize(token)).token_info.status is Authorization.ACCEPTED
    started = await station.start_transaction(1, token, 5 * KWH, BEGUN)
    assert started.token_info.status is Authorization.ACCEPTED
    sample = Sample(BEGUN + timedelta(minutes=30), import_mwh=11 * KWH, import_w=Decimal(11_000))
    await station.meter_values(1, [sample], started.transaction_id)
    async with database.snapshot() as connection:
        (live,) = await live_sessions(connection)
    assert (live.import_mwh, live.power_w) == (6 * KWH, 11_000)
    await station.meter_values(0, [Sample(NOW, import_mwh=99 * KWH)])
    await station.stop_transaction(started.transaction_id, 16 * KWH, NOW, token=token)
    await station.heartbeat()
    await station.close()
    async with database.snapshot() as connection:
        (ended,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
    assert (ended.state, ended.import_mwh, ended.cost_after_tax) == ("completed", 11 * KWH, Decimal("3925.24"))
    assert (await prove(database)).holds


async def test_a_station_goes_on_over_a_new_connection_and_repeats_what_was_not_answered(
    database: Database, gateway: Gateway, estate: Estate, subprotocol: str
) -> None:
    token, transactions = IdToken(estate.token(0)), Transactions(estate.station(0))
    ids = set()
    for _ in range(2):
        station = await Station.connect(
            address(gateway), estate.station(0), subprotocols=[subprotocol], transactions=transactions
        )
        ids.add((await station.start_transaction(1, token, 0, BEGUN)).transaction_id)
        (transaction_id,) = ids
        await station.meter_values(1, [Sample(BEGUN + timedelta(minutes=9), import_mwh=KWH)], transaction_id)
        await station.stop_transaction(transaction_id, 7 * KWH, NOW)
        station.cut()
        await station.wait_closed()
    async with database.snapshot() as connection:
        drawn = Account(estate.customer(0), "consumption", ENERGY)
        assert (await balances(connection, [drawn]))[drawn].posted == 7 * KWH
    assert (await prove(database)).holds


async def test_a_simulated_station_charges_in_every_version(
    database: Database, gateway: Gateway, estate: Estate, subprotocol: str
) -> None:
    simulated = SimulatedStation(
        estate.station(0), ManualClock(BEGUN), subprotocols=[subprotocol], pace=Pace(timedelta(minutes=10))
    )
    await simulated.connect(address(gateway))
    car = Vehicle(VehicleModel("car", 50 * KWH, 11_000, 100_000), 0)
    outcome = await simulated.charge(estate.token(0), car, energy_mwh=5 * KWH)
    await simulated.leave()
    assert (outcome.refusal, outcome.faults, outcome.import_mwh) == (None, (), 5 * KWH)
    async with database.snapshot() as connection:
        (ended,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
    assert (ended.state, ended.import_mwh) == ("completed", 5 * KWH)
    assert (await prove(database)).holds
