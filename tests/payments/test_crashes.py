"""Nothing is lost or done twice, whenever a connection drops, a process is killed, or two draw on one wallet."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from tests.charging.world import posted
from tests.payments.process import CHAINS, Step
from tests.payments.world import NEIGHBOURS, NOW, SENDER, TOP_UP, build, document, prove, won
from wattbook.db.engine import Database
from wattbook.payments.intake import take_in


async def assert_in_the_end(database: Database, chain: str) -> None:
    expected = CHAINS[chain].in_the_end
    async with database.snapshot() as connection:
        found = {account: await posted(connection, *account) for account in expected}
    assert found == {account: won(amount).amount for account, amount in expected.items()}


class Drops:
    """A connection that is gone before the chosen statement: the server undoes what was not committed."""

    def __init__(self, database: Database, before: int) -> None:
        self.left = before
        self.engine = database._engine.sync_engine

    def __enter__(self) -> "Drops":
        event.listen(self.engine, "before_cursor_execute", self._execute)
        event.listen(self.engine, "commit", self._commit)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._execute)
        event.remove(self.engine, "commit", self._commit)

    @property
    def dropped(self) -> bool:
        return self.left <= 0

    def _execute(self, connection: Any, *_: Any) -> None:
        self._count(connection)

    def _commit(self, connection: Any) -> None:
        self._count(connection)

    def _count(self, connection: Any) -> None:
        self.left -= 1
        if self.left == 0:
            connection.connection.driver_connection.pgconn.finish()


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_connection_may_drop_before_any_statement_of_any_step(
    database: Database, database_url: str, chain: str
) -> None:
    await build(database)
    drops = 0
    for step in CHAINS[chain].steps:
        drops += await _done_through_drops(database_url, step)
        await step(database)  # the answer was lost: once more
        await prove(database)
    await assert_in_the_end(database, chain)
    assert drops > 2 * len(CHAINS[chain].steps)


async def _done_through_drops(url: str, step: Step) -> int:
    """Drop before the first statement, then before the second, until the step goes through; how often it did not."""
    number = 0
    while True:
        number += 1
        dropping = Database(url)
        try:
            with Drops(dropping, number) as drops:
                await step(dropping)
            assert not drops.dropped
            return number - 1
        except DBAPIError:
            assert drops.dropped
        finally:
            await dropping.close()


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_process_may_be_killed_between_any_two_steps_and_start_again(
    database: Database, database_url: str, chain: str
) -> None:
    await build(database)
    killed = 0
    for seed in range(6):
        code = await _run(chain, database_url, str(seed))
        assert code in (0, -signal.SIGKILL), seed
        killed += code != 0
        await prove(database)
    assert killed >= 3
    assert await _run(chain, database_url, "whole") == 0
    assert await _run(chain, database_url, "whole") == 0
    await assert_in_the_end(database, chain)
    await prove(database)


async def test_two_processes_draw_on_one_wallet_and_the_floor_holds(database: Database, database_url: str) -> None:
    await build(database)
    async with database.transaction() as connection:
        await take_in(connection, SENDER, [document(TOP_UP)], NEIGHBOURS, now=NOW)
    taken = await asyncio.gather(*(_output("draw", database_url, name) for name in ("left", "right")))
    assert sum(taken) == 10_000 // 70
    assert min(taken) > 0
    async with database.snapshot() as connection:
        assert await posted(connection, "kim", "wallet") == won(10_000 % 70).amount
    await prove(database)


async def _run(*words: str) -> int:
    return await (await _process(*words)).wait()


async def _output(*words: str) -> int:
    process = await _process(*words, stdout=PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0
    return int(told)


async def _process(*words: str, **more: Any) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.payments.process", *words)
    return await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2], **more)


@pytest.mark.parametrize("at_once", [4])
async def test_the_same_payment_told_at_once_by_several_is_taken_once(database: Database, at_once: int) -> None:
    await build(database)

    async def tell() -> str:
        async with database.transaction() as connection:
            (receipt,) = await take_in(connection, SENDER, [document(TOP_UP)], NEIGHBOURS, now=NOW)
        return receipt.outcome

    outcomes = await asyncio.gather(*(tell() for _ in range(at_once)))
    assert sorted(outcomes) == ["known"] * (at_once - 1) + ["taken"]
    await prove(database)
