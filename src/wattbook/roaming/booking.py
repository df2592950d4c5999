"""One group of transfers, posted or refused as a whole."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import post
from wattbook.book.transfers import Entry
from wattbook.kernel.errors import WattbookError


async def book(connection: AsyncConnection, group: Sequence[Entry], now: datetime) -> None:
    """Post the group, once; an empty one is nothing to post.

    Raises:
        WattbookError: what the book refused, as `post` says; nothing was posted.
    """
    if not group:
        return
    (outcome,) = await post(connection, [group], booked_at=now)
    if isinstance(outcome, WattbookError):
        raise outcome
