"""Interval files that compaction replaces."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.alter_column(
        "interval_files",
        "batch",
        nullable=True,
        comment="null: merged from several",
        schema="household",
    )
    for name, said in (
        ("is_distinct", "each interval stands once in it"),
        ("is_superseded", "holds only older versions of what others hold"),
    ):
        column: sa.Column[bool] = sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False, comment=said)
        op.add_column("interval_files", column, schema="household")
        op.alter_column("interval_files", name, server_default=None, schema="household")
    op.add_column(
        "interval_files",
        sa.Column(
            "replaced_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="since then other files hold its readings",
        ),
        schema="household",
    )
