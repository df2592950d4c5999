"""What other processes say is heard, in whole, and again after the connection was lost."""

import asyncio
from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy import text

from wattbook.db.engine import Database
from wattbook.db.listener import NOTICE_BYTES_MAX, Hear, Listener, notify

WAIT_S = 20.0


async def say(database: Database, words: Sequence[str]) -> None:
    async with database.transaction() as connection:
        await notify(connection, "talk", words)


def into(heard: "asyncio.Queue[str]") -> Mapping[str, Hear]:
    def note(words: Sequence[str]) -> None:
        for word in words:
            heard.put_nowait(word)

    return {"talk": note}


async def hear(heard: "asyncio.Queue[str]", number: int) -> list[str]:
    return [await asyncio.wait_for(heard.get(), WAIT_S) for _ in range(number)]


async def test_words_are_heard_after_the_commit_however_many(database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    words = [f"station-{n:05}" for n in range(5_000)]
    assert len(" ".join(words)) > 5 * NOTICE_BYTES_MAX

    async with Listener(database, into(heard)):
        await say(database, words)
        assert sorted(await hear(heard, len(words))) == words


async def test_nothing_said_says_nothing(database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with Listener(database, into(heard)):
        await say(database, [])
        await say(database, ["once", "once"])
        await say(database, ["end"])
        assert await hear(heard, 2) == ["once", "end"]


async def test_a_lost_connection_comes_back_and_looks_what_was_missed(database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    sessions: asyncio.Queue[int] = asyncio.Queue()

    async def connected(connection: psycopg.AsyncConnection) -> None:
        sessions.put_nowait(connection.info.backend_pid)

    async with Listener(database, into(heard), connected=connected):
        first = await asyncio.wait_for(sessions.get(), WAIT_S)
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
        second = await asyncio.wait_for(sessions.get(), WAIT_S)
        assert second != first
        await say(database, ["again"])
        assert await hear(heard, 1) == ["again"]
