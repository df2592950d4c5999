"""R26: transactions of 2.x that never became a session are begun and ended by what is known of them, and flagged."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import IdToken, Phase, Sample, StopReason, TransactionEvent
from wattbook.ocpp.transactions.reaper import Patience, reap
from wattbook.ocpp.wire.frames import JsonObject

KWH = 1_000_000
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
IN_2_X = pytest.mark.parametrize("version", VERSIONS[1:])
ID = "transaction-1"


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running
    assert (await prove(database)).holds


async def tell(
    station: Station,
    seq_no: int,
    at: datetime,
    kwh: int,
    token: str | None = None,
    phase: Phase = Phase.UPDATED,
) -> None:
    samples = (Sample(at, import_mwh=kwh * KWH),)
    token_shown = None if token is None else IdToken(token)
    stop_reason = StopReason.LOCAL if phase is Phase.ENDED else None
    trigger = "MeterValuePeriodic"
    event = TransactionEvent(phase, ID, seq_no, at, trigger, samples, 1, 1, token_shown, stop_reason=stop_reason)
    await station.connection.call(event)


async def look(place: Deployment) -> list[str]:
    async with place.database.transaction() as connection:
        found = await reap(connection, now=place.clock(), patience=Patience())
    return [f"{verdict.because}{': ended' if verdict.ends else ''}" for _, verdict in found]


async def posted_mwh(place: Deployment, owner: str, purpose: str) -> int:
    account = Account(owner, purpose, ENERGY)
    async with place.database.snapshot() as connection:
        return (await balances(connection, [account]))[account].posted


async def sessions(place: Deployment) -> list[tuple[str, int, set[str]]]:
    found = await place.rows(
        "SELECT state, import_mwh, flags FROM charging.sessions ORDER BY received_at, started_at, corrects NULLS FIRST"
    )
    return [(state, mwh, set(flags)) for state, mwh, flags in found]


def denies(_: JsonObject) -> JsonObject:
    return {"ongoingIndicator": False, "messagesInQueue": False}


@IN_2_X
async def test_one_whose_begin_never_came_is_billed_from_what_was_heard_of_it(place: Deployment, version: str) -> None:
    puppet = Puppet(answers={"GetTransactionStatus": denies})
    station = await place.connect(0, version, puppet)
    await tell(station, 3, NOW - 30 * MINUTE, 5, place.estate.token(0))
    await tell(station, 4, NOW - 5 * MINUTE, 8)
    assert await look(place) == [], "its begin may be on its way"
    place.clock.advance(16 * MINUTE)
    assert await look(place) == ["asked"]
    await place.answered("GetTransactionStatus")
    assert puppet.of("GetTransactionStatus") == [{"transactionId": ID}]
    assert await look(place) == ["station-denies: ended"]
    assert await sessions(place) == [("completed", 3 * KWH, {"estimated-start", "estimated-stop"})]
    assert await place.rows("SELECT started_at, ended_at FROM charging.sessions") == [
        (NOW - 30 * MINUTE, NOW - 5 * MINUTE)
    ]
    assert await posted_mwh(place, place.estate.customer(0), "consumption") == 3 * KWH
    assert await look(place) == []
    await station.close()


@IN_2_X
async def test_its_true_end_is_booked_as_the_difference_and_a_late_begin_changes_nothing(
    place: Deployment, version: str
) -> None:
    station = await place.connect(0, version)
    await tell(station, 3, NOW - 30 * MINUTE, 5, place.estate.token(0))
    await place.left(0, station)
    place.clock.advance(25 * HOUR)
    assert await look(place) == ["station-gone: ended"]
    again = await place.connect(0, version)
    for _ in range(2):
        await tell(again, 9, NOW + 30 * MINUTE, 11, phase=Phase.ENDED)
        await tell(again, 0, NOW - HOUR, 4, place.estate.token(0), Phase.STARTED)
    assert [mwh for _, mwh, _ in await sessions(place)] == [0, 6 * KWH]
    assert await posted_mwh(place, place.estate.customer(0), "consumption") == 6 * KWH
    assert await look(place) == []
    await again.close()


@pytest.mark.parametrize("token", [None, "a stranger"])
async def test_one_that_nobody_may_be_billed_for_is_an_exception(place: Deployment, token: str | None) -> None:
    station = await place.connect(0, "2.0.1")
    await tell(station, 1, NOW - 30 * MINUTE, 5, token)
    await tell(station, 2, NOW - 5 * MINUTE, 8)
    await place.left(0, station)
    place.clock.advance(25 * HOUR)
    assert await look(place) == ["station-gone: ended"]
    assert [(state, mwh) for state, mwh, _ in await sessions(place)] == [("invalid", 3 * KWH)]
    assert await posted_mwh(place, place.estate.customer(0), "consumption") == 0
    assert await look(place) == []


async def test_one_whose_end_was_told_and_not_its_begin_is_no_orphan_for_ever(place: Deployment) -> None:
    station = await place.connect(0, "2.1")
    await tell(station, 2, NOW - 20 * MINUTE, 5, place.estate.token(0))
    await tell(station, 3, NOW - 10 * MINUTE, 7, phase=Phase.ENDED)
    assert await place.value("SELECT count(*) FROM charging.orphans") == 1
    await place.left(0, station)
    place.clock.advance(25 * HOUR)
    assert await look(place) == ["station-gone: ended"]
    assert await sessions(place) == [("completed", 2 * KWH, {"estimated-start"})]
    assert await place.value("SELECT count(*) FROM charging.orphans") == 0
    assert await place.value("SELECT settled FROM ocpp.transactions")


async def test_a_cable_that_was_plugged_in_without_a_card_began_when_it_said(place: Deployment) -> None:
    station = await place.connect(0, "2.0.1")
    await tell(station, 0, NOW - 20 * MINUTE, 5, phase=Phase.STARTED)
    await place.left(0, station)
    place.clock.advance(25 * HOUR)
    assert await look(place) == ["station-gone: ended"]
    assert await sessions(place) == [("invalid", 0, {"estimated-stop"})]
