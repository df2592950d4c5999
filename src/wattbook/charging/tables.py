"""The tables of charging: sessions and what is known before, during and after them."""

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

from wattbook.db.metadata import metadata

transaction_ids = Sequence(
    "transaction_ids", metadata=metadata, schema="charging", data_type=Integer, start=1, cycle=True
)
"""For stations of OCPP 1.6, which ask for an integer of 32 bits."""

tariffs = Table(
    "tariffs",
    metadata,
    Column("key", Uuid, primary_key=True, comment="UUIDv5 of the document"),
    Column("document", JSONB, nullable=False, comment="OCPI tariff object as shown when a session began"),
    schema="charging",
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True, comment="UUIDv5 of the fact that it began"),
    Column("state", Text, nullable=False, comment="active, completed, invalid (never or no longer to be billed)"),
    Column("station_id", Text, nullable=False),
    Column("connector_no", SmallInteger, nullable=False),
    Column("transaction_id", Text, nullable=False),
    # who
    Column("token_uid", Text, nullable=False),
    Column("token_type", Text, nullable=False),
    Column("token_party", Text),
    Column("contract_id", Text),
    Column("customer_id", Text),
    Column("payer_id", Text, comment="owner of the account that pays; null for a partner's driver"),
    Column("authorization_reference", Text),
    Column("payment", Text, nullable=False, comment="prepaid, postpaid, partner, or none for an invalid session"),
    Column("prepaid", BigInteger, comment="set aside, stored units: held here, or by the partner"),
    Column("hold_no", SmallInteger, nullable=False, server_default="1", comment="which of its holds is open"),
    Column("refusal", Text, comment="why it is invalid"),
    # where, and whose energy it is
    Column("operator", Text, nullable=False),
    Column("site_id", Text),
    Column("time_zone", Text, comment="of the site when it began"),
    Column("evse_id", Text),
    Column("meter_no", Text),
    Column("network_operator", Text),
    Column("supplier_id", Text),
    Column("balance_group", Text),
    Column("rated_power_w", Integer, nullable=False, comment="0 when not known"),
    Column("currency", Text),
    Column("tariff_key", Uuid, ForeignKey("charging.tariffs.key")),
    # how it began
    Column("started_at", TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False, comment="by ours"),
    Column("meter_start_mwh", BigInteger, nullable=False),
    Column(
        "export_start_mwh", BigInteger, comment="register of feed-in at the start, or in the first sample that has it"
    ),
    # how it goes
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    Column("announced_at", TIMESTAMP(timezone=True), nullable=False),
    Column("sampled_at", TIMESTAMP(timezone=True), comment="of the newest sample, by the station's clock"),
    Column("import_register_mwh", BigInteger),
    Column("export_register_mwh", BigInteger),
    Column("power_w", Integer),
    Column("soc_percent", Numeric(5, 2)),
    Column("import_mwh", BigInteger, nullable=False),
    Column("export_mwh", BigInteger, nullable=False),
    Column("shortfall_wms", BigInteger, nullable=False, comment="integral of rated less actual power"),
    Column("flags", ARRAY(Text), nullable=False, comment="what was implausible about it"),
    Column("heard", INT8MULTIRANGE, comment="numbers of the messages heard of it, if its station counts them"),
    Column("told_at", TIMESTAMP(timezone=True), comment="of the newest of these, by the station's clock"),
    # how it ended
    Column("ended_at", TIMESTAMP(timezone=True)),
    Column("meter_stop_mwh", BigInteger),
    Column("stop_reason", Text),
    Column("span_start", TIMESTAMP(timezone=True), comment="the metered time it was posted with"),
    Column("span_end", TIMESTAMP(timezone=True)),
    Column("bought_before_tax", BigInteger, comment="price of what was drawn, stored units"),
    Column("bought_after_tax", BigInteger),
    Column("fed_in_before_tax", BigInteger, comment="paid for what was fed in, stored units"),
    Column("fed_in_after_tax", BigInteger),
    Column("corrects", Uuid, comment="the session whose estimated end this one makes good"),
    Column("command_id", Uuid, comment="of the command that started it"),
    CheckConstraint("state IN ('active', 'completed', 'invalid')", name="state"),
    CheckConstraint("state <> 'active' OR ended_at IS NULL", name="active"),
    CheckConstraint("import_mwh >= 0 AND export_mwh >= 0", name="energy"),
    Index("sessions_transaction_idx", "station_id", "transaction_id", unique=True),
    Index("sessions_live_idx", "started_at", postgresql_where=text("state = 'active'")),
    Index("sessions_open_idx", text("lower(token_uid)"), postgresql_where=text("ended_at IS NULL")),
    Index("sessions_started_idx", "started_at"),
    Index("sessions_ended_idx", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    Index("sessions_span_idx", "meter_no", "span_end", postgresql_where=text("span_end IS NOT NULL")),
    schema="charging",
    # Room for updates in place: a running session changes with every sample, and no sample touches an indexed column.
    postgresql_with={"fillfactor": 60},
)

meter_values = Table(
    "meter_values",
    metadata,
    Column("received_at", TIMESTAMP(timezone=True), nullable=False, comment="by our clock"),
    Column("session_id", Uuid, comment="null when no session is known for it"),
    Column("sampled_at", TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
    Column("station_id", Text, nullable=False),
    Column("connector_no", SmallInteger, nullable=False),
    Column("import_register_mwh", BigInteger),
    Column("export_register_mwh", BigInteger),
    Column("power_w", BigInteger, comment="negative while feeding in"),
    Column("soc_percent", Numeric),
    Column("other", JSONB, comment="whatever else the sample said"),
    Index("meter_values_session_idx", "session_id", "sampled_at", postgresql_where=text("session_id IS NOT NULL")),
    schema="charging",
    postgresql_partition_by="RANGE (received_at)",
)

meter_hours = Table(
    "meter_hours",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("connector_no", SmallInteger, primary_key=True, autoincrement=False),
    Column("hour", TIMESTAMP(timezone=True), primary_key=True, comment="of the station's clock, in UTC"),
    Column("readings", BigInteger, nullable=False),
    Column("import_first_mwh", BigInteger, comment="lowest register of energy drawn"),
    Column("import_last_mwh", BigInteger, comment="highest"),
    Column("export_first_mwh", BigInteger, comment="lowest register of energy fed in"),
    Column("export_last_mwh", BigInteger, comment="highest"),
    Column("power_low_w", BigInteger),
    Column("power_high_w", BigInteger),
    schema="charging",
)

rolled_up = Table(
    "rolled_up",
    metadata,
    Column("one", SmallInteger, CheckConstraint("one = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("through", TIMESTAMP(timezone=True), nullable=False, comment="received before this: rolled up"),
    schema="charging",
)

cdrs = Table(
    "cdrs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("session_id", Uuid, ForeignKey("charging.sessions.id"), nullable=False, unique=True),
    Column("issued_at", TIMESTAMP(timezone=True), nullable=False),
    Column("currency", Text),
    Column("before_tax", BigInteger, nullable=False, comment="what the driver pays, stored units; negative: is paid"),
    Column("after_tax", BigInteger, nullable=False),
    Column("document", JSONB, nullable=False),
    schema="charging",
)

orphans = Table(
    "orphans",
    metadata,
    Column("id", Uuid, primary_key=True, comment="UUIDv5 of its content"),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("station_id", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("meter_stop_mwh", BigInteger, nullable=False),
    Column("export_stop_mwh", BigInteger),
    Column("stopped_at", TIMESTAMP(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("token_uid", Text),
    schema="charging",
)

consents = Table(
    "consents",
    metadata,
    Column("token_folded", Text, primary_key=True, comment="the uid in lower case"),
    Column("site_id", Text, primary_key=True),
    Column("token_type", Text, nullable=False),
    Column("answered_at", TIMESTAMP(timezone=True), nullable=False),
    Column("valid_until", TIMESTAMP(timezone=True), nullable=False),
    Column("answer", JSONB, nullable=False),
    schema="charging",
)

refusals = Table(
    "refusals",
    metadata,
    Column("row", BigInteger, Identity(always=True), primary_key=True),
    Column("refused_at", TIMESTAMP(timezone=True), nullable=False),
    Column("station_id", Text, nullable=False),
    Column("connector_no", SmallInteger, nullable=False),
    Column("token_uid", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("refusals_time_idx", "refused_at"),
    schema="charging",
)
