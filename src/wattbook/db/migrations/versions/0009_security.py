"""Passwords and profiles of stations, their certificates, and what happened at the door."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "station_security",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column(
            "profile",
            sa.SmallInteger(),
            nullable=True,
            comment="the least security profile it must come with; null: what the house asks",
        ),
        sa.Column(
            "hex_passwords",
            sa.Boolean(),
            nullable=False,
            comment="its password may come as the hexadecimal text of itself",
        ),
        sa.Column("password_hashes", sa.ARRAY(sa.LargeBinary()), nullable=False, comment="all valid ones, newest last"),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="by the database's clock"),
        sa.CheckConstraint("profile BETWEEN 0 AND 3", name=op.f("station_security_profile_check")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("station_security_pkey")),
        schema="ocpp",
    )
    op.create_index("station_security_changed_idx", "station_security", ["changed_at"], unique=False, schema="ocpp")
    op.create_table(
        "certificates",
        sa.Column("serial_number", sa.Text(), nullable=False, comment="hexadecimal, lower case, no leading zero"),
        sa.Column("root", sa.Integer(), nullable=False, comment="number of the authority's root that signed it"),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_because", sa.Text(), nullable=True, comment="a CRLReason of RFC 5280, 5.3.1"),
        sa.CheckConstraint("(revoked_at IS NULL) = (revoked_because IS NULL)", name=op.f("certificates_revoked_check")),
        sa.PrimaryKeyConstraint("serial_number", name=op.f("certificates_pkey")),
        schema="ocpp",
    )
    op.create_index("certificates_station_idx", "certificates", ["station_id", "issued_at"], schema="ocpp")
    op.create_index(
        "certificates_expiring_idx",
        "certificates",
        ["expires_at"],
        schema="ocpp",
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index(
        "certificates_revoked_idx",
        "certificates",
        ["expires_at"],
        schema="ocpp",
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_table(
        "security_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False, comment="who it said it is"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "times",
            sa.Integer(),
            nullable=False,
            comment="how often the same happened until it was written down",
        ),
        sa.Column("first_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("times > 0", name=op.f("security_events_times_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("security_events_pkey")),
        schema="ocpp",
    )
    op.create_index("security_events_last_idx", "security_events", ["last_at"], schema="ocpp")
    op.create_index("security_events_station_idx", "security_events", ["station_id", "id"], schema="ocpp")
