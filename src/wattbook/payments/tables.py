"""The tables of payments. A channel is a sender's or a provider's name, or `desk` for what an operator enters."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wattbook.db.metadata import metadata

senders = Table(
    "senders",
    metadata,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    schema="payments",
)

sender_keys = Table(
    "sender_keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sender", Text, ForeignKey("payments.senders.name"), nullable=False, index=True),
    Column("secret", LargeBinary, nullable=False, comment="a MAC is made with the key itself, so it cannot be a hash"),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("valid_until", TIMESTAMP(timezone=True), comment="null for the newest"),
    schema="payments",
)

payments = Table(
    "payments",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="as the channel names it; for a provider: as we name it"),
    Column("purpose", Text, nullable=False, comment="top-up, session, invoice, house"),
    Column("subject", Text, nullable=False, comment="customer, station, invoice or house it is for"),
    Column("owner", Text, comment="of the account that is credited; null for a house"),
    Column("account", Text, comment="wallet or receivable"),
    Column("currency", Text),
    Column("amount", BigInteger, comment="stored units: as announced, then as taken"),
    Column("state", Text, nullable=False, comment="created, authorised, paid, cancelled, withdrawn"),
    Column("reference", Text, comment="the provider's own id"),
    Column("content", JSONB, nullable=False, comment="what it said, which never changes"),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("purpose IN ('top-up', 'session', 'invoice', 'house')", name="purpose"),
    CheckConstraint("state IN ('created', 'authorised', 'paid', 'cancelled', 'withdrawn')", name="state"),
    CheckConstraint("(purpose = 'house') = (owner IS NULL)", name="owner"),
    UniqueConstraint("channel", "reference"),
    Index("payments_owner_idx", "owner", "received_at"),
    Index("payments_open_idx", "updated_at", postgresql_where=text("state IN ('created', 'authorised')")),
    schema="payments",
)

refunds = Table(
    "refunds",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="ours; the provider's where it refunded by itself"),
    Column("payment", Text, comment="of the same channel; null for money given back at the desk"),
    Column("owner", Text, nullable=False),
    Column("account", Text, nullable=False, comment="wallet or receivable"),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("state", Text, nullable=False, comment="requested, done, failed"),
    Column("reference", Text, comment="the provider's own id"),
    Column("requested_at", TIMESTAMP(timezone=True), nullable=False),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("state IN ('requested', 'done', 'failed')", name="state"),
    UniqueConstraint("channel", "reference"),
    schema="payments",
)

disputes = Table(
    "disputes",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("payment", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("withdrawn", Boolean, nullable=False, comment="the provider took the amount back from us"),
    Column("reinstated", Boolean, nullable=False, comment="and gave it to us again"),
    Column("status", Text, nullable=False, comment="in the provider's words"),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    schema="payments",
)

payouts = Table(
    "payouts",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("paid", Boolean, nullable=False),
    Column("failed", Boolean, nullable=False, comment="it came back to the provider"),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    schema="payments",
)

events = Table(
    "events",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the provider's"),
    Column("kind", Text, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("raw", LargeBinary, nullable=False, comment="the bytes that were signed"),
    Column("about", Text, comment="the provider's id of the payment; what waits, waits for news of it"),
    Column("state", Text, nullable=False, comment="applied, waiting, ignored, refused"),
    Column("error", Text),
    CheckConstraint("state IN ('applied', 'waiting', 'ignored', 'refused')", name="state"),
    Index("events_waiting_idx", "channel", "about", postgresql_where=text("state = 'waiting'")),
    schema="payments",
)

operations = Table(
    "operations",
    metadata,
    Column("id", Text, primary_key=True, comment="key under which the provider knows the question"),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="create, capture, cancel, refund"),
    Column("payment", Text, nullable=False),
    Column("refund", Text),
    Column("amount", BigInteger),
    Column("arguments", JSONB, nullable=False),
    Column("state", Text, nullable=False, comment="asked, done, failed"),
    Column("error", Text),
    Column("tries", Integer, nullable=False),
    Column("asked_at", TIMESTAMP(timezone=True), nullable=False),
    Column("done_at", TIMESTAMP(timezone=True)),
    CheckConstraint("kind IN ('create', 'capture', 'cancel', 'refund')", name="kind"),
    CheckConstraint("state IN ('asked', 'done', 'failed')", name="state"),
    Index("operations_asked_idx", "asked_at", postgresql_where=text("state = 'asked'")),
    schema="payments",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of channel, code and content"),
    Column("channel", Text, nullable=False, comment="who it said it was, or the provider"),
    Column("source", Text, nullable=False, comment="http, file, webhook, report"),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="as it came"),
    Column("first_received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("last_received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("times", BigInteger, nullable=False),
    Index("quarantine_time_idx", "last_received_at"),
    schema="payments",
)

warnings = Table(
    "warnings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("owner", Text, nullable=False, comment="of the wallet"),
    Column("kind", Text, nullable=False, comment="low, used-up"),
    Column("cause", Text, nullable=False, comment="the session"),
    Column("message", Text, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    UniqueConstraint("owner", "kind", "cause"),
    schema="payments",
)

report_rows = Table(
    "report_rows",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the provider's balance transaction"),
    Column("kind", Text, nullable=False, comment="payment, refund, dispute, payout, fee, other"),
    Column("reference", Text, nullable=False, comment="the provider's id of what moved"),
    Column("currency", Text, nullable=False),
    Column("gross", BigInteger, nullable=False, comment="stored units; positive: to us"),
    Column("fee", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("reported_at", TIMESTAMP(timezone=True), nullable=False),
    Index("report_rows_day_idx", "channel", "day"),
    schema="payments",
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("ran_at", TIMESTAMP(timezone=True), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("fees", JSONB, nullable=False, server_default="{}", comment="stored units by currency"),
    Column("clearing", JSONB, nullable=False, server_default="{}", comment="what the provider had of ours after it"),
    Column("differences", JSONB, nullable=False),
    schema="payments",
)
