"""Payments: senders, what they and providers say, what is asked of providers; terms of accounts; who pays a session."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "disputes",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False, comment="the provider took the amount back from us"),
        sa.Column("reinstated", sa.Boolean(), nullable=False, comment="and gave it to us again"),
        sa.Column("status", sa.Text(), nullable=False, comment="in the provider's words"),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("disputes_pkey")),
        schema="payments",
    )
    op.create_table(
        "events",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the provider's"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False, comment="the bytes that were signed"),
        sa.Column(
            "about",
            sa.Text(),
            nullable=True,
            comment="the provider's id of the payment; what waits, waits for news of it",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="applied, waiting, ignored, refused"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('applied', 'waiting', 'ignored', 'refused')", name=op.f("events_state_check")),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("events_pkey")),
        schema="payments",
    )
    op.create_index(
        "events_waiting_idx",
        "events",
        ["channel", "about"],
        unique=False,
        schema="payments",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Text(), nullable=False, comment="key under which the provider knows the question"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="create, capture, cancel, refund"),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("refund", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="asked, done, failed"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('create', 'capture', 'cancel', 'refund')", name=op.f("operations_kind_check")),
        sa.CheckConstraint("state IN ('asked', 'done', 'failed')", name=op.f("operations_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("operations_pkey")),
        schema="payments",
    )
    op.create_index(
        "operations_asked_idx",
        "operations",
        ["asked_at"],
        unique=False,
        schema="payments",
        postgresql_where=sa.text("state = 'asked'"),
    )
    op.create_table(
        "payments",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="as the channel names it; for a provider: as we name it"),
        sa.Column("purpose", sa.Text(), nullable=False, comment="top-up, session, invoice, house"),
        sa.Column("subject", sa.Text(), nullable=False, comment="customer, station, invoice or house it is for"),
        sa.Column("owner", sa.Text(), nullable=True, comment="of the account that is credited; null for a house"),
        sa.Column("account", sa.Text(), nullable=True, comment="wallet or receivable"),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True, comment="stored units: as announced, then as taken"),
        sa.Column("state", sa.Text(), nullable=False, comment="created, authorised, paid, cancelled, withdrawn"),
        sa.Column("reference", sa.Text(), nullable=True, comment="the provider's own id"),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what it said, which never changes",
        ),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(purpose = 'house') = (owner IS NULL)", name=op.f("payments_owner_check")),
        sa.CheckConstraint("purpose IN ('top-up', 'session', 'invoice', 'house')", name=op.f("payments_purpose_check")),
        sa.CheckConstraint(
            "state IN ('created', 'authorised', 'paid', 'cancelled', 'withdrawn')", name=op.f("payments_state_check")
        ),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("payments_pkey")),
        sa.UniqueConstraint("channel", "reference", name=op.f("payments_channel_reference_key")),
        schema="payments",
    )
    op.create_index(
        "payments_open_idx",
        "payments",
        ["updated_at"],
        unique=False,
        schema="payments",
        postgresql_where=sa.text("state IN ('created', 'authorised')"),
    )
    op.create_index("payments_owner_idx", "payments", ["owner", "received_at"], unique=False, schema="payments")
    op.create_table(
        "payouts",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False, comment="it came back to the provider"),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("payouts_pkey")),
        schema="payments",
    )
    op.create_table(
        "quarantine",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of channel, code and content"),
        sa.Column("channel", sa.Text(), nullable=False, comment="who it said it was, or the provider"),
        sa.Column("source", sa.Text(), nullable=False, comment="http, file, webhook, report"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="as it came"),
        sa.Column("first_received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("quarantine_pkey")),
        schema="payments",
    )
    op.create_index("quarantine_time_idx", "quarantine", ["last_received_at"], unique=False, schema="payments")
    op.create_table(
        "reconciliations",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ran_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("differences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("channel", "day", name=op.f("reconciliations_pkey")),
        schema="payments",
    )
    op.create_table(
        "refunds",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="ours; the provider's where it refunded by itself"),
        sa.Column(
            "payment", sa.Text(), nullable=True, comment="of the same channel; null for money given back at the desk"
        ),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="wallet or receivable"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="requested, done, failed"),
        sa.Column("reference", sa.Text(), nullable=True, comment="the provider's own id"),
        sa.Column("requested_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('requested', 'done', 'failed')", name=op.f("refunds_state_check")),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("refunds_pkey")),
        sa.UniqueConstraint("channel", "reference", name=op.f("refunds_channel_reference_key")),
        schema="payments",
    )
    op.create_table(
        "report_rows",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the provider's balance transaction"),
        sa.Column("kind", sa.Text(), nullable=False, comment="payment, refund, dispute, payout, fee, other"),
        sa.Column("reference", sa.Text(), nullable=False, comment="the provider's id of what moved"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False, comment="stored units; positive: to us"),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reported_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "id", name=op.f("report_rows_pkey")),
        schema="payments",
    )
    op.create_index("report_rows_day_idx", "report_rows", ["channel", "day"], unique=False, schema="payments")
    op.create_table(
        "senders",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("senders_pkey")),
        schema="payments",
    )
    op.create_table(
        "warnings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, comment="of the wallet"),
        sa.Column("kind", sa.Text(), nullable=False, comment="low, used-up"),
        sa.Column("cause", sa.Text(), nullable=False, comment="the session"),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("warnings_pkey")),
        sa.UniqueConstraint("owner", "kind", "cause", name=op.f("warnings_owner_kind_cause_key")),
        schema="payments",
    )
    op.create_table(
        "sender_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column(
            "secret",
            sa.LargeBinary(),
            nullable=False,
            comment="a MAC is made with the key itself, so it cannot be a hash",
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", sa.TIMESTAMP(timezone=True), nullable=True, comment="null for the newest"),
        sa.ForeignKeyConstraint(["sender"], ["payments.senders.name"], name=op.f("sender_keys_sender_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sender_keys_pkey")),
        schema="payments",
    )
    op.create_index(op.f("sender_keys_sender_idx"), "sender_keys", ["sender"], unique=False, schema="payments")
    op.create_table(
        "account_terms",
        sa.Column("owner", sa.Text(), nullable=False, comment="a customer, or the contract of a token for one payment"),
        sa.Column("payer", sa.Text(), nullable=True, comment="who pays in the owner's place"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "credit_limit", sa.BigInteger(), nullable=False, comment="stored units that a wallet may be below zero"
        ),
        sa.Column(
            "low_balance",
            sa.BigInteger(),
            nullable=False,
            comment="stored units from which on down the owner is warned",
        ),
        sa.Column("when_used_up", sa.Text(), nullable=False, comment="stop or warn: what becomes of a session"),
        sa.CheckConstraint("when_used_up IN ('stop', 'warn')", name=op.f("account_terms_when_used_up_check")),
        sa.CheckConstraint("credit_limit >= 0 AND low_balance >= 0", name=op.f("account_terms_amounts_check")),
        sa.ForeignKeyConstraint(["payer"], ["registry.customers.id"], name=op.f("account_terms_payer_fkey")),
        sa.PrimaryKeyConstraint("owner", name=op.f("account_terms_pkey")),
        schema="registry",
    )
    op.add_column(
        "sessions",
        sa.Column(
            "payer_id", sa.Text(), nullable=True, comment="owner of the account that pays; null for a partner's driver"
        ),
        schema="charging",
    )
    op.add_column(
        "sessions",
        sa.Column(
            "hold_no", sa.SmallInteger(), server_default="1", nullable=False, comment="which of its holds is open"
        ),
        schema="charging",
    )
