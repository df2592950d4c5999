"""What the people of a house are told: bills, credits, tiers that lie ahead, readings that are missing."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False, comment="what it is about: the same is told once"),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('bill', 'credit', 'tier', 'missing')", name=op.f("notices_kind_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("notices_pkey")),
        schema="household",
    )
    op.create_index("notices_household_idx", "notices", ["household", "at"], unique=False, schema="household")
