"""What could not be taken in, as it came, with the reason its sender was told; kept until a person has looked."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.payments import store

SHOWN_MAX: Final = 1_000
UNSIGNED_MAX: Final = 1_000
"""Of one sender: anybody can call under its name, and nobody shall fill our disks with it."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Attributes:
    source: http, file, webhook or report.
    times: how often the same came.
    """

    channel: str
    source: str
    code: str
    reason: str
    content: bytes
    first_received_at: datetime
    last_received_at: datetime
    times: int


async def keep(
    connection: AsyncConnection, channel: str, source: str, content: bytes, error: WattbookError, *, now: datetime
) -> None:
    """The same again is counted, not kept twice."""
    digest = sha256(b"\x1f".join([channel.encode(), error.code.encode(), content])).hexdigest()
    await store.quarantine(
        connection,
        {
            "digest": digest,
            "channel": channel,
            "source": source,
            "code": error.code,
            "reason": _readable(error.message),
            "content": content,
            "received_at": utc(now),
        },
    )


def _readable(reason: str) -> str:
    """A reason may quote what came, and a database keeps no such characters."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in reason[:1_000])


async def keep_unsigned(
    connection: AsyncConnection, sender: str, content: bytes, error: WattbookError, *, now: datetime
) -> None:
    """What came under the name of a sender and was not signed by it: the first thousand different ones."""
    if await store.quarantine_count(connection, sender, error.code) < UNSIGNED_MAX:
        await keep(connection, sender, "http", content, error, now=now)


async def quarantined(
    connection: AsyncConnection, *, channel: str | None = None, limit: int = 100
) -> list[Quarantined]:
    """The latest first."""
    if not 0 < limit <= SHOWN_MAX:
        raise InvalidInput(f"1 to {SHOWN_MAX} entries can be asked for, not {limit}")
    if channel is not None and not channel.isprintable():
        raise InvalidInput("the name of a channel is printable")
    return [
        Quarantined(**{name: value for name, value in row.items() if name != "digest"})
        for row in await store.quarantined(connection, channel, limit)
    ]
