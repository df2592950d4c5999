"""The SQL of payments. A record's fields are the columns of its table."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.payments import tables
from wattbook.payments.records import Dispute, Operation, Payment, Payout, Refund, StoredEvent

Record = TypeVar("Record", Payment, Refund, Dispute, Payout, Operation, StoredEvent)
Row = Mapping[str, Any]

_TABLES: dict[type[Any], Table] = {
    Payment: tables.payments,
    Refund: tables.refunds,
    Dispute: tables.disputes,
    Payout: tables.payouts,
    Operation: tables.operations,
    StoredEvent: tables.events,
}


async def add(connection: AsyncConnection, record: Payment | Refund | Dispute | Payout | Operation) -> bool:
    """Whether it is new. One that is known is left as it is, after waiting for whoever is adding it."""
    table = _TABLES[type(record)]
    keys = [column.name for column in table.primary_key]
    added = await connection.execute(
        insert(table).values(_values(record)).on_conflict_do_nothing(index_elements=keys).returning(table.c.id)
    )
    return added.first() is not None


async def add_event(connection: AsyncConnection, event: StoredEvent) -> bool:
    added = await connection.execute(
        insert(tables.events)
        .values(_values(event))
        .on_conflict_do_nothing(index_elements=["channel", "id"])
        .returning(tables.events.c.id)
    )
    return added.first() is not None


async def lock(connection: AsyncConnection, kind: type[Record], **key: str) -> Record | None:
    """The record of this key; nobody else changes it before the transaction ends."""
    table = _TABLES[kind]
    query = select(table).where(*(table.c[name] == value for name, value in key.items())).with_for_update()
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _record(row, kind)


async def find(connection: AsyncConnection, kind: type[Record], **key: str) -> Record | None:
    table = _TABLES[kind]
    query = select(table).where(*(table.c[name] == value for name, value in key.items()))
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _record(row, kind)


async def save(connection: AsyncConnection, record: Record) -> None:
    """Write a record that this transaction has locked or added."""
    table = _TABLES[type(record)]
    keys = [column.name for column in table.primary_key]
    values = _values(record)
    changed = {name: value for name, value in values.items() if name not in keys}
    await connection.execute(table.update().where(*(table.c[name] == values[name] for name in keys)).values(changed))


def _record(row: Mapping[Any, Any], kind: type[Record]) -> Record:
    return msgspec.convert({name: row[name] for name in kind.__struct_fields__}, kind)


def _values(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


async def payments_of_owner(connection: AsyncConnection, owner: str, limit: int) -> list[Payment]:
    """The newest first."""
    table = tables.payments
    found = await connection.execute(
        select(table).where(table.c.owner == owner).order_by(table.c.received_at.desc(), table.c.id).limit(limit)
    )
    return [_record(row, Payment) for row in found.mappings()]


async def authorised_before(connection: AsyncConnection, moment: datetime, limit: int) -> list[tuple[str, str]]:
    """Channel and id of payments that were authorised and nothing became of them since."""
    table = tables.payments
    found = await connection.execute(
        select(table.c.channel, table.c.id)
        .where(table.c.state == "authorised", table.c.updated_at < moment)
        .order_by(table.c.updated_at)
        .limit(limit)
    )
    return [(row.channel, row.id) for row in found]


async def refunded_amount(connection: AsyncConnection, channel: str, payment: str) -> int:
    """Of a payment: what was given back, or is about to be."""
    found = await connection.execute(
        text("""
            SELECT coalesce(sum(amount), 0)::bigint FROM payments.refunds
            WHERE channel = :channel AND payment = :payment AND state <> 'failed'
        """),
        {"channel": channel, "payment": payment},
    )
    amount: int = found.scalar_one()
    return amount


async def waiting_events(connection: AsyncConnection, channel: str, about: str) -> list[StoredEvent]:
    """In the order they came."""
    table = tables.events
    found = await connection.execute(
        select(table)
        .where(table.c.channel == channel, table.c.about == about, table.c.state == "waiting")
        .order_by(table.c.received_at, table.c.id)
        .with_for_update()
    )
    return [_record(row, StoredEvent) for row in found.mappings()]


async def asked_operations(connection: AsyncConnection, limit: int) -> list[str]:
    table = tables.operations
    found = await connection.execute(
        select(table.c.id).where(table.c.state == "asked").order_by(table.c.asked_at).limit(limit)
    )
    return list(found.scalars())


# Senders


async def add_sender(connection: AsyncConnection, row: Row) -> bool:
    added = await connection.execute(
        insert(tables.senders).values(row).on_conflict_do_nothing().returning(tables.senders.c.name)
    )
    return added.first() is not None


async def find_sender(connection: AsyncConnection, name: str) -> Row | None:
    found = await connection.execute(select(tables.senders).where(tables.senders.c.name == name))
    row = found.mappings().first()
    return None if row is None else dict(row)


async def all_senders(connection: AsyncConnection, limit: int) -> list[Row]:
    """Each with the number of its keys that are valid or may become so, never the keys."""
    found = await connection.execute(
        text("""
            SELECT name, description, blocked, created_at,
                   (SELECT count(*) FROM payments.sender_keys AS key WHERE key.sender = name) AS keys
            FROM payments.senders ORDER BY name LIMIT :limit
        """),
        {"limit": limit},
    )
    return [dict(row) for row in found.mappings()]


async def block_sender(connection: AsyncConnection, name: str, blocked: bool) -> None:
    await connection.execute(tables.senders.update().where(tables.senders.c.name == name).values(blocked=blocked))


async def replace_key(
    connection: AsyncConnection, sender: str, secret: bytes, now: datetime, old_until: datetime
) -> None:
    """Add a key; those before it end at `old_until` at the latest, and what is over is forgotten."""
    keys = tables.sender_keys
    await connection.execute(keys.delete().where(keys.c.sender == sender, keys.c.valid_until <= now))
    await connection.execute(
        text("""
            UPDATE payments.sender_keys SET valid_until = least(coalesce(valid_until, :until), :until)
            WHERE sender = :sender
        """),
        {"sender": sender, "until": old_until},
    )
    await connection.execute(keys.insert().values(sender=sender, secret=secret, created_at=now, valid_until=None))


async def valid_keys(connection: AsyncConnection, sender: str, now: datetime) -> list[bytes]:
    """Of a sender that is not blocked; the newest first."""
    found = await connection.execute(
        text("""
            SELECT secret FROM payments.sender_keys JOIN payments.senders ON name = sender
            WHERE sender = :sender AND NOT blocked AND (valid_until IS NULL OR valid_until > :now)
            ORDER BY sender_keys.id DESC
        """),
        {"sender": sender, "now": now},
    )
    return [bytes(secret) for secret in found.scalars()]


# What was not taken in, and warnings


async def quarantine(connection: AsyncConnection, row: Row) -> None:
    """Keep it; what comes again is counted."""
    await connection.execute(
        text("""
            INSERT INTO payments.quarantine AS known
                (digest, channel, source, code, reason, content, first_received_at, last_received_at, times)
            VALUES (:digest, :channel, :source, :code, :reason, :content, :received_at, :received_at, 1)
            ON CONFLICT (digest) DO UPDATE
            SET last_received_at = greatest(known.last_received_at, excluded.last_received_at),
                times = known.times + 1, reason = excluded.reason
        """),
        dict(row),
    )


async def quarantine_count(connection: AsyncConnection, channel: str, code: str) -> int:
    found = await connection.execute(
        text("SELECT count(*) FROM payments.quarantine WHERE channel = :channel AND code = :code"),
        {"channel": channel, "code": code},
    )
    number: int = found.scalar_one()
    return number


async def quarantined(connection: AsyncConnection, channel: str | None, limit: int) -> list[Row]:
    """The latest first."""
    table = tables.quarantine
    query = select(table).order_by(table.c.last_received_at.desc(), table.c.digest).limit(limit)
    if channel is not None:
        query = query.where(table.c.channel == channel)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def warn(connection: AsyncConnection, row: Row) -> bool:
    """Whether it is new."""
    added = await connection.execute(
        insert(tables.warnings).values(row).on_conflict_do_nothing().returning(tables.warnings.c.id)
    )
    return added.first() is not None


async def warnings_of(connection: AsyncConnection, owner: str, limit: int) -> list[Row]:
    """The newest first."""
    table = tables.warnings
    found = await connection.execute(
        select(table).where(table.c.owner == owner).order_by(table.c.id.desc()).limit(limit)
    )
    return [dict(row) for row in found.mappings()]


# Reports


async def add_report_rows(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """Rows that are known with another content, as they are known; new ones are added."""
    if not rows:
        return []
    table = tables.report_rows
    await connection.execute(insert(table).values(list(rows)).on_conflict_do_nothing())
    channels = {row["channel"] for row in rows}
    found = await connection.execute(
        select(table).where(table.c.channel.in_(channels), table.c.id.in_([row["id"] for row in rows]))
    )
    known = {(row["channel"], row["id"]): dict(row) for row in found.mappings()}
    compared = ("kind", "reference", "currency", "gross", "fee", "day")
    return [
        known[row["channel"], row["id"]]
        for row in rows
        if any(known[row["channel"], row["id"]][name] != row[name] for name in compared)
    ]


async def keep_reconciliation(connection: AsyncConnection, row: Row) -> None:
    """The latest of a day stands."""
    table = tables.reconciliations
    given = insert(table).values(row)
    await connection.execute(
        given.on_conflict_do_update(
            index_elements=["channel", "day"],
            set_={name: given.excluded[name] for name in row if name not in ("channel", "day")},
        )
    )


async def reconciliations(connection: AsyncConnection, channel: str, since: date, limit: int) -> list[Row]:
    """The newest day first."""
    table = tables.reconciliations
    found = await connection.execute(
        select(table).where(table.c.channel == channel, table.c.day >= since).order_by(table.c.day.desc()).limit(limit)
    )
    return [dict(row) for row in found.mappings()]


async def unreconciled_days(connection: AsyncConnection, channel: str, since: date, last: date) -> list[date]:
    """Days up to the last one that no report was compared of, the oldest first: beginning with the first day that one
    was compared of, or else on which a payment was begun, and not before `since`.
    """
    found = await connection.execute(
        text("""
            WITH known AS MATERIALIZED (
                SELECT coalesce(
                    (SELECT min(day) FROM payments.reconciliations WHERE channel = :channel),
                    (SELECT min((received_at AT TIME ZONE 'UTC')::date) FROM payments.payments WHERE channel = :channel)
                ) AS first
            )
            SELECT day::date FROM known, generate_series(
                greatest(known.first, CAST(:since AS date))::timestamp, CAST(:last AS timestamp), interval '1 day'
            ) AS day
            WHERE known.first IS NOT NULL AND day::date NOT IN (
                SELECT done.day FROM payments.reconciliations AS done WHERE done.channel = :channel)
            ORDER BY day
        """),
        {"channel": channel, "since": since, "last": last},
    )
    return list(found.scalars())
