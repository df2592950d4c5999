"""The tables of the station room."""

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
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

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
    Column(
        "accepted",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="it was taken all the same, and the reason says what was tolerated",
    ),
    Index("quarantine_received_idx", "received_at"),
    Index("quarantine_station_idx", "station_id", "id"),
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
    Column(
        "secret",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="the payload holds a secret: it is shown to nobody, and erased when the outcome is known",
    ),
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

webhooks = Table(
    "webhooks",
    metadata,
    Column("url", Text, primary_key=True),
    Column("secrets", ARRAY(LargeBinary), nullable=False, comment="what is told is signed with each; newest last"),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("rotated_at", TIMESTAMP(timezone=True)),
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

notices = Table(
    "notices",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("version", Text, nullable=False, comment="of OCPP, in whose words the payload is"),
    Column("action", Text, nullable=False),
    Column("block", Text, nullable=False, comment="letter of the functional block"),
    Column("payload", JSONB, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False),
    Index("notices_station_idx", "station_id", "id"),
    Index("notices_received_idx", "received_at", postgresql_using="brin"),
    schema="ocpp",
)

variables = Table(
    "variables",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("component", Text, primary_key=True),
    Column("component_instance", Text, primary_key=True, comment="empty where there is but one"),
    Column("evse", Integer, primary_key=True, comment="0 where the component belongs to none"),
    Column("connector", Integer, primary_key=True),
    Column("variable", Text, primary_key=True),
    Column("variable_instance", Text, primary_key=True),
    Column("attribute", Text, primary_key=True, comment="Actual, Target, MinSet or MaxSet"),
    Column("value", Text),
    Column("mutability", Text),
    Column("persistent", Boolean, nullable=False),
    Column("constant", Boolean, nullable=False),
    Column("characteristics", JSONB),
    Column("reported_at", TIMESTAMP(timezone=True), nullable=False, comment="by the station's clock"),
    schema="ocpp",
)

transactions = Table(
    "transactions",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column("seen", INT8MULTIRANGE, nullable=False, comment="sequence numbers heard; a gap is an event that is missing"),
    Column("fresh", Boolean, nullable=False, comment="whether the event heard last had not been heard before"),
    Column("newest_at", TIMESTAMP(timezone=True), nullable=False, comment="of its events, by the station's clock"),
    Column("begun", Boolean, nullable=False, comment="charging knows it as a session"),
    Column("settled", Boolean, nullable=False, comment="charging knows its end"),
    Column("cost_told_at", TIMESTAMP(timezone=True), nullable=False),
    # what its events told, whichever came first
    Column("evse_no", SmallInteger),
    Column("token_uid", Text),
    Column("started_at", TIMESTAMP(timezone=True)),
    Column("meter_start_mwh", BigInteger),
    Column("export_start_mwh", BigInteger),
    Column("register_min_mwh", BigInteger, comment="least and greatest of the register of energy drawn"),
    Column("register_max_mwh", BigInteger),
    Column("ended_at", TIMESTAMP(timezone=True)),
    Column("meter_stop_mwh", BigInteger),
    Column("export_stop_mwh", BigInteger),
    Column("stop_reason", Text),
    Column("stop_token_uid", Text),
    Column(
        "heard_at",
        TIMESTAMP(timezone=True),
        nullable=False,
        server_default=text("now()"),
        comment="of it first, by our clock",
    ),
    Column(
        "oldest_at",
        TIMESTAMP(timezone=True),
        comment="of its events, by the station's clock; null: heard of before this was kept",
    ),
    # None of these names `settled`: so the end of a session is an update in place.
    Index("transactions_heard_idx", "heard_at", postgresql_where=text("begun")),
    Index("transactions_unbegun_idx", "heard_at", postgresql_where=text("NOT begun")),
    Index("transactions_running_idx", "station_id", "evse_no", postgresql_where=text("ended_at IS NULL")),
    schema="ocpp",
    # Room for updates in place: every event changes its row, and none an indexed column.
    postgresql_with={"fillfactor": 60},
)

frames = Table(
    "frames",
    metadata,
    Column("station_id", Text, nullable=False),
    Column("since", TIMESTAMP(timezone=True), nullable=False, comment="of its first frame"),
    Column("version", Text, nullable=False),
    Column("until", TIMESTAMP(timezone=True), nullable=False, comment="of its last"),
    Column(
        "frames",
        LargeBinary,
        nullable=False,
        comment="each after 8 bytes of microseconds since 1970, 1 of whether we said it, 4 of its length",
    ),
    Index("frames_station_idx", "station_id", postgresql_using="brin", postgresql_with={"pages_per_range": 8}),
    schema="ocpp",
    postgresql_partition_by="RANGE (since)",
)
"""The journal, one partition a day: see `db.partitions`."""

stuck_transactions = Table(
    "stuck_transactions",
    metadata,
    Column("session_id", Uuid, primary_key=True, comment="of charging"),
    Column("station_id", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("noticed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("sign_at", TIMESTAMP(timezone=True), nullable=False, comment="the last sign of life"),
    Column("command_id", Uuid, comment="by which the station was asked last"),
    Column("asked_at", TIMESTAMP(timezone=True)),
    Column("verdict", Text, nullable=False, comment="why it was ended, or is not yet"),
    Column("ended_at", TIMESTAMP(timezone=True), comment="when it was ended by estimate"),
    Column("tries", Integer, nullable=False, server_default="0", comment="to end it, in vain"),
    Column("tried_at", TIMESTAMP(timezone=True), comment="in vain, the last time"),
    Column("refused", Text, comment="why it could not be ended the last time"),
    Index("stuck_transactions_station_idx", "station_id", "noticed_at"),
    Index("stuck_transactions_noticed_idx", "noticed_at", "session_id"),
    schema="ocpp",
)

station_options = Table(
    "station_options",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("quirks", ARRAY(Text), nullable=False, comment="names of profiles"),
    Column("journal", Boolean, comment="whether its frames are kept; null: as for all"),
    Column("ping_after_s", Integer, comment="silence after which it is pinged"),
    Column("pong_within_s", Integer, comment="silence after the ping that ends its socket"),
    CheckConstraint("ping_after_s > 0 AND pong_within_s > 0", name="deadlines"),
    schema="ocpp",
)

maker_quirks = Table(
    "maker_quirks",
    metadata,
    Column("vendor", Text, primary_key=True, comment="as its stations say it; * stands for any characters"),
    Column("model", Text, primary_key=True, comment="the same"),
    Column("quirks", ARRAY(Text), nullable=False, comment="names of profiles"),
    schema="ocpp",
)
