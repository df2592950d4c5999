"""OCPP 2.x: notices, the device model, and what the events of a transaction told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="of OCPP, in whose words the payload is"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("block", sa.Text(), nullable=False, comment="letter of the functional block"),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("notices_pkey")),
        schema="ocpp",
    )
    op.create_index("notices_station_idx", "notices", ["station_id", "id"], unique=False, schema="ocpp")
    op.create_index(
        "notices_received_idx", "notices", ["received_at"], unique=False, schema="ocpp", postgresql_using="brin"
    )
    op.create_table(
        "variables",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("component_instance", sa.Text(), nullable=False, comment="empty where there is but one"),
        sa.Column("evse", sa.Integer(), nullable=False, comment="0 where the component belongs to none"),
        sa.Column("connector", sa.Integer(), nullable=False),
        sa.Column("variable", sa.Text(), nullable=False),
        sa.Column("variable_instance", sa.Text(), nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False, comment="Actual, Target, MinSet or MaxSet"),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("mutability", sa.Text(), nullable=True),
        sa.Column("persistent", sa.Boolean(), nullable=False),
        sa.Column("constant", sa.Boolean(), nullable=False),
        sa.Column("characteristics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reported_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
        sa.PrimaryKeyConstraint(
            "station_id",
            "component",
            "component_instance",
            "evse",
            "connector",
            "variable",
            "variable_instance",
            "attribute",
            name=op.f("variables_pkey"),
        ),
        schema="ocpp",
    )
    op.create_table(
        "transactions",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column(
            "seen",
            postgresql.INT8MULTIRANGE(),
            nullable=False,
            comment="sequence numbers heard; a gap is an event that is missing",
        ),
        sa.Column(
            "fresh", sa.Boolean(), nullable=False, comment="whether the event heard last had not been heard before"
        ),
        sa.Column(
            "newest_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="of its events, by the station's clock"
        ),
        sa.Column("begun", sa.Boolean(), nullable=False, comment="charging knows it as a session"),
        sa.Column("settled", sa.Boolean(), nullable=False, comment="charging knows its end"),
        sa.Column("cost_told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("evse_no", sa.SmallInteger(), nullable=True),
        sa.Column("token_uid", sa.Text(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meter_start_mwh", sa.BigInteger(), nullable=True),
        sa.Column("export_start_mwh", sa.BigInteger(), nullable=True),
        sa.Column(
            "register_min_mwh",
            sa.BigInteger(),
            nullable=True,
            comment="least and greatest of the register of energy drawn",
        ),
        sa.Column("register_max_mwh", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meter_stop_mwh", sa.BigInteger(), nullable=True),
        sa.Column("export_stop_mwh", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("stop_token_uid", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("station_id", "transaction_id", name=op.f("transactions_pkey")),
        schema="ocpp",
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(
        "transactions_running_idx",
        "transactions",
        ["station_id", "evse_no"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
