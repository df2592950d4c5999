"""Stuck transactions: ended by estimate, made good by a difference; and which command started a session."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("corrects", sa.Uuid(), nullable=True, comment="the session whose estimated end this one makes good"),
        schema="charging",
    )
    op.add_column(
        "sessions",
        sa.Column("command_id", sa.Uuid(), nullable=True, comment="of the command that started it"),
        schema="charging",
    )
    op.create_index(
        "sessions_open_idx",
        "sessions",
        [sa.text("lower(token_uid)")],
        unique=False,
        schema="charging",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "stuck_transactions",
        sa.Column("session_id", sa.Uuid(), nullable=False, comment="of charging"),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("noticed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sign_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="the last sign of life"),
        sa.Column("command_id", sa.Uuid(), nullable=True, comment="by which the station was asked last"),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False, comment="why it was ended, or is not yet"),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when it was ended by estimate"),
        sa.PrimaryKeyConstraint("session_id", name=op.f("stuck_transactions_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "stuck_transactions_station_idx",
        "stuck_transactions",
        ["station_id", "noticed_at"],
        unique=False,
        schema="ocpp",
    )
