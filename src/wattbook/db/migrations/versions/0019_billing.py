"""Billing: issuers, recipients, numbered documents with their lines, dunning; customers on hold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("debt_rounding", sa.BigInteger(), nullable=False, comment="what whole coins changed in what is owed"),
        sa.Column("reference", sa.Text(), nullable=True, comment="number of the document it credits or reminds of"),
        sa.Column("posting", sa.Uuid(), nullable=True, comment="group in the book of its rounding or its credit"),
        sa.Column("content", sa.Text(), nullable=False, comment="the document as issued, JSON"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the content"),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("net + tax = total", name=op.f("documents_sum_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("documents_pkey")),
        sa.UniqueConstraint("number", name=op.f("documents_number_key")),
        schema="billing",
    )
    op.create_index("documents_issued_idx", "documents", ["issued_on"], unique=False, schema="billing")
    op.create_index("documents_recipient_idx", "documents", ["recipient", "issued_on"], unique=False, schema="billing")
    op.create_index(
        "documents_reference_idx",
        "documents",
        ["reference"],
        unique=False,
        schema="billing",
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "documents_series_idx", "documents", ["issuer", "kind", "year", "serial"], unique=True, schema="billing"
    )
    op.create_table(
        "dunning",
        sa.Column("debtor", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("stage IN ('reminded', 'warned', 'held')", name=op.f("dunning_stage_check")),
        sa.PrimaryKeyConstraint("debtor", "currency", "issuer", name=op.f("dunning_pkey")),
        schema="billing",
    )
    op.create_table(
        "issuers",
        sa.Column("id", sa.Text(), nullable=False, comment="party"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("issuers_pkey")),
        schema="billing",
    )
    op.create_table(
        "recipients",
        sa.Column("id", sa.Text(), nullable=False, comment="customer, party or household"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("recipients_pkey")),
        schema="billing",
    )
    op.create_table(
        "series",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False, comment="the newest number given"),
        sa.PrimaryKeyConstraint("issuer", "kind", "year", name=op.f("series_pkey")),
        schema="billing",
    )
    op.create_table(
        "lines",
        sa.Column("document", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("posting", sa.Uuid(), nullable=False, comment="group in the book that it comes from"),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=True, comment="percent of tax; null where none is stated"),
        sa.Column("net", sa.BigInteger(), nullable=False, comment="negative on a credit note"),
        sa.Column("exact_net", sa.BigInteger(), nullable=False),
        sa.Column("exact_tax", sa.BigInteger(), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["billing.documents.id"], name=op.f("lines_document_fkey")),
        sa.PrimaryKeyConstraint("document", "position", name=op.f("lines_pkey")),
        schema="billing",
    )
    op.create_table(
        "sources",
        sa.Column("source", sa.Text(), nullable=False, comment="what was sold, once"),
        sa.Column("document", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["billing.documents.id"], name=op.f("sources_document_fkey")),
        sa.PrimaryKeyConstraint("source", name=op.f("sources_pkey")),
        schema="billing",
    )
    op.create_index(op.f("sources_document_idx"), "sources", ["document"], unique=False, schema="billing")
    op.add_column(
        "customers",
        sa.Column(
            "held_because",
            sa.Text(),
            nullable=True,
            comment="why nothing is sold to the customer now; null: nothing stands against it",
        ),
        schema="registry",
    )
    op.execute("""
        CREATE FUNCTION billing.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a document that was issued does not change: %', OLD.number;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER documents_never_change BEFORE UPDATE OR DELETE ON billing.documents
        FOR EACH ROW EXECUTE FUNCTION billing.refuse_change()
    """)
