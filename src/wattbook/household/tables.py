"""The tables of the household room. Energy in mWh; amounts in the stored units of the bill's currency.

Readings are in Parquet files; `interval_files` says which of them count. Bills and credit notes never change.
"""

from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wattbook.db.metadata import metadata


def _lines() -> tuple[Column[Any], ...]:
    """Energy rated, and one column for each line of a document."""
    kwh = Column("kwh", BigInteger, nullable=False, comment="as rated, in whole kWh")
    names = ("base", "energy", "climate", "fuel", "vat", "fund", "rounding", "total")
    return kwh, *(Column(name, BigInteger, nullable=False) for name in names)


def _sum_of_lines() -> CheckConstraint:
    return CheckConstraint("total = base + energy + climate + fuel + vat + fund + rounding", name="sum")


interval_batches = Table(
    "interval_batches",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text, nullable=False, unique=True, comment="as its sender names it"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the readings in order"),
    Column("readings", BigInteger, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    schema="household",
)

interval_files = Table(
    "interval_files",
    metadata,
    Column("path", Text, primary_key=True, comment="within the folder of interval files"),
    Column("batch", BigInteger, ForeignKey("household.interval_batches.number"), comment="null: merged from several"),
    Column("day", Date, nullable=False, index=True, comment="UTC day on which its intervals start"),
    Column("readings", BigInteger, nullable=False),
    Column("meter_first", Text, nullable=False, comment="lowest meter number in it"),
    Column("meter_last", Text, nullable=False),
    Column("is_distinct", Boolean, nullable=False, comment="each interval stands once in it"),
    Column("is_superseded", Boolean, nullable=False, comment="holds only older versions of what others hold"),
    Column("replaced_at", TIMESTAMP(timezone=True), comment="since then other files hold its readings"),
    schema="household",
)

# One row a house that was billed or paid for. Who locks it may read and write the house's bills and payments alone.
houses = Table("houses", metadata, Column("id", Text, primary_key=True), schema="household")

# A run bills the houses of its chunks for one period. A chunk is billed by one transaction that also marks it done, so
# after a crash the run goes on with the chunks that are open.
bill_runs = Table(
    "bill_runs",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("utility", Text, nullable=False),
    Column("balance_group", Text, nullable=False),
    Column("selection", Text, nullable=False, comment="SHA-256 of the houses asked for; empty: all"),
    Column("houses", BigInteger, nullable=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False),
    Column("finished_at", TIMESTAMP(timezone=True)),
    Index(
        "bill_runs_open_idx",
        "first_day",
        "last_day",
        "utility",
        "selection",
        unique=True,
        postgresql_where=text("finished_at IS NULL"),
    ),
    schema="household",
)

bill_run_chunks = Table(
    "bill_run_chunks",
    metadata,
    Column("run", BigInteger, ForeignKey("household.bill_runs.number"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tariff", Text, nullable=False),
    Column("households", ARRAY(Text), nullable=False),
    Column("done_at", TIMESTAMP(timezone=True)),
    Column("billed", BigInteger, nullable=False, server_default="0"),
    Column("known", BigInteger, nullable=False, server_default="0", comment="had a bill for the period already"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("metered_mwh", BigInteger, nullable=False, server_default="0", comment="control totals of what it billed"),
    Column("household_mwh", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0", comment="in the tariff's currency"),
    Column("first_day", Date, comment="of the billing period; null: that of the run"),
    Column("last_day", Date),
    schema="household",
)

bill_run_refusals = Table(
    "bill_run_refusals",
    metadata,
    Column("run", BigInteger, ForeignKey("household.bill_runs.number"), primary_key=True),
    Column("household", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    schema="household",
)

bills = Table(
    "bills",
    metadata,
    Column("id", Text, primary_key=True),
    Column("household", Text, ForeignKey("household.houses.id"), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("starts_at", TIMESTAMP(timezone=True), nullable=False),
    Column("ends_at", TIMESTAMP(timezone=True), nullable=False, comment="first moment after the period"),
    Column("issued_at", TIMESTAMP(timezone=True), nullable=False),
    Column("utility", Text, nullable=False),
    Column("tariff", Text, nullable=False),
    Column("policy", Text, nullable=False, comment="how energy paid elsewhere is taken out of the bill"),
    Column("currency", Text, nullable=False),
    Column("metered_mwh", BigInteger, nullable=False),
    Column("paid_mwh", BigInteger, nullable=False, comment="paid elsewhere, as known when it was issued"),
    Column("exception_mwh", BigInteger, nullable=False, comment="less than zero: paid for and not measured"),
    Column("household_mwh", BigInteger, nullable=False, comment="what the house answers for"),
    *_lines(),
    Column("gross_total", BigInteger, nullable=False, comment="the bill of everything measured"),
    Column("posting", Uuid, nullable=False, comment="group of its postings"),
    Column("slots_mwh", ARRAY(BigInteger), comment="what was measured of each slot of the tariff; null: there is one"),
    Column("contract_w", Integer, comment="contracted power in watts, where the tariff charges for it"),
    Column("run", BigInteger, ForeignKey("household.bill_runs.number"), comment="that issued it; null: by itself"),
    Column("estimated_mwh", BigInteger, nullable=False, server_default="0", comment="part of what was metered"),
    Column("stage", Text, nullable=False, server_default="final", comment="provisional: some of it is an estimate"),
    Column(
        "basis",
        Text,
        nullable=False,
        server_default="per period",
        comment="paid energy is held against what was measured",
    ),
    Column("customer", Text, comment="who owes it; null: the house, by its own record"),
    Column("cycle_first_day", Date, comment="of the billing period that this bill is a part of; null: it is one"),
    Column("cycle_last_day", Date),
    Column("peak_w", Integer, comment="highest mean power in watts, where the tariff charges for it"),
    UniqueConstraint("household", "first_day"),
    Index("bills_run_idx", "run", postgresql_where=text("run IS NOT NULL")),
    CheckConstraint("household_mwh + paid_mwh + exception_mwh = metered_mwh", name="energy"),
    CheckConstraint("household_mwh >= 0 AND exception_mwh <= 0", name="signs"),
    CheckConstraint("starts_at < ends_at AND first_day <= last_day", name="period"),
    CheckConstraint("stage IN ('provisional', 'final') AND estimated_mwh BETWEEN 0 AND metered_mwh", name="stage"),
    CheckConstraint(
        "(cycle_first_day IS NULL) = (cycle_last_day IS NULL)"
        " AND cycle_first_day <= first_day AND last_day <= cycle_last_day",
        name="cycle",
    ),
    _sum_of_lines(),
    schema="household",
)

credit_notes = Table(
    "credit_notes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bill", Text, ForeignKey("household.bills.id"), nullable=False),
    Column("revision", Integer, nullable=False, comment="1 for the first one of a bill"),
    Column("issued_at", TIMESTAMP(timezone=True), nullable=False),
    Column("policy", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("paid_mwh", BigInteger, nullable=False, comment="of the whole period, as known now"),
    Column("exception_mwh", BigInteger, nullable=False),
    Column("household_mwh", BigInteger, nullable=False, comment="what the house answers for from now on"),
    *_lines(),
    Column("posting", Uuid, nullable=False, comment="group of its postings"),
    Column("metered_mwh", BigInteger, comment="of the whole period, as known now; null: as before"),
    Column(
        "slots_mwh", ARRAY(BigInteger), comment="the same for each slot of the tariff; null: as before, or one slot"
    ),
    Column("estimated_mwh", BigInteger, comment="part of what was metered; null: as before"),
    Column("reason", Text, nullable=False, server_default="payments", comment="payments or readings"),
    Column("peak_w", Integer, comment="as known now; null: as before, or not charged for"),
    Column("becomes", Text, comment="the stage of its bill that it changes: final"),
    Column("interest", BigInteger, nullable=False, server_default="0", comment="given beside the total"),
    Column("interest_days", Integer, nullable=False, server_default="0"),
    CheckConstraint("interest >= 0 AND (total > 0 OR interest = 0)", name="interest"),
    UniqueConstraint("bill", "revision"),
    CheckConstraint("household_mwh >= 0 AND exception_mwh <= 0", name="signs"),
    _sum_of_lines(),
    schema="household",
)

payments = Table(
    "payments",
    metadata,
    Column("server", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("household", Text, ForeignKey("household.houses.id"), nullable=False),
    Column("energy_mwh", BigInteger, nullable=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False),
    Column("ended_at", TIMESTAMP(timezone=True), nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("amount", BigInteger, comment="what the driver paid"),
    Column("currency", Text),
    Column("state", Text, nullable=False),
    Column("split", Text, nullable=False, comment="what decides its billing period: its end, or its own intervals"),
    CheckConstraint("energy_mwh > 0 AND started_at < ended_at", name="charge"),
    CheckConstraint("state IN ('paid', 'withdrawn')", name="state"),
    CheckConstraint("split IN ('end-time', 'intervals')", name="split"),
    CheckConstraint("(amount IS NULL) = (currency IS NULL)", name="money"),
    Index("payments_household_idx", "household", "ended_at"),
    schema="household",
)

payment_parts = Table(
    "payment_parts",
    metadata,
    Column("server", Text, primary_key=True),
    Column("payment", Text, primary_key=True),
    Column("ended_at", TIMESTAMP(timezone=True), primary_key=True, comment="belongs to the period in which it ends"),
    Column("household", Text, nullable=False),
    Column("energy_mwh", BigInteger, nullable=False),
    CheckConstraint("energy_mwh > 0", name="energy"),
    Index("payment_parts_household_idx", "household", "ended_at"),
    schema="household",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of content and code"),
    Column("code", Text, nullable=False, comment="invalid-input, not-found or conflict"),
    Column("reason", Text, nullable=False),
    Column("content", Text, nullable=False, comment="the payment information as JSON"),
    Column("first_received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("last_received_at", TIMESTAMP(timezone=True), nullable=False),
    Column("times", BigInteger, nullable=False),
    schema="household",
)


# What came of meters besides intervals, and what is to be done about it


register_readings = Table(
    "register_readings",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("register", Text, primary_key=True),
    Column("at", TIMESTAMP(timezone=True), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False, comment="the highest counts"),
    Column("value_mwh", BigInteger, nullable=False, comment="as shown; the channel's multiplier is not in it"),
    Column("quality", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("value_mwh >= 0", name="value"),
    schema="household",
)

channels = Table(
    "channels",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("register", Text, primary_key=True),
    Column("multiplier", Integer, nullable=False, comment="of current and voltage transformers"),
    Column(
        "digits", Integer, comment="whole kWh digits of the register, which starts again after the last; null: unknown"
    ),
    Column("power_w_max", BigInteger, comment="what can pass the meter; null: what can pass a house's"),
    CheckConstraint("multiplier > 0 AND digits BETWEEN 3 AND 12 AND power_w_max > 0", name="values"),
    schema="household",
)

quarantined_readings = Table(
    "quarantined_readings",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False, comment="file or sender"),
    Column("line", Integer, nullable=False, comment="0: the file as a whole"),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    schema="household",
)

work_items = Table(
    "work_items",
    metadata,
    Column("id", Text, primary_key=True, comment="SHA-256 of kind, subject and span: the same finding is one item"),
    Column("kind", Text, nullable=False),
    Column("household", Text),
    Column("meter", Text),
    Column("register", Text),
    Column("since", TIMESTAMP(timezone=True), nullable=False),
    Column("until", TIMESTAMP(timezone=True), nullable=False),
    Column("words", Text, nullable=False),
    Column("energy_mwh", BigInteger),
    Column("opened_at", TIMESTAMP(timezone=True), nullable=False),
    Column("closed_at", TIMESTAMP(timezone=True)),
    Column("closed_by", Text),
    Column("resolution", Text),
    CheckConstraint(
        "(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (resolution IS NULL)", name="closing"
    ),
    Index("work_items_open_idx", "opened_at", "id", postgresql_where=text("closed_at IS NULL")),
    schema="household",
)

# Bills whose readings changed after they were issued: to be assessed again.
reviews = Table(
    "reviews",
    metadata,
    Column("bill", Text, ForeignKey("household.bills.id"), primary_key=True),
    Column("since", TIMESTAMP(timezone=True), nullable=False),
    schema="household",
)

bill_estimates = Table(
    "bill_estimates",
    metadata,
    Column("bill", Text, ForeignKey("household.bills.id"), primary_key=True),
    Column("meter", Text, primary_key=True),
    Column("register", Text, primary_key=True),
    Column("since", TIMESTAMP(timezone=True), primary_key=True),
    Column("until", TIMESTAMP(timezone=True), nullable=False),
    Column("energy_mwh", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    schema="household",
)

closed_billing = Table(
    "closed_billing",
    metadata,
    Column("utility", Text, primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date, primary_key=True),
    Column("closed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("bills", BigInteger, nullable=False, comment="control totals of the bills of the period"),
    Column("metered_mwh", BigInteger, nullable=False),
    Column("household_mwh", BigInteger, nullable=False),
    Column("paid_mwh", BigInteger, nullable=False),
    Column("exception_mwh", BigInteger, nullable=False),
    Column("totals", JSONB, nullable=False, comment="stored units of each currency"),
    Column(
        "by_cycle",
        Boolean,
        nullable=False,
        server_default="false",
        comment="a month: of all billing periods that begin in it",
    ),
    schema="household",
)

edits = Table(
    "edits",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("meter", Text, nullable=False),
    Column("register", Text, nullable=False),
    Column("since", TIMESTAMP(timezone=True), nullable=False),
    Column("until", TIMESTAMP(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Index("edits_meter_idx", "meter", "register", "since"),
    schema="household",
)

# What the people of a house are told.
notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True, comment="what it is about: the same is told once"),
    Column("household", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("kind IN ('bill', 'credit', 'tier', 'missing')", name="kind"),
    Index("notices_household_idx", "household", "at"),
    schema="household",
)
