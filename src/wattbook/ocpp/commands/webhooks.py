"""Webhooks: programs' own URLs that are told of outcomes, and how they know that it was we who told them.

What is posted is signed with a secret of the webhook (HMAC-SHA256 over the time, a full stop, and the body), so that
nobody else can tell it lies, and with the time, so that nobody can tell it the same again later. A webhook is its URL
without the query: what stands behind the question mark may differ with every command.

    Wattbook-Timestamp: 1795300000                     seconds since 1970; a receiver takes five minutes at most
    Wattbook-Signature: v1=<64 hexadecimal digits>     one for each valid secret, separated by commas
    Wattbook-Delivery: <id>                            the same at every attempt to tell the same

After a rotation both secrets sign for a week.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import LimitExceeded, NotFound

TIMESTAMP: Final = "Wattbook-Timestamp"
SIGNATURE: Final = "Wattbook-Signature"
DELIVERY: Final = "Wattbook-Delivery"

REPLAY_WITHIN: Final = timedelta(minutes=5)
"""What a receiver should allow between our clock and its own, the way included."""

BOTH_VALID_FOR: Final = timedelta(days=7)
WEBHOOKS_MAX: Final = 1_000
_SECRET_BYTES: Final = 32

NewSecret = Callable[[int], bytes]


class Webhook(Struct, frozen=True):
    """Attributes:
    rotated_at: when it got its present secret in the place of another.
    """

    url: str
    created_at: datetime
    rotated_at: datetime | None


def webhook_of(url: str) -> str:
    """The webhook that a URL belongs to."""
    return url.partition("?")[0]


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """Of one secret."""
    return "v1=" + hmac.new(secret, b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()


def signed_headers(valid: Sequence[bytes], body: bytes, delivery: str, now: datetime) -> dict[str, str]:
    """What goes with a body; the newest secret's signature comes first."""
    timestamp = int(now.timestamp())
    signatures = ",".join(signature(secret, timestamp, body) for secret in reversed(valid))
    return {TIMESTAMP: str(timestamp), SIGNATURE: signatures, DELIVERY: delivery}


async def register(
    connection: AsyncConnection,
    urls: Sequence[str],
    now: datetime,
    *,
    random_bytes: NewSecret = secrets.token_bytes,
) -> None:
    """Give each webhook a secret that has none yet.

    Raises:
        LimitExceeded: too many different ones.
    """
    wanted = sorted({webhook_of(url) for url in urls})
    if not wanted:
        return
    found = await connection.execute(
        text("SELECT url FROM ocpp.webhooks WHERE url = ANY(CAST(:urls AS text[]))"), {"urls": wanted}
    )
    new = sorted(set(wanted) - set(found.scalars()))
    if not new:
        return
    number = (await connection.execute(text("SELECT count(*) FROM ocpp.webhooks"))).scalar_one()
    if number + len(new) > WEBHOOKS_MAX:
        raise LimitExceeded(f"there are at most {WEBHOOKS_MAX} webhooks; say what differs behind a question mark")
    await connection.execute(
        text("""
            INSERT INTO ocpp.webhooks (url, secrets, created_at)
            SELECT url, ARRAY[secret], :now
            FROM unnest(CAST(:urls AS text[]), CAST(:secrets AS bytea[])) AS given(url, secret)
            ON CONFLICT DO NOTHING
        """),
        {"urls": new, "secrets": [random_bytes(_SECRET_BYTES) for _ in new], "now": now},
    )


async def rotate(
    connection: AsyncConnection, url: str, now: datetime, *, random_bytes: NewSecret = secrets.token_bytes
) -> None:
    """Give a webhook another secret; the one before signs for a while beside it.

    Raises:
        NotFound: no such webhook.
    """
    done = await connection.execute(
        text("""
            UPDATE ocpp.webhooks SET secrets = ARRAY[secrets[cardinality(secrets)], CAST(:secret AS bytea)],
                   rotated_at = :now WHERE url = :url
        """),
        {"url": webhook_of(url), "secret": random_bytes(_SECRET_BYTES), "now": now},
    )
    if not done.rowcount:
        raise NotFound(f"there is no webhook {webhook_of(url)[:200]}")


async def forget(connection: AsyncConnection, url: str) -> bool:
    """Whether there was such a webhook. One that is used again gets another secret."""
    done = await connection.execute(text("DELETE FROM ocpp.webhooks WHERE url = :url"), {"url": webhook_of(url)})
    return done.rowcount == 1


async def valid_secrets(connection: AsyncConnection, url: str, now: datetime) -> list[bytes]:
    """Those that sign now, the newest last.

    Raises:
        NotFound: no such webhook.
    """
    found = await connection.execute(
        text("SELECT secrets, rotated_at FROM ocpp.webhooks WHERE url = :url"), {"url": webhook_of(url)}
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"there is no webhook {webhook_of(url)[:200]}")
    kept = [bytes(each) for each in row.secrets]
    return kept if row.rotated_at is not None and row.rotated_at > now - BOTH_VALID_FOR else kept[-1:]


async def list_webhooks(connection: AsyncConnection) -> list[Webhook]:
    """All of them, by their URLs."""
    found = await connection.execute(text("SELECT url, created_at, rotated_at FROM ocpp.webhooks ORDER BY url"))
    return [Webhook(*row) for row in found]
