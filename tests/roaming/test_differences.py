"""A partner's driver whose session was ended by estimate: its true end is a second record, and all books balance."""

import pytest
from sqlalchemy import text

from tests.roaming.deployments import KWH, STATION, A, B, Country, Deployment, energy, won
from wattbook.charging.open_sessions import estimated_stop, silent_sessions
from wattbook.charging.starting import Started
from wattbook.charging.stopping import Stopped, stop
from wattbook.roaming.cdrs import list_cdrs
from wattbook.roaming.delivery import list_troubles
from wattbook.roaming.edge import subscriber
from wattbook.roaming.settlement import settle


async def reaped(partners: Country) -> Stopped:
    """Nothing is heard of the session any more; what is known of it is its end."""
    async with partners.a.database.transaction() as connection:
        (silent,) = await silent_sessions(connection, partners.clock(), limit=2)
        assert silent.station_id == STATION
        (stopped,) = await stop(
            connection, [estimated_stop(silent)], now=partners.clock(), subscribers=[subscriber(partners.a.roaming)]
        )
    assert isinstance(stopped, Stopped)
    return stopped


async def remarks(deployment: Deployment) -> list[str]:
    """Of the records that a deployment has, in the order of their sessions."""
    async with deployment.database.snapshot() as connection:
        found = await connection.execute(text("SELECT body ->> 'remark' FROM roaming.cdrs ORDER BY started_at"))
        return list(found.scalars())


@pytest.mark.parametrize(("kwh", "wallet", "owed"), [(20, 13_400, 0), (100, 0, 13_000)])
async def test_the_partner_gets_a_record_of_what_was_missing_and_all_books_balance(
    partners: Country, kwh: int, wallet: int, owed: int
) -> None:
    a, b, hub = partners.all
    assert isinstance(await partners.begin("T-bora", "t1"), Started)
    await partners.sample("t1", 10 * KWH, 22_000)
    estimated = await reaped(partners)
    await a.work()
    assert estimated.after_tax == won(3_300)
    assert await b.available("bora") == won(20_000 - 3_300), "what was set aside is free again"

    for _ in range(2):
        await partners.end("t1", kwh * KWH)
        await a.work()
    for each in partners.all:
        async with each.database.transaction() as connection:
            records = await list_cdrs(connection)
            assert await list_troubles(connection) == []
        assert sorted(record.energy_mwh for record in records) == sorted([10 * KWH, (kwh - 10) * KWH])
        assert sum(record.after_tax for record in records) == won(kwh * 330)
        assert all(record.accepted_at is not None for record in records)
    first, second = await remarks(b)
    assert "silent" in first
    assert records[-1].id in second, "who prices it again is told why it costs what it costs"
    assert await a.posted(*energy(B, "partner")) == kwh * KWH
    assert await b.posted(*energy("bora", "consumption")) == kwh * KWH
    assert await b.posted("bora", "wallet") == await b.available("bora") == won(wallet)
    assert await b.posted("bora", "receivable") == won(owed)
    assert await a.posted(B, "receivable") == await b.posted(A, "payable") == won(kwh * 330)
    await partners.prove()

    async with b.database.transaction() as connection:
        (settlement,) = await settle(b.roaming, connection, A)
    assert (settlement.cdr_count, settlement.energy_mwh) == (2, kwh * KWH)
    await b.work()
    assert await a.posted(B, "receivable") == await b.posted(A, "payable") == await hub.posted(B, "receivable") == 0
    await partners.prove()
