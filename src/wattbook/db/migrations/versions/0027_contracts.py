"""Who lives in a house from when to when; bills of a part of a month, and of the cycle in which a house is read."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "household_contracts",
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False, comment="of the tariff's own calendar"),
        sa.Column("last_day", sa.Date(), nullable=True, comment="null: it runs on"),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False, comment="name of a household tariff"),
        sa.Column(
            "contract_w",
            sa.Integer(),
            nullable=True,
            comment="contracted power in watts, where the tariff charges for it",
        ),
        sa.CheckConstraint("first_day <= last_day", name=op.f("household_contracts_days_check")),
        sa.ForeignKeyConstraint(
            ["customer"], ["registry.customers.id"], name=op.f("household_contracts_customer_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["household"], ["registry.households.id"], name=op.f("household_contracts_household_fkey")
        ),
        sa.PrimaryKeyConstraint("household", "first_day", name=op.f("household_contracts_pkey")),
        schema="registry",
    )
    op.add_column(
        "bills",
        sa.Column("customer", sa.Text(), nullable=True, comment="who owes it; null: the house, by its own record"),
        schema="household",
    )
    op.add_column(
        "bills",
        sa.Column(
            "cycle_first_day",
            sa.Date(),
            nullable=True,
            comment="of the billing period that this bill is a part of; null: it is one",
        ),
        schema="household",
    )
    op.add_column("bills", sa.Column("cycle_last_day", sa.Date(), nullable=True), schema="household")
    op.create_check_constraint(
        "cycle",
        "bills",
        "(cycle_first_day IS NULL) = (cycle_last_day IS NULL)"
        " AND cycle_first_day <= first_day AND last_day <= cycle_last_day",
        schema="household",
    )
    for name, comment in (("first_day", "of the billing period; null: that of the run"), ("last_day", None)):
        op.add_column("bill_run_chunks", sa.Column(name, sa.Date(), nullable=True, comment=comment), schema="household")
    op.add_column(
        "closed_billing",
        sa.Column(
            "by_cycle",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="a month: of all billing periods that begin in it",
        ),
        schema="household",
    )
