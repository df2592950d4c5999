"""Bill runs: their chunks and refusals; what a bill by zones of the day was rated from; contracted power."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column(
        "households",
        sa.Column("contract_w", sa.Integer(), comment="contracted power in watts, where the tariff charges for it"),
        schema="registry",
    )
    op.create_table(
        "bill_runs",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("balance_group", sa.Text(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False, comment="SHA-256 of the houses asked for; empty: all"),
        sa.Column("houses", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        schema="household",
    )
    op.create_index(
        "bill_runs_open_idx",
        "bill_runs",
        ["first_day", "last_day", "utility", "selection"],
        unique=True,
        schema="household",
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "bill_run_chunks",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("households", ARRAY(sa.Text()), nullable=False),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("billed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "known",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="had a bill for the period already",
        ),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "metered_mwh",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="control totals of what it billed",
        ),
        sa.Column("household_mwh", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False, comment="in the tariff's currency"),
        sa.ForeignKeyConstraint(["run"], ["household.bill_runs.number"]),
        sa.PrimaryKeyConstraint("run", "number"),
        schema="household",
    )
    op.create_table(
        "bill_run_refusals",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["household.bill_runs.number"]),
        sa.PrimaryKeyConstraint("run", "household"),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column(
            "slots_mwh",
            ARRAY(sa.BigInteger()),
            comment="what was measured of each slot of the tariff; null: there is one",
        ),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column("contract_w", sa.Integer(), comment="contracted power in watts, where the tariff charges for it"),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column("run", sa.BigInteger(), comment="that issued it; null: by itself"),
        schema="household",
    )
    op.create_foreign_key(
        None, "bills", "bill_runs", ["run"], ["number"], source_schema="household", referent_schema="household"
    )
    op.create_index("bills_run_idx", "bills", ["run"], schema="household", postgresql_where=sa.text("run IS NOT NULL"))
