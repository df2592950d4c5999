"""One group posted now, or the reason why not as an exception: the caller undoes what it did beside it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Entry
from wattbook.kernel.errors import Refused, WattbookError


async def post_one(connection: AsyncConnection, group: Sequence[Entry], *, now: datetime) -> Posted:
    """Raises: what the book says against it."""
    (outcome,) = await post(connection, [group], booked_at=now)
    if isinstance(outcome, WattbookError):
        raise outcome
    return outcome


def is_floor(error: WattbookError) -> bool:
    """Whether it is the floor of an account that forbids it."""
    return isinstance(error, Refused) and error.details.get("reason") == "floor"
