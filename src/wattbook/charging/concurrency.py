"""How many sessions a token runs at once, and who is over its limit.

Limits are kept under a lock of the token, so that two starts at the same moment, here or at another node, do not both
pass. A session at the same outlet does not count: where a new one begins, the one before has ended, said or not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LOCK: Final = 0x544F4B45


class Asked(Struct, frozen=True):
    """A start, and how many sessions its token may run."""

    token_uid: str
    station_id: str
    connector_no: int
    limit: int


class Running(Struct, frozen=True):
    """A session that a token runs."""

    session_id: str
    station_id: str
    connector_no: int
    transaction_id: str


def folded(uid: str) -> str:
    """A token's uid has no case."""
    return uid.strip().lower()


async def busy_tokens(connection: AsyncConnection, asked: Mapping[str, Asked]) -> frozenset[str]:
    """Of starts by their session ids, those whose token runs as many sessions as it may; the first comes first."""
    tokens = sorted({folded(each.token_uid) for each in asked.values()})
    await connection.execute(
        text("""
            SELECT pg_advisory_xact_lock(:lock, hashtext(token))
            FROM (SELECT token FROM unnest(CAST(:tokens AS text[])) AS token ORDER BY hashtext(token)) AS sorted
        """),
        {"lock": LOCK, "tokens": tokens},
    )
    running = await open_of_tokens(connection, tokens)
    places = {
        token: {(each.station_id, each.connector_no) for each in running.get(token, ()) if each.session_id not in asked}
        for token in tokens
    }
    busy = set()
    for session_id, each in asked.items():
        place = each.station_id, each.connector_no
        others = places[folded(each.token_uid)]
        if len(others - {place}) >= each.limit:
            busy.add(session_id)
        else:
            others.add(place)
    return frozenset(busy)


async def open_of_tokens(connection: AsyncConnection, token_uids: Sequence[str]) -> dict[str, list[Running]]:
    """Folded uid → the sessions that the token runs; a token without any is left out."""
    found: dict[str, list[Running]] = {}
    if not token_uids:
        return found
    rows = await connection.execute(
        text("""
            SELECT lower(token_uid), id::text, station_id, connector_no, transaction_id FROM charging.sessions
            WHERE ended_at IS NULL AND state = 'active' AND lower(token_uid) = ANY(CAST(:tokens AS text[]))
        """),
        {"tokens": sorted({folded(uid) for uid in token_uids})},
    )
    for token, *session in rows:
        found.setdefault(token, []).append(Running(*session))
    return found
