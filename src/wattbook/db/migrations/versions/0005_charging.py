"""Charging: consents and refusals, sessions with their meter values, charge detail records, orphans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE charging.transaction_ids AS integer CYCLE")
    op.create_table(
        "consents",
        sa.Column("token_folded", sa.Text(), nullable=False, comment="the uid in lower case"),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("token_type", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("token_folded", "site_id", name=op.f("consents_pkey")),
        schema="charging",
    )
    op.create_table(
        "meter_values",
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="null when no session is known for it"),
        sa.Column("sampled_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_no", sa.SmallInteger(), nullable=False),
        sa.Column("import_register_mwh", sa.BigInteger(), nullable=True),
        sa.Column("export_register_mwh", sa.BigInteger(), nullable=True),
        sa.Column("power_w", sa.BigInteger(), nullable=True, comment="negative while feeding in"),
        sa.Column("soc_percent", sa.Numeric(), nullable=True),
        sa.Column(
            "other", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="whatever else the sample said"
        ),
        schema="charging",
    )
    op.create_index(
        "meter_values_session_idx",
        "meter_values",
        ["session_id", "sampled_at"],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index(
        "meter_values_time_idx",
        "meter_values",
        ["sampled_at"],
        unique=False,
        schema="charging",
        postgresql_using="brin",
    )
    op.create_table(
        "orphans",
        sa.Column("id", sa.Uuid(), nullable=False, comment="UUIDv5 of its content"),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("meter_stop_mwh", sa.BigInteger(), nullable=False),
        sa.Column("export_stop_mwh", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("token_uid", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("orphans_pkey")),
        schema="charging",
    )
    op.create_table(
        "refusals",
        sa.Column("row", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("refused_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_no", sa.SmallInteger(), nullable=False),
        sa.Column("token_uid", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("refusals_pkey")),
        schema="charging",
    )
    op.create_index("refusals_time_idx", "refusals", ["refused_at"], unique=False, schema="charging")
    op.create_table(
        "tariffs",
        sa.Column("key", sa.Uuid(), nullable=False, comment="UUIDv5 of the document"),
        sa.Column(
            "document",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="OCPI tariff object as shown when a session began",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("tariffs_pkey")),
        schema="charging",
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False, comment="UUIDv5 of the fact that it began"),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="active, completed, invalid (never or no longer to be billed)"
        ),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_no", sa.SmallInteger(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("token_uid", sa.Text(), nullable=False),
        sa.Column("token_type", sa.Text(), nullable=False),
        sa.Column("token_party", sa.Text(), nullable=True),
        sa.Column("contract_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("authorization_reference", sa.Text(), nullable=True),
        sa.Column(
            "payment", sa.Text(), nullable=False, comment="prepaid, postpaid, partner, or none for an invalid session"
        ),
        sa.Column(
            "prepaid", sa.BigInteger(), nullable=True, comment="set aside, stored units: held here, or by the partner"
        ),
        sa.Column("refusal", sa.Text(), nullable=True, comment="why it is invalid"),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("evse_id", sa.Text(), nullable=True),
        sa.Column("meter_no", sa.Text(), nullable=True),
        sa.Column("network_operator", sa.Text(), nullable=True),
        sa.Column("supplier_id", sa.Text(), nullable=True),
        sa.Column("balance_group", sa.Text(), nullable=True),
        sa.Column("rated_power_w", sa.Integer(), nullable=False, comment="0 when not known"),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("tariff_key", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by ours"),
        sa.Column("meter_start_mwh", sa.BigInteger(), nullable=False),
        sa.Column(
            "export_start_mwh",
            sa.BigInteger(),
            nullable=True,
            comment="register of feed-in at the start, or in the first sample that has it",
        ),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("announced_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "sampled_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="of the newest sample, by the station's clock",
        ),
        sa.Column("import_register_mwh", sa.BigInteger(), nullable=True),
        sa.Column("export_register_mwh", sa.BigInteger(), nullable=True),
        sa.Column("power_w", sa.Integer(), nullable=True),
        sa.Column("soc_percent", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("import_mwh", sa.BigInteger(), nullable=False),
        sa.Column("export_mwh", sa.BigInteger(), nullable=False),
        sa.Column("shortfall_wms", sa.BigInteger(), nullable=False, comment="integral of rated less actual power"),
        sa.Column("flags", sa.ARRAY(sa.Text()), nullable=False, comment="what was implausible about it"),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meter_stop_mwh", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column(
            "span_start", sa.TIMESTAMP(timezone=True), nullable=True, comment="the metered time it was posted with"
        ),
        sa.Column("span_end", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bought_before_tax", sa.BigInteger(), nullable=True, comment="price of what was drawn, stored units"),
        sa.Column("bought_after_tax", sa.BigInteger(), nullable=True),
        sa.Column(
            "fed_in_before_tax", sa.BigInteger(), nullable=True, comment="paid for what was fed in, stored units"
        ),
        sa.Column("fed_in_after_tax", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state <> 'active' OR ended_at IS NULL", name=op.f("sessions_active_check")),
        sa.CheckConstraint("state IN ('active', 'completed', 'invalid')", name=op.f("sessions_state_check")),
        sa.CheckConstraint("import_mwh >= 0 AND export_mwh >= 0", name=op.f("sessions_energy_check")),
        sa.ForeignKeyConstraint(["tariff_key"], ["charging.tariffs.key"], name=op.f("sessions_tariff_key_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        schema="charging",
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(
        "sessions_ended_idx",
        "sessions",
        ["ended_at"],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "sessions_live_idx",
        "sessions",
        ["started_at"],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "sessions_span_idx",
        "sessions",
        ["meter_no", "span_end"],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("span_end IS NOT NULL"),
    )
    op.create_index("sessions_started_idx", "sessions", ["started_at"], unique=False, schema="charging")
    op.create_index(
        "sessions_transaction_idx", "sessions", ["station_id", "transaction_id"], unique=True, schema="charging"
    )
    op.create_table(
        "cdrs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column(
            "before_tax",
            sa.BigInteger(),
            nullable=False,
            comment="what the driver pays, stored units; negative: is paid",
        ),
        sa.Column("after_tax", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["charging.sessions.id"], name=op.f("cdrs_session_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("cdrs_pkey")),
        sa.UniqueConstraint("session_id", name=op.f("cdrs_session_id_key")),
        schema="charging",
    )
