"""A session from start to settlement: what is held, measured, priced, posted, documented and told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import (
    BALANCE_GROUP,
    GRID,
    HOUR,
    KWH,
    NOW,
    PARTNER,
    SUPPLIER,
    US,
    YEAR,
    Listener,
    build,
    funds,
    posted,
    prove,
    tariff_document,
    top_up,
    won,
)
from wattbook.book.accounts import ENERGY
from wattbook.book.posting import expire_holds
from wattbook.charging.clearance import AskPartner
from wattbook.charging.consents import record_consents
from wattbook.charging.events import SessionChanged, SessionEnded
from wattbook.charging.meter_values import Remembered, record_samples
from wattbook.charging.ports import ConsentAnswer
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import Orphaned, SessionStop, Stopped, stop
from wattbook.charging.views import energy_between, find_cdrs, find_sessions, live_sessions, orphans, sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput, Refused, WattbookError
from wattbook.registry.customers import AccountKind, Customer, add_customers
from wattbook.registry.stations import StationTariff, add_station_tariffs

START = SessionStart(station_id="CP1", connector_no=1, token_uid="t-kim", meter_start_mwh=500 * KWH, started_at=NOW)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Database]:
    """Kim has 10,000 won; whatever a test does, the proof holds in the end."""
    async with database.transaction() as connection:
        await build(connection, stations=2, customers=("kim", "lee"))
        await top_up(connection, "kim", won(10_000))
    yield database
    await prove(database)


async def begin(connection: AsyncConnection, what: SessionStart = START, *, now: datetime = NOW) -> Started:
    (outcome,) = await start(connection, [what], now=now)
    assert isinstance(outcome, Started), outcome
    return outcome


async def refused(connection: AsyncConnection, what: SessionStart) -> Refused:
    (outcome,) = await start(connection, [what], now=NOW)
    assert isinstance(outcome, Refused), outcome
    return outcome


def stop_of(
    transaction_id: str, kwh: int | Decimal, *, after: timedelta = HOUR, station_id: str = "CP1"
) -> SessionStop:
    register = START.meter_start_mwh + int(kwh * KWH)
    return SessionStop(
        station_id=station_id, transaction_id=transaction_id, meter_stop_mwh=register, stopped_at=NOW + after
    )


async def end(connection: AsyncConnection, what: SessionStop, *, now: datetime = NOW + HOUR) -> Stopped:
    (outcome,) = await stop(connection, [what], now=now)
    assert isinstance(outcome, Stopped), outcome
    return outcome


def sample(transaction_id: str | None, after: timedelta, kwh: int, export_kwh: int | None = None) -> Samples:
    export = None if export_kwh is None else export_kwh * KWH
    return Samples("CP1", 1, transaction_id, (Reading(NOW + after, START.meter_start_mwh + kwh * KWH, export, 11_000),))


async def test_a_prepaid_session_moves_energy_and_money_once(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        assert started.held == won(10_000)
        assert await funds(connection, "kim", "wallet") == (won(10_000), 0)
        stopped = await end(connection, stop_of(started.transaction_id, 20))
        assert (stopped.state, stopped.import_mwh, stopped.export_mwh) == ("completed", 20 * KWH, 0)
        assert (stopped.before_tax, stopped.after_tax, stopped.currency) == (won(6_000), won(6_600), "KRW")
        assert await funds(connection, "kim", "wallet") == (won(3_400), won(3_400))
        assert await posted(connection, US, "revenue") == won(6_000)
        assert await posted(connection, US, "tax") == won(600)
        assert await posted(connection, "kim", "consumption", ENERGY) == 20 * KWH
        assert await posted(connection, BALANCE_GROUP, "balance_group", ENERGY) == 20 * KWH
        assert await posted(connection, GRID, "grid", ENERGY) == 0
        assert await posted(connection, "M1", "meter", ENERGY) == 0


async def test_a_start_or_a_stop_that_comes_again_gets_the_same_answer_and_changes_nothing(world: Database) -> None:
    async with world.transaction() as connection:
        first = await begin(connection)
        again = await begin(connection, now=NOW + MINUTE)
        assert again.repeated
        assert replace(again, repeated=False) == replace(first, valid_until=None)
        stopped = await end(connection, stop_of(first.transaction_id, 20))
        repeated = await end(connection, stop_of(first.transaction_id, 21))
        assert repeated.repeated
        assert replace(repeated, repeated=False) == stopped
        assert (await begin(connection, now=NOW + 2 * HOUR)).transaction_id == first.transaction_id
        assert await posted(connection, US, "revenue") == won(6_000)


async def test_a_station_that_names_its_transactions_keeps_their_names(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection, msgspec.structs.replace(START, transaction_id="ab-12"))
        assert started.transaction_id == "ab-12"
        await end(connection, stop_of("ab-12", 1))


async def test_what_costs_more_than_the_hold_comes_from_the_wallet_and_then_is_owed(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        await connection.execute(
            text("UPDATE book.accounts SET floor = floor")
        )  # nothing but the hold is in the wallet
        await end(connection, stop_of(started.transaction_id, 40))
        assert await funds(connection, "kim", "wallet") == (0, 0)
        assert await posted(connection, "kim", "receivable") == won(13_200 - 10_000)


async def test_what_costs_more_than_the_hold_is_paid_by_what_was_topped_up_since(world: Database) -> None:
    async with world.transaction() as connection:
        await top_up(connection, "lee", won(1_000))
        started = await begin(connection, msgspec.structs.replace(START, token_uid="T-lee"))
        assert started.held == won(1_000)
        await top_up(connection, "lee", won(9_000), fact="again")
        await end(connection, stop_of(started.transaction_id, 20))
        assert await funds(connection, "lee", "wallet") == (won(10_000 - 6_600), won(10_000 - 6_600))
        assert await posted(connection, "lee", "receivable") == 0


async def test_a_hold_that_expired_does_not_lose_the_stop(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        assert await expire_holds(connection, now=NOW + 25 * HOUR) == 1
        stopped = await end(connection, stop_of(started.transaction_id, 20, after=30 * HOUR), now=NOW + 30 * HOUR)
        assert stopped.state == "completed"
        assert await funds(connection, "kim", "wallet") == (won(3_400), won(3_400))


async def test_a_hold_that_expired_and_an_empty_wallet_leave_a_debt(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        await expire_holds(connection, now=NOW + 25 * HOUR)
        stopped = await end(connection, stop_of(started.transaction_id, 40, after=30 * HOUR), now=NOW + 30 * HOUR)
        assert stopped.state == "completed"
        assert await posted(connection, "kim", "receivable") == won(13_200)
        assert await funds(connection, "kim", "wallet") == (won(10_000), won(10_000))


async def test_a_session_without_energy_posts_nothing_and_frees_the_hold(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        stopped = await end(connection, stop_of(started.transaction_id, 0))
        assert (stopped.state, stopped.after_tax) == ("completed", 0)
        assert await funds(connection, "kim", "wallet") == (won(10_000), won(10_000))


async def test_two_sessions_of_one_wallet_in_one_batch_do_not_hold_the_same_money(world: Database) -> None:
    async with world.transaction() as connection:
        other = msgspec.structs.replace(START, station_id="CP2")
        first, second = await start(connection, [START, other], now=NOW)
        assert isinstance(first, Started)
        assert isinstance(second, Refused)
        assert second.details["reason"] == "no-credit"


async def test_a_postpaid_customer_owes_what_was_charged(world: Database) -> None:
    async with world.transaction() as connection:
        await add_customers(connection, [Customer("lee", US, "Lee", "ko", AccountKind.POSTPAID, "KRW")])
        started = await begin(connection, msgspec.structs.replace(START, token_uid="T-lee"))
        assert started.held is None
        await end(connection, stop_of(started.transaction_id, 20))
        assert await posted(connection, "lee", "receivable") == won(6_600)


async def test_energy_fed_in_walks_the_other_way_and_is_paid_for(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection, msgspec.structs.replace(START, export_start_mwh=70 * KWH))
        await record_samples(connection, [sample(started.transaction_id, 10 * MINUTE, 2, 71)], now=NOW)
        ending = msgspec.structs.replace(stop_of(started.transaction_id, 2), export_stop_mwh=80 * KWH)
        stopped = await end(connection, ending)
        assert (stopped.import_mwh, stopped.export_mwh) == (2 * KWH, 10 * KWH)
        assert (stopped.before_tax, stopped.after_tax) == (won(600 - 1_200), won(660 - 1_200))
        assert await posted(connection, "kim", "feed_in", ENERGY) == 10 * KWH
        assert await posted(connection, BALANCE_GROUP, "balance_group", ENERGY) == -8 * KWH
        assert await posted(connection, "kim", "wallet") == won(10_000 - 660 + 1_200)
        assert await posted(connection, US, "cost") == won(1_200)


async def test_feed_in_without_a_start_to_count_from_is_flagged_and_not_made_up(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        ending = msgspec.structs.replace(stop_of(started.transaction_id, 2), export_stop_mwh=80 * KWH)
        stopped = await end(connection, ending)
        assert (stopped.export_mwh, stopped.flags) == (0, ("export-start-missing",))


ALLOWED = ConsentAnswer("allowed", PARTNER, "KREVBC123", "ref-1", SUPPLIER, BALANCE_GROUP, Decimal(20_000), "KRW")


async def test_a_partners_driver_is_asked_for_then_charges_and_the_partner_owes_it(world: Database) -> None:
    foreign = msgspec.structs.replace(START, token_uid="F-1")
    listener = Listener()
    async with world.transaction() as connection:
        (asked,) = await start(connection, [foreign], now=NOW)
        assert isinstance(asked, AskPartner)
        await record_consents(connection, [(asked.request, ALLOWED)], now=NOW)
        (started,) = await start(connection, [foreign], now=NOW, subscribers=[listener])
        assert isinstance(started, Started)
        await stop(connection, [stop_of(started.transaction_id, 20)], now=NOW + HOUR, subscribers=[listener])
        assert await posted(connection, PARTNER, "receivable") == won(6_600)
        assert await posted(connection, PARTNER, "partner", ENERGY) == 20 * KWH
    changed, ended = listener.events
    assert isinstance(changed, SessionChanged)
    assert (changed.session.state, changed.session.prepaid) == ("active", Decimal(20_000))
    assert isinstance(ended, SessionEnded)
    assert (ended.session.state, ended.session.cost_after_tax) == ("completed", Decimal(6_600))
    assert (ended.session.token_party, ended.session.authorization_reference) == (PARTNER, "ref-1")
    assert (ended.duration_s, ended.tariff["id"]) == (3_600, "plain")
    assert ended.explanation == ("ENERGY: 20 kWh × 300 KRW + 10 % tax = 6600 KRW",)


async def test_a_refused_session_that_runs_all_the_same_is_booked_as_an_exception(world: Database) -> None:
    async with world.transaction() as connection:
        outcome = await refused(connection, msgspec.structs.replace(START, token_uid="T-lee"))
        assert outcome.details["reason"] == "no-credit"
        transaction_id = outcome.details["transaction_id"]
        repeated = await refused(connection, msgspec.structs.replace(START, token_uid="T-lee"))
        assert repeated.details["transaction_id"] == transaction_id
        await record_samples(connection, [sample(transaction_id, 10 * MINUTE, 2)], now=NOW)
        stopped = await end(connection, stop_of(transaction_id, 3))
        assert (stopped.state, stopped.import_mwh, stopped.after_tax) == ("invalid", 3 * KWH, 0)
        assert await posted(connection, US, "energy_exception", ENERGY) == 3 * KWH
        (cdr,) = await find_cdrs(connection, [stopped.cdr_id])
        assert cdr is not None
        assert cdr.document["session"]["not_billed_because"] == "no-credit"


async def test_what_an_unregistered_station_delivered_is_an_exception_too(world: Database) -> None:
    async with world.transaction() as connection:
        outcome = await refused(connection, msgspec.structs.replace(START, station_id="CP9"))
        assert outcome.details["reason"] == "station-unknown"
        await end(connection, stop_of(outcome.details["transaction_id"], 3, station_id="CP9"))
        assert await posted(connection, "unknown", "energy_exception", ENERGY) == 3 * KWH


async def test_a_stop_of_a_transaction_that_never_began_is_kept_once_and_posts_nothing(world: Database) -> None:
    async with world.transaction() as connection:
        outcomes = [await stop(connection, [stop_of("-1", 3)], now=NOW + HOUR) for _ in range(2)]
        (kept,) = await orphans(connection, NOW)
        assert outcomes == [[Orphaned(kept.id)], [Orphaned(kept.id)]]
        assert (kept.transaction_id, kept.meter_stop_mwh) == ("-1", 503 * KWH)
        assert await posted(connection, "M1", "meter", ENERGY) == 0


async def test_a_stop_below_the_start_gives_way_to_the_newest_sample(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        await record_samples(connection, [sample(started.transaction_id, 10 * MINUTE, 2)], now=NOW)
        stopped = await end(connection, stop_of(started.transaction_id, -500))
        assert (stopped.import_mwh, stopped.flags) == (2 * KWH, ("meter-backwards",))


async def test_a_negative_meter_step_is_kept_and_flagged_and_lowers_nothing(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        for minute, kwh in ((10, 5), (20, 4), (30, 6)):
            await record_samples(connection, [sample(started.transaction_id, minute * MINUTE, kwh)], now=NOW)
        kept = await connection.execute(
            text("SELECT import_register_mwh FROM charging.meter_values WHERE session_id = :id ORDER BY sampled_at"),
            {"id": started.session_id},
        )
        assert [register - START.meter_start_mwh for register in kept.scalars()] == [5 * KWH, 4 * KWH, 6 * KWH]
        stopped = await end(connection, stop_of(started.transaction_id, 6))
        assert (stopped.import_mwh, stopped.flags) == (6 * KWH, ("meter-backwards",))


async def test_samples_of_no_known_transaction_are_kept_without_a_session(world: Database) -> None:
    async with world.transaction() as connection:
        found = await record_samples(
            connection, [sample("999", MINUTE, 1), sample(None, MINUTE, 1), sample(None, 2 * MINUTE, 1)], now=NOW
        )
        assert found == [None, None, None]
        kept = await connection.execute(text("SELECT count(*) FROM charging.meter_values WHERE session_id IS NULL"))
        assert kept.scalar_one() == 3


async def test_a_session_that_others_wrote_since_is_not_moved_on_from_memory(world: Database) -> None:
    """Not after a stop in the same transaction, not after another process, not after a rollback."""
    remembered = Remembered()

    async def tell(connection: AsyncConnection, minute: int, kwh: int, memory: Remembered | None = None) -> None:
        told = sample(started.transaction_id, minute * MINUTE, kwh)
        await record_samples(connection, [told], now=NOW, remembered=remembered if memory is None else memory)

    async with world.transaction() as connection:
        started = await begin(connection)
        await tell(connection, 10, 1)
        await tell(connection, 11, 2)
        await tell(connection, 20, 4, Remembered())
        await tell(connection, 15, 3)
        (seen,) = await find_sessions(connection, [started.session_id])
        assert seen is not None
        assert seen.import_mwh == 4 * KWH
    async with world.transaction() as connection, connection.begin_nested() as step:
        await tell(connection, 30, 9)
        await step.rollback()
    async with world.transaction() as connection:
        await tell(connection, 25, 5)
        (seen,) = await find_sessions(connection, [started.session_id])
        assert seen is not None
        assert seen.import_mwh == 5 * KWH
        await tell(connection, 40, 7)
        stopped = await end(connection, stop_of(started.transaction_id, 6))
        await tell(connection, 50, 8)
        assert stopped.import_mwh == 6 * KWH
        (seen,) = await find_sessions(connection, [started.session_id])
        assert seen is not None
        assert (seen.state, seen.import_mwh) == ("completed", 6 * KWH)


async def test_samples_after_the_stop_are_kept_and_change_nothing(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        stopped = await end(connection, stop_of(started.transaction_id, 2))
        found = await record_samples(connection, [sample(started.transaction_id, 2 * HOUR, 9)], now=NOW)
        assert found == [started.session_id]
        (seen,) = await find_sessions(connection, [started.session_id])
        assert seen is not None
        assert seen.import_mwh == stopped.import_mwh == 2 * KWH


async def test_what_a_station_kept_of_a_session_may_come_with_its_stop(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        readings = (
            Reading(NOW, START.meter_start_mwh, 70 * KWH),
            Reading(NOW + HOUR, START.meter_start_mwh + KWH, 75 * KWH, None, None, [{"measurand": "Voltage\t\x00"}]),
        )
        stopped = await end(connection, msgspec.structs.replace(stop_of(started.transaction_id, 1), readings=readings))
        assert (stopped.import_mwh, stopped.export_mwh) == (KWH, 5 * KWH)


async def test_a_running_session_shows_cost_progress_and_time_left(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        await record_samples(connection, [sample(started.transaction_id, 30 * MINUTE, 11)], now=NOW)
        (seen,) = await live_sessions(connection)
        # 11 kWh in half an hour is the rated 22 kW: nothing was lost; 3,630 of 10,000 won are spent.
        assert (seen.id, seen.import_mwh, seen.power_w) == (started.session_id, 11 * KWH, 11_000)
        assert (seen.cost_before_tax, seen.cost_after_tax) == (Decimal(3_300), Decimal(3_630))
        assert (seen.prepaid, seen.progress_percent) == (Decimal(10_000), Decimal("36.3"))
        assert seen.remaining_s == -(-(10_000 - 3_630) * 30 * 60 // 3_630)


async def test_subscribers_hear_of_a_running_session_at_most_once_an_interval(world: Database) -> None:
    listener = Listener()
    async with world.transaction() as connection:
        started = await begin(connection)
        for second in range(25):
            moment = NOW + timedelta(seconds=second)
            samples = sample(started.transaction_id, timedelta(seconds=second), 1)
            await record_samples(connection, [samples], now=moment, subscribers=[listener])
    assert [event.session.updated_at - NOW for event in listener.events] == [
        timedelta(seconds=10),
        timedelta(seconds=20),
    ]


async def test_a_session_keeps_the_tariff_it_began_with(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        dearer = tariff_document()
        dearer["elements"][0]["price_components"][0]["price"] = 900
        await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR, "KRW", dearer)])
        assert (await end(connection, stop_of(started.transaction_id, 20))).before_tax == won(6_000)


async def test_two_transactions_for_one_charge_bill_it_once(world: Database) -> None:
    async with world.transaction() as connection:
        await top_up(connection, "lee", won(10_000))
        first = await begin(connection)
        second = await begin(connection, msgspec.structs.replace(START, token_uid="T-lee"))
        assert (await end(connection, stop_of(first.transaction_id, 20))).state == "completed"
        doubled = await end(connection, stop_of(second.transaction_id, 20))
        assert (doubled.state, doubled.after_tax) == ("invalid", 0)
        assert await funds(connection, "lee", "wallet") == (won(10_000), won(10_000))
        assert await posted(connection, US, "energy_exception", ENERGY) == 20 * KWH


async def test_sessions_whose_clocks_overlap_but_whose_registers_do_not_are_both_billed(world: Database) -> None:
    async with world.transaction() as connection:
        first = await begin(connection)
        await end(connection, stop_of(first.transaction_id, 10))
        later = msgspec.structs.replace(START, started_at=NOW + HOUR / 2, meter_start_mwh=510 * KWH)
        second = await begin(connection, later)
        stopped = await end(connection, stop_of(second.transaction_id, 15, after=2 * HOUR), now=NOW + 2 * HOUR)
        assert (stopped.state, stopped.import_mwh, stopped.flags) == ("completed", 5 * KWH, ("clock-overlap",))


async def test_a_station_whose_clock_cannot_be_true_is_billed_by_ours(world: Database) -> None:
    async with world.transaction() as connection:
        long_ago = datetime(1970, 1, 1, tzinfo=NOW.tzinfo)
        started = await begin(connection, msgspec.structs.replace(START, started_at=long_ago))
        ending = msgspec.structs.replace(stop_of(started.transaction_id, 20), stopped_at=long_ago + HOUR)
        stopped = await end(connection, ending)
        assert (stopped.state, stopped.flags) == ("completed", ("clock-implausible",))
        (seen,) = await find_sessions(connection, [started.session_id])
        assert seen is not None
        assert seen.ended_at == NOW + HOUR


async def test_a_register_no_meter_can_show_is_an_error_of_the_start_alone(world: Database) -> None:
    async with world.transaction() as connection:
        bad = msgspec.structs.replace(START, station_id="CP2", meter_start_mwh=10**17)
        outcomes: list[Started | AskPartner | WattbookError] = await start(connection, [bad, START], now=NOW)
        assert isinstance(outcomes[0], InvalidInput)
        assert isinstance(outcomes[1], Started)


async def test_a_cdr_says_everything_and_its_amounts_are_those_posted(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        stopped = await end(connection, stop_of(started.transaction_id, Decimal("12.345678")))
        (cdr,) = await find_cdrs(connection, [stopped.cdr_id])
        assert cdr is not None
        assert (cdr.session_id, cdr.currency, cdr.issued_at) == (started.session_id, "KRW", NOW + HOUR)
        assert (cdr.before_tax, cdr.after_tax) == (stopped.before_tax, stopped.after_tax)
        document = cdr.document
        assert document["energy"]["import_mwh"] == 12_345_678
        assert document["energy"]["supplier_id"] == SUPPLIER
        assert document["price"]["before_tax"] == "3703.8"  # 12,345.678 Wh are billed as 12,346: the step is 1 Wh
        assert document["price"]["lines"][0]["price"] == "300"
        assert document["tariff"]["id"] == "plain"
        assert document["driver"]["customer_id"] == "kim"


async def test_lists_of_sessions_and_the_energy_of_a_day(world: Database) -> None:
    async with world.transaction() as connection:
        started = await begin(connection)
        await end(connection, stop_of(started.transaction_id, 20))
        other = msgspec.structs.replace(START, station_id="CP2", started_at=NOW + 2 * HOUR)
        running = await begin(connection, other, now=NOW + 2 * HOUR)
        await record_samples(
            connection,
            [Samples("CP2", 1, running.transaction_id, (Reading(NOW + 3 * HOUR, 503 * KWH),))],
            now=NOW + 3 * HOUR,
        )
        day = NOW - 12 * HOUR, NOW + 12 * HOUR
        assert [seen.id for seen in await sessions_between(connection, *day)] == [
            running.session_id,
            started.session_id,
        ]
        assert [seen.id for seen in await live_sessions(connection)] == [running.session_id]
        assert await energy_between(connection, *day) == (23 * KWH, 0)
        assert await find_sessions(connection, ["no id", running.session_id.replace("-", "0")]) == [None, None]
        with pytest.raises(InvalidInput):
            await live_sessions(connection, limit=0)
