"""Stations: frames that could not be accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False, comment="the frame as it came"),
        sa.Column(
            "error_code", sa.Text(), nullable=False, comment="what its sender was told, in its version's spelling"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
        schema="ocpp",
    )
    op.create_index("quarantine_received_idx", "quarantine", ["received_at"], unique=False, schema="ocpp")
