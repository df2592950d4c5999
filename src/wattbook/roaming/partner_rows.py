"""The SQL of partners: who was invited, who is connected, and who reaches whom."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.roaming.ocpi.wire import encode
from wattbook.roaming.records import Partner, PartnerRole

PARTNERS_MAX = 1_000


async def invite(connection: AsyncConnection, party: str, token_hash: str) -> bool:
    """Whether the party may be invited: it is not registered."""
    found = await connection.execute(
        text("""
            INSERT INTO roaming.partners AS known (party, status, roles, endpoints, our_token_hash)
            VALUES (:party, 'invited', '[]', '{}', :token_hash)
            ON CONFLICT (party) DO UPDATE SET status = 'invited', our_token_hash = excluded.our_token_hash,
                offered_token_hash = NULL, their_token = NULL, roles = '[]', endpoints = '{}', versions_url = NULL
            WHERE known.status <> 'registered'
            RETURNING id
        """),
        {"party": party, "token_hash": token_hash},
    )
    return found.first() is not None


async def offer(connection: AsyncConnection, token_hash: str) -> int:
    """A partner that is not known yet, only the token it will show while we register."""
    found = await connection.execute(
        text("""
            INSERT INTO roaming.partners (status, roles, endpoints, offered_token_hash)
            VALUES ('offered', '[]', '{}', :token_hash) RETURNING id
        """),
        {"token_hash": token_hash},
    )
    return int(found.scalar_one())


async def offer_again(connection: AsyncConnection, partner: int, token_hash: str) -> None:
    await connection.execute(
        text("UPDATE roaming.partners SET offered_token_hash = :token_hash WHERE id = :partner"),
        {"partner": partner, "token_hash": token_hash},
    )


async def withdraw_offer(connection: AsyncConnection, partner: int) -> None:
    await connection.execute(
        text("UPDATE roaming.partners SET offered_token_hash = NULL WHERE id = :partner AND status = 'registered'"),
        {"partner": partner},
    )
    await connection.execute(
        text("DELETE FROM roaming.partners WHERE id = :partner AND status = 'offered'"), {"partner": partner}
    )


async def register(
    connection: AsyncConnection,
    partner: int,
    *,
    shown_hash: str | None,
    party: str,
    roles: Sequence[PartnerRole],
    versions_url: str,
    endpoints: Mapping[str, str],
    our_token_hash: str,
    their_token: str,
    now: datetime,
) -> bool:
    """Both have the other's token from now on, and the tokens before are dead.

    Args:
        shown_hash: the token that must still be good, when the partner asked for the change; so it is used once.
    """
    await connection.execute(
        text("DELETE FROM roaming.partners WHERE party = :party AND id <> :partner AND status <> 'registered'"),
        {"party": party, "partner": partner},
    )
    changed = await connection.execute(
        text("""
            UPDATE roaming.partners SET status = 'registered', party = :party, roles = CAST(:roles AS jsonb),
                versions_url = :versions_url, endpoints = CAST(:endpoints AS jsonb), our_token_hash = :our_token_hash,
                offered_token_hash = NULL, their_token = :their_token, reachable = true, last_seen_at = :now
            WHERE id = :partner AND (CAST(:shown_hash AS text) IS NULL OR our_token_hash = :shown_hash)
            RETURNING id
        """),
        {
            "partner": partner,
            "shown_hash": shown_hash,
            "party": party,
            "roles": encode(roles).decode(),
            "versions_url": versions_url,
            "endpoints": encode(endpoints).decode(),
            "our_token_hash": our_token_hash,
            "their_token": their_token,
            "now": now,
        },
    )
    return changed.first() is not None


async def end_partner(connection: AsyncConnection, partner: int) -> None:
    await connection.execute(
        text("""
            UPDATE roaming.partners SET status = 'ended', our_token_hash = NULL, offered_token_hash = NULL,
                their_token = NULL, endpoints = '{}', roles = '[]'
            WHERE id = :partner
        """),
        {"partner": partner},
    )


async def partners(connection: AsyncConnection) -> list[Partner]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(partner)::text FROM roaming.partners AS partner
            WHERE party IS NOT NULL ORDER BY party LIMIT :limit
        """),
        {"limit": PARTNERS_MAX},
    )
    return [msgspec.json.decode(row, type=Partner) for row in found.scalars()]


async def partner_of_token(connection: AsyncConnection, hashes: Sequence[str]) -> tuple[Partner, str, bool] | None:
    """The partner that shows a token of one of these hashes, the hash, and whether it is only offered so far."""
    found = await connection.execute(
        text("""
            SELECT (to_jsonb(partner) || jsonb_build_object('party', coalesce(party, '')))::text,
                   our_token_hash = ANY(CAST(:hashes AS text[])) AS settled, our_token_hash, offered_token_hash
            FROM roaming.partners AS partner
            WHERE our_token_hash = ANY(CAST(:hashes AS text[])) OR offered_token_hash = ANY(CAST(:hashes AS text[]))
            LIMIT 1
        """),
        {"hashes": list(hashes)},
    )
    row = found.first()
    if row is None:
        return None
    partner = msgspec.json.decode(row[0], type=Partner)
    return (partner, row.our_token_hash, False) if row.settled else (partner, row.offered_token_hash, True)


async def partners_reaching(connection: AsyncConnection, party: str) -> tuple[Partner | None, Partner | None]:
    """The registered partner that speaks for the party itself, and the hub (of several the first registered)."""
    found = await connection.execute(
        text("""
            SELECT roles @> CAST(:is_party AS jsonb) AS direct, to_jsonb(partner)::text FROM roaming.partners AS partner
            WHERE status = 'registered' AND (roles @> CAST(:is_party AS jsonb) OR roles @> '[{"role": "HUB"}]')
            ORDER BY id
        """),
        {"is_party": encode([{"party": party}]).decode()},
    )
    rows = [(row[0], msgspec.json.decode(row[1], type=Partner)) for row in found]
    direct = next((partner for is_direct, partner in rows if is_direct), None)
    hub = next((partner for is_direct, partner in rows if not is_direct), None)
    return direct, hub


async def partners_with_role(connection: AsyncConnection, role: str) -> list[Partner]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(partner)::text FROM roaming.partners AS partner
            WHERE status = 'registered' AND roles @> CAST(:has_role AS jsonb) ORDER BY party LIMIT :limit
        """),
        {"has_role": encode([{"role": role}]).decode(), "limit": PARTNERS_MAX},
    )
    return [msgspec.json.decode(row, type=Partner) for row in found.scalars()]


async def parties_taken(connection: AsyncConnection, partner: int | None, parties: Sequence[str]) -> set[str]:
    """Which of the parties speak through another registered partner. Registrations wait for each other here."""
    await connection.execute(text("LOCK TABLE roaming.partners IN SHARE ROW EXCLUSIVE MODE"))
    found = await connection.execute(
        text("""
            SELECT role ->> 'party' FROM roaming.partners, jsonb_array_elements(roles) AS role
            WHERE status = 'registered' AND id IS DISTINCT FROM :partner
                AND role ->> 'party' = ANY(CAST(:parties AS text[]))
        """),
        {"partner": partner, "parties": list(parties)},
    )
    return set(found.scalars())


async def note_reachable(connection: AsyncConnection, partner: int, reachable: bool, seen_at: datetime | None) -> None:
    await connection.execute(
        text("""
            UPDATE roaming.partners SET reachable = :reachable, last_seen_at = coalesce(:seen_at, last_seen_at)
            WHERE id = :partner
        """),
        {"partner": partner, "reachable": reachable, "seen_at": seen_at},
    )
