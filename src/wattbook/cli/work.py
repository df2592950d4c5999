"""One piece of work on the database: the one that serves from the data folder, or one that nobody serves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.config import Settings
from wattbook.db.engine import Database

ResultT = TypeVar("ResultT")


def done(settings: Settings, work: Callable[[AsyncConnection], Awaitable[ResultT]]) -> ResultT:
    """Its result, after the commit."""
    from wattbook.app.databases import readable_database

    async def do(url: str) -> ResultT:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with readable_database(settings) as url:
        return asyncio.run(do(url))
