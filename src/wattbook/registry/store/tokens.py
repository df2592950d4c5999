"""Tokens, the customers behind them, and all that a clearance looks at."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.registry.store.parts import networks_of, storable, supplies_of, valid_at


async def tokens_of_uids(connection: AsyncConnection, uids: Sequence[str]) -> list[str]:
    """For each uid in lower case: the tokens of that uid with their customers, as JSON."""
    found = await connection.execute(
        text(f"""
            SELECT ({_tokens_of_uid("asked.uid")})::text
            FROM unnest(CAST(:uids AS text[])) WITH ORDINALITY AS asked(uid, nth) ORDER BY asked.nth
        """),
        {"uids": list(uids)},
    )
    return list(found.scalars())


async def tokens_page(
    connection: AsyncConnection, after: Sequence[str] | None, wanted: Mapping[str, Any], limit: int
) -> Sequence[str]:
    """Each as JSON; `wanted` are columns and what they are, None: anything."""
    chosen = {name: value for name, value in wanted.items() if value is not None}
    conditions = [f"{name} = :{name}" for name in chosen]
    if after is not None:
        conditions.append("(uid_folded, party, type) > (:uid, :issuer, :kind)")
        chosen |= dict(zip(("uid", "issuer", "kind"), after, strict=True))
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(token.*)::text FROM registry.tokens AS token
            {"WHERE" if conditions else ""} {" AND ".join(conditions)}
            ORDER BY uid_folded, party, type LIMIT :limit
        """),
        chosen | {"limit": limit},
    )
    return found.scalars().all()


async def listed_tokens(connection: AsyncConnection, whitelists: Sequence[str], now: datetime, limit: int) -> list[str]:
    """Each as JSON; of a uid that several issuers gave, none."""
    found = await connection.execute(
        text("""
            SELECT min(to_jsonb(token)::text) FROM registry.tokens AS token
            WHERE whitelist = ANY(CAST(:whitelists AS text[])) AND valid AND (valid_until IS NULL OR valid_until > :now)
            GROUP BY uid_folded HAVING count(*) = 1 ORDER BY uid_folded LIMIT :limit
        """),
        {"whitelists": list(whitelists), "now": now, "limit": limit},
    )
    return list(found.scalars())


async def clearance(
    connection: AsyncConnection,
    stations: Sequence[str],
    evse_nos: Sequence[int],
    uids: Sequence[str],
    moments: Sequence[datetime],
) -> list[str]:
    """For each request: all that a clearance looks at, as JSON; lists where more than one may be found."""
    found = await connection.execute(
        text(f"""
            SELECT jsonb_build_object(
                'station', to_jsonb(station.*),
                'site', to_jsonb(site.*),
                'evse', to_jsonb(evse.*),
                'connectors', (
                    SELECT coalesce(jsonb_agg(to_jsonb(connector.*) ORDER BY connector.number), '[]')
                    FROM registry.connectors AS connector WHERE connector.evse = evse.id
                ),
                'last_seen_at', presence.last_seen_at,
                'statuses', (
                    SELECT coalesce(jsonb_agg(to_jsonb(status.*) ORDER BY evse_no, connector_no), '[]')
                    FROM registry.statuses AS status
                    WHERE status.station = station.id AND status.evse_no IN (0, asked.evse_no)
                ),
                'tariff', (
                    SELECT to_jsonb(tariff.*) FROM registry.station_tariffs AS tariff
                    WHERE tariff.party = site.operator AND tariff.id = evse.tariff AND tariff.valid_from <= asked.at
                    ORDER BY tariff.valid_from DESC LIMIT 1
                ),
                'meters', (
                    SELECT coalesce(jsonb_agg(
                        jsonb_build_object(
                            'meter', to_jsonb(meter.*), 'networks', ({networks_of("meter.number", "asked.at")})
                        ) ORDER BY meter.number
                    ), '[]')
                    FROM registry.meters AS meter
                    WHERE meter.number IN (
                        SELECT place.meter FROM registry.meter_places AS place
                        WHERE place.evse = evse.id AND {valid_at("place", "asked.at")}
                    )
                ),
                'tokens', ({_tokens_of_uid("asked.uid", supplies_of("token.unit", "asked.at"))})
            )::text
            FROM unnest(CAST(:stations AS text[]), CAST(:evse_nos AS int[]), CAST(:uids AS text[]),
                        CAST(:moments AS timestamptz[])) WITH ORDINALITY AS asked(station, evse_no, uid, at, nth)
            LEFT JOIN registry.stations AS station ON station.id = asked.station
            LEFT JOIN registry.presence AS presence ON presence.station = station.id
            LEFT JOIN registry.sites AS site ON site.id = station.site
            LEFT JOIN registry.evses AS evse ON evse.station = station.id AND evse.number = asked.evse_no
            ORDER BY asked.nth
        """),
        {
            "stations": [storable(station) for station in stations],
            "evse_nos": list(evse_nos),
            "uids": list(uids),
            "moments": list(moments),
        },
    )
    return list(found.scalars())


async def set_held(connection: AsyncConnection, customers: Sequence[str], because: str | None) -> None:
    await connection.execute(
        text("UPDATE registry.customers SET held_because = :because WHERE id = ANY(CAST(:customers AS text[]))"),
        {"customers": list(customers), "because": because},
    )


def _tokens_of_uid(uid: str, supplies: str = "SELECT '[]'::jsonb") -> str:
    """A query: the tokens of a uid in lower case, each with its customer, unit and terms, and who pays, as JSON."""
    return f"""
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'token', to_jsonb(token.*), 'customer', to_jsonb(customer.*), 'unit', to_jsonb(unit.*),
            'terms', CASE WHEN terms.payer IS NULL THEN to_jsonb(terms.*) ELSE to_jsonb(payer_terms.*) END,
            'payer', to_jsonb(payer.*), 'supplies', ({supplies})
        ) ORDER BY token.party, token.type), '[]')
        FROM registry.tokens AS token
        LEFT JOIN registry.customers AS customer ON customer.id = token.customer
        LEFT JOIN registry.account_terms AS terms ON terms.owner = coalesce(token.customer, token.contract)
        LEFT JOIN registry.customers AS payer ON payer.id = terms.payer
        LEFT JOIN registry.account_terms AS payer_terms ON payer_terms.owner = payer.id
        LEFT JOIN registry.units AS unit ON unit.id = token.unit
        WHERE token.uid_folded = {uid}
    """
