"""On which basis paid energy is held against what was measured; bills of before did so per period."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column(
        "bills",
        sa.Column(
            "basis",
            sa.Text(),
            server_default="per period",
            nullable=False,
            comment="paid energy is held against what was measured",
        ),
        schema="household",
    )
