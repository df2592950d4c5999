"""The journal of frames, what is set for single stations and makers, and what was tolerated."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS partitions")
    op.create_table(
        "frames",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("outgoing", sa.Boolean(), nullable=False, comment="from the management system to the station"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False, comment="the frame as it was on the wire, after inflation"),
        schema="ocpp",
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        "frames_station_idx",
        "frames",
        ["station_id"],
        unique=False,
        schema="ocpp",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 8},
    )
    op.execute("CREATE TABLE partitions.ocpp_frames_default PARTITION OF ocpp.frames DEFAULT")
    op.create_table(
        "station_options",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("quirks", postgresql.ARRAY(sa.Text()), nullable=False, comment="names of profiles"),
        sa.Column("journal", sa.Boolean(), nullable=True, comment="whether its frames are kept; null: as for all"),
        sa.Column("ping_after_s", sa.Integer(), nullable=True, comment="silence after which it is pinged"),
        sa.Column("pong_within_s", sa.Integer(), nullable=True, comment="silence after the ping that ends its socket"),
        sa.CheckConstraint("ping_after_s > 0 AND pong_within_s > 0", name=op.f("station_options_deadlines_check")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("station_options_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "maker_quirks",
        sa.Column("vendor", sa.Text(), nullable=False, comment="as its stations say it; * stands for any characters"),
        sa.Column("model", sa.Text(), nullable=False, comment="the same"),
        sa.Column("quirks", postgresql.ARRAY(sa.Text()), nullable=False, comment="names of profiles"),
        sa.PrimaryKeyConstraint("vendor", "model", name=op.f("maker_quirks_pkey")),
        schema="ocpp",
    )
    op.add_column(
        "quarantine",
        sa.Column(
            "accepted",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="it was taken all the same, and the reason says what was tolerated",
        ),
        schema="ocpp",
    )
