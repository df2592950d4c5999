"""Find an account's transfers by the account alone: equal keys share an index entry, and a posting writes far less.

That versions run without a gap or a repetition is what locks are for, and what the proof checks (`no-lost-update`).
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    for side in ("debit", "credit"):
        op.drop_index(f"transfers_{side}_idx", "transfers", schema="book")
        op.create_index(f"transfers_{side}_idx", "transfers", [f"{side}_account"], unique=False, schema="book")
