"""A station at the other end of a real socket stops when its driver's money is used up."""

import asyncio
from datetime import timedelta

from tests.ocpp.deployment import NOW, WAIT_S, Puppet
from tests.payments.world import prove, won
from wattbook.book.accounts import Account
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.ocpp.messages import IdToken, RemoteStop, Sample
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.payments.wallets import give_back, warnings_of
from wattbook.simulate.estate import FUNDS, furnish

KWH = 1_000_000
MINUTE = timedelta(minutes=1)


async def test_a_station_is_told_to_stop_when_the_wallet_is_used_up(database: Database) -> None:
    async with database.transaction() as connection:
        estate = await furnish(connection, 1)
        driver = estate.customer(0)
        await give_back(connection, driver, FUNDS - won(6_000), "rest", now=NOW)
    clock, puppet = ManualClock(NOW), Puppet()
    gateway = Gateway(
        database, clock, heartbeat_interval_s=300, subscribers=[prepaid_subscriber(clock)], look_every_s=0.2
    )
    await gateway.open("127.0.0.1", 0)
    try:
        url = f"ws://127.0.0.1:{gateway.port}/ocpp"
        station = await Station.connect(url, estate.station(0), puppet.commands, subprotocols=["ocpp1.6"], clock=clock)
        await station.boot("maker", "model")
        started = await station.start_transaction(1, IdToken(estate.token(0)), 0, clock())
        for kwh in (8, 14, 16):  # 356.84 won each; 16 are 5,709.44 of 6,000
            clock.advance(10 * MINUTE)
            await station.meter_values(1, [Sample(clock(), import_mwh=kwh * KWH)], started.transaction_id)
        assert puppet.told == []
        clock.advance(MINUTE)
        await station.meter_values(1, [Sample(clock(), import_mwh=16_700_000)], started.transaction_id)
        await asyncio.wait_for(puppet.hears.wait(), WAIT_S)
        assert puppet.told == [RemoteStop(started.transaction_id)]
        await station.stop_transaction(started.transaction_id, 16_750_000, clock())
        await station.close()
    finally:
        await gateway.close()
    wallet = Account(driver, "wallet", "KRW")
    async with database.snapshot() as connection:
        left = (await balances(connection, [wallet]))[wallet]
        told = [warning.kind for warning in await warnings_of(connection, driver)]
    assert (left.posted, left.available) == (won("22.93").amount, won("22.93").amount)
    assert told == ["used-up", "low"]
    await prove(database)
