"""A large batch is written without a look at its facts; what had come before is found all the same."""

from datetime import UTC, datetime

import pytest

from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import TRUSTED_MIN, Posted, post
from wattbook.book.statements import balances
from wattbook.book.transfers import Capture, Entry, Hold, Transfer
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict, Refused

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BANK = Account("bank", "cash", "KRW")
ANNA, BEN = Account("anna", "wallet", "KRW"), Account("ben", "wallet", "KRW")

Group = list[Entry]


def top_ups(first: int) -> list[Group]:
    return [[top_up(f"top-up:{n}", 10)] for n in range(first, first + TRUSTED_MIN)]


def top_up(fact: str, amount: int) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=ANNA, amount=amount, event_at=NOW)


def spent(fact: str, wallet: Account, amount: int) -> Transfer:
    return Transfer(fact=fact, debit=wallet, credit=BANK, amount=amount, event_at=NOW)


async def test_known_facts_among_new_ones_post_once(database: Database) -> None:
    early: list[Group] = [[top_up("top-up:7", 10)], [top_up("top-up:8", 11)]]
    async with database.transaction() as connection:
        assert await post(connection, early, booked_at=NOW) == [Posted.NEW] * 2
        outcomes = await post(connection, top_ups(0), booked_at=NOW)
        assert [n for n, outcome in enumerate(outcomes) if outcome is not Posted.NEW] == [7, 8]
        assert outcomes[7] is Posted.KNOWN
        assert isinstance(outcomes[8], Conflict)
    async with database.snapshot() as connection:
        assert (await balances(connection, [ANNA]))[ANNA].posted == 10 * (TRUSTED_MIN - 1) + 11
        assert (await audit(connection)).holds


async def test_a_stream_of_repeats_is_known_and_what_is_new_among_it_posts(database: Database) -> None:
    for batch in (top_ups(0), top_ups(0), top_ups(TRUSTED_MIN // 2), top_ups(TRUSTED_MIN)):
        async with database.transaction() as connection:
            outcomes = await post(connection, batch, booked_at=NOW)
        known = outcomes.count(Posted.KNOWN)
        assert outcomes == [Posted.KNOWN] * known + [Posted.NEW] * (TRUSTED_MIN - known)
    async with database.snapshot() as connection:
        assert (await balances(connection, [ANNA]))[ANNA].posted == 10 * 2 * TRUSTED_MIN
        assert (await audit(connection)).holds


async def test_what_emptied_a_wallet_is_known_when_it_comes_again_and_not_refused(database: Database) -> None:
    async with database.transaction() as connection:
        filled: Group = [Transfer(fact="filled", debit=BANK, credit=BEN, amount=5, event_at=NOW)]
        before: list[Group] = [filled, [spent("spent", BEN, 5)]]
        assert await post(connection, before, booked_at=NOW) == [Posted.NEW] * 2
        batch: list[Group] = [*top_ups(0), [spent("spent", BEN, 5)], [spent("too much", BEN, 5)]]
        outcomes = await post(connection, batch, booked_at=NOW)
        assert outcomes[:-1] == [*[Posted.NEW] * TRUSTED_MIN, Posted.KNOWN]
        assert isinstance(outcomes[-1], Refused)
        assert (await audit(connection)).holds


async def test_a_refusal_among_new_facts_stands(database: Database) -> None:
    async with database.transaction() as connection:
        outcomes = await post(connection, [[spent("too much", BEN, 1)], *top_ups(0)], booked_at=NOW)
        assert isinstance(outcomes[0], Refused)
        assert outcomes[1:] == [Posted.NEW] * TRUSTED_MIN
        assert (await audit(connection)).holds


@pytest.mark.parametrize("repeated", [False, True])
async def test_holds_of_a_large_batch_are_kept_and_captured_once(database: Database, repeated: bool) -> None:
    held: list[Group] = [
        [Hold(fact=f"hold:{n}", debit=ANNA, credit=BANK, amount=4, event_at=NOW, expires_at=NOW)]
        for n in range(TRUSTED_MIN)
    ]
    captured: list[Group] = [
        [Capture(fact=f"capture:{n}", hold=f"hold:{n}", amount=3, event_at=NOW)] for n in range(TRUSTED_MIN)
    ]
    async with database.transaction() as connection:
        await post(connection, [[top_up("filled", 4 * TRUSTED_MIN)]], booked_at=NOW)
        if repeated:
            await post(connection, held[:1], booked_at=NOW)
            await post(connection, captured[:1], booked_at=NOW)
    expected = [Posted.KNOWN if repeated else Posted.NEW, *[Posted.NEW] * (TRUSTED_MIN - 1)]
    for batch in (held, captured):
        async with database.transaction() as connection:
            assert await post(connection, batch, booked_at=NOW) == expected
    async with database.snapshot() as connection:
        balance = (await balances(connection, [ANNA]))[ANNA]
        assert (balance.posted, balance.debits_pending) == (TRUSTED_MIN, 0)
        assert (await audit(connection)).holds
