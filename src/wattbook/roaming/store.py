"""The SQL of roaming. Records travel as JSON, so that amounts and bodies keep every digit and a field is named once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.roaming.ocpi.wire import encode
from wattbook.roaming.records import (
    Authorisation,
    CdrRow,
    Message,
    SettlementRow,
    StatedObject,
    Trouble,
)

Record = TypeVar("Record")
Row = Mapping[str, Any]

# Messages to deliver


async def keep_latest(connection: AsyncConnection, messages: Sequence[Message], now: datetime) -> list[int]:
    """Keep each message in place of what it stated before; of two of one object in a batch the later one stays.

    Returns:
        ids of those that were not waiting already, for which a delivery has to be asked.
    """
    latest = {(each.sender, each.receiver, each.module, each.object_id): each for each in messages}
    if not latest:
        return []
    # Two statements, because a statement does not tell what a row was before it; the first one locks.
    waiting = await connection.execute(
        text("""
            SELECT known.id FROM roaming.messages AS known
            JOIN jsonb_populate_recordset(NULL::roaming.messages, CAST(:given AS jsonb)) AS given
                USING (sender, receiver, module, object_id)
            WHERE known.answered_at IS NULL ORDER BY known.id FOR UPDATE OF known
        """),
        {"given": _message_rows(list(latest.values()), now)},
    )
    waited = set(waiting.scalars())
    kept = await connection.execute(
        text("""
            INSERT INTO roaming.messages AS known
                (sender, receiver, module, object_id, method, path, correlation_id, body, stored_at)
            SELECT sender, receiver, module, object_id, method, path, correlation_id, body, stored_at
            FROM jsonb_populate_recordset(NULL::roaming.messages, CAST(:given AS jsonb))
            ORDER BY sender, receiver, module, object_id
            ON CONFLICT (sender, receiver, module, object_id) DO UPDATE SET
                method = excluded.method, path = excluded.path, correlation_id = excluded.correlation_id,
                body = excluded.body, version = known.version + 1, answered_at = NULL, answer_status = NULL,
                answer_message = NULL
            RETURNING id
        """),
        {"given": _message_rows(list(latest.values()), now)},
    )
    return [id for id in kept.scalars() if id not in waited]


async def keep_once(connection: AsyncConnection, message: Message, now: datetime) -> tuple[Message, bool]:
    """Keep a message that never changes.

    Returns:
        the one on record, and whether it says the same (but for `last_updated`).
    """
    await connection.execute(
        text("""
            INSERT INTO roaming.messages
                (sender, receiver, module, object_id, method, path, correlation_id, body, stored_at)
            SELECT sender, receiver, module, object_id, method, path, correlation_id, body, stored_at
            FROM jsonb_populate_recordset(NULL::roaming.messages, CAST(:given AS jsonb))
            ON CONFLICT (sender, receiver, module, object_id) DO NOTHING
        """),
        {"given": _message_rows([message], now)},
    )
    found = await connection.execute(
        text("""
            SELECT to_jsonb(message)::text, body - 'last_updated' = CAST(:body AS jsonb) - 'last_updated'
            FROM roaming.messages AS message
            WHERE (sender, receiver, module, object_id) = (:sender, :receiver, :module, :object_id) FOR UPDATE
        """),
        {
            "body": bytes(message.body).decode(),
            "sender": message.sender,
            "receiver": message.receiver,
            "module": message.module,
            "object_id": message.object_id,
        },
    )
    row, same = found.one()
    return msgspec.json.decode(row, type=Message), same


async def message(connection: AsyncConnection, id: int) -> Message | None:
    found = await connection.execute(
        text("SELECT to_jsonb(message)::text FROM roaming.messages AS message WHERE id = :id"), {"id": id}
    )
    row = found.scalar()
    return None if row is None else msgspec.json.decode(row, type=Message)


async def note_answer(
    connection: AsyncConnection, message: Message, status: int, answer: str | None, now: datetime
) -> bool:
    """Whether the receiver has answered what is still the latest version."""
    changed = await connection.execute(
        text("""
            UPDATE roaming.messages SET answered_at = :now, tried_at = :now, answer_status = :status,
                answer_message = :answer, trouble = NULL
            WHERE id = :id AND version = :version AND answered_at IS NULL RETURNING id
        """),
        {"id": message.id, "version": message.version, "status": status, "answer": answer, "now": now},
    )
    return changed.first() is not None


async def note_trouble(connection: AsyncConnection, id: int, trouble: str, now: datetime) -> None:
    await connection.execute(
        text("UPDATE roaming.messages SET tried_at = :now, trouble = :trouble WHERE id = :id"),
        {"id": id, "trouble": trouble[:500], "now": now},
    )


async def waiting_for(connection: AsyncConnection, receivers: Sequence[str] | None, limit: int) -> list[int]:
    """Messages that wait for these receivers, oldest first; None for whatever receiver."""
    found = await connection.execute(
        text("""
            SELECT id FROM roaming.messages
            WHERE answered_at IS NULL AND (CAST(:receivers AS text[]) IS NULL OR receiver = ANY(:receivers))
            ORDER BY id LIMIT :limit
        """),
        {"receivers": None if receivers is None else list(receivers), "limit": limit},
    )
    return list(found.scalars())


async def troubles(connection: AsyncConnection, limit: int) -> list[Trouble]:
    found = await connection.execute(
        text("""
            SELECT (to_jsonb(message) - 'body')::text FROM roaming.messages AS message
            WHERE answered_at IS NULL OR answer_status >= 2000 ORDER BY id DESC LIMIT :limit
        """),
        {"limit": limit},
    )
    return [msgspec.json.decode(row, type=Trouble) for row in found.scalars()]


async def queue_time(connection: AsyncConnection) -> datetime:
    """Now, by the clock that the job queue goes by: the database's, which no simulation moves."""
    now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
    return now


async def abandoned(connection: AsyncConnection, tried_before: datetime, limit: int) -> list[int]:
    """Messages that wait although nobody has tried them since."""
    found = await connection.execute(
        text("""
            SELECT id FROM roaming.messages
            WHERE answered_at IS NULL AND coalesce(tried_at, stored_at) < :tried_before ORDER BY id LIMIT :limit
        """),
        {"tried_before": tried_before, "limit": limit},
    )
    return list(found.scalars())


def _message_rows(messages: Sequence[Message], now: datetime) -> str:
    return encode(
        [
            {
                "sender": each.sender,
                "receiver": each.receiver,
                "module": each.module,
                "object_id": each.object_id,
                "method": each.method,
                "path": each.path,
                "correlation_id": each.correlation_id,
                "body": each.body,
                "stored_at": now,
            }
            for each in messages
        ]
    ).decode()


# Authorisations


async def add_authorisation(connection: AsyncConnection, authorisation: Authorisation) -> None:
    """A reference that is known stays as it is: the same question was asked again."""
    await connection.execute(
        text("""
            INSERT INTO roaming.authorisations (reference, correlation_id, token_uid, token_type, asked_by, answered_by,
                answer, customer, hold_fact, currency, held, at)
            SELECT reference, correlation_id, token_uid, token_type, asked_by, answered_by,
                answer, customer, hold_fact, currency, held, at
            FROM jsonb_populate_record(NULL::roaming.authorisations, CAST(:given AS jsonb))
            ON CONFLICT (answered_by, reference) DO NOTHING
        """),
        {"given": encode(authorisation).decode()},
    )


async def authorisation(connection: AsyncConnection, answered_by: str, reference: str) -> Authorisation | None:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(known)::text FROM roaming.authorisations AS known
            WHERE (answered_by, reference) = (:answered_by, :reference)
        """),
        {"answered_by": answered_by, "reference": reference},
    )
    row = found.scalar()
    return None if row is None else msgspec.json.decode(row, type=Authorisation)


async def issuer_of_token(connection: AsyncConnection, token_uid: str, token_type: str) -> str | None:
    """Who answered for this token the last time anybody knew it."""
    found = await connection.execute(
        text("""
            SELECT answered_by FROM roaming.authorisations
            WHERE (token_uid, token_type) = (:token_uid, :token_type) ORDER BY id DESC LIMIT 1
        """),
        {"token_uid": token_uid, "token_type": token_type},
    )
    issuer: str | None = found.scalar()
    return issuer


# Sessions, records, settlements


async def put_session(connection: AsyncConnection, session: Row) -> bool:
    """Whether this is news: newer than what is on record, and the record not final."""
    changed = await connection.execute(
        text("""
            INSERT INTO roaming.sessions AS known
            SELECT * FROM jsonb_populate_record(NULL::roaming.sessions, CAST(:given AS jsonb))
            ON CONFLICT (issuer, id) DO UPDATE SET
                payer = excluded.payer, customer = excluded.customer, token_uid = excluded.token_uid,
                authorization_reference = excluded.authorization_reference, status = excluded.status,
                location_id = excluded.location_id, evse_uid = excluded.evse_uid, started_at = excluded.started_at,
                updated_at = excluded.updated_at, ended_at = excluded.ended_at, energy_mwh = excluded.energy_mwh,
                currency = excluded.currency, after_tax = excluded.after_tax, prepaid = excluded.prepaid,
                progress_percent = excluded.progress_percent, remaining_s = excluded.remaining_s, body = excluded.body
            WHERE known.updated_at <= excluded.updated_at AND known.status NOT IN ('COMPLETED', 'INVALID')
            RETURNING id
        """),
        {"given": encode(session).decode()},
    )
    return changed.first() is not None


async def sessions_of(
    connection: AsyncConnection, customer: str | None, limit: int, kind: type[Record]
) -> list[Record]:
    """The newest sessions, of one customer or of all."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(session)::text FROM roaming.sessions AS session
            WHERE CAST(:customer AS text) IS NULL OR customer = :customer ORDER BY started_at DESC, id LIMIT :limit
        """),
        {"customer": customer, "limit": limit},
    )
    return [msgspec.json.decode(row, type=kind) for row in found.scalars()]


async def stated_object(connection: AsyncConnection, table: Table, key: Mapping[str, str]) -> StatedObject | None:
    """The object as its owner stated it."""
    condition = " AND ".join(f"{name} = :{name}" for name in key)
    other = "payee" if "payee" in table.c else "issuer"
    found = await connection.execute(
        text(f"SELECT body::text, payer, {other} FROM {table.fullname} WHERE {condition}"), dict(key)
    )
    row = found.first()
    return None if row is None else StatedObject(row[0].encode(), (row[1], row[2]))


async def add_once(connection: AsyncConnection, table: Table, row: Row) -> bool | None:
    """Add a record that never changes.

    Returns:
        True if it is new; False if it is on record with the same body (but for `last_updated`); None if with another,
        or if something that only one record may have is taken.
    """
    keys = [column.name for column in table.primary_key]
    condition = " AND ".join(f"known.{name} = given.{name}" for name in keys)
    given = f"jsonb_populate_record(NULL::{table.fullname}, CAST(:given AS jsonb))"
    added = await connection.execute(
        text(f"INSERT INTO {table.fullname} SELECT * FROM {given} ON CONFLICT DO NOTHING RETURNING 1"),
        {"given": encode(row).decode()},
    )
    if added.first() is not None:
        return True
    found = await connection.execute(
        text(f"""
            SELECT known.body - 'last_updated' = given.body - 'last_updated'
            FROM {table.fullname} AS known, {given} AS given WHERE {condition}
        """),
        {"given": encode(row).decode()},
    )
    return False if found.scalar() else None


async def add_cdrs(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Records of our own; one that is known stays."""
    if not rows:
        return
    await connection.execute(
        text("""
            INSERT INTO roaming.cdrs
            SELECT * FROM jsonb_populate_recordset(NULL::roaming.cdrs, CAST(:given AS jsonb)) ON CONFLICT DO NOTHING
        """),
        {"given": encode(rows).decode()},
    )


async def accept(connection: AsyncConnection, table: Table, key: Mapping[str, str], now: datetime) -> None:
    condition = " AND ".join(f"{name} = :{name}" for name in key)
    await connection.execute(
        text(f"UPDATE {table.fullname} SET accepted_at = coalesce(accepted_at, :now) WHERE {condition}"),
        {**key, "now": now},
    )


_CDR = """
    SELECT jsonb_build_object('issuer', issuer, 'id', id, 'payer', payer, 'customer', customer,
        'started_at', started_at, 'ended_at', ended_at, 'energy_mwh', energy_mwh, 'currency', currency,
        'before_tax', before_tax, 'after_tax', after_tax, 'settlement', settlement,
        'place', coalesce(body -> 'cdr_location' ->> 'name', body -> 'cdr_location' ->> 'address'))::text
    FROM roaming.cdrs
"""


async def unsettled(connection: AsyncConnection, payer: str, issuer: str, limit: int) -> list[CdrRow]:
    """Records not settled yet, oldest first, locked."""
    found = await connection.execute(
        text(f"""
            {_CDR} WHERE payer = :payer AND issuer = :issuer AND settlement IS NULL
            ORDER BY ended_at, id LIMIT :limit FOR UPDATE
        """),
        {"payer": payer, "issuer": issuer, "limit": limit},
    )
    return [msgspec.json.decode(row, type=CdrRow) for row in found.scalars()]


async def cdrs(connection: AsyncConnection, issuer: str, ids: Sequence[str]) -> list[CdrRow]:
    """Those of the records that are known, locked."""
    found = await connection.execute(
        text(f"{_CDR} WHERE issuer = :issuer AND id = ANY(CAST(:ids AS text[])) ORDER BY id FOR UPDATE"),
        {"issuer": issuer, "ids": list(ids)},
    )
    return [msgspec.json.decode(row, type=CdrRow) for row in found.scalars()]


async def settle_cdrs(connection: AsyncConnection, issuer: str, ids: Sequence[str], settlement: str) -> None:
    await connection.execute(
        text("""
            UPDATE roaming.cdrs SET settlement = :settlement
            WHERE issuer = :issuer AND id = ANY(CAST(:ids AS text[]))
        """),
        {"issuer": issuer, "ids": list(ids), "settlement": settlement},
    )


async def drop_cdr(connection: AsyncConnection, issuer: str, cdr_id: str) -> None:
    await connection.execute(
        text("DELETE FROM roaming.cdrs WHERE (issuer, id) = (:issuer, :id) AND accepted_at IS NULL"),
        {"issuer": issuer, "id": cdr_id},
    )


async def settlement(connection: AsyncConnection, payer: str, settlement_id: str) -> SettlementRow | None:
    found = await connection.execute(
        text("""
            SELECT (to_jsonb(settlement) - 'body')::text FROM roaming.settlements AS settlement
            WHERE (payer, id) = (:payer, :id)
        """),
        {"payer": payer, "id": settlement_id},
    )
    row = found.scalar()
    return None if row is None else msgspec.json.decode(row, type=SettlementRow)


async def drop_settlement(connection: AsyncConnection, payer: str, settlement_id: str) -> None:
    """Its records are free to be settled again."""
    key = {"payer": payer, "id": settlement_id}
    await connection.execute(
        text("UPDATE roaming.cdrs SET settlement = NULL WHERE payer = :payer AND settlement = :id"), key
    )
    await connection.execute(text("DELETE FROM roaming.settlements WHERE payer = :payer AND id = :id"), key)


async def add_notices(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Tell each customer once of each cause."""
    if not rows:
        return
    await connection.execute(
        text("""
            INSERT INTO roaming.notices (customer, kind, cause, text, facts, created_at)
            SELECT customer, kind, cause, text, facts, created_at
            FROM jsonb_populate_recordset(NULL::roaming.notices, CAST(:given AS jsonb))
            ON CONFLICT (customer, cause) DO NOTHING
        """),
        {"given": encode(rows).decode()},
    )


async def notices_of(connection: AsyncConnection, customer: str, limit: int, kind: type[Record]) -> list[Record]:
    found = await connection.execute(
        text("""
            SELECT to_jsonb(notice)::text FROM roaming.notices AS notice
            WHERE customer = :customer ORDER BY id DESC LIMIT :limit
        """),
        {"customer": customer, "limit": limit},
    )
    return [msgspec.json.decode(row, type=kind) for row in found.scalars()]


async def listed(connection: AsyncConnection, table: Table, limit: int, kind: type[Record]) -> list[Record]:
    """The newest records of a table that has `recorded_at`."""
    found = await connection.execute(
        text(f"""
            SELECT (to_jsonb(record) - 'body')::text FROM {table.fullname} AS record
            ORDER BY recorded_at DESC, id LIMIT :limit
        """),
        {"limit": limit},
    )
    return [msgspec.json.decode(row, type=kind) for row in found.scalars()]
