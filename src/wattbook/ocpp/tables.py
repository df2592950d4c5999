"""The tables of the station room."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wattbook.db.metadata import metadata

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False, comment="the frame as it came"),
    Column("error_code", Text, nullable=False, comment="what its sender was told, in its version's spelling"),
    Column("reason", Text, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Index("quarantine_received_idx", "received_at"),
    schema="ocpp",
)

node_numbers = Sequence("node_numbers", metadata=metadata, schema="ocpp", data_type=Integer, cycle=True)
"""Numbers the processes that hold sockets; each holds an advisory lock of its number while it lives."""

connections = Table(
    "connections",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("version", Text, nullable=False, comment="of OCPP, as the station spoke it last"),
    Column("node", Integer, nullable=False, comment="which process held or holds the socket"),
    Column("epoch", BigInteger, nullable=False, comment="which of that process's connections"),
    Column("connected_at", TIMESTAMP(timezone=True), nullable=False),
    Column("disconnected_at", TIMESTAMP(timezone=True)),
    schema="ocpp",
    postgresql_with={"fillfactor": 70},
)

commands = Table(
    "commands",
    metadata,
    Column("id", Uuid, primary_key=True, comment="also the message id of the CALL"),
    Column("place", BigInteger, Identity(always=True), nullable=False, comment="the order of delivery"),
    Column("station_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("batch_id", Uuid, comment="what was asked of many stations at once"),
    Column("repeatable", Boolean, nullable=False, comment="may be sent again when its outcome is unknown"),
    Column("answer_within_s", Integer, nullable=False),
    Column("webhook_url", Text),
    Column("version", Text, comment="of OCPP, which the payload was checked against"),
    Column("node", Integer, comment="which process sent it last"),
    Column("sendings", Integer, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False, comment="not sent from then on"),
    Column("sent_at", TIMESTAMP(timezone=True)),
    Column("answered_at", TIMESTAMP(timezone=True), comment="when its outcome was known"),
    Column("answer", JSONB, comment="the payload of the CALLRESULT"),
    Column("error_code", Text, comment="of the CALLERROR as it was spelled, or of the house"),
    Column("error_description", Text),
    Column("late", Boolean, nullable=False, comment="the answer came when nobody waited for it any more"),
    CheckConstraint(
        "state IN ('accepted', 'sent', 'answered', 'refused', 'timed-out', 'unknown', 'undeliverable', 'expired',"
        " 'cancelled')",
        name="state",
    ),
    Index("commands_waiting_idx", "station_id", "place", postgresql_where=text("state = 'accepted'")),
    Index("commands_expiring_idx", "expires_at", postgresql_where=text("state = 'accepted'")),
    Index("commands_sent_idx", "sent_at", postgresql_where=text("state = 'sent'")),
    Index("commands_station_idx", "station_id", "place"),
    Index("commands_batch_idx", "batch_id", "place", postgresql_where=text("batch_id IS NOT NULL")),
    Index("commands_created_idx", "created_at"),
    schema="ocpp",
)

knocks = Table(
    "knocks",
    metadata,
    Column("station_id", Text, primary_key=True, comment="who it said it is"),
    Column("times", BigInteger, nullable=False),
    Column("first_at", TIMESTAMP(timezone=True), nullable=False),
    Column("last_at", TIMESTAMP(timezone=True), nullable=False),
    Column("subprotocols", Text, nullable=False, comment="what it offered to speak the last time"),
    Index("knocks_last_idx", "last_at"),
    schema="ocpp",
)
