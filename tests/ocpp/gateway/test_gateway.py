"""The gateway with a real database behind it: what stations say is booked, what is wrong is named and kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import websockets
from sqlalchemy import text

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.charging.ports import ConsentAnswer, ConsentRequest
from wattbook.charging.views import live_sessions, orphans, refusals, sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.journal.rejections import list_rejected
from wattbook.ocpp.messages import Authorization, ConnectorStatus, DataTransfer, DataTransferStatus, IdToken, Sample
from wattbook.ocpp.wire.errors import ErrorCode, PeerRefused
from wattbook.registry.stations import Acceptance, set_acceptance
from wattbook.simulate.estate import SUPPLIER, Estate, furnish

NOW = datetime.now(UTC).replace(microsecond=0)


class Partners:
    """A roaming partner that knows one driver."""

    def __init__(self) -> None:
        self.asked: list[ConsentRequest] = []

    async def ask(self, request: ConsentRequest) -> ConsentAnswer:
        self.asked.append(request)
        if request.token_uid != "PARTNER1":
            return ConsentAnswer("unknown")
        return ConsentAnswer("allowed", "KR*BRM", "KRBRMC000000017", "reference", SUPPLIER, None, Decimal(9000), "KRW")


@pytest.fixture
async def estate(database: Database) -> Estate:
    async with database.transaction() as connection:
        return await furnish(connection, 3)


@pytest.fixture
def partners() -> Partners:
    return Partners()


@pytest.fixture
async def gateway(database: Database, estate: Estate, partners: Partners) -> AsyncIterator[Gateway]:
    running = Gateway(database, system_clock, heartbeat_interval_s=300, partners=partners)
    await running.open("127.0.0.1", 0)
    yield running
    await running.close()


@pytest.fixture
async def station(gateway: Gateway, estate: Estate) -> AsyncIterator[Station]:
    connected = await connect(gateway, estate.station(0))
    await connected.boot("maker", "model")
    yield connected
    await connected.close()


async def connect(gateway: Gateway, station_id: str) -> Station:
    return await Station.connect(f"ws://127.0.0.1:{gateway.port}/ocpp", station_id)


async def test_a_session_from_card_to_book(database: Database, station: Station, estate: Estate) -> None:
    token = IdToken(estate.token(0))
    await station.status(1, ConnectorStatus.AVAILABLE)
    assert (await station.authorize(token)).token_info.status is Authorization.ACCEPTED
    started = await station.start_transaction(1, token, 5_000_000, NOW - timedelta(hours=1))
    assert started.token_info.status is Authorization.ACCEPTED
    sample = Sample(NOW - timedelta(minutes=30), import_mwh=11_000_000, import_w=Decimal(11_000))
    await station.meter_values(1, [sample], started.transaction_id)
    async with database.snapshot() as connection:
        (live,) = await live_sessions(connection)
    assert (live.import_mwh, live.power_w) == (6_000_000, 11_000)
    assert live.cost_after_tax == Decimal("2141.04"), "6 kWh × 324.4 × 1.1"
    assert live.progress_percent == pytest.approx(Decimal("4.28"), abs=Decimal("0.01")), "of the 50,000 set aside"
    await station.stop_transaction(started.transaction_id, 16_000_000, NOW)
    async with database.snapshot() as connection:
        (ended,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
    assert (ended.state, ended.import_mwh, ended.cost_after_tax) == ("completed", 11_000_000, Decimal("3925.24"))
    assert (await prove(database)).holds


async def test_a_replayed_start_and_stop_change_nothing(database: Database, station: Station, estate: Estate) -> None:
    token, at = IdToken(estate.token(0)), NOW - timedelta(hours=1)
    first, again = [await station.start_transaction(1, token, 0, at) for _ in range(2)]
    assert first.transaction_id == again.transaction_id
    for _ in range(2):
        await station.stop_transaction(first.transaction_id, 7_000_000, NOW)
    async with database.snapshot() as connection:
        drawn = Account(estate.customer(0), "consumption", ENERGY)
        assert (await balances(connection, [drawn]))[drawn].posted == 7_000_000
    assert (await prove(database)).holds


async def test_an_unknown_station_is_not_let_in_until_it_is_registered(database: Database, gateway: Gateway) -> None:
    with pytest.raises(Unavailable, match="404"):
        await connect(gateway, "NOBODY")
    async with database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO registry.stations (id, site, placement, ip_code, acceptance)"
                 " SELECT 'NOBODY', site, placement, ip_code, acceptance FROM registry.stations LIMIT 1")
        )  # fmt: skip
    async with asyncio.timeout(10):
        while True:
            try:
                newcomer = await connect(gateway, "NOBODY")
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    await newcomer.close()


async def test_a_station_that_is_not_accepted_is_heard_at_boot_only(
    database: Database, gateway: Gateway, estate: Estate
) -> None:
    async with database.transaction() as connection:
        await set_acceptance(connection, [(estate.station(1), Acceptance.PENDING)])
    await gateway.refresh_stations()
    pending = await connect(gateway, estate.station(1))
    assert (await pending.boot("maker", "model")).status == "Pending"
    with pytest.raises(PeerRefused) as refused:
        await pending.heartbeat()
    assert refused.value.rpc_code is ErrorCode.SECURITY_ERROR
    await pending.close()


async def test_an_unknown_token_is_invalid_and_the_refusal_is_kept(
    database: Database, station: Station, partners: Partners
) -> None:
    verdict = await station.authorize(IdToken("UNHEARD-OF"))
    assert verdict.token_info.status is Authorization.INVALID
    assert [request.token_uid for request in partners.asked] == ["UNHEARD-OF"]
    async with database.snapshot() as connection:
        (refusal,) = await refusals(connection, NOW - timedelta(days=1))
    assert (refusal.token_uid, refusal.reason) == ("UNHEARD-OF", "token-unknown")


async def test_a_partners_driver_is_asked_for_once_and_charges(
    database: Database, station: Station, partners: Partners
) -> None:
    token = IdToken("PARTNER1")
    assert (await station.authorize(token)).token_info.status is Authorization.ACCEPTED
    started = await station.start_transaction(1, token, 0, NOW - timedelta(minutes=9))
    await station.stop_transaction(started.transaction_id, 2_000_000, NOW)
    assert len(partners.asked) == 1
    async with database.snapshot() as connection:
        (ended,) = await sessions_between(connection, NOW - timedelta(days=1), NOW)
    assert (ended.token_party, ended.prepaid) == ("KR*BRM", Decimal(9000))
    assert (await prove(database)).holds


async def test_a_register_that_goes_back_bills_nothing_and_is_flagged(
    database: Database, station: Station, estate: Estate
) -> None:
    started = await station.start_transaction(1, IdToken(estate.token(0)), 9_000_000, NOW - timedelta(minutes=9))
    await station.meter_values(1, [Sample(NOW - timedelta(minutes=5), import_mwh=1_000_000)], started.transaction_id)
    await station.stop_transaction(started.transaction_id, 500_000, NOW)
    async with database.snapshot() as connection:
        found = await connection.execute(text("SELECT import_mwh, flags FROM charging.sessions"))
        energy_mwh, flags = found.one()
        kept = await connection.execute(text("SELECT import_register_mwh FROM charging.meter_values"))
        assert list(kept.scalars()) == [1_000_000], "what was said is kept"
    assert energy_mwh == 0
    assert "meter-backwards" in flags
    assert (await prove(database)).holds


async def test_a_stop_nobody_knows_is_acknowledged_and_kept(database: Database, station: Station) -> None:
    await station.stop_transaction("424242", 1_000_000, NOW)
    async with database.snapshot() as connection:
        (orphan,) = await orphans(connection, NOW - timedelta(days=1))
    assert orphan.transaction_id == "424242"


async def test_a_vendors_message_is_answered_in_the_protocols_words(station: Station) -> None:
    answer = await station.call(DataTransfer("somebody"))
    assert answer.status is DataTransferStatus.UNKNOWN_VENDOR


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"{garbage", "FormationViolation"),
        (b'[2,"1","FlyToTheMoon",{}]', "NotImplemented"),
        (b'[2,"2","MeterValues",{"connectorId":"one","meterValue":[]}]', "TypeConstraintViolation"),
        (b'[2,"3","Authorize",{}]', "OccurenceConstraintViolation"),
    ],
)
async def test_what_cannot_be_accepted_is_kept_as_it_came_and_the_station_goes_on(
    database: Database, gateway: Gateway, estate: Estate, frame: bytes, code: str
) -> None:
    url = f"ws://127.0.0.1:{gateway.port}/ocpp/{estate.station(2)}"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol("ocpp1.6")]) as socket:
        await socket.send(frame.decode())
        await socket.send('[2,"after","Heartbeat",{}]')
        async with asyncio.timeout(10):
            while not str(await socket.recv()).startswith('[3,"after"'):
                pass
            while True:
                async with database.snapshot() as connection:
                    kept = await list_rejected(connection, None)
                if kept:
                    break
                await asyncio.sleep(0.02)
    assert [(each.frame, each.error_code) for each in kept] == [(frame.decode(), code)]
