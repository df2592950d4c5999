"""A session counts the messages of its transaction, so that one that goes on costs one row and not two."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column(
            "heard",
            postgresql.INT8MULTIRANGE(),
            comment="numbers of the messages heard of it, if its station counts them",
        ),
        schema="charging",
    )
    op.add_column(
        "sessions",
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), comment="of the newest of these, by the station's clock"),
        schema="charging",
    )
    op.execute("""
        UPDATE charging.sessions AS session SET heard = known.seen, told_at = known.newest_at
        FROM ocpp.transactions AS known
        WHERE (session.station_id, session.transaction_id) = (known.station_id, known.transaction_id) AND known.begun
    """)
