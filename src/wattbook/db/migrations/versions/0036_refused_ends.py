"""How often a transaction was to be ended in vain, and why the last time."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    tries = sa.Column("tries", sa.Integer(), server_default="0", nullable=False, comment="to end it, in vain")
    tried_at = sa.Column("tried_at", sa.TIMESTAMP(timezone=True), comment="in vain, the last time")
    refused = sa.Column("refused", sa.Text(), comment="why it could not be ended the last time")
    for column in (tries, tried_at, refused):
        op.add_column("stuck_transactions", column, schema="ocpp")
