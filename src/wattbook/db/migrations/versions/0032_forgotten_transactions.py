"""Indexes of transactions by age: of those that began, settled or not, and of those that did not."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

_WHERE = {"transactions_heard_idx": "begun", "transactions_unbegun_idx": "NOT begun"}


def upgrade() -> None:
    for name, where in _WHERE.items():
        op.drop_index(name, "transactions", schema="ocpp")
        op.create_index(name, "transactions", ["heard_at"], schema="ocpp", postgresql_where=sa.text(where))
