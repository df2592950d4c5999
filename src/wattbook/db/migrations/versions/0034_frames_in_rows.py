"""A row of the journal holds the frames of a second, so that keeping them costs less than hearing them."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.alter_column("frames", "at", new_column_name="since", comment="of its first frame", schema="ocpp")
    op.add_column("frames", sa.Column("until", sa.TIMESTAMP(timezone=True), comment="of its last"), schema="ocpp")
    op.add_column(
        "frames",
        sa.Column(
            "frames",
            sa.LargeBinary(),
            comment="each after 8 bytes of microseconds since 1970, 1 of whether we said it, 4 of its length",
        ),
        schema="ocpp",
    )
    op.execute("""
        UPDATE ocpp.frames SET until = since, frames =
            int8send(CAST(extract(epoch FROM since) * 1000000 AS bigint))
            || CASE WHEN outgoing THEN '\\x01'::bytea ELSE '\\x00'::bytea END || int4send(octet_length(raw)) || raw
    """)
    op.alter_column("frames", "until", nullable=False, schema="ocpp")
    op.alter_column("frames", "frames", nullable=False, schema="ocpp")
    op.drop_column("frames", "outgoing", schema="ocpp")
    op.drop_column("frames", "raw", schema="ocpp")
