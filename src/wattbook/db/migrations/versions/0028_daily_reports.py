"""What a day's comparison with a provider's report found of fees, and left with the provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    for name, comment in (
        ("fees", "stored units by currency"),
        ("clearing", "what the provider had of ours after it"),
    ):
        op.add_column(
            "reconciliations",
            sa.Column(name, postgresql.JSONB(), server_default="{}", nullable=False, comment=comment),
            schema="payments",
        )
