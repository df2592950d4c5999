"""Households: interval files, bills and credit notes, payments made elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "houses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("houses_pkey")),
        schema="household",
    )
    op.create_table(
        "interval_batches",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="as its sender names it"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the readings in order"),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("interval_batches_pkey")),
        sa.UniqueConstraint("id", name=op.f("interval_batches_id_key")),
        schema="household",
    )
    op.create_table(
        "payment_parts",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column(
            "ended_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="belongs to the period in which it ends"
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("energy_mwh > 0", name=op.f("payment_parts_energy_check")),
        sa.PrimaryKeyConstraint("server", "payment", "ended_at", name=op.f("payment_parts_pkey")),
        schema="household",
    )
    op.create_index(
        "payment_parts_household_idx", "payment_parts", ["household", "ended_at"], unique=False, schema="household"
    )
    op.create_table(
        "quarantine",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of content and code"),
        sa.Column("code", sa.Text(), nullable=False, comment="invalid-input, not-found or conflict"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="the payment information as JSON"),
        sa.Column("first_received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("quarantine_pkey")),
        schema="household",
    )
    op.create_table(
        "bills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="first moment after the period"),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("utility", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False, comment="how energy paid elsewhere is taken out of the bill"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("metered_mwh", sa.BigInteger(), nullable=False),
        sa.Column("paid_mwh", sa.BigInteger(), nullable=False, comment="paid elsewhere, as known when it was issued"),
        sa.Column(
            "exception_mwh", sa.BigInteger(), nullable=False, comment="less than zero: paid for and not measured"
        ),
        sa.Column("household_mwh", sa.BigInteger(), nullable=False, comment="what the house answers for"),
        sa.Column("kwh", sa.BigInteger(), nullable=False, comment="as rated, in whole kWh"),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("energy", sa.BigInteger(), nullable=False),
        sa.Column("climate", sa.BigInteger(), nullable=False),
        sa.Column("fuel", sa.BigInteger(), nullable=False),
        sa.Column("vat", sa.BigInteger(), nullable=False),
        sa.Column("fund", sa.BigInteger(), nullable=False),
        sa.Column("rounding", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("gross_total", sa.BigInteger(), nullable=False, comment="the bill of everything measured"),
        sa.Column("posting", sa.Uuid(), nullable=False, comment="group of its postings"),
        sa.CheckConstraint("household_mwh + paid_mwh + exception_mwh = metered_mwh", name=op.f("bills_energy_check")),
        sa.CheckConstraint("household_mwh >= 0 AND exception_mwh <= 0", name=op.f("bills_signs_check")),
        sa.CheckConstraint("starts_at < ends_at AND first_day <= last_day", name=op.f("bills_period_check")),
        sa.CheckConstraint(
            "total = base + energy + climate + fuel + vat + fund + rounding", name=op.f("bills_sum_check")
        ),
        sa.ForeignKeyConstraint(["household"], ["household.houses.id"], name=op.f("bills_household_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("bills_pkey")),
        sa.UniqueConstraint("household", "first_day", name=op.f("bills_household_first_day_key")),
        schema="household",
    )
    op.create_table(
        "interval_files",
        sa.Column("path", sa.Text(), nullable=False, comment="within the folder of interval files"),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day on which its intervals start"),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("meter_first", sa.Text(), nullable=False, comment="lowest meter number in it"),
        sa.Column("meter_last", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"], ["household.interval_batches.number"], name=op.f("interval_files_batch_fkey")
        ),
        sa.PrimaryKeyConstraint("path", name=op.f("interval_files_pkey")),
        schema="household",
    )
    op.create_index(op.f("interval_files_day_idx"), "interval_files", ["day"], unique=False, schema="household")
    op.create_table(
        "payments",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True, comment="what the driver paid"),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "split", sa.Text(), nullable=False, comment="what decides its billing period: its end, or its own intervals"
        ),
        sa.CheckConstraint("split IN ('end-time', 'intervals')", name=op.f("payments_split_check")),
        sa.CheckConstraint("state IN ('paid', 'withdrawn')", name=op.f("payments_state_check")),
        sa.CheckConstraint("(amount IS NULL) = (currency IS NULL)", name=op.f("payments_money_check")),
        sa.CheckConstraint("energy_mwh > 0 AND started_at < ended_at", name=op.f("payments_charge_check")),
        sa.ForeignKeyConstraint(["household"], ["household.houses.id"], name=op.f("payments_household_fkey")),
        sa.PrimaryKeyConstraint("server", "id", name=op.f("payments_pkey")),
        schema="household",
    )
    op.create_index("payments_household_idx", "payments", ["household", "ended_at"], unique=False, schema="household")
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bill", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="1 for the first one of a bill"),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("paid_mwh", sa.BigInteger(), nullable=False, comment="of the whole period, as known now"),
        sa.Column("exception_mwh", sa.BigInteger(), nullable=False),
        sa.Column("household_mwh", sa.BigInteger(), nullable=False, comment="what the house answers for from now on"),
        sa.Column("kwh", sa.BigInteger(), nullable=False, comment="as rated, in whole kWh"),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("energy", sa.BigInteger(), nullable=False),
        sa.Column("climate", sa.BigInteger(), nullable=False),
        sa.Column("fuel", sa.BigInteger(), nullable=False),
        sa.Column("vat", sa.BigInteger(), nullable=False),
        sa.Column("fund", sa.BigInteger(), nullable=False),
        sa.Column("rounding", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("posting", sa.Uuid(), nullable=False, comment="group of its postings"),
        sa.CheckConstraint("household_mwh >= 0 AND exception_mwh <= 0", name=op.f("credit_notes_signs_check")),
        sa.CheckConstraint(
            "total = base + energy + climate + fuel + vat + fund + rounding", name=op.f("credit_notes_sum_check")
        ),
        sa.ForeignKeyConstraint(["bill"], ["household.bills.id"], name=op.f("credit_notes_bill_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("credit_notes_pkey")),
        sa.UniqueConstraint("bill", "revision", name=op.f("credit_notes_bill_revision_key")),
        schema="household",
    )
    op.execute("""
        CREATE FUNCTION household.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'a bill or credit note never changes: correct it by a credit note'; END $$
    """)
    for document in ("bills", "credit_notes"):
        op.execute(f"""
            CREATE TRIGGER {document}_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON household.{document}
            FOR EACH STATEMENT EXECUTE FUNCTION household.refuse_change()
        """)
