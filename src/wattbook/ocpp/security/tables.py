"""The tables of security."""

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from wattbook.db.metadata import metadata

station_security = Table(
    "station_security",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("profile", SmallInteger, comment="the least security profile it must come with; null: what the house asks"),
    Column("hex_passwords", Boolean, nullable=False, comment="its password may come as the hexadecimal text of itself"),
    Column("password_hashes", ARRAY(LargeBinary), nullable=False, comment="all valid ones, newest last"),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False, comment="by the database's clock"),
    CheckConstraint("profile BETWEEN 0 AND 3", name="profile"),
    Index("station_security_changed_idx", "changed_at"),
    schema="ocpp",
)

certificates = Table(
    "certificates",
    metadata,
    Column("serial_number", Text, primary_key=True, comment="hexadecimal, lower case, no leading zero"),
    Column("root", Integer, nullable=False, comment="number of the authority's root that signed it"),
    Column("station_id", Text, nullable=False),
    Column("pem", Text, nullable=False),
    Column("issued_at", TIMESTAMP(timezone=True), nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("revoked_at", TIMESTAMP(timezone=True)),
    Column("revoked_because", Text, comment="a CRLReason of RFC 5280, 5.3.1"),
    CheckConstraint("(revoked_at IS NULL) = (revoked_because IS NULL)", name="revoked"),
    Index("certificates_station_idx", "station_id", "issued_at"),
    Index("certificates_expiring_idx", "expires_at", postgresql_where=text("revoked_at IS NULL")),
    Index("certificates_revoked_idx", "expires_at", postgresql_where=text("revoked_at IS NOT NULL")),
    schema="ocpp",
)

security_events = Table(
    "security_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("station_id", Text, nullable=False, comment="who it said it is"),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("times", Integer, nullable=False, comment="how often the same happened until it was written down"),
    Column("first_at", TIMESTAMP(timezone=True), nullable=False),
    Column("last_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("times > 0", name="times"),
    Index("security_events_station_idx", "station_id", "id"),
    Index("security_events_last_idx", "last_at"),
    schema="ocpp",
)
