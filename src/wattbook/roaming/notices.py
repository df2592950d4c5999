"""What a customer is told about charging at partners' stations: a text to read, and the same facts for a program."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.roaming import store

NOTICES_SHOWN_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """`cause` is the fact that it tells of; a customer is told of it once."""

    customer: str
    kind: str
    cause: str
    text: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    id: int
    customer: str
    kind: str
    text: str
    facts: dict[str, Any]
    created_at: datetime


async def add(connection: AsyncConnection, new: Sequence[NewNotice], now: datetime) -> None:
    await store.add_notices(connection, [asdict(each) | {"created_at": utc(now)} for each in new])


async def notices_of(connection: AsyncConnection, customer: str, *, limit: int = NOTICES_SHOWN_MAX) -> list[Notice]:
    """The newest notices of a customer."""
    return await store.notices_of(connection, customer, min(limit, NOTICES_SHOWN_MAX), Notice)
