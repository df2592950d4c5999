"""Partners: platforms that we exchange tokens with, and the parties they speak for.

A token that a partner shows to us is kept as its hash; a token that we show is kept as it is, because we must send it.
A partner is *invited* when we gave it a first token, *offered* while we register with it ourselves, *registered* once
both have the other's token, and *ended* after either unregistered.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict
from wattbook.kernel.identifiers import PartyId
from wattbook.roaming import partner_rows
from wattbook.roaming.records import Partner


def token_hash(token: str) -> str:
    """SHA-256; a token is long and random, so nothing slower is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


async def invite(connection: AsyncConnection, party: str, token_a: str) -> None:
    """Let a party register with this first token, which is good for that alone. A new invitation replaces the last.

    Raises:
        InvalidInput: no party, such as `KR*WTB`.
        Conflict: the partner is registered; it has to unregister first.
    """
    party = PartyId(party).text
    if not await partner_rows.invite(connection, party, token_hash(token_a)):
        raise Conflict(f"{party} is registered already", party=party)


async def list_partners(connection: AsyncConnection) -> list[Partner]:
    """All, by party; at most 1000."""
    return await partner_rows.partners(connection)


async def partner_for(connection: AsyncConnection, party: str) -> Partner | None:
    """The registered partner through which a party is reached: its own platform, else the hub."""
    direct, hub = await partner_rows.partners_reaching(connection, party)
    return direct or hub


async def require_free(connection: AsyncConnection, partner: Partner | None, parties: Sequence[str], own: str) -> None:
    """Raise Conflict if one of these parties is ours or speaks through another partner: nobody may claim it twice."""
    taken = await partner_rows.parties_taken(connection, None if partner is None else partner.id, parties)
    for party in parties:
        if party == own or party in taken:
            raise Conflict(f"{party} is registered already by another platform", party=party)
