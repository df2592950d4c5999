"""Which tariff each EVSE was told; payments on the web, controls and alarms of generation; what is old by an index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_index(
        "stuck_transactions_noticed_idx",
        "stuck_transactions",
        ["noticed_at", "session_id"],
        unique=False,
        schema="ocpp",
    )
    op.create_index("reservations_expires_idx", "reservations", ["expires_at"], unique=False, schema="ocpp")
    op.create_table(
        "told_tariffs",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False, comment="id of the tariff in force when it was told"),
        sa.Column("digest", sa.Text(), nullable=False, comment="of that version"),
        sa.Column("state", sa.Text(), nullable=False, comment="sent, told, refused, unsayable, failed"),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "evse_no", name=op.f("told_tariffs_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "told_tariffs_sent_idx",
        "told_tariffs",
        ["command_id"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_table(
        "web_payments",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by our clock"),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="the station waits so long"),
        sa.PrimaryKeyConstraint("station_id", "evse_no", name=op.f("web_payments_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "der_controls",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("control_type", sa.Text(), nullable=True, comment="null: only its start or end was told"),
        sa.Column("is_default", sa.Boolean(), nullable=True, comment="null: not told"),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=True, comment="whether it began; null: not told"),
        sa.Column("control", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="in the words of 2.1"),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "control_id", name=op.f("der_controls_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "der_alarms",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("control_type", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
        sa.PrimaryKeyConstraint("station_id", "control_type", name=op.f("der_alarms_pkey")),
        schema="ocpp",
    )
