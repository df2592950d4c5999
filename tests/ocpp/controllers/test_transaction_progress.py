"""Events of a transaction that goes on: counted once, by whichever gateway and however often they are heard."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.ocpp.controllers.test_transaction_events import ID, KWH, NOW, event
from wattbook.app.databases import prove
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.gateway.inbox import Inbox
from wattbook.ocpp.messages import IdToken, Phase, TransactionEvent, TransactionEventAnswer
from wattbook.ocpp.transactions.event_log import missing_events
from wattbook.simulate.estate import Estate, furnish

LAST = 12


class Gateways:
    """Two of them over one database, each with its own memory; a station is heard by either, or by both at once."""

    def __init__(self, database: Database, estate: Estate, inboxes: tuple[Inbox, Inbox]) -> None:
        self.database, self.estate, self.inboxes = database, estate, inboxes

    async def tell(self, said: TransactionEvent, *by: int) -> None:
        """The same event to each of these at once."""
        inbound = InboundMessage(self.estate.station(0), 1, "2.0.1", "x", said, NOW)
        answers = await asyncio.gather(*(self.inboxes[number](inbound) for number in by))
        assert all(isinstance(answer, TransactionEventAnswer) for answer in answers)

    async def column(self, statement: str) -> list[str]:
        async with self.database.snapshot() as connection:
            return [str(value) for value in (await connection.execute(text(statement))).scalars()]


@pytest.fixture
async def gateways(database: Database) -> AsyncIterator[Gateways]:
    async with database.transaction() as connection:
        estate = await furnish(connection, 1)
    clock = ManualClock(NOW)
    inboxes = (Inbox(database, clock, heartbeat_interval_s=300), Inbox(database, clock, heartbeat_interval_s=300))
    for inbox in inboxes:
        inbox.start()
    yield Gateways(database, estate, inboxes)
    for inbox in inboxes:
        await inbox.stop()


def session(token: str) -> list[TransactionEvent]:
    going_on = [event(Phase.UPDATED, number, (5 + number) * KWH, 5 * number) for number in range(1, LAST)]
    begin = event(Phase.STARTED, 0, 5 * KWH, token=IdToken(token), evse=1)
    return [begin, *going_on, event(Phase.ENDED, LAST, (5 + LAST) * KWH, 5 * LAST)]


@pytest.mark.parametrize("seed", range(8))
async def test_whoever_hears_an_event_and_however_often_it_is_counted_once(gateways: Gateways, seed: int) -> None:
    choose = random.Random(seed)
    events = session(gateways.estate.token(0))
    told = sorted(choose.sample(range(LAST + 1), choose.randint(0, 4)) + list(range(LAST + 1)))
    for place in range(len(told) - 1):  # some come late
        if choose.random() < 0.2:
            told[place], told[place + 1] = told[place + 1], told[place]
    for number in told:
        await gateways.tell(events[number], *choose.choice([(0,), (0,), (1,), (0, 1), (0, 0)]))
    assert len(await gateways.column("SELECT sampled_at FROM charging.meter_values")) == LAST + 1
    assert await gateways.column("SELECT import_mwh FROM charging.sessions") == [str(LAST * KWH)]
    assert await gateways.column("SELECT heard::text FROM charging.sessions") == [f"{{[0,{LAST + 1})}}"]
    async with gateways.database.snapshot() as connection:
        assert await missing_events(connection, gateways.estate.station(0), ID) == []
    assert (await prove(gateways.database)).holds


async def test_an_event_as_expected_writes_the_session_and_not_the_log(gateways: Gateways) -> None:
    events = session(gateways.estate.token(0))
    for number in range(3):
        await gateways.tell(events[number], 0)
    before = await gateways.column("SELECT xmin FROM ocpp.transactions")
    await gateways.tell(events[3], 0)
    assert await gateways.column("SELECT xmin FROM ocpp.transactions") == before
    assert await gateways.column("SELECT heard::text FROM charging.sessions") == ["{[0,4)}"]
    await gateways.tell(events[3], 1)
    assert await gateways.column("SELECT xmin FROM ocpp.transactions") != before, "another gateway has to ask the log"
    assert len(await gateways.column("SELECT sampled_at FROM charging.meter_values")) == 4


async def test_a_station_that_does_not_count_is_heard_by_the_time_of_its_events(gateways: Gateways) -> None:
    await gateways.tell(event(Phase.STARTED, 0, 5 * KWH, token=IdToken(gateways.estate.token(0)), evse=1), 0)
    for minutes in (10, 20, 20, 30):
        await gateways.tell(event(Phase.UPDATED, 0, (5 + minutes // 10) * KWH, minutes), 0)
    assert len(await gateways.column("SELECT sampled_at FROM charging.meter_values")) == 4
    assert await gateways.column("SELECT import_mwh FROM charging.sessions") == [str(3 * KWH)]


async def test_a_gap_is_seen_while_the_session_counts_and_closed_by_what_comes_late(gateways: Gateways) -> None:
    events = session(gateways.estate.token(0))
    for number in (0, 1, 2, 5, 6):
        await gateways.tell(events[number], 0)
    async with gateways.database.snapshot() as connection:
        assert await missing_events(connection, gateways.estate.station(0), ID) == [3, 4]
    for number in (4, 3, 7):
        await gateways.tell(events[number], 0)
    async with gateways.database.snapshot() as connection:
        assert await missing_events(connection, gateways.estate.station(0), ID) == []
    assert await gateways.column("SELECT told_at FROM charging.sessions") == [str(events[7].occurred_at)]
