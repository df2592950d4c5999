"""A database: where it is, and transactions on it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection as DriverConnection
from psycopg import AsyncCursor
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from wattbook.kernel.errors import InvalidInput

POOL_SIZE = 8
POOL_OVERFLOW = 16
POOL_WAIT_S = 30.0


class Database:
    """A pool of connections to one PostgreSQL database, all of them in UTC."""

    def __init__(self, url: str, *, pool_wait_s: float = POOL_WAIT_S) -> None:
        """Who finds all connections taken waits so long for one, and gets the toolkit's TimeoutError then."""
        self.url = driver_url(url)
        self._engine = create_async_engine(
            self.url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=pool_wait_s,
            pool_pre_ping=False,
            connect_args={"options": "-c timezone=UTC"},
        )

    @property
    def conninfo(self) -> str:
        """The same place in the words of libpq, for a library that connects by itself."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits when the block ends well, rolls back when it raises."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Reads one consistent moment across several statements; writes nothing."""
        async with self._engine.connect() as connection, connection.begin():
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


def driver_of(connection: AsyncConnection) -> DriverConnection[Any]:
    """The driver's own connection under an open one, for COPY and for what every message of every station costs."""
    assert connection.sync_connection is not None, "it is open"
    driver: DriverConnection[Any] = connection.sync_connection.connection.driver_connection  # type: ignore[assignment]
    return driver


async def fetch(connection: AsyncConnection, statement: LiteralString, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement, if it has any, with `%s` for each value: a third of what the toolkit takes for it.

    Raises what the toolkit raises.
    """
    cursor = await execute(connection, statement, values)
    return await cursor.fetchall() if cursor.description else []


async def execute(connection: AsyncConnection, statement: LiteralString, values: Sequence[Any]) -> AsyncCursor[Any]:
    """As `fetch`, with the rows still to be read: the database can have its next statement while they are."""
    with _errors_of_the_toolkit(statement):
        return await driver_of(connection).execute(statement, values)


@asynccontextmanager
async def pipeline(connection: AsyncConnection) -> AsyncIterator[None]:
    """Statements that are executed in it go out one behind the other; their answers are there when it ends."""
    with _errors_of_the_toolkit("a pipeline"):
        async with driver_of(connection).pipeline():
            yield


@contextmanager
def _errors_of_the_toolkit(statement: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=False) from error


def driver_url(url: str) -> URL:
    """The URL of any PostgreSQL, told to use our driver.

    Raises:
        InvalidInput: not the URL of a PostgreSQL database.
    """
    try:
        parsed = make_url(url)
    except ValueError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise InvalidInput("WATTBOOK_DATABASE_URL must look like postgresql://user:password@host:5432/name")
    return parsed.set(drivername="postgresql+psycopg")
