"""R26: transactions that nobody ends are asked for, ended by estimate, and made good by a true stop."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, Puppet, deployed
from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.db.engine import Database
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import ConnectorStatus, IdToken, Phase, Sample, TransactionEvent
from wattbook.ocpp.retention import Keep, forget
from wattbook.ocpp.transactions.reaper import Patience, Turn, Verdict, reap
from wattbook.ocpp.transactions.stuck import stuck_transactions
from wattbook.ocpp.wire.frames import JsonObject

KWH = 1_000_000
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
IN_2_X = pytest.mark.parametrize("version", VERSIONS[1:])
IN_ALL = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Deployment]:
    async with deployed(database) as running:
        yield running
    assert (await prove(database)).holds


async def charge(place: Deployment, station: Station) -> str:
    """Begun an hour ago at 5 kWh, and last measured at 8 kWh; the transaction's id."""
    started = await station.start_transaction(1, IdToken(place.estate.token(0)), 5 * KWH, NOW - HOUR)
    await station.status(1, ConnectorStatus.CHARGING)
    await station.meter_values(1, [Sample(NOW - 5 * MINUTE, import_mwh=8 * KWH)], started.transaction_id)
    return started.transaction_id


async def look(place: Deployment, turn: Turn | None = None, **patience: timedelta) -> list[str]:
    async with place.database.transaction() as connection:
        found = await reap(connection, now=place.clock(), patience=Patience(**patience), turn=turn)
    return [_told(verdict) for _, verdict in found]


def _told(verdict: Verdict) -> str:
    return f"{verdict.because}{': ended' if verdict.ends else ''}"


async def drawn_mwh(place: Deployment) -> int:
    account = Account(place.estate.customer(0), "consumption", ENERGY)
    async with place.database.snapshot() as connection:
        return (await balances(connection, [account]))[account].posted


async def session(place: Deployment) -> tuple[str, bool]:
    """State of the first session, and whether its end is estimated."""
    ((state, flags),) = await place.rows("SELECT state, flags FROM charging.sessions WHERE corrects IS NULL")
    return state, "estimated-stop" in flags


def status_of(*, ongoing: bool, queued: bool = False) -> Puppet:
    def answer(_: JsonObject) -> JsonObject:
        return {"ongoingIndicator": ongoing, "messagesInQueue": queued}

    return Puppet(answers={"GetTransactionStatus": answer})


@IN_2_X
async def test_e14_a_silent_transaction_that_its_station_does_not_know_is_ended(
    place: Deployment, version: str
) -> None:
    puppet = status_of(ongoing=False)
    station = await place.connect(0, version, puppet)
    transaction_id = await charge(place, station)
    assert await look(place) == [], "it was heard of a moment ago"
    place.clock.advance(16 * MINUTE)
    assert await look(place) == ["asked"]
    await place.answered("GetTransactionStatus")
    assert puppet.of("GetTransactionStatus") == [{"transactionId": transaction_id}]
    assert await look(place) == ["station-denies: ended"]
    assert await session(place) == ("completed", True)
    assert await drawn_mwh(place) == 3 * KWH
    assert await look(place) == []
    async with place.database.snapshot() as connection:
        (kept,) = await stuck_transactions(connection, station.connection.station_id)
    assert (kept.verdict, kept.ended_at, kept.transaction_id) == ("station-denies", place.clock(), transaction_id)
    await station.close()


@IN_2_X
@pytest.mark.parametrize(("queued", "because"), [(False, "goes-on"), (True, "messages-to-come")])
async def test_e14_one_that_goes_on_or_has_more_to_say_is_left_alone_and_asked_for_again(
    place: Deployment, version: str, because: str, *, queued: bool
) -> None:
    puppet = status_of(ongoing=True, queued=queued)
    station = await place.connect(0, version, puppet)
    await charge(place, station)
    place.clock.advance(16 * MINUTE)
    await look(place)
    await place.answered("GetTransactionStatus")
    assert await look(place) == [because]
    assert len(puppet.told) == 1
    place.clock.advance(16 * MINUTE)
    assert await look(place) == [because]
    await place.answered("GetTransactionStatus")
    assert len(puppet.told) == 2
    assert await session(place) == ("active", False)
    await station.close()


async def test_in_1_6_the_outlet_is_asked_for_and_a_free_one_ends_it(place: Deployment) -> None:
    puppet = Puppet(answers={"TriggerMessage": lambda _: {"status": "Accepted"}})
    station = await place.connect(0, "1.6", puppet)
    await charge(place, station)
    place.clock.advance(16 * MINUTE)
    assert await look(place) == ["asked"]
    await place.answered("TriggerMessage")
    assert puppet.of("TriggerMessage") == [{"requestedMessage": "StatusNotification", "connectorId": 1}]
    assert await look(place) == ["asked"], "what was triggered may be on its way"
    place.clock.advance(MINUTE)
    assert await look(place) == ["not-known"], "it says it is charging"
    await station.status(1, ConnectorStatus.AVAILABLE)
    assert await look(place) == ["outlet-free: ended"]
    assert await drawn_mwh(place) == 3 * KWH
    await station.close()


async def test_a_station_that_started_anew_without_the_vehicle_ends_it(place: Deployment) -> None:
    station = await place.connect(0, "1.6", Puppet())
    await charge(place, station)
    await place.left(0, station)
    place.clock.advance(16 * MINUTE)
    again = await place.connect(0, "1.6", Puppet())
    await again.status(1, ConnectorStatus.PREPARING)
    assert await look(place) == ["asked"]
    await place.answered("TriggerMessage")
    place.clock.advance(MINUTE)
    assert await look(place) == ["station-restarted: ended"]
    await again.close()


async def test_a_later_transaction_in_its_place_ends_it(place: Deployment) -> None:
    station = await place.connect(0, "1.6", Puppet())
    await charge(place, station)
    place.clock.advance(16 * MINUTE)
    await station.start_transaction(1, IdToken(place.estate.token(1)), 9 * KWH, place.clock())
    assert await look(place) == ["asked"]
    await place.answered("TriggerMessage")
    place.clock.advance(MINUTE)
    assert await look(place) == ["next-began: ended"]
    assert await drawn_mwh(place) == 3 * KWH
    await station.close()


@IN_ALL
async def test_a_station_that_is_gone_for_long_ends_it_without_being_asked(place: Deployment, version: str) -> None:
    station = await place.connect(0, version)
    await charge(place, station)
    await place.left(0, station)
    place.clock.advance(HOUR)
    assert await look(place) == ["station-away"]
    place.clock.advance(24 * HOUR)
    assert await look(place) == ["station-gone: ended"]
    assert await session(place) == ("completed", True)
    assert await place.value("SELECT count(*) FROM ocpp.commands") == 0


@IN_ALL
async def test_a_true_stop_that_comes_later_is_booked_as_the_difference_and_once(
    place: Deployment, version: str
) -> None:
    station = await place.connect(0, version)
    transaction_id = await charge(place, station)
    await place.left(0, station)
    place.clock.advance(25 * HOUR)
    await look(place)
    again = await place.connect(0, version)
    for _ in range(2):
        await again.stop_transaction(transaction_id, 11 * KWH, NOW + 30 * MINUTE)
    assert await drawn_mwh(place) == 6 * KWH
    assert await place.rows("SELECT import_mwh, corrects IS NULL FROM charging.sessions ORDER BY started_at") == [
        (3 * KWH, True),
        (3 * KWH, False),
    ]
    assert await look(place, gone=MINUTE, silent=MINUTE) == []
    await again.close()


@IN_2_X
async def test_what_its_events_told_is_forgotten_when_its_true_end_does_not_come_and_is_not_needed_by_a_later_one(
    place: Deployment, version: str
) -> None:
    keep = Keep(transactions=400 * DAY)
    goes_on, silent = [await place.connect(n, version) for n in range(2)]
    await charge(place, goes_on)
    transaction_id = await charge(place, silent)
    await place.left(1, silent)
    place.clock.advance(25 * HOUR)
    assert sorted(await look(place)) == ["asked", "station-gone: ended"]
    place.clock.advance(398 * DAY)
    assert "transactions" not in await forget(place.database, place.clock, keep)
    place.clock.advance(2 * DAY)
    assert (await forget(place.database, place.clock, keep))["transactions"] == 1
    assert await place.rows("SELECT station_id FROM ocpp.transactions") == [(place.estate.station(0),)]
    again = await place.connect(1, version)
    await again.stop_transaction(transaction_id, 11 * KWH, NOW + 30 * MINUTE)
    assert await place.rows("SELECT import_mwh FROM charging.sessions WHERE corrects IS NOT NULL") == [(3 * KWH,)]
    await again.close()
    await goes_on.close()


@IN_2_X
async def test_a_sign_of_life_after_the_question_makes_the_answer_void(place: Deployment, version: str) -> None:
    station = await place.connect(0, version, status_of(ongoing=False))
    transaction_id = await charge(place, station)
    place.clock.advance(16 * MINUTE)
    await look(place)
    await place.answered("GetTransactionStatus")
    await station.meter_values(1, [Sample(place.clock(), import_mwh=9 * KWH)], transaction_id)
    assert await look(place) == []
    place.clock.advance(16 * MINUTE)
    assert await look(place) == ["asked"], "asked anew, not ended by the answer of before"
    await station.close()


@pytest.mark.parametrize("refused", ["INSERT", "UPDATE OF ended_at"])
async def test_one_that_cannot_be_ended_takes_no_other_with_it_and_people_are_told_why(
    place: Deployment, refused: str
) -> None:
    """The database itself refuses what is to begin, or to end, at the first station."""
    stations = [await place.connect(n, "2.0.1") for n in range(2)]
    for n, station in enumerate(stations):
        if refused == "INSERT":
            await tell_progress(place, n, station)
        else:
            await station.start_transaction(1, IdToken(place.estate.token(n)), 5 * KWH, NOW - HOUR)
        await place.left(n, station)
    await execute(
        place,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        f"CREATE TRIGGER no BEFORE {refused} ON charging.sessions FOR EACH ROW"
        f" WHEN (NEW.station_id = '{place.estate.station(0)}') EXECUTE FUNCTION no()",
    )
    place.clock.advance(25 * HOUR)
    assert await look(place) == ["station-gone: ended"] * 2
    async with place.database.snapshot() as connection:
        kept = {each.station_id: each for each in await stuck_transactions(connection)}
    unfit, fine = (kept[place.estate.station(n)] for n in range(2))
    assert (fine.ended_at, fine.tries, fine.refused) == (place.clock(), 0, None)
    assert (unfit.ended_at, unfit.tries) == (None, 1)
    assert unfit.refused is not None
    assert await look(place) == [], "not again at once"
    place.clock.advance(MINUTE)
    assert await look(place) == ["station-gone: ended"]
    place.clock.advance(MINUTE)
    assert await look(place) == [], "the pauses grow"
    await execute(place, "DROP TRIGGER no ON charging.sessions")
    place.clock.advance(MINUTE)
    assert await look(place) == ["station-gone: ended"]
    async with place.database.snapshot() as connection:
        (mended,) = await stuck_transactions(connection, place.estate.station(0))
    assert (mended.ended_at, mended.tries, mended.refused) == (place.clock(), 2, None)


async def tell_progress(place: Deployment, n: int, station: Station) -> None:
    """Of a transaction whose begin was never heard."""
    samples = (Sample(NOW - MINUTE, import_mwh=5 * KWH),)
    token = IdToken(place.estate.token(n))
    event = TransactionEvent(Phase.UPDATED, "T", 3, NOW - MINUTE, "MeterValuePeriodic", samples, 1, 1, token)
    await station.connection.call(event)


async def execute(place: Deployment, *statements: str) -> None:
    async with place.database.transaction() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def test_those_that_go_on_do_not_stand_in_the_way_of_those_that_ended(
    place: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattbook.ocpp.transactions.reaper.SESSIONS_MAX", 1)
    goes_on, gone = await place.connect(0, "2.0.1", status_of(ongoing=True)), await place.connect(1, "2.0.1")
    await charge(place, goes_on)
    place.clock.advance(timedelta(seconds=1))
    await gone.start_transaction(1, IdToken(place.estate.token(1)), 5 * KWH, NOW - HOUR)
    await place.left(1, gone)
    place.clock.advance(25 * HOUR)
    turn = Turn()
    assert [await look(place, turn) for _ in range(3)] == [["asked"], ["station-gone: ended"], []]
    await place.answered("GetTransactionStatus")
    assert await look(place, turn) == ["goes-on"], "and then again from the first"
    await goes_on.close()
