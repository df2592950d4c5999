"""The database of a deployment: whose it is, its tables, and its proof."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import MetaData

import wattbook.billing.tables
import wattbook.book.tables
import wattbook.charging.tables
import wattbook.household.tables
import wattbook.ocpp.kept.tables
import wattbook.ocpp.security.tables
import wattbook.ocpp.tables
import wattbook.payments.tables
import wattbook.registry.tables
import wattbook.roaming.tables  # noqa: F401
from wattbook.billing.checks import CHECKS as BILLING_CHECKS
from wattbook.book.audit import Proof, audit
from wattbook.charging.checks import CHECKS as CHARGING_CHECKS
from wattbook.config import Settings
from wattbook.db.embedded import EmbeddedServer, running_url
from wattbook.db.engine import Database
from wattbook.db.metadata import metadata
from wattbook.db.migrate import upgrade
from wattbook.household.checks import CHECKS as HOUSEHOLD_CHECKS
from wattbook.payments.checks import CHECKS as PAYMENT_CHECKS
from wattbook.roaming.checks import CHECKS as ROAMING_CHECKS

CHECKS: Final = (*BILLING_CHECKS, *CHARGING_CHECKS, *HOUSEHOLD_CHECKS, *PAYMENT_CHECKS, *ROAMING_CHECKS)
"""What the rooms prove of their documents, beside what the book proves of itself."""


def declared_tables() -> MetaData:
    """The tables of all rooms: imported above, so that each has declared its own."""
    return metadata


@contextmanager
def owned_database(settings: Settings) -> Iterator[str]:
    """The URL of a database at the newest revision, which is ours while the block runs.

    Raises:
        Conflict: another process owns the data folder.
    """
    with contextlib.ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedServer(settings.data)).url
        upgrade(url)
        yield url


@contextmanager
def readable_database(settings: Settings) -> Iterator[str]:
    """The same, also beside a process that serves from this data folder."""
    beside = None if settings.database_url else running_url(settings.data)
    if beside is not None:
        yield beside
    else:
        with owned_database(settings) as url:
            yield url


async def prove(database: Database) -> Proof:
    """The audit with the checks of all rooms, on one snapshot."""
    async with database.snapshot() as connection:
        return await audit(connection, CHECKS)


async def prove_once(settings: Settings) -> Proof:
    """The same for a command: of the database that serves, or of one that nobody serves."""
    with readable_database(settings) as url:
        database = Database(url)
        try:
            return await prove(database)
        finally:
            await database.close()
