"""Who changed what: every change that a person or a program made, written in the transaction of the change itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.registry import checks, store

PAGE_SIZE_MAX = 1_000


class Change(Struct, frozen=True):
    """One change.

    Attributes:
        by: who: the beginning of the hash of the key that was shown, or the address it came from.
        what: what was done, such as `station.acceptance`.
        subject: id of what was changed.
        before, after: whatever JSON can hold; None where there was nothing. Never a secret.
    """

    at: datetime
    by: str
    what: str
    subject: str
    before: Any
    after: Any


class KeptChange(Struct, frozen=True):
    """A change as it is kept; later ones have greater ids. `before` and `after` are JSON."""

    id: int
    at: datetime
    by: str
    what: str
    subject: str
    before: Raw
    after: Raw


async def record_changes(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    await store.keep_changes(
        connection,
        [
            {
                "at": utc(change.at),
                "by": change.by,
                "what": change.what,
                "subject": change.subject,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
    )


async def list_changes(
    connection: AsyncConnection, *, subject: str | None = None, before: int | None = None, limit: int = 100
) -> list[KeptChange]:
    """The newest first; with `before`, those that came before the change of this id."""
    checks.whole(limit, "changes on a page", 1, PAGE_SIZE_MAX)
    rows = await store.changes_page(connection, subject, before, limit)
    return [msgspec.json.decode(row, type=KeptChange) for row in rows]
