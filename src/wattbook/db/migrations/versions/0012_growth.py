"""Meter values in monthly partitions, and what they roll up to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS partitions")
    op.drop_table("meter_values", schema="charging")
    op.create_table(
        "meter_values",
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by our clock"),
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="null when no session is known for it"),
        sa.Column("sampled_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
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
        postgresql_partition_by="RANGE (received_at)",
    )
    op.execute("CREATE TABLE partitions.charging_meter_values_default PARTITION OF charging.meter_values DEFAULT")
    op.create_index(
        "meter_values_session_idx",
        "meter_values",
        ["session_id", "sampled_at"],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_table(
        "meter_hours",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_no", sa.SmallInteger(), nullable=False),
        sa.Column("hour", sa.TIMESTAMP(timezone=True), nullable=False, comment="of the station's clock, in UTC"),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("import_first_mwh", sa.BigInteger(), nullable=True, comment="lowest register of energy drawn"),
        sa.Column("import_last_mwh", sa.BigInteger(), nullable=True, comment="highest"),
        sa.Column("export_first_mwh", sa.BigInteger(), nullable=True, comment="lowest register of energy fed in"),
        sa.Column("export_last_mwh", sa.BigInteger(), nullable=True, comment="highest"),
        sa.Column("power_low_w", sa.BigInteger(), nullable=True),
        sa.Column("power_high_w", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("station_id", "connector_no", "hour", name=op.f("meter_hours_pkey")),
        schema="charging",
    )
    op.create_table(
        "rolled_up",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("through", sa.TIMESTAMP(timezone=True), nullable=False, comment="received before this: rolled up"),
        sa.CheckConstraint("one = 1", name=op.f("rolled_up_one_row_check")),
        sa.PrimaryKeyConstraint("one", name=op.f("rolled_up_pkey")),
        schema="charging",
    )
    op.execute("INSERT INTO charging.rolled_up SELECT 1, date_trunc('hour', now())")
