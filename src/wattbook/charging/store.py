"""The SQL of charging. Every function takes a batch and uses one statement.

A record is a struct whose fields are the columns of its table; a batch of them travels as one JSON array. Readings have
forms of their own, in `reading_rows`.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.ports import ConsentAnswer
from wattbook.charging.records import FoundSession, SessionRow, Stretch


class CdrRow(Struct, kw_only=True):
    id: str
    session_id: str
    issued_at: datetime
    currency: str | None
    before_tax: int
    after_tax: int
    document: Any


class OrphanRow(Struct, kw_only=True):
    id: str
    received_at: datetime
    station_id: str
    transaction_id: str
    meter_stop_mwh: int
    export_stop_mwh: int | None
    stopped_at: datetime
    reason: str
    token_uid: str | None


class StoredConsent(Struct, kw_only=True):
    token_folded: str
    site_id: str
    token_type: str
    answered_at: datetime
    valid_until: datetime
    answer: ConsentAnswer


class StoredRefusal(Struct, kw_only=True):
    refused_at: datetime
    station_id: str
    connector_no: int
    token_uid: str
    reason: str
    message: str


# ------------------------------------------------------------------------------------------- consents and refusals


async def write_consents(connection: AsyncConnection, rows: Sequence[StoredConsent]) -> None:
    """Of two for the same token and site the later one stays."""
    latest = {(row.token_folded, row.site_id): row for row in rows}
    await _insert(
        connection,
        "consents",
        [latest[key] for key in sorted(latest)],
        """ON CONFLICT (token_folded, site_id) DO UPDATE SET token_type = excluded.token_type,
           answered_at = excluded.answered_at, valid_until = excluded.valid_until, answer = excluded.answer""",
    )


async def consents_at(
    connection: AsyncConnection, keys: Sequence[tuple[str, str]], at: datetime
) -> dict[tuple[str, str], StoredConsent]:
    """Those of (folded uid, site) that are still valid."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(consent)::text FROM charging.consents AS consent
            JOIN (SELECT DISTINCT * FROM unnest(CAST(:tokens AS text[]), CAST(:sites AS text[]))) AS asked(token, site)
            ON (token_folded, site_id) = (asked.token, asked.site) WHERE valid_until > :at
        """),
        {"tokens": [token for token, _ in keys], "sites": [site for _, site in keys], "at": at},
    )
    rows = [msgspec.json.decode(row, type=StoredConsent) for row in found.scalars()]
    return {(row.token_folded, row.site_id): row for row in rows}


async def write_refusals(connection: AsyncConnection, rows: Sequence[StoredRefusal]) -> None:
    await _insert(connection, "refusals", rows)


async def refusals(connection: AsyncConnection, since: datetime, limit: int) -> list[StoredRefusal]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(refusal)::text FROM charging.refusals AS refusal
            WHERE refused_at >= :since ORDER BY refused_at DESC, row DESC LIMIT :limit
        """),
        {"since": since, "limit": limit},
    )
    return [msgspec.json.decode(row, type=StoredRefusal) for row in found.scalars()]


# --------------------------------------------------------------------------------------------------------- sessions


async def next_transaction_ids(connection: AsyncConnection, count: int) -> list[str]:
    found = await connection.execute(
        text("SELECT nextval('charging.transaction_ids')::text FROM generate_series(1, :count)"), {"count": count}
    )
    return list(found.scalars())


async def write_tariffs(connection: AsyncConnection, documents: dict[str, str]) -> None:
    if not documents:
        return
    keys = sorted(documents)
    await connection.execute(
        text("""
            INSERT INTO charging.tariffs (key, document)
            SELECT key, CAST(document AS jsonb)
            FROM unnest(CAST(:keys AS uuid[]), CAST(:documents AS text[])) AS given(key, document)
            ON CONFLICT (key) DO NOTHING
        """),
        {"keys": keys, "documents": [documents[key] for key in keys]},
    )


async def insert_sessions(connection: AsyncConnection, rows: Sequence[SessionRow]) -> dict[str, str]:
    """The transaction id under which each is stored: the first one's, when another connection was faster."""
    return dict(
        await _insert(
            connection,
            "sessions",
            _by_id(rows),
            """ON CONFLICT (id) DO UPDATE SET transaction_id = sessions.transaction_id
               RETURNING id::text, transaction_id""",
        )
    )


async def set_commands(connection: AsyncConnection, commands: dict[str, str]) -> None:
    await connection.execute(
        text("""
            UPDATE charging.sessions SET command_id = given.command
            FROM unnest(CAST(:sessions AS uuid[]), CAST(:commands AS uuid[])) AS given(session, command)
            WHERE id = given.session AND command_id IS NULL
        """),
        {"sessions": sorted(commands), "commands": [commands[session] for session in sorted(commands)]},
    )


def _by_id(rows: Sequence[SessionRow]) -> list[SessionRow]:
    """In one order for everybody, so that two transactions never wait in a circle."""
    return sorted(rows, key=lambda row: row.id)


_ENDED = (
    "state", "refusal", "flags", "updated_at", "announced_at", "import_mwh", "export_mwh", "export_register_mwh",
    "power_w", "ended_at", "meter_stop_mwh", "stop_reason", "span_start", "span_end", "bought_before_tax",
    "bought_after_tax", "fed_in_before_tax", "fed_in_after_tax", "meter_start_mwh",
)  # fmt: skip


async def end_sessions(connection: AsyncConnection, rows: Sequence[SessionRow]) -> None:
    """Write what a stop changes of sessions that this transaction has locked."""
    if not rows:
        return
    await connection.execute(
        text(f"""
            UPDATE charging.sessions AS session SET {", ".join(f"{name} = ended.{name}" for name in _ENDED)}
            FROM {_given("sessions")} AS ended WHERE session.id = ended.id
        """),
        {"given": _encoded(rows)},
    )


async def update_draws(connection: AsyncConnection, rows: Sequence[SessionRow]) -> None:
    """Write what is set aside for sessions that this transaction has moved on, and what was said of it."""
    await connection.execute(
        text(f"""
            UPDATE charging.sessions AS session
            SET prepaid = drawn.prepaid, hold_no = drawn.hold_no, flags = drawn.flags
            FROM {_given("sessions")} AS drawn WHERE session.id = drawn.id
        """),
        {"given": _encoded(_by_id(rows))},
    )


async def find_sessions(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, FoundSession]:
    return await _sessions(connection, "session.id = ANY(CAST(:ids AS uuid[]))", {"ids": list(ids)})


async def lock_sessions(
    connection: AsyncConnection, transactions: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], FoundSession]:
    """By (station, transaction id); nobody else changes them before this transaction ends."""
    found = await connection.execute(
        text("""
            SELECT jsonb_build_object('session', to_jsonb(session), 'tariff', tariff.document::text)::text
            FROM unnest(CAST(:stations AS text[]), CAST(:transactions AS text[])) AS asked(station, transaction)
            JOIN charging.sessions AS session
            ON (session.station_id, session.transaction_id) = (asked.station, asked.transaction)
            LEFT JOIN charging.tariffs AS tariff ON tariff.key = session.tariff_key
            ORDER BY session.id FOR NO KEY UPDATE OF session
        """),
        {
            "stations": [station for station, _ in transactions],
            "transactions": [transaction for _, transaction in transactions],
        },
    )
    rows = [msgspec.json.decode(row, type=FoundSession) for row in found.scalars()]
    return {(row.session.station_id, row.session.transaction_id): row for row in rows}


async def live_sessions(connection: AsyncConnection, limit: int) -> list[FoundSession]:
    """The newest first."""
    found = await _sessions(connection, "session.state = 'active'", {}, "ORDER BY session.started_at DESC", limit)
    return list(found.values())


async def sessions_between(
    connection: AsyncConnection, start: datetime, end: datetime, limit: int
) -> list[FoundSession]:
    """Begun in [start, end), the newest first."""
    found = await _sessions(
        connection,
        "session.started_at >= :start AND session.started_at < :end",
        {"start": start, "end": end},
        "ORDER BY session.started_at DESC",
        limit,
    )
    return list(found.values())


async def _sessions(
    connection: AsyncConnection, condition: str, arguments: dict[str, Any], order: str = "", limit: int | None = None
) -> dict[str, FoundSession]:
    found = await connection.execute(
        text(f"""
            SELECT jsonb_build_object('session', to_jsonb(session), 'tariff', tariff.document::text)::text
            FROM charging.sessions AS session
            LEFT JOIN charging.tariffs AS tariff ON tariff.key = session.tariff_key
            WHERE {condition} {order} LIMIT :limit
        """),
        arguments | {"limit": limit},
    )
    rows = [msgspec.json.decode(row, type=FoundSession) for row in found.scalars()]
    return {row.session.id: row for row in rows}


async def metered_stretches(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime, datetime]]
) -> dict[str, list[Stretch]]:
    """By meter, what is posted and touches [start, end)."""
    found = await connection.execute(
        text("""
            SELECT DISTINCT asked.meter, span_start, span_end, meter_start_mwh, meter_start_mwh + import_mwh
            FROM unnest(CAST(:meters AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
                 AS asked(meter, start, until)
            JOIN charging.sessions ON meter_no = asked.meter AND span_end > asked.start AND span_start < asked.until
        """),
        {
            "meters": [meter for meter, _, _ in asked],
            "starts": [start for _, start, _ in asked],
            "ends": [end for _, _, end in asked],
        },
    )
    stretches: dict[str, list[Stretch]] = {meter: [] for meter, _, _ in asked}
    for meter, *stretch in found:
        stretches[meter].append(Stretch(*stretch))
    return stretches


async def energy_between(connection: AsyncConnection, start: datetime, end: datetime) -> tuple[int, int]:
    """Drawn and fed in by sessions that ended in [start, end) and, if that is not over, by those still running."""
    found = await connection.execute(
        text("""
            SELECT coalesce(sum(import_mwh), 0)::bigint, coalesce(sum(export_mwh), 0)::bigint FROM (
                SELECT import_mwh, export_mwh FROM charging.sessions WHERE ended_at >= :start AND ended_at < :end
                UNION ALL
                SELECT import_mwh, export_mwh FROM charging.sessions WHERE state = 'active' AND started_at < :end
            ) AS counted
        """),
        {"start": start, "end": end},
    )
    drawn, fed_in = found.one()
    return drawn, fed_in


# ------------------------------------------------------------------------------------------------- cdrs and orphans


async def insert_cdrs(connection: AsyncConnection, rows: Sequence[CdrRow]) -> None:
    await _insert(connection, "cdrs", rows)


async def find_cdrs(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, CdrRow]:
    found = await connection.execute(
        text("SELECT to_jsonb(cdr)::text FROM charging.cdrs AS cdr WHERE id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": list(ids)},
    )
    rows = [_cdr_decoder.decode(row) for row in found.scalars()]
    return {row.id: row for row in rows}


async def insert_orphans(connection: AsyncConnection, rows: Sequence[OrphanRow]) -> None:
    """One that is known is left as it is."""
    await _insert(connection, "orphans", rows, "ON CONFLICT (id) DO NOTHING")


async def delete_orphans(connection: AsyncConnection, ids: Sequence[str]) -> None:
    if ids:
        await connection.execute(
            text("DELETE FROM charging.orphans WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": list(ids)}
        )


async def orphans(connection: AsyncConnection, since: datetime, limit: int) -> list[OrphanRow]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(orphan)::text FROM charging.orphans AS orphan
            WHERE received_at >= :since ORDER BY received_at DESC LIMIT :limit
        """),
        {"since": since, "limit": limit},
    )
    return [msgspec.json.decode(row, type=OrphanRow) for row in found.scalars()]


# -------------------------------------------------------------------------------------------------- the parts of them

_encoder = msgspec.json.Encoder(decimal_format="number")
_cdr_decoder = msgspec.json.Decoder(CdrRow, float_hook=Decimal)


def _encoded(rows: Sequence[Struct]) -> str:
    """Without the one character that JSON allows and PostgreSQL does not."""
    return _encoder.encode(rows).decode().replace("\\u0000", "\\ufffd")


def _given(table: str) -> str:
    """The parameter `given` as rows of the table."""
    return f"jsonb_populate_recordset(NULL::charging.{table}, CAST(:given AS jsonb))"


async def _insert(
    connection: AsyncConnection, table: str, rows: Sequence[Struct], then: str = ""
) -> list[tuple[Any, ...]]:
    if not rows:
        return []
    names = ", ".join(rows[0].__struct_fields__)
    written = await connection.execute(
        text(f"INSERT INTO charging.{table} ({names}) SELECT {names} FROM {_given(table)} {then}"),
        {"given": _encoded(rows)},
    )
    return [tuple(row) for row in written] if written.returns_rows else []
