"""Rounds of work that goes on for ever: what stands in the way of one is said, and the next comes all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

AWAY: Final = (DBAPIError, PoolTimeout, psycopg.Error, OSError)
"""Raised where the database does not answer, or where all connections to it are taken."""

log = structlog.get_logger(__name__)


@contextmanager
def surviving(event: str, **said: Any) -> Iterator[None]:
    """Note as `event` that this round was not done. A task that ended of it would never be missed."""
    try:
        yield
    except AWAY as error:
        log.warning(event, error=str(error), **said)
    except Exception as error:
        log.error(event, exc_info=error, **said)
