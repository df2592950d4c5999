"""What stations were told and keep: settings, reservations, profiles, lists, tariffs, payments at terminals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE ocpp.remote_start_ids AS integer CYCLE")
    op.create_table(
        "availability",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), autoincrement=False, nullable=False, comment="0: the station"),
        sa.Column("connector_no", sa.Integer(), autoincrement=False, nullable=False, comment="0: the whole EVSE"),
        sa.Column("operative", sa.Boolean(), nullable=False, comment="as it was asked for"),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="Accepted; Scheduled: when what runs has ended; Rejected"
        ),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "evse_no", "connector_no", name=op.f("availability_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "charging_profiles",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evse_no", sa.Integer(), nullable=False, comment="0: the station"),
        sa.Column("purpose", sa.Text(), nullable=False, comment="in the words of 2.x"),
        sa.Column("stack_level", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column(
            "profile",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="in the words of the station's version",
        ),
        sa.Column("set_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "profile_id", name=op.f("charging_profiles_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "charging_profiles_place_idx", "charging_profiles", ["station_id", "evse_no"], unique=False, schema="ocpp"
    )
    op.create_table(
        "composite_schedules",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), autoincrement=False, nullable=False, comment="0: the station"),
        sa.Column("unit", sa.Text(), nullable=False, comment="W or A"),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("periods", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "evse_no", name=op.f("composite_schedules_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "configuration",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="of OCPP 1.6, chapter 9, or a maker's own"),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "key", name=op.f("configuration_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "local_lists",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="that the station has; 0: none that is known"),
        sa.Column(
            "entries",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="folded uid → what the station was told of it",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="known, sent, unknown, NotSupported"),
        sa.Column("sent_version", sa.Integer(), nullable=True),
        sa.Column(
            "sent_entries",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the whole list, once what was sent is accepted",
        ),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", name=op.f("local_lists_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "remote_starts",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("remote_start_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("token_folded", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), nullable=False, comment="0: any"),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=True, comment="which it began"),
        sa.PrimaryKeyConstraint("station_id", "remote_start_id", name=op.f("remote_starts_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "remote_starts_token_idx",
        "remote_starts",
        ["station_id", "token_folded", "asked_at"],
        unique=False,
        schema="ocpp",
    )
    op.create_table(
        "reservations",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evse_no", sa.Integer(), nullable=False, comment="0: any"),
        sa.Column("token_uid", sa.Text(), nullable=False),
        sa.Column("group_uid", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="as the station answered or told: Accepted, Occupied, Used, …"
        ),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "reservation_id", name=op.f("reservations_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "settlements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("psp_ref", sa.Text(), nullable=False, comment="the payment provider's reference"),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False, comment="in the currency of the terminal"),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="all of it, as sent"),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("settlements_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "settlements_payment_idx", "settlements", ["station_id", "psp_ref", "status"], unique=True, schema="ocpp"
    )
    op.create_index(
        "settlements_transaction_idx", "settlements", ["station_id", "transaction_id"], unique=False, schema="ocpp"
    )
    op.create_table(
        "tariffs",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse_no", sa.Integer(), autoincrement=False, nullable=False, comment="0: the station"),
        sa.Column("tariff_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="DefaultTariff or DriverTariff"),
        sa.Column(
            "tariff",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="in the words of 2.1; null when the station only named it",
        ),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "evse_no", "tariff_id", name=op.f("tariffs_pkey")),
        schema="ocpp",
    )
    op.add_column(
        "tokens",
        sa.Column("concurrent_max", sa.SmallInteger(), nullable=True, comment="sessions at once; null: as for all"),
        schema="registry",
    )
