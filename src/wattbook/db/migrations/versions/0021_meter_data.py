"""What came of meters besides intervals, what is estimated in a bill, and what people have to look at."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("multiplier", sa.Integer(), nullable=False, comment="of current and voltage transformers"),
        sa.Column(
            "digits",
            sa.Integer(),
            nullable=True,
            comment="whole kWh digits of the register, which starts again after the last; null: unknown",
        ),
        sa.Column(
            "power_w_max",
            sa.BigInteger(),
            nullable=True,
            comment="what can pass the meter; null: what can pass a house's",
        ),
        sa.CheckConstraint(
            "multiplier > 0 AND digits BETWEEN 3 AND 12 AND power_w_max > 0", name=op.f("channels_values_check")
        ),
        sa.PrimaryKeyConstraint("meter", "register", name=op.f("channels_pkey")),
        schema="household",
    )
    op.create_table(
        "closed_billing",
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("bills", sa.BigInteger(), nullable=False, comment="control totals of the bills of the period"),
        sa.Column("metered_mwh", sa.BigInteger(), nullable=False),
        sa.Column("household_mwh", sa.BigInteger(), nullable=False),
        sa.Column("paid_mwh", sa.BigInteger(), nullable=False),
        sa.Column("exception_mwh", sa.BigInteger(), nullable=False),
        sa.Column(
            "totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="stored units of each currency"
        ),
        sa.PrimaryKeyConstraint("utility", "first_day", "last_day", name=op.f("closed_billing_pkey")),
        schema="household",
    )
    op.create_table(
        "quarantined_readings",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="file or sender"),
        sa.Column("line", sa.Integer(), nullable=False, comment="0: the file as a whole"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("quarantined_readings_pkey")),
        schema="household",
    )
    op.create_table(
        "register_readings",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False, comment="the highest counts"),
        sa.Column(
            "value_mwh", sa.BigInteger(), nullable=False, comment="as shown; the channel's multiplier is not in it"
        ),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("value_mwh >= 0", name=op.f("register_readings_value_check")),
        sa.PrimaryKeyConstraint("meter", "register", "at", "version", name=op.f("register_readings_pkey")),
        schema="household",
    )
    op.create_table(
        "work_items",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="SHA-256 of kind, subject and span: the same finding is one item"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=True),
        sa.Column("meter", sa.Text(), nullable=True),
        sa.Column("register", sa.Text(), nullable=True),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (resolution IS NULL)",
            name=op.f("work_items_closing_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("work_items_pkey")),
        schema="household",
    )
    op.create_index(
        "work_items_open_idx",
        "work_items",
        ["opened_at", "id"],
        unique=False,
        schema="household",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "bill_estimates",
        sa.Column("bill", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["bill"], ["household.bills.id"], name=op.f("bill_estimates_bill_fkey")),
        sa.PrimaryKeyConstraint("bill", "meter", "register", "since", name=op.f("bill_estimates_pkey")),
        schema="household",
    )
    op.create_table(
        "reviews",
        sa.Column("bill", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bill"], ["household.bills.id"], name=op.f("reviews_bill_fkey")),
        sa.PrimaryKeyConstraint("bill", name=op.f("reviews_pkey")),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column(
            "estimated_mwh", sa.BigInteger(), server_default="0", nullable=False, comment="part of what was metered"
        ),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column(
            "stage", sa.Text(), server_default="final", nullable=False, comment="provisional: some of it is an estimate"
        ),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column(
            "metered_mwh", sa.BigInteger(), nullable=True, comment="of the whole period, as known now; null: as before"
        ),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column(
            "slots_mwh",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="the same for each slot of the tariff; null: as before, or one slot",
        ),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column("estimated_mwh", sa.BigInteger(), nullable=True, comment="part of what was metered; null: as before"),
        schema="household",
    )
    op.add_column(
        "credit_notes",
        sa.Column("reason", sa.Text(), server_default="payments", nullable=False, comment="payments or readings"),
        schema="household",
    )
    op.create_check_constraint(
        op.f("bills_stage_check"),
        "bills",
        "stage IN ('provisional', 'final') AND estimated_mwh BETWEEN 0 AND metered_mwh",
        schema="household",
    )
