"""Administration: people and keys of programs, signing keys and what they showed, webhooks, what is kept how long."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "signatures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="what was signed: messages, or meter values"),
        sa.Column("action", sa.Text(), nullable=False, comment="of the message"),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column(
            "transaction_id", sa.Text(), nullable=True, comment="of the session it belongs to, in the station's words"
        ),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="why, in words"),
        sa.Column("fingerprint", sa.Text(), nullable=True, comment="of the key that fits"),
        sa.Column("signed", sa.Text(), nullable=True, comment="a signed meter value, as it came"),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('verified', 'wrong', 'no-key', 'unreadable')", name=op.f("signatures_verdict_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("signatures_pkey")),
        schema="ocpp",
    )
    op.create_index("signatures_station_idx", "signatures", ["station_id", "id"], unique=False, schema="ocpp")
    op.create_index(
        "signatures_transaction_idx",
        "signatures",
        ["station_id", "transaction_id", "id"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("transaction_id IS NOT NULL"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="what it signs: messages, or meter values"),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the key in DER, hexadecimal"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="SubjectPublicKeyInfo, DER"),
        sa.Column("added_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("purpose IN ('messages', 'meter-values')", name=op.f("signing_keys_purpose_check")),
        sa.PrimaryKeyConstraint("station_id", "purpose", "fingerprint", name=op.f("signing_keys_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "webhooks",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column(
            "secrets",
            sa.ARRAY(sa.LargeBinary()),
            nullable=False,
            comment="what is told is signed with each; newest last",
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("url", name=op.f("webhooks_pkey")),
        schema="ocpp",
    )
    op.create_table(
        "api_keys",
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False, comment="the key itself is kept nowhere"),
        sa.Column("name", sa.Text(), nullable=False, comment="of the program that has it"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name=op.f("api_keys_role_check")),
        sa.PrimaryKeyConstraint("key_sha256", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("name", name=op.f("api_keys_name_key")),
        schema="registry",
    )
    op.create_table(
        "people",
        sa.Column("name", sa.Text(), nullable=False, comment="by which a person logs in"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.LargeBinary(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name=op.f("people_role_check")),
        sa.PrimaryKeyConstraint("name", name=op.f("people_pkey")),
        schema="registry",
    )
    op.create_table(
        "logins",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="who, as the log of changes names it"),
        sa.Column("person", sa.Text(), nullable=True, comment="null: of a link"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "once", sa.Boolean(), nullable=False, comment="a link: it becomes a login when it is followed, and is gone"
        ),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name=op.f("logins_role_check")),
        sa.ForeignKeyConstraint(
            ["person"], ["registry.people.name"], name=op.f("logins_person_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("logins_pkey")),
        schema="registry",
    )
    op.create_index("logins_expires_idx", "logins", ["expires_at"], unique=False, schema="registry")
    op.add_column(
        "certificates",
        sa.Column(
            "renewal_asked_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the station was last told to ask for another",
        ),
        schema="ocpp",
    )
    op.add_column(
        "commands",
        sa.Column(
            "secret",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="the payload holds a secret: it is shown to nobody, and erased when the outcome is known",
        ),
        schema="ocpp",
    )
    op.add_column(
        "station_security",
        sa.Column("next_profile", sa.SmallInteger(), nullable=True, comment="asked of it once it has come with it"),
        schema="ocpp",
    )
    op.add_column(
        "transactions",
        sa.Column(
            "heard_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="of it first, by our clock",
        ),
        schema="ocpp",
    )
    op.create_index(
        "transactions_heard_idx",
        "transactions",
        ["heard_at"],
        unique=False,
        schema="ocpp",
        postgresql_where=sa.text("settled"),
    )
    op.create_check_constraint(
        op.f("station_security_next_profile_check"), "station_security", "next_profile BETWEEN 1 AND 3", schema="ocpp"
    )
