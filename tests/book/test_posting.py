"""Posting: once a fact, whole groups, floors, holds, routes, closed periods."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.periods import close_period
from wattbook.book.posting import Posted, expire_holds, post
from wattbook.book.statements import balances, set_floor, statement
from wattbook.book.transfers import Capture, Entry, Hold, Span, Transfer, Void
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused, WattbookError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BANK = Account("bank", "cash", "EUR")
ANNA = Account("anna", "wallet", "EUR")
TILL = Account("till", "cash", "EUR")


def top_up(fact: str, amount: int, *, at: datetime = NOW) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=ANNA, amount=amount, event_at=at)


def pay(fact: str, amount: int) -> Transfer:
    return Transfer(fact=fact, debit=ANNA, credit=TILL, amount=amount, event_at=NOW)


def hold(fact: str, amount: int, *, expires_at: datetime = NOW + timedelta(hours=1)) -> Hold:
    return Hold(fact=fact, debit=ANNA, credit=TILL, amount=amount, event_at=NOW, expires_at=expires_at)


async def post_one(connection: AsyncConnection, *group: Entry) -> Posted | WattbookError:
    return (await post(connection, [group], booked_at=NOW))[0]


async def funds(connection: AsyncConnection) -> tuple[int, int]:
    """Anna's wallet: posted, available."""
    found = (await balances(connection, [ANNA]))[ANNA]
    return found.posted, found.available


async def test_a_fact_posts_once_however_often_it_arrives(database: Database) -> None:
    async with database.transaction() as connection:
        assert await post_one(connection, top_up("t1", 500)) is Posted.NEW
    async with database.transaction() as connection:
        again = await post(connection, [[top_up("t1", 500)], [top_up("t1", 500)]], booked_at=NOW + timedelta(days=1))
        assert again == [Posted.KNOWN, Posted.KNOWN]
        assert await funds(connection) == (500, 500)


async def test_the_same_fact_with_another_amount_is_a_conflict_that_names_both(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 500))
        outcome = await post_one(connection, top_up("t1", 501))
        assert isinstance(outcome, Conflict)
        assert "amount 500 against 501" in outcome.message
        assert await funds(connection) == (500, 500)


async def test_a_group_posts_whole_or_not_at_all(database: Database) -> None:
    async with database.transaction() as connection:
        outcome = await post_one(connection, top_up("t1", 500), pay("p1", 501))
        assert isinstance(outcome, Refused)
        assert outcome.details["reason"] == "floor"
        assert await funds(connection) == (0, 0)
        assert await post_one(connection, top_up("t2", 500), pay("p2", 500)) is Posted.NEW


async def test_a_refused_group_leaves_the_others_of_its_batch_alone(database: Database) -> None:
    async with database.transaction() as connection:
        outcomes = await post(
            connection,
            [[top_up("t1", 100)], [pay("p1", 70)], [pay("p2", 70)], [pay("p3", 30)], []],
            booked_at=NOW,
        )
        assert outcomes[:2] == [Posted.NEW, Posted.NEW]
        assert isinstance(outcomes[2], Refused)
        assert outcomes[3] is Posted.NEW
        assert isinstance(outcomes[4], InvalidInput)
        assert await funds(connection) == (0, 0)


async def test_part_of_a_group_that_was_posted_elsewhere_is_a_conflict(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 500))
        assert isinstance(await post_one(connection, top_up("t1", 500), pay("p1", 1)), Conflict)


async def test_a_hold_is_gone_from_what_is_available_and_captured_in_part_once(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 1000))
        assert await post_one(connection, hold("h1", 800)) is Posted.NEW
        assert await funds(connection) == (1000, 200)
        assert isinstance(await post_one(connection, pay("p1", 201)), Refused)
        too_much = await post_one(connection, Capture(fact="c0", hold="h1", amount=801, event_at=NOW))
        assert isinstance(too_much, Refused)
        assert await post_one(connection, Capture(fact="c1", hold="h1", amount=300, event_at=NOW)) is Posted.NEW
        assert await funds(connection) == (700, 700)
        assert isinstance(await post_one(connection, Void(fact="v1", hold="h1", event_at=NOW)), Conflict)
        assert await post_one(connection, Capture(fact="c1", hold="h1", amount=300, event_at=NOW)) is Posted.KNOWN


async def test_a_voided_and_an_expired_hold_give_everything_back(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 1000))
        await post(connection, [[hold("h1", 400)], [hold("h2", 500)]], booked_at=NOW)
        await post_one(connection, Void(fact="v1", hold="h1", event_at=NOW))
        assert await funds(connection) == (1000, 500)
        assert await expire_holds(connection, now=NOW) == 0
        assert await expire_holds(connection, now=NOW + timedelta(hours=2)) == 1
        assert await funds(connection) == (1000, 1000)
        late = await post_one(connection, Capture(fact="c2", hold="h2", amount=1, event_at=NOW))
        assert isinstance(late, Conflict)
        assert "expired" in late.message


async def test_a_hold_and_its_capture_may_come_in_one_batch(database: Database) -> None:
    async with database.transaction() as connection:
        outcomes = await post(
            connection,
            [[top_up("t1", 10)], [hold("h1", 10)], [Capture(fact="c1", hold="h1", amount=4, event_at=NOW)]],
            booked_at=NOW,
        )
        assert outcomes == [Posted.NEW] * 3
        assert await funds(connection) == (6, 6)
        assert (await audit(connection)).holds


async def test_a_group_that_fails_after_resolving_a_hold_leaves_the_hold_open(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [[top_up("t1", 10)], [hold("h1", 10)]], booked_at=NOW)
        outcome = await post_one(connection, Void(fact="v1", hold="h1", event_at=NOW), pay("p1", 11))
        assert isinstance(outcome, Refused)
        assert await funds(connection) == (10, 0)
        assert await post_one(connection, Void(fact="v1", hold="h1", event_at=NOW)) is Posted.NEW


async def test_a_capture_of_an_unknown_hold_is_not_found(database: Database) -> None:
    async with database.transaction() as connection:
        assert isinstance(await post_one(connection, Void(fact="v", hold="never", event_at=NOW)), NotFound)


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        (Transfer(fact="x", debit=ANNA, credit=BANK, amount=0, event_at=NOW), InvalidInput, "positive"),
        (Transfer(fact="", debit=ANNA, credit=BANK, amount=1, event_at=NOW), InvalidInput, "printable"),
        (Transfer(fact="a\tb", debit=ANNA, credit=BANK, amount=1, event_at=NOW), InvalidInput, "printable"),
        (Transfer(fact="x", debit=ANNA, credit=BANK, amount=2**63, event_at=NOW), InvalidInput, "64-bit"),
        (Transfer(fact="x", debit=ANNA, credit=BANK, amount=1, event_at=datetime(2026, 1, 1)), InvalidInput, "zone"),  # noqa: DTZ001
        (
            Transfer(fact="x", debit=ANNA, credit=Account("b", "cash", "USD"), amount=1, event_at=NOW),
            InvalidInput,
            "cannot become",
        ),
        (
            Transfer(fact="x", debit=Account("a", "wallet", ENERGY), credit=Account("m", "meter", ENERGY), amount=1,
                     event_at=NOW),
            InvalidInput,
            "does not count",
        ),
        (
            Transfer(fact="x", debit=Account("a", "meter", ENERGY), credit=Account("s", "balance_group", ENERGY),
                     amount=1, event_at=NOW),
            Refused,
            "no route leads from balance_group to meter",
        ),
    ],
)  # fmt: skip
async def test_what_is_out_of_form_or_senseless_is_refused(
    database: Database, entry: Entry, error: type[WattbookError], words: str
) -> None:
    async with database.transaction() as connection:
        outcome = await post_one(connection, entry)
        assert isinstance(outcome, error)
        assert words in outcome.message


async def test_a_credit_line_lets_a_wallet_fall_so_far_and_no_further(database: Database) -> None:
    async with database.transaction() as connection:
        await set_floor(connection, ANNA, -50)
        assert await post_one(connection, pay("p1", 50)) is Posted.NEW
        assert isinstance(await post_one(connection, pay("p2", 1)), Refused)


async def test_what_comes_late_posts_in_the_open_period_and_names_the_one_it_corrects(database: Database) -> None:
    october = datetime(2026, 10, 31, 23, tzinfo=UTC)
    async with database.transaction() as connection:
        await post(connection, [[top_up("t1", 100, at=october)]], booked_at=october)
        await close_period(connection, date(2026, 10, 1), now=NOW)
        await post_one(connection, top_up("t2", 10, at=october))
        found = await connection.execute(text("SELECT fact, period, corrects FROM book.transfers ORDER BY fact"))
        assert [tuple(row) for row in found] == [
            ("t1", date(2026, 10, 1), None),
            ("t2", date(2026, 11, 1), date(2026, 10, 1)),
        ]
        with pytest.raises(Conflict, match="2026-10 is closed already"):
            await close_period(connection, date(2026, 10, 1), now=NOW)
        with pytest.raises(InvalidInput, match="not over"):
            await close_period(connection, date(2026, 11, 1), now=NOW)
        assert (await audit(connection)).holds


async def test_a_statement_opens_where_the_one_before_closed(database: Database) -> None:
    async with database.transaction() as connection:
        for day, entry in enumerate([top_up("t1", 100), pay("p1", 30), top_up("t2", 5)]):
            await post(connection, [[entry]], booked_at=NOW + timedelta(days=day))
        start = NOW + timedelta(days=1)
        later = await statement(connection, ANNA, start, NOW + timedelta(days=9))
        assert (later.opening, [line.amount for line in later.lines], later.closing) == (100, [-30, 5], 75)
        assert later.lines[0].counterpart == TILL
        earlier = await statement(connection, ANNA, NOW, start)
        assert (earlier.opening, earlier.closing) == (0, later.opening)


async def test_a_transfer_cannot_be_changed_even_by_hand(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 100))
    with pytest.raises(DBAPIError, match="a transfer never changes"):
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE book.transfers SET amount = 1"))


async def test_the_proof_sees_energy_that_was_measured_and_not_billed(database: Database) -> None:
    meter, grid = Account("m1", "meter", ENERGY), Account("dso", "grid", ENERGY)
    span = Span(NOW - timedelta(hours=1), NOW)
    delivered = Transfer(fact="in", debit=meter, credit=grid, amount=7, event_at=NOW, span=span)
    async with database.transaction() as connection:
        await post_one(connection, delivered)
        proof = await audit(connection)
        broken = {finding.name for finding in proof.findings if not finding.holds}
        assert broken == {"metered-equals-billed"}


async def test_the_proof_sees_a_stretch_of_meter_time_that_was_posted_twice(database: Database) -> None:
    grid, group = Account("dso", "grid", ENERGY), Account("bg", "balance_group", ENERGY)
    meter, anna = Account("m1", "meter", ENERGY), Account("anna", "consumption", ENERGY)

    def session(name: str, start: datetime, end: datetime) -> list[Entry]:
        return [
            Transfer(fact=f"{name}:supply", debit=grid, credit=group, amount=7, event_at=end),
            Transfer(fact=f"{name}:delivery", debit=meter, credit=grid, amount=7, event_at=end, span=Span(start, end)),
            Transfer(fact=f"{name}:consumption", debit=anna, credit=meter, amount=7, event_at=end),
        ]

    hour = timedelta(hours=1)
    async with database.transaction() as connection:
        await post(connection, [session("a", NOW, NOW + hour), session("b", NOW + hour, NOW + 2 * hour)], booked_at=NOW)
        assert (await audit(connection)).holds
        await post(connection, [session("c", NOW + hour / 2, NOW + hour * 3 / 4)], booked_at=NOW)
        proof = await audit(connection)
        assert [finding.name for finding in proof.findings if not finding.holds] == ["measured-once"]


async def test_the_proof_sees_a_number_that_was_tampered_with(database: Database) -> None:
    async with database.transaction() as connection:
        await post_one(connection, top_up("t1", 100))
        await connection.execute(text("UPDATE book.accounts SET credits_posted = 999 WHERE owner = 'anna'"))
        broken = {finding.name for finding in (await audit(connection)).findings if not finding.holds}
        assert broken == {"trial-balance", "accounts-equal-transfers"}
