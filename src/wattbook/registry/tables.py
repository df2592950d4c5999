"""The tables of the registry. Columns that refer to a record are named after it; a record's fields are its columns."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from wattbook.db.metadata import metadata


def _refers(name: str, table: str, **options: Any) -> Column[str]:
    """A column that names the record of another table."""
    key = "number" if table == "meters" else "id"
    return Column(name, Text, ForeignKey(f"registry.{table}.{key}"), **options)


def _validity() -> tuple[Column[Any], Column[Any], CheckConstraint]:
    return (
        Column("valid_from", TIMESTAMP(timezone=True), nullable=False),
        Column("valid_to", TIMESTAMP(timezone=True), comment="first moment after; null while it runs"),
        CheckConstraint("valid_from < valid_to", name="span"),
    )


parties = Table(
    "parties",
    metadata,
    Column("id", Text, primary_key=True, comment="OCPI country and party, KR*WTB"),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    schema="registry",
)

suppliers = Table(
    "suppliers",
    metadata,
    Column("id", Text, primary_key=True, comment="market partner (13 digits) or party"),
    Column("name", Text, nullable=False),
    schema="registry",
)

balance_groups = Table(
    "balance_groups",
    metadata,
    Column("id", Text, primary_key=True, comment="EIC"),
    _refers("supplier", "suppliers", nullable=False),
    schema="registry",
)

network_operators = Table(
    "network_operators",
    metadata,
    Column("id", Text, primary_key=True, comment="market partner (13 digits) or party"),
    Column("name", Text, nullable=False),
    Column("balancing_area", Text, comment="EIC"),
    schema="registry",
)

sites = Table(
    "sites",
    metadata,
    Column("id", Text, primary_key=True),
    _refers("operator", "parties", nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("country", Text, nullable=False, comment="ISO 3166-1 alpha-2"),
    Column("time_zone", Text, nullable=False),
    Column("latitude", Numeric(9, 7)),
    Column("longitude", Numeric(10, 7)),
    schema="registry",
)

station_tariffs = Table(
    "station_tariffs",
    metadata,
    _refers("party", "parties", primary_key=True),
    Column("id", Text, primary_key=True),
    Column("valid_from", TIMESTAMP(timezone=True), primary_key=True, comment="until the next version of the same id"),
    Column("currency", Text, nullable=False),
    Column("document", JSONB, nullable=False, comment="OCPI tariff object"),
    schema="registry",
)

stations = Table(
    "stations",
    metadata,
    Column("id", Text, primary_key=True, comment="OCPP identity"),
    _refers("site", "sites", nullable=False, index=True),
    Column("placement", Text, nullable=False),
    Column("ip_code", Text, nullable=False, comment="IEC 60529"),
    Column("vendor", Text),
    Column("model", Text),
    Column("acceptance", Text, nullable=False),
    schema="registry",
)

evses = Table(
    "evses",
    metadata,
    Column("id", Text, primary_key=True, comment="EVSEID"),
    _refers("station", "stations", nullable=False),
    Column("number", SmallInteger, nullable=False, comment="OCPP 2.x EVSE id, OCPP 1.6 connectorId"),
    Column("tariff", Text, comment="id of a station tariff of the site's operator"),
    UniqueConstraint("station", "number"),
    CheckConstraint("number > 0", name="number"),
    schema="registry",
)

connectors = Table(
    "connectors",
    metadata,
    _refers("evse", "evses", primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("standard", Text, nullable=False),
    Column("power_type", Text, nullable=False),
    Column("max_voltage_v", Integer, nullable=False),
    Column("max_current_a", Integer, nullable=False),
    Column("max_power_w", Integer, nullable=False),
    schema="registry",
)

# What a station says of itself changes far more often than what is known of it, hence tables of their own, with room
# for updates in place.
presence = Table(
    "presence",
    metadata,
    _refers("station", "stations", primary_key=True),
    Column("vendor", Text),
    Column("model", Text),
    Column("serial", Text),
    Column("firmware", Text),
    Column("booted_at", TIMESTAMP(timezone=True)),
    Column("last_seen_at", TIMESTAMP(timezone=True), nullable=False),
    schema="registry",
    postgresql_with={"fillfactor": 70},
)

statuses = Table(
    "statuses",
    metadata,
    _refers("station", "stations", primary_key=True),
    Column("evse_no", SmallInteger, primary_key=True, autoincrement=False, comment="0 for the station itself"),
    Column("connector_no", SmallInteger, primary_key=True, autoincrement=False, comment="0 for the whole EVSE"),
    Column("status", Text, nullable=False),
    Column("error_code", Text),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    schema="registry",
    postgresql_with={"fillfactor": 70},
)

meters = Table(
    "meters",
    metadata,
    Column("number", Text, primary_key=True),
    Column("measures", Text, nullable=False),
    Column("obis_import", Text),
    Column("obis_export", Text),
    Column("melo", Text),
    Column("malo", Text),
    CheckConstraint("coalesce(obis_import, obis_export) IS NOT NULL", name="register"),
    schema="registry",
)

meter_networks = Table(
    "meter_networks",
    metadata,
    Column("row", BigInteger, Identity(always=True), primary_key=True),
    _refers("meter", "meters", nullable=False),
    _refers("network_operator", "network_operators", nullable=False),
    *_validity(),
    Index("meter_networks_meter_idx", "meter", "valid_from"),
    schema="registry",
)

units = Table(
    "units",
    metadata,
    Column("id", Text, primary_key=True, comment="EMAID, EVCCID or an id of our own"),
    Column("description", Text, nullable=False),
    Column("battery_mwh", BigInteger, comment="usable capacity"),
    Column("can_feed_in", Boolean, nullable=False),
    CheckConstraint("battery_mwh > 0", name="battery"),
    schema="registry",
)

unit_supplies = Table(
    "unit_supplies",
    metadata,
    Column("row", BigInteger, Identity(always=True), primary_key=True),
    _refers("unit", "units", nullable=False),
    _refers("supplier", "suppliers", nullable=False),
    _refers("balance_group", "balance_groups", nullable=False),
    *_validity(),
    Index("unit_supplies_unit_idx", "unit", "valid_from"),
    schema="registry",
)

customers = Table(
    "customers",
    metadata,
    Column("id", Text, primary_key=True),
    _refers("party", "parties", nullable=False),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False, comment="ISO 639-1"),
    Column("account_kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("vat_id", Text),
    Column("held_because", Text, comment="why nothing is sold to the customer now; null: nothing stands against it"),
    schema="registry",
)

account_terms = Table(
    "account_terms",
    metadata,
    Column("owner", Text, primary_key=True, comment="a customer, or the contract of a token for one payment"),
    _refers("payer", "customers", comment="who pays in the owner's place"),
    Column("currency", Text, nullable=False),
    Column("credit_limit", BigInteger, nullable=False, comment="stored units that a wallet may be below zero"),
    Column("low_balance", BigInteger, nullable=False, comment="stored units from which on down the owner is warned"),
    Column("when_used_up", Text, nullable=False, comment="stop or warn: what becomes of a session"),
    CheckConstraint("credit_limit >= 0 AND low_balance >= 0", name="amounts"),
    CheckConstraint("when_used_up IN ('stop', 'warn')", name="when_used_up"),
    schema="registry",
)

tokens = Table(
    "tokens",
    metadata,
    _refers("party", "parties", primary_key=True),
    Column("type", Text, primary_key=True),
    Column("uid_folded", Text, primary_key=True, comment="the uid in lower case: a token's uid has no case"),
    Column("uid", Text, nullable=False, comment="as its issuer writes it"),
    Column("contract", Text, nullable=False, comment="what the issuer bills: an EMAID or an id of its own"),
    _refers("customer", "customers", index=True),
    _refers("unit", "units"),
    Column("valid", Boolean, nullable=False),
    Column("valid_until", TIMESTAMP(timezone=True)),
    Column("whitelist", Text, nullable=False),
    Column("visual_number", Text),
    Column("group_uid", Text),
    Column("concurrent_max", SmallInteger, comment="sessions at once; null: as for all"),
    Index("tokens_uid_idx", "uid_folded"),
    schema="registry",
)

households = Table(
    "households",
    metadata,
    Column("id", Text, primary_key=True),
    _refers("customer", "customers", nullable=False),
    Column("address", Text, nullable=False),
    _refers("site", "sites"),
    Column("tariff", Text, nullable=False, comment="name of a household tariff"),
    Column("reading_day", SmallInteger, nullable=False),
    Column("contract_w", Integer, comment="contracted power in watts, where the tariff charges for it"),
    CheckConstraint("reading_day BETWEEN 1 AND 31", name="reading_day"),
    schema="registry",
)

interest_rates = Table(
    "interest_rates",
    metadata,
    _refers("party", "parties", nullable=False, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("percent", Numeric, nullable=False, comment="a year, simple; 0: none from then on"),
    Column("source", Text, nullable=False),
    Column("checked_on", Date, nullable=False),
    CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
    schema="registry",
)

household_contracts = Table(
    "household_contracts",
    metadata,
    _refers("household", "households", nullable=False, primary_key=True),
    Column("first_day", Date, primary_key=True, comment="of the tariff's own calendar"),
    Column("last_day", Date, comment="null: it runs on"),
    _refers("customer", "customers", nullable=False),
    Column("tariff", Text, nullable=False, comment="name of a household tariff"),
    Column("contract_w", Integer, comment="contracted power in watts, where the tariff charges for it"),
    CheckConstraint("first_day <= last_day", name="days"),
    schema="registry",
)

meter_places = Table(
    "meter_places",
    metadata,
    Column("row", BigInteger, Identity(always=True), primary_key=True),
    _refers("meter", "meters", nullable=False),
    _refers("evse", "evses"),
    _refers("household", "households"),
    *_validity(),
    CheckConstraint("num_nonnulls(evse, household) = 1", name="one_thing"),
    Index("meter_places_meter_idx", "meter", "valid_from"),
    Index("meter_places_evse_idx", "evse", "valid_from"),
    Index("meter_places_household_idx", "household", "valid_from"),
    schema="registry",
)

changes = Table(
    "changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Column("by", Text, nullable=False, comment="the beginning of the hash of a key, or an address"),
    Column("what", Text, nullable=False, comment="such as station.acceptance"),
    Column("subject", Text, nullable=False, comment="the id of what was changed"),
    Column("before", JSONB, comment="null when there was nothing before; never a secret"),
    Column("after", JSONB),
    Index("changes_subject_idx", "subject", "id"),
    schema="registry",
)

people = Table(
    "people",
    metadata,
    Column("name", Text, primary_key=True, comment="by which a person logs in"),
    Column("role", Text, nullable=False),
    Column("password_hash", LargeBinary, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name="role"),
    schema="registry",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_sha256", LargeBinary, primary_key=True, comment="the key itself is kept nowhere"),
    Column("name", Text, nullable=False, unique=True, comment="of the program that has it"),
    Column("role", Text, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True)),
    CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name="role"),
    schema="registry",
)

logins = Table(
    "logins",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("by", Text, nullable=False, comment="who, as the log of changes names it"),
    Column("person", Text, ForeignKey("registry.people.name", ondelete="CASCADE"), comment="null: of a link"),
    Column("role", Text, nullable=False),
    Column("once", Boolean, nullable=False, comment="a link: it becomes a login when it is followed, and is gone"),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name="role"),
    Index("logins_expires_idx", "expires_at"),
    schema="registry",
)
