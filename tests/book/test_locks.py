"""Accounts under lock: what a connection remembers of them saves time and never decides whose money moves."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.statements import balances
from wattbook.book.transfers import Transfer
from wattbook.db.engine import Database
from wattbook.kernel.errors import WattbookError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BANK = Account("bank", "cash", "EUR")
ANNA, BEN, CLARA = (Account(owner, "wallet", "EUR") for owner in ("anna", "ben", "clara"))


async def test_an_account_that_was_made_and_taken_back_is_made_again(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [[_top_up("t1", BEN, 1)]], booked_at=NOW)
    with pytest.raises(ZeroDivisionError):
        await _post_and_fail(database, [_top_up("t2", ANNA, 90), _top_up("t3", BEN, 9)])
    async with database.transaction() as connection:
        assert await post(connection, [[_top_up("t2", ANNA, 50), _top_up("t3", BEN, 5)]], booked_at=NOW) == [Posted.NEW]
    assert await _posted(database, ANNA, BEN) == [50, 6]


async def test_money_goes_to_the_name_though_the_remembered_id_leads_elsewhere(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [[_top_up("t1", ANNA, 10)], [_top_up("t2", BEN, 20)]], booked_at=NOW)
    async with database.transaction() as connection:  # nobody may do this; whoever does must not mislead a posting
        await connection.execute(text("UPDATE book.accounts SET owner = 'clara' WHERE owner = 'anna'"))
        await connection.execute(text("UPDATE book.accounts SET owner = 'anna' WHERE owner = 'ben'"))
    async with database.transaction() as connection:
        batch = [[_top_up("t3", ANNA, 1)], [_top_up("t4", BEN, 2)], [_top_up("t5", CLARA, 3)]]
        assert await post(connection, batch, booked_at=NOW) == [Posted.NEW] * 3
    assert await _posted(database, ANNA, BEN, CLARA) == [21, 2, 13]
    async with database.snapshot() as connection:
        assert (await audit(connection)).holds


async def test_a_posting_that_is_given_up_while_it_waits_for_a_lock_leaves_nothing(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [[_top_up("t1", ANNA, 10)]], booked_at=NOW)
    async with database.transaction() as connection:
        await post(connection, [[_top_up("t2", ANNA, 20)]], booked_at=NOW)
        waiting = asyncio.create_task(_post_alone(database, _top_up("t3", ANNA, 40)))
        while not await _somebody_waits(database):  # noqa: ASYNC110 the database says so to nobody
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await _posted(database, ANNA) == [30]
    assert await _post_alone(database, _top_up("t3", ANNA, 40)) == [Posted.NEW]
    assert await _posted(database, ANNA) == [70]


async def test_posters_that_meet_in_every_order_all_post(database: Database) -> None:
    wallets = [Account(f"customer-{n}", "wallet", "EUR") for n in range(30)]

    async def poster(number: int) -> None:
        order = wallets[number:] + wallets[:number]
        for turn in range(6):
            batch = [
                [_top_up(f"{number}:{turn}:{wallet.owner}", wallet, 1)] for wallet in order[turn * 2 : turn * 5 + 5]
            ]
            async with database.transaction() as connection:
                assert await post(connection, batch, booked_at=NOW) == [Posted.NEW] * len(batch)

    await asyncio.gather(*(poster(5 * number) for number in range(6)))
    async with database.snapshot() as connection:
        assert (await audit(connection)).holds


async def _post_alone(database: Database, transfer: Transfer) -> list[Posted | WattbookError]:
    async with database.transaction() as connection:
        return await post(connection, [[transfer]], booked_at=NOW)


async def _post_and_fail(database: Database, group: list[Transfer]) -> None:
    async with database.transaction() as connection:
        await post(connection, [group], booked_at=NOW)
        raise ZeroDivisionError


async def _somebody_waits(database: Database) -> bool:
    async with database.snapshot() as connection:
        found = await connection.execute(
            text("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        )
        return found.first() is not None


async def _posted(database: Database, *accounts: Account) -> list[int]:
    async with database.snapshot() as connection:
        found = await balances(connection, accounts)
    return [found[account].posted for account in accounts]


def _top_up(fact: str, wallet: Account, amount: int) -> Transfer:
    return Transfer(fact=fact, debit=BANK, credit=wallet, amount=amount, event_at=NOW)
