"""The tables of what stations were told and said they keep: settings, reservations, profiles, lists, tariffs."""

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    Numeric,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wattbook.db.metadata import metadata

configuration = Table(
    "configuration",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="of OCPP 1.6, chapter 9, or a maker's own"),
    Column("value", Text),
    Column("read_only", Boolean, nullable=False),
    Column("told_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

reservations = Table(
    "reservations",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("reservation_id", Integer, primary_key=True, autoincrement=False),
    Column("evse_no", Integer, nullable=False, comment="0: any"),
    Column("token_uid", Text, nullable=False),
    Column("group_uid", Text),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Column("state", Text, nullable=False, comment="as the station answered or told: Accepted, Occupied, Used, …"),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    Index("reservations_expires_idx", "expires_at"),
    schema="ocpp",
)

availability = Table(
    "availability",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_no", Integer, primary_key=True, autoincrement=False, comment="0: the station"),
    Column("connector_no", Integer, primary_key=True, autoincrement=False, comment="0: the whole EVSE"),
    Column("operative", Boolean, nullable=False, comment="as it was asked for"),
    Column("state", Text, nullable=False, comment="Accepted; Scheduled: when what runs has ended; Rejected"),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

charging_profiles = Table(
    "charging_profiles",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("profile_id", Integer, primary_key=True, autoincrement=False),
    Column("evse_no", Integer, nullable=False, comment="0: the station"),
    Column("purpose", Text, nullable=False, comment="in the words of 2.x"),
    Column("stack_level", Integer, nullable=False),
    Column("transaction_id", Text),
    Column("profile", JSONB, nullable=False, comment="in the words of the station's version"),
    Column("set_at", TIMESTAMP(timezone=True), nullable=False),
    Index("charging_profiles_place_idx", "station_id", "evse_no"),
    schema="ocpp",
)

composite_schedules = Table(
    "composite_schedules",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_no", Integer, primary_key=True, autoincrement=False, comment="0: the station"),
    Column("unit", Text, nullable=False, comment="W or A"),
    Column("starts_at", TIMESTAMP(timezone=True), nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("periods", JSONB, nullable=False),
    Column("told_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

local_lists = Table(
    "local_lists",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("version", Integer, nullable=False, comment="that the station has; 0: none that is known"),
    Column("entries", JSONB, nullable=False, comment="folded uid → what the station was told of it"),
    Column("state", Text, nullable=False, comment="known, sent, unknown, NotSupported"),
    Column("sent_version", Integer),
    Column("sent_entries", JSONB, comment="the whole list, once what was sent is accepted"),
    Column("command_id", Uuid),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

remote_start_ids = Sequence(
    "remote_start_ids", metadata=metadata, schema="ocpp", data_type=Integer, start=1, cycle=True
)

remote_starts = Table(
    "remote_starts",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("remote_start_id", Integer, primary_key=True, autoincrement=False),
    Column("command_id", Uuid, nullable=False),
    Column("token_folded", Text, nullable=False),
    Column("evse_no", Integer, nullable=False, comment="0: any"),
    Column("asked_at", TIMESTAMP(timezone=True), nullable=False),
    Column("transaction_id", Text, comment="which it began"),
    Index("remote_starts_token_idx", "station_id", "token_folded", "asked_at"),
    schema="ocpp",
)

tariffs = Table(
    "tariffs",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_no", Integer, primary_key=True, autoincrement=False, comment="0: the station"),
    Column("tariff_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="DefaultTariff or DriverTariff"),
    Column("tariff", JSONB, comment="in the words of 2.1; null when the station only named it"),
    Column("told_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

settlements = Table(
    "settlements",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("psp_ref", Text, nullable=False, comment="the payment provider's reference"),
    Column("transaction_id", Text),
    Column("status", Text, nullable=False),
    Column("amount", Numeric, nullable=False, comment="in the currency of the terminal"),
    Column("settled_at", TIMESTAMP(timezone=True), nullable=False),
    Column("receipt_id", Text),
    Column("details", JSONB, nullable=False, comment="all of it, as sent"),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Index("settlements_payment_idx", "station_id", "psp_ref", "status", unique=True),
    Index("settlements_transaction_idx", "station_id", "transaction_id"),
    schema="ocpp",
)

told_tariffs = Table(
    "told_tariffs",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_no", Integer, primary_key=True, autoincrement=False),
    Column("tariff", Text, nullable=False, comment="id of the tariff in force when it was told"),
    Column("digest", Text, nullable=False, comment="of that version"),
    Column("state", Text, nullable=False, comment="sent, told, refused, unsayable, failed"),
    Column("because", Text),
    Column("command_id", Uuid),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    Index("told_tariffs_sent_idx", "command_id", postgresql_where=text("state = 'sent'")),
    schema="ocpp",
)

web_payments = Table(
    "web_payments",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("evse_no", Integer, primary_key=True, autoincrement=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False, comment="by our clock"),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False, comment="the station waits so long"),
    schema="ocpp",
)

der_controls = Table(
    "der_controls",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("control_id", Text, primary_key=True),
    Column("control_type", Text, comment="null: only its start or end was told"),
    Column("is_default", Boolean, comment="null: not told"),
    Column("superseded", Boolean, nullable=False),
    Column("active", Boolean, comment="whether it began; null: not told"),
    Column("control", JSONB, comment="in the words of 2.1"),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    schema="ocpp",
)

der_alarms = Table(
    "der_alarms",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("control_type", Text, primary_key=True),
    Column("fault", Text),
    Column("ended", Boolean, nullable=False),
    Column("extra", Text),
    Column("at", TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
    schema="ocpp",
)
