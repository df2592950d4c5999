"""Commands to stations, who holds which socket, who knocked in vain, and who changed what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE ocpp.node_numbers AS integer CYCLE")
    op.create_table(
        "commands",
        sa.Column("id", sa.Uuid(), nullable=False, comment="also the message id of the CALL"),
        sa.Column("place", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="the order of delivery"),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True, comment="what was asked of many stations at once"),
        sa.Column("repeatable", sa.Boolean(), nullable=False, comment="may be sent again when its outcome is unknown"),
        sa.Column("answer_within_s", sa.Integer(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True, comment="of OCPP, which the payload was checked against"),
        sa.Column("node", sa.Integer(), nullable=True, comment="which process sent it last"),
        sa.Column("sendings", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="not sent from then on"),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when its outcome was known"),
        sa.Column(
            "answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="the payload of the CALLRESULT"
        ),
        sa.Column(
            "error_code", sa.Text(), nullable=True, comment="of the CALLERROR as it was spelled, or of the house"
        ),
        sa.Column("error_description", sa.Text(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False, comment="the answer came when nobody waited for it any more"),
        sa.CheckConstraint(
            "state IN ('accepted', 'sent', 'answered', 'refused', 'timed-out', 'unknown', 'undeliverable', 'expired',"
            " 'cancelled')",
            name=op.f("commands_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("commands_pkey")),
        schema="ocpp",
    )
    op.create_index(
        "commands_batch_idx",
        "commands",
        ["batch_id", "place"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index("commands_created_idx", "commands", ["created_at"], unique=False, schema="ocpp")
    op.create_index(
        "commands_expiring_idx",
        "commands",
        ["expires_at"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index(
        "commands_sent_idx",
        "commands",
        ["sent_at"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_index("commands_station_idx", "commands", ["station_id", "place"], unique=False, schema="ocpp")
    op.create_index(
        "commands_waiting_idx",
        "commands",
        ["station_id", "place"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_table(
        "connections",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="of OCPP, as the station spoke it last"),
        sa.Column("node", sa.Integer(), nullable=False, comment="which process held or holds the socket"),
        sa.Column("epoch", sa.BigInteger(), nullable=False, comment="which of that process's connections"),
        sa.Column("connected_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("disconnected_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("station_id", name=op.f("connections_pkey")),
        schema="ocpp",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "knocks",
        sa.Column("station_id", sa.Text(), nullable=False, comment="who it said it is"),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("subprotocols", sa.Text(), nullable=False, comment="what it offered to speak the last time"),
        sa.PrimaryKeyConstraint("station_id", name=op.f("knocks_pkey")),
        schema="ocpp",
    )
    op.create_index("knocks_last_idx", "knocks", ["last_at"], unique=False, schema="ocpp")
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="the beginning of the hash of a key, or an address"),
        sa.Column("what", sa.Text(), nullable=False, comment="such as station.acceptance"),
        sa.Column("subject", sa.Text(), nullable=False, comment="the id of what was changed"),
        sa.Column(
            "before",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="null when there was nothing before; never a secret",
        ),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("changes_pkey")),
        schema="registry",
    )
    op.create_index("changes_subject_idx", "changes", ["subject", "id"], unique=False, schema="registry")
    op.create_index("quarantine_station_idx", "quarantine", ["station_id", "id"], unique=False, schema="ocpp")
