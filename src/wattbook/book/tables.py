"""The tables of the book. Accounts and holds change only together with a transfer; transfers never change."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from wattbook.db.metadata import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("commodity", Text, nullable=False),
    Column("floor", BigInteger, comment="lowest balance on the purpose's side; null for no limit"),
    Column("debits_posted", BigInteger, nullable=False, server_default="0"),
    Column("credits_posted", BigInteger, nullable=False, server_default="0"),
    Column("debits_pending", BigInteger, nullable=False, server_default="0"),
    Column("credits_pending", BigInteger, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0", comment="transfers that touched it"),
    Column("last_transfer", Uuid, comment="the newest that touched it; each names the one before"),
    UniqueConstraint("owner", "purpose", "commodity"),
    CheckConstraint("least(debits_posted, credits_posted, debits_pending, credits_pending) >= 0", name="not_negative"),
    schema="book",
    postgresql_with={"fillfactor": 70},  # room for updates in place: the numbers of a hot account change every batch
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Uuid, primary_key=True, comment="UUIDv5 of the fact"),
    Column("fact", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False, comment="0 transfer, 1 hold, 2 capture, 3 void, 4 expiry"),
    Column("group_id", Uuid, nullable=False, comment="id of the group's first transfer"),
    Column("group_size", SmallInteger, nullable=False),
    Column("debit_account", BigInteger, nullable=False),
    Column("credit_account", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("hold_id", Uuid, comment="the hold that a capture, void or expiry resolves"),
    Column("event_at", TIMESTAMP(timezone=True), nullable=False),
    Column("booked_at", TIMESTAMP(timezone=True), nullable=False),
    Column("period", Date, nullable=False, comment="first day of the month it counts in"),
    Column("corrects", Date, comment="the closed month it belongs to by its event time"),
    Column("span_start", TIMESTAMP(timezone=True)),
    Column("span_end", TIMESTAMP(timezone=True)),
    Column("debit_version", BigInteger, nullable=False),
    Column("debit_balance", BigInteger, nullable=False, comment="debits less credits posted, after this transfer"),
    Column("credit_version", BigInteger, nullable=False),
    Column("credit_balance", BigInteger, nullable=False, comment="debits less credits posted, after this transfer"),
    Column("memo", Text, nullable=False),
    Column("debit_before", Uuid, comment="the transfer before this one on the debit account; null for its first"),
    Column("credit_before", Uuid, comment="the transfer before this one on the credit account; null for its first"),
    CheckConstraint("amount > 0", name="positive"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    Index("transfers_hold_idx", "hold_id", unique=True, postgresql_where=text("hold_id IS NOT NULL")),
    schema="book",
)

holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True, comment="id of the transfer that made it"),
    Column("debit_account", BigInteger, nullable=False),
    Column("credit_account", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default="open", comment="open, captured, voided, expired"),
    CheckConstraint("state IN ('open', 'captured', 'voided', 'expired')", name="state"),
    Index("holds_expiry_idx", "expires_at", postgresql_where=text("state = 'open'")),
    schema="book",
)

closing = Table(
    "closing",
    metadata,
    Column("one", SmallInteger, CheckConstraint("one = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("closed_through", Date, nullable=False, comment="first day of the last closed month"),
    schema="book",
)

closed_periods = Table(
    "closed_periods",
    metadata,
    Column("period", Date, primary_key=True),
    Column("closed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("transfers", BigInteger, nullable=False, comment="control total: how many"),
    Column("amount", BigInteger, nullable=False, comment="control total: sum over all commodities, modulo 2^62"),
    schema="book",
)
