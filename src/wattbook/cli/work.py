"""One piece of work on the database: the one that serves from the data folder, or one that nobody serves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.config import Settings
from wattbook.db.engine import Database

ResultT = TypeVar("ResultT")


def on_database(settings: Settings, work: Callable[[Database], Awaitable[ResultT]]) -> ResultT:
    """The result of work that makes its own transactions."""
    from wattbook.app.databases import readable_database

    async def run(url: str) -> ResultT:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    with readable_database(settings) as url:
        return asyncio.run(run(url))


def done(settings: Settings, work: Callable[[AsyncConnection], Awaitable[ResultT]]) -> ResultT:
    """The result of work in one transaction, after the commit."""

    async def run(database: Database) -> ResultT:
        async with database.transaction() as connection:
            return await work(connection)

    return on_database(settings, run)
