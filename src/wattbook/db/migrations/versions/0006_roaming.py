"""Roaming: partners, authorisations, messages, sessions, records, settlements, notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "authorisations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "reference", sa.Text(), nullable=True, comment="authorization_reference of OCPI; null unless allowed"
        ),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("token_uid", sa.Text(), nullable=False, comment="in lower case"),
        sa.Column("token_type", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, comment="AllowedType of OCPI"),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("hold_fact", sa.Text(), nullable=True, comment="the book's hold; null when nothing was set aside"),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("held", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("authorisations_pkey")),
        schema="roaming",
    )
    op.create_index(
        "authorisations_reference_idx", "authorisations", ["answered_by", "reference"], unique=True, schema="roaming"
    )
    op.create_index(
        "authorisations_token_idx", "authorisations", ["token_uid", "token_type", "id"], unique=False, schema="roaming"
    )
    op.create_table(
        "cdrs",
        sa.Column("issuer", sa.Text(), nullable=False, comment="the operator whose station it is"),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False, comment="issued by us, received, or passed on as a hub"),
        sa.Column("payer", sa.Text(), nullable=False, comment="the provider of the driver"),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("token_uid", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("authorization_reference", sa.Text(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("before_tax", sa.BigInteger(), nullable=False),
        sa.Column("after_tax", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when the payer took it"),
        sa.Column("settlement", sa.Text(), nullable=True),
        sa.CheckConstraint("side IN ('issued', 'received', 'passed')", name=op.f("cdrs_side_check")),
        sa.PrimaryKeyConstraint("issuer", "id", name=op.f("cdrs_pkey")),
        schema="roaming",
    )
    op.create_index("cdrs_session_idx", "cdrs", ["issuer", "session_id"], unique=True, schema="roaming")
    op.create_index("cdrs_settlement_idx", "cdrs", ["payer", "settlement"], unique=False, schema="roaming")
    op.create_index(
        "cdrs_unsettled_idx",
        "cdrs",
        ["payer", "issuer", "currency"],
        unique=False,
        schema="roaming",
        postgresql_where=sa.text("settlement IS NULL"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="below the module's endpoint"),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "version", sa.Integer(), server_default="1", nullable=False, comment="how often the sender stated it"
        ),
        sa.Column("stored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tried_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True, comment="why the last try failed"),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="null while it waits"),
        sa.Column("answer_status", sa.Integer(), nullable=True, comment="status code of OCPI"),
        sa.Column("answer_message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("messages_pkey")),
        sa.UniqueConstraint(
            "sender", "receiver", "module", "object_id", name=op.f("messages_sender_receiver_module_object_id_key")
        ),
        schema="roaming",
    )
    op.create_index(
        "messages_waiting_idx",
        "messages",
        ["receiver"],
        unique=False,
        schema="roaming",
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False, comment="the fact it tells of, told once"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("notices_pkey")),
        sa.UniqueConstraint("customer", "cause", name=op.f("notices_customer_cause_key")),
        schema="roaming",
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "party", sa.Text(), nullable=True, comment="whom we dealt with when we met: KR*WTB; null while offered"
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="invited, offered, registered or ended"),
        sa.Column(
            "roles",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the parties it speaks for: [{party, role, name}]",
        ),
        sa.Column("versions_url", sa.Text(), nullable=True),
        sa.Column(
            "endpoints", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="{module:interface: url}"
        ),
        sa.Column("our_token_hash", sa.Text(), nullable=True, comment="SHA-256 of what it shows to us"),
        sa.Column(
            "offered_token_hash", sa.Text(), nullable=True, comment="of what it will show after a handshake under way"
        ),
        sa.Column("their_token", sa.Text(), nullable=True, comment="what we show to it"),
        sa.Column("reachable", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("last_seen_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('invited', 'offered', 'registered', 'ended')", name=op.f("partners_status_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("partners_pkey")),
        sa.UniqueConstraint("offered_token_hash", name=op.f("partners_offered_token_hash_key")),
        sa.UniqueConstraint("our_token_hash", name=op.f("partners_our_token_hash_key")),
        sa.UniqueConstraint("party", name=op.f("partners_party_key")),
        schema="roaming",
    )
    op.create_index("partners_roles_idx", "partners", ["roles"], unique=False, schema="roaming", postgresql_using="gin")
    op.create_table(
        "sessions",
        sa.Column("issuer", sa.Text(), nullable=False, comment="the operator whose station it is"),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False, comment="the provider of the driver"),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("token_uid", sa.Text(), nullable=False),
        sa.Column("authorization_reference", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False, comment="SessionStatus of OCPI"),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("evse_uid", sa.Text(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("after_tax", sa.BigInteger(), nullable=True, comment="running cost; null when unknown"),
        sa.Column("prepaid", sa.BigInteger(), nullable=True),
        sa.Column("progress_percent", sa.Numeric(), nullable=True),
        sa.Column("remaining_s", sa.BigInteger(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "id", name=op.f("sessions_pkey")),
        schema="roaming",
    )
    op.create_index("sessions_customer_idx", "sessions", ["customer", "started_at"], unique=False, schema="roaming")
    op.create_table(
        "settlements",
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False, comment="paid by us, received, or passed on as a hub"),
        sa.Column("payee", sa.Text(), nullable=False),
        sa.Column("period_start", sa.TIMESTAMP(timezone=True), nullable=False, comment="end of its first session"),
        sa.Column("period_end", sa.TIMESTAMP(timezone=True), nullable=False, comment="end of its last session"),
        sa.Column("cdr_count", sa.Integer(), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("before_tax", sa.BigInteger(), nullable=False),
        sa.Column("after_tax", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when the payee took it"),
        sa.CheckConstraint("side IN ('paid', 'received', 'passed')", name=op.f("settlements_side_check")),
        sa.PrimaryKeyConstraint("payer", "id", name=op.f("settlements_pkey")),
        schema="roaming",
    )
