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
    Column("next_profile", SmallInteger, comment="asked of it once it has come with it"),
    CheckConstraint("profile BETWEEN 0 AND 3", name="profile"),
    CheckConstraint("next_profile BETWEEN 1 AND 3", name="next_profile"),
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
    Column("renewal_asked_at", TIMESTAMP(timezone=True), comment="when the station was last told to ask for another"),
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

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("purpose", Text, primary_key=True, comment="what it signs: messages, or meter values"),
    Column("fingerprint", Text, primary_key=True, comment="SHA-256 of the key in DER, hexadecimal"),
    Column("public_key", LargeBinary, nullable=False, comment="SubjectPublicKeyInfo, DER"),
    Column("added_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("purpose IN ('messages', 'meter-values')", name="purpose"),
    schema="ocpp",
)

signatures = Table(
    "signatures",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("purpose", Text, nullable=False, comment="what was signed: messages, or meter values"),
    Column("action", Text, nullable=False, comment="of the message"),
    Column("message_id", Text, nullable=False),
    Column("transaction_id", Text, comment="of the session it belongs to, in the station's words"),
    Column("verdict", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="why, in words"),
    Column("fingerprint", Text, comment="of the key that fits"),
    Column("signed", Text, comment="a signed meter value, as it came"),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("verdict IN ('verified', 'wrong', 'no-key', 'unverified', 'unreadable')", name="verdict"),
    Index("signatures_station_idx", "station_id", "id"),
    Index(
        "signatures_transaction_idx",
        "station_id",
        "transaction_id",
        "id",
        postgresql_where=text("transaction_id IS NOT NULL"),
    ),
    schema="ocpp",
)
