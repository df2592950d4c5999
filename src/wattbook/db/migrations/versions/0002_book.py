"""The book: accounts, transfers, holds, periods."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column(
            "floor", sa.BigInteger(), nullable=True, comment="lowest balance on the purpose's side; null for no limit"
        ),
        sa.Column("debits_posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credits_posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debits_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credits_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False, comment="transfers that touched it"),
        sa.CheckConstraint(
            "least(debits_posted, credits_posted, debits_pending, credits_pending) >= 0",
            name=op.f("accounts_not_negative_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("owner", "purpose", "commodity", name=op.f("accounts_owner_purpose_commodity_key")),
        schema="book",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "closed_periods",
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("transfers", sa.BigInteger(), nullable=False, comment="control total: how many"),
        sa.Column(
            "amount", sa.BigInteger(), nullable=False, comment="control total: sum over all commodities, modulo 2^62"
        ),
        sa.PrimaryKeyConstraint("period", name=op.f("closed_periods_pkey")),
        schema="book",
    )
    op.create_table(
        "closing",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("closed_through", sa.Date(), nullable=False, comment="first day of the last closed month"),
        sa.CheckConstraint("one = 1", name=op.f("closing_one_row_check")),
        sa.PrimaryKeyConstraint("one", name=op.f("closing_pkey")),
        schema="book",
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False, comment="id of the transfer that made it"),
        sa.Column("debit_account", sa.BigInteger(), nullable=False),
        sa.Column("credit_account", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False, comment="open, captured, voided, expired"),
        sa.CheckConstraint("state IN ('open', 'captured', 'voided', 'expired')", name=op.f("holds_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("holds_pkey")),
        schema="book",
    )
    op.create_index(
        "holds_expiry_idx",
        "holds",
        ["expires_at"],
        unique=False,
        schema="book",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False, comment="UUIDv5 of the fact"),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False, comment="0 transfer, 1 hold, 2 capture, 3 void, 4 expiry"),
        sa.Column("group_id", sa.Uuid(), nullable=False, comment="id of the group's first transfer"),
        sa.Column("group_size", sa.SmallInteger(), nullable=False),
        sa.Column("debit_account", sa.BigInteger(), nullable=False),
        sa.Column("credit_account", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=True, comment="the hold that a capture, void or expiry resolves"),
        sa.Column("event_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("booked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("period", sa.Date(), nullable=False, comment="first day of the month it counts in"),
        sa.Column("corrects", sa.Date(), nullable=True, comment="the closed month it belongs to by its event time"),
        sa.Column("span_start", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("span_end", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("debit_version", sa.BigInteger(), nullable=False),
        sa.Column(
            "debit_balance", sa.BigInteger(), nullable=False, comment="debits less credits posted, after this transfer"
        ),
        sa.Column("credit_version", sa.BigInteger(), nullable=False),
        sa.Column(
            "credit_balance", sa.BigInteger(), nullable=False, comment="debits less credits posted, after this transfer"
        ),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("transfers_positive_check")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("transfers_two_accounts_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("transfers_pkey")),
        schema="book",
    )
    op.create_index(
        "transfers_credit_idx", "transfers", ["credit_account", "credit_version"], unique=True, schema="book"
    )
    op.create_index("transfers_debit_idx", "transfers", ["debit_account", "debit_version"], unique=True, schema="book")
    op.create_index(
        "transfers_hold_idx",
        "transfers",
        ["hold_id"],
        unique=True,
        schema="book",
        postgresql_where=sa.text("hold_id IS NOT NULL"),
    )
    op.execute("INSERT INTO book.closing VALUES (1, '1970-01-01')")
    op.execute("""
        CREATE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'a transfer never changes: correct it by another transfer'; END $$
    """)
    op.execute("""
        CREATE TRIGGER transfers_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON book.transfers
        FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change()
    """)
