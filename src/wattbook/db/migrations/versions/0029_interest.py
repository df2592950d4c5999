"""Notes that make a bill final, with interest where a utility gives it; the power that a bill was rated by."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    peak = "highest mean power in watts, where the tariff charges for it"
    op.add_column("bills", sa.Column("peak_w", sa.Integer(), nullable=True, comment=peak), schema="household")
    op.add_column(
        "credit_notes",
        sa.Column("peak_w", sa.Integer(), nullable=True, comment="as known now; null: as before, or not charged for"),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column("becomes", sa.Text(), nullable=True, comment="the stage of its bill that it changes: final"),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column("interest", sa.BigInteger(), server_default="0", nullable=False, comment="given beside the total"),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column("interest_days", sa.Integer(), server_default="0", nullable=False),
        schema="household",
    )
    op.create_check_constraint(
        "interest", "credit_notes", "interest >= 0 AND (total > 0 OR interest = 0)", schema="household"
    )
    op.create_table(
        "interest_rates",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("percent", sa.Numeric(), nullable=False, comment="a year, simple; 0: none from then on"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("checked_on", sa.Date(), nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("interest_rates_percent_check")),
        sa.ForeignKeyConstraint(["party"], ["registry.parties.id"], name=op.f("interest_rates_party_fkey")),
        sa.PrimaryKeyConstraint("party", "valid_from", name=op.f("interest_rates_pkey")),
        schema="registry",
    )
