"""The time zone of a session's site, by which the hours of its tariff are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("time_zone", sa.Text(), nullable=True, comment="of the site when it began"),
        schema="charging",
    )
