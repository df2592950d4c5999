"""When a transaction was first told of, and an index of those that no session has begun for."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column(
        "transactions",
        sa.Column(
            "oldest_at",
            sa.TIMESTAMP(timezone=True),
            comment="of its events, by the station's clock; null: heard of before this was kept",
        ),
        schema="ocpp",
    )
    op.create_index(
        "transactions_unbegun_idx",
        "transactions",
        ["heard_at"],
        schema="ocpp",
        postgresql_where=sa.text("NOT begun AND NOT settled"),
    )
