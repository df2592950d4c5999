"""Real PostgreSQL for every test: one embedded server a worker, one fresh database a test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from sqlalchemy import make_url

from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.db.migrate import upgrade

_numbers = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("postgres")) as running:
        with psycopg.connect(running.url, autocommit=True) as connection:
            # Tests that are about durability start a server of their own.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE template_wattbook")
        upgrade(_named(running.url, "template_wattbook"))
        yield running


@pytest.fixture
def database_url(server: EmbeddedServer) -> Iterator[str]:
    with fresh_database(server) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@contextmanager
def fresh_database(server: EmbeddedServer) -> Iterator[str]:
    """The URL of an empty database at the newest revision, gone when the block ends."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_wattbook STRATEGY FILE_COPY".encode())
        yield _named(server.url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)
