"""The tables of billing. A document is one row and is never changed: the database refuses it."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wattbook.db.metadata import metadata

issuers = Table(
    "issuers",
    metadata,
    Column("id", Text, primary_key=True, comment="party"),
    Column("content", JSONB, nullable=False),
    schema="billing",
)

recipients = Table(
    "recipients",
    metadata,
    Column("id", Text, primary_key=True, comment="customer, party or household"),
    Column("content", JSONB, nullable=False),
    schema="billing",
)

series = Table(
    "series",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("year", SmallInteger, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False, comment="the newest number given"),
    schema="billing",
)

documents = Table(
    "documents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("issuer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("due_on", Date),
    Column("net", BigInteger, nullable=False),
    Column("tax", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("paid", BigInteger, nullable=False),
    Column("debt_rounding", BigInteger, nullable=False, comment="what whole coins changed in what is owed"),
    Column("reference", Text, comment="number of the document it credits or reminds of"),
    Column("posting", Uuid, comment="group in the book of its rounding or its credit"),
    Column("content", Text, nullable=False, comment="the document as issued, JSON"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the content"),
    Column("issued_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("net + tax = total", name="sum"),
    Index("documents_series_idx", "issuer", "kind", "year", "serial", unique=True),
    Index("documents_recipient_idx", "recipient", "issued_on"),
    Index("documents_issued_idx", "issued_on"),
    Index("documents_reference_idx", "reference", postgresql_where=text("reference IS NOT NULL")),
    schema="billing",
)

lines = Table(
    "lines",
    metadata,
    Column("document", Uuid, ForeignKey("billing.documents.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("posting", Uuid, nullable=False, comment="group in the book that it comes from"),
    Column("product", Text, nullable=False),
    Column("rate", Text, comment="percent of tax; null where none is stated"),
    Column("net", BigInteger, nullable=False, comment="negative on a credit note"),
    Column("exact_net", BigInteger, nullable=False),
    Column("exact_tax", BigInteger, nullable=False),
    Column("energy_mwh", BigInteger, nullable=False),
    schema="billing",
)

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True, comment="what was sold, once"),
    Column("document", Uuid, ForeignKey("billing.documents.id"), nullable=False, index=True),
    schema="billing",
)

dunning = Table(
    "dunning",
    metadata,
    Column("debtor", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("since", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("stage IN ('reminded', 'warned', 'held')", name="stage"),
    schema="billing",
)
