"""The SQL of billing."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing.documents import Document, decode, encode
from wattbook.billing.parties import Issuer, LegalParty

Party = TypeVar("Party", bound=LegalParty)


async def put_party(connection: AsyncConnection, table: str, party: LegalParty) -> None:
    assert table in ("issuers", "recipients")
    await connection.execute(
        text(f"""
            INSERT INTO billing.{table} (id, content) VALUES (:id, CAST(:content AS jsonb))
            ON CONFLICT (id) DO UPDATE SET content = excluded.content
        """),
        {"id": party.id, "content": msgspec.json.encode(party).decode()},
    )


async def issuers(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Issuer]:
    return await _parties(connection, "issuers", Issuer, ids)


async def recipients(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, LegalParty]:
    return await _parties(connection, "recipients", LegalParty, ids)


async def recipients_by_vat_id(connection: AsyncConnection, vat_ids: Sequence[str]) -> dict[str, LegalParty]:
    found = await connection.execute(
        text("""
            SELECT DISTINCT ON (spelled) spelled, content::text
            FROM billing.recipients,
                 upper(regexp_replace(content->>'vat_id', '[^A-Za-z0-9]', '', 'g')) AS spelled
            WHERE spelled = ANY(CAST(:vat_ids AS text[])) ORDER BY spelled, id
        """),
        {"vat_ids": list(vat_ids)},
    )
    return {row[0]: msgspec.json.decode(row[1], type=LegalParty) for row in found}


async def _parties(connection: AsyncConnection, table: str, kind: type[Party], ids: Sequence[str]) -> dict[str, Party]:
    found = await connection.execute(
        text(f"SELECT content::text FROM billing.{table} WHERE id = ANY(CAST(:ids AS text[]))"), {"ids": list(ids)}
    )
    parties = (msgspec.json.decode(row, type=kind) for row in found.scalars())
    return {party.id: party for party in parties}


async def lock_series(connection: AsyncConnection, issuer: str, kind: str, year: int) -> int:
    """The newest number given; nobody else gives one before this transaction ends, so none is left out."""
    found = await connection.execute(
        text("""
            INSERT INTO billing.series AS series (issuer, kind, year, last) VALUES (:issuer, :kind, :year, 0)
            ON CONFLICT (issuer, kind, year) DO UPDATE SET last = series.last RETURNING last
        """),
        {"issuer": issuer, "kind": kind, "year": year},
    )
    return int(found.scalar_one())


async def advance_series(connection: AsyncConnection, issuer: str, kind: str, year: int, last: int) -> None:
    await connection.execute(
        text("UPDATE billing.series SET last = :last WHERE (issuer, kind, year) = (:issuer, :kind, :year)"),
        {"issuer": issuer, "kind": kind, "year": year, "last": last},
    )


async def documented(connection: AsyncConnection, sources: Sequence[str]) -> set[str]:
    """Those of the sources that stand on an invoice or receipt already."""
    found = await connection.execute(
        text("SELECT source FROM billing.sources WHERE source = ANY(CAST(:sources AS text[]))"),
        {"sources": list(sources)},
    )
    return set(found.scalars())


async def add_documents(connection: AsyncConnection, documents: Sequence[Document], issued_at: datetime) -> None:
    """Documents with their lines, and what was sold by them."""
    await _insert(connection, "documents", [_document_row(document, issued_at) for document in documents])
    await _insert(connection, "lines", [row for document in documents for row in _line_rows(document)])
    sold = [document for document in documents if document.kind in ("invoice", "receipt")]
    pairs = {line.source: document.id for document in sold for line in document.lines}
    await _insert(connection, "sources", [{"source": source, "document": own} for source, own in pairs.items()])


async def _insert(connection: AsyncConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    names = ", ".join(rows[0])
    await connection.execute(
        text(f"""
            INSERT INTO billing.{table} ({names})
            SELECT {names} FROM json_populate_recordset(NULL::billing.{table}, CAST(:rows AS json))
        """),
        {"rows": msgspec.json.encode(rows).decode()},
    )


def _document_row(document: Document, issued_at: datetime) -> dict[str, Any]:
    content = encode(document)
    names = (
        *("id", "number", "kind", "currency", "issued_on", "first_day", "last_day", "due_on"),
        *("net", "tax", "total", "paid", "debt_rounding", "reference", "posting"),
    )
    _, year, serial = document.number.rsplit("-", 2)
    return {name: getattr(document, name) for name in names} | {
        "issuer": document.issuer.id,
        "recipient": document.recipient.id,
        "year": int(year),
        "serial": int(serial[1:]),
        "content": content.decode(),
        "digest": hashlib.sha256(content).hexdigest(),
        "issued_at": issued_at,
    }


def _line_rows(document: Document) -> list[dict[str, Any]]:
    names = ("source", "product", "rate", "net", "exact_net", "exact_tax", "energy_mwh")
    return [
        {name: getattr(line, name) for name in names} | {"document": document.id, "position": n, "posting": line.group}
        for n, line in enumerate(document.lines, start=1)
    ]


async def find(connection: AsyncConnection, column: str, keys: Sequence[str]) -> list[Document]:
    """Documents by `id`, `number` or `reference`, in the order of their numbers."""
    assert column in ("id", "number", "reference")
    kind = "uuid" if column == "id" else "text"
    found = await connection.execute(
        text(f"""
            SELECT content FROM billing.documents WHERE {column} = ANY(CAST(:keys AS {kind}[]))
            ORDER BY issuer, kind, year, serial
        """),
        {"keys": list(keys)},
    )
    return [decode(content) for content in found.scalars()]


async def document_of_source(connection: AsyncConnection, source: str) -> Document | None:
    found = await connection.execute(
        text("""
            SELECT content FROM billing.documents
            WHERE id = (SELECT document FROM billing.sources WHERE source = :source)
        """),
        {"source": source},
    )
    content = found.scalar_one_or_none()
    return None if content is None else decode(content)


async def page(
    connection: AsyncConnection, *, recipient: str | None, kind: str | None, after: str, limit: int
) -> list[Document]:
    """In the order of their numbers."""
    found = await connection.execute(
        text("""
            SELECT content FROM billing.documents
            WHERE number > :after AND (CAST(:recipient AS text) IS NULL OR recipient = :recipient)
              AND (CAST(:kind AS text) IS NULL OR kind = :kind)
            ORDER BY number LIMIT :limit
        """),
        {"recipient": recipient, "kind": kind, "after": after, "limit": limit},
    )
    return [decode(content) for content in found.scalars()]


async def invoices_of_period(connection: AsyncConnection, issuer: str, first: date, last: date) -> list[str]:
    """Their numbers, in order."""
    found = await connection.execute(
        text("""
            SELECT number FROM billing.documents
            WHERE issuer = :issuer AND kind = 'invoice' AND issued_on > :last
              AND (first_day, last_day) = (:first, :last) ORDER BY year, serial
        """),
        {"issuer": issuer, "first": first, "last": last},
    )
    return list(found.scalars())


async def credited(connection: AsyncConnection, number: str) -> dict[str, int]:
    """What the credit notes of a document gave back so far, by source and product and rate, as positive amounts."""
    found = await connection.execute(
        text("""
            SELECT source, product, rate, -sum(line.net) AS net
            FROM billing.documents AS note JOIN billing.lines AS line ON line.document = note.id
            WHERE note.reference = :number AND note.kind = 'credit note' GROUP BY source, product, rate
        """),
        {"number": number},
    )
    return {line_key(row.source, row.product, row.rate): int(row.net) for row in found}


def line_key(source: str, product: str, rate: str | None) -> str:
    """Names a line within its document."""
    return f"{source}|{product}|{rate}"


class OpenRow(NamedTuple):
    """An invoice that left something to pay when it was issued."""

    number: str
    debtor: str
    currency: str
    due_on: date
    due: int
    debt_rounding: int


async def owed_documents(connection: AsyncConnection, issuer: str) -> list[OpenRow]:
    """By debtor and currency, the one that is due first first."""
    found = await connection.execute(
        text("""
            SELECT number, recipient, currency, due_on, total - paid AS due, debt_rounding FROM billing.documents
            WHERE issuer = :issuer AND kind IN ('invoice', 'receipt') AND due_on IS NOT NULL
            ORDER BY recipient, currency, due_on, number
        """),
        {"issuer": issuer},
    )
    return [OpenRow(*row) for row in found]


async def revenue(connection: AsyncConnection, issuer: str, first: date, last: date, by: str) -> list[Sequence[Any]]:
    keys = {
        "issuer": "document.issuer",
        "recipient": "document.recipient",
        "product": "line.product",
        "rate": "line.rate",
        "month": "to_char(document.issued_on, 'YYYY-MM')",
    }
    found = await connection.execute(
        text(f"""
            SELECT {keys[by]} AS key, document.currency, count(DISTINCT document.id),
                   sum(CASE WHEN line.net < 0 THEN 0 ELSE line.energy_mwh END)::bigint, sum(line.net)::bigint
            FROM billing.documents AS document JOIN billing.lines AS line ON line.document = document.id
            WHERE document.issuer = :issuer AND document.issued_on BETWEEN :first AND :last
              AND document.kind IN ('invoice', 'receipt', 'credit note')
              AND line.product <> 'interest' -- given, not taken back from what was sold
            GROUP BY 1, 2 ORDER BY 1, 2
        """),
        {"issuer": issuer, "first": first, "last": last},
    )
    return [tuple(row) for row in found]


async def dunning_stages(connection: AsyncConnection, issuer: str) -> dict[tuple[str, str], str]:
    """By debtor and currency; nobody else changes them before this transaction ends."""
    found = await connection.execute(
        text("SELECT debtor, currency, stage FROM billing.dunning WHERE issuer = :issuer ORDER BY 1, 2 FOR UPDATE"),
        {"issuer": issuer},
    )
    return {(row.debtor, row.currency): row.stage for row in found}


async def set_dunning_stage(
    connection: AsyncConnection, issuer: str, debtor: str, currency: str, stage: str | None, now: datetime
) -> None:
    """None: nothing is overdue any more."""
    own = {"issuer": issuer, "debtor": debtor, "currency": currency}
    if stage is None:
        await connection.execute(
            text("DELETE FROM billing.dunning WHERE (issuer, debtor, currency) = (:issuer, :debtor, :currency)"), own
        )
        return
    await connection.execute(
        text("""
            INSERT INTO billing.dunning (issuer, debtor, currency, stage, since)
            VALUES (:issuer, :debtor, :currency, :stage, :now)
            ON CONFLICT (issuer, debtor, currency) DO UPDATE SET stage = excluded.stage, since = excluded.since
        """),
        own | {"stage": stage, "now": now},
    )
