"""Databases and folders for houses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import fresh_database
from wattbook.db.embedded import EmbeddedServer
from wattbook.household.readings.intervals import IntervalStore


@pytest.fixture
def store(tmp_path: Path) -> IntervalStore:
    return IntervalStore(tmp_path / "intervals")


@pytest.fixture(scope="module")
def server_url(server: EmbeddedServer) -> Iterator[str]:
    """One database for all examples of a property, which leave nothing behind or use houses of their own."""
    with fresh_database(server) as url:
        yield url
