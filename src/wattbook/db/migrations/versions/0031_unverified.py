"""Signed meter values in formats whose signatures nobody here checks are told from those that cannot be read."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.drop_constraint(op.f("signatures_verdict_check"), "signatures", schema="ocpp")
    op.create_check_constraint(
        op.f("signatures_verdict_check"),
        "signatures",
        "verdict IN ('verified', 'wrong', 'no-key', 'unverified', 'unreadable')",
        schema="ocpp",
    )
