"""The group commit answers after the commit, batches by itself, and lets one bad item fail alone."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.group_commit import GroupCommit
from wattbook.kernel.errors import LimitExceeded, Refused, Unavailable, WattbookError


@pytest.fixture
async def numbers(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE numbers (n integer PRIMARY KEY, CHECK (n <> 13))"))
    return database


async def insert(connection: AsyncConnection, batch: Sequence[int]) -> Sequence[int | WattbookError]:
    await connection.execute(text("INSERT INTO numbers SELECT unnest(CAST(:batch AS int[]))"), {"batch": list(batch)})
    return [Refused("seven is refused") if n == 7 else n * 10 for n in batch]


async def stored(database: Database) -> set[int]:
    async with database.snapshot() as connection:
        return set((await connection.execute(text("SELECT n FROM numbers"))).scalars())


async def test_an_answer_means_committed(numbers: Database) -> None:
    commit = GroupCommit(numbers, insert)
    commit.start()
    assert await commit.submit(1) == 10
    assert await stored(numbers) == {1}
    await commit.stop()


async def test_what_arrives_during_a_commit_becomes_the_next_batch(numbers: Database) -> None:
    seen: list[int] = []
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection, batch: Sequence[int]) -> Sequence[int | WattbookError]:
        seen.append(len(batch))
        entered.set()
        await go_on.wait()
        return await insert(connection, batch)

    commit = GroupCommit(numbers, slow, lanes=1)
    commit.start()
    first = asyncio.create_task(commit.submit(100))
    await entered.wait()
    rest = [asyncio.create_task(commit.submit(n)) for n in range(200, 250)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *rest) == [1000, *(n * 10 for n in range(200, 250))]
    assert seen == [1, 50]
    await commit.stop()


async def test_a_poison_item_fails_alone(numbers: Database) -> None:
    commit = GroupCommit(numbers, insert)
    commit.start()
    answers = await asyncio.gather(*(commit.submit(n) for n in range(1, 30)), return_exceptions=True)
    failed = {n for n, answer in enumerate(answers, start=1) if isinstance(answer, BaseException)}
    assert failed == {7, 13}
    assert isinstance(answers[6], Refused)
    assert await stored(numbers) == set(range(1, 30)) - {13}
    await commit.stop()


async def test_a_full_queue_takes_nothing_more(numbers: Database) -> None:
    commit = GroupCommit(numbers, insert, queue_max=3)
    commit.start()
    taken = [commit.enqueue(n) for n in (1, 2, 3)]
    with pytest.raises(LimitExceeded, match="3 messages already wait"):
        commit.enqueue(4)
    await asyncio.gather(*taken)
    assert await stored(numbers) == {1, 2, 3}
    await commit.stop()


async def test_stopping_commits_what_was_taken_and_refuses_the_rest(numbers: Database) -> None:
    commit = GroupCommit(numbers, insert, batch_max=2)
    commit.start()
    taken = [commit.enqueue(n) for n in range(20, 30)]
    await commit.stop()
    assert [future.result() for future in taken] == [n * 10 for n in range(20, 30)]
    with pytest.raises(Unavailable):
        await commit.submit(99)


async def test_a_lost_connection_is_reported_as_unknown_and_the_next_batch_works(numbers: Database) -> None:
    async def cut(connection: AsyncConnection, batch: Sequence[int]) -> Sequence[int | WattbookError]:
        if 666 in batch:
            own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with numbers.transaction() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        return await insert(connection, batch)

    commit = GroupCommit(numbers, cut)
    commit.start()
    with pytest.raises(Unavailable):
        await commit.submit(666)
    assert await commit.submit(5) == 50
    assert await stored(numbers) == {5}
    await commit.stop()


async def test_two_lanes_share_what_is_open(numbers: Database) -> None:
    """While one lane commits its half, the other one is at work on the other half."""
    seen: list[int] = []
    both = asyncio.Barrier(2)

    async def together(connection: AsyncConnection, batch: Sequence[int]) -> Sequence[int | WattbookError]:
        seen.append(len(batch))
        await both.wait()
        return await insert(connection, batch)

    commit = GroupCommit(numbers, together, lanes=2)
    commit.start()
    answers = [commit.enqueue(n) for n in range(100, 200)]
    assert await asyncio.gather(*answers) == [n * 10 for n in range(100, 200)]
    assert seen == [50, 50]
    await commit.stop()
