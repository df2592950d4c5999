"""The tables of the station room."""

from sqlalchemy import TIMESTAMP, BigInteger, Column, Identity, Index, LargeBinary, Table, Text

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
