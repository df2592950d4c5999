"""The registry: who takes part, where energy flows, on whose account, and what belongs together when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "meters",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("obis_import", sa.Text(), nullable=True),
        sa.Column("obis_export", sa.Text(), nullable=True),
        sa.Column("melo", sa.Text(), nullable=True),
        sa.Column("malo", sa.Text(), nullable=True),
        sa.CheckConstraint("coalesce(obis_import, obis_export) IS NOT NULL", name=op.f("meters_register_check")),
        sa.PrimaryKeyConstraint("number", name=op.f("meters_pkey")),
        schema="registry",
    )
    op.create_table(
        "network_operators",
        sa.Column("id", sa.Text(), nullable=False, comment="market partner (13 digits) or party"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("balancing_area", sa.Text(), nullable=True, comment="EIC"),
        sa.PrimaryKeyConstraint("id", name=op.f("network_operators_pkey")),
        schema="registry",
    )
    op.create_table(
        "parties",
        sa.Column("id", sa.Text(), nullable=False, comment="OCPI country and party, KR*WTB"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("parties_pkey")),
        schema="registry",
    )
    op.create_table(
        "suppliers",
        sa.Column("id", sa.Text(), nullable=False, comment="market partner (13 digits) or party"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("suppliers_pkey")),
        schema="registry",
    )
    op.create_table(
        "units",
        sa.Column("id", sa.Text(), nullable=False, comment="EMAID, EVCCID or an id of our own"),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("battery_mwh", sa.BigInteger(), nullable=True, comment="usable capacity"),
        sa.Column("can_feed_in", sa.Boolean(), nullable=False),
        sa.CheckConstraint("battery_mwh > 0", name=op.f("units_battery_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("units_pkey")),
        schema="registry",
    )
    op.create_table(
        "balance_groups",
        sa.Column("id", sa.Text(), nullable=False, comment="EIC"),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["supplier"], ["registry.suppliers.id"], name=op.f("balance_groups_supplier_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("balance_groups_pkey")),
        schema="registry",
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False, comment="ISO 639-1"),
        sa.Column("account_kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("vat_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["party"], ["registry.parties.id"], name=op.f("customers_party_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("customers_pkey")),
        schema="registry",
    )
    op.create_table(
        "meter_networks",
        sa.Column("row", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("network_operator", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "valid_to", sa.TIMESTAMP(timezone=True), nullable=True, comment="first moment after; null while it runs"
        ),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("meter_networks_span_check")),
        sa.ForeignKeyConstraint(["meter"], ["registry.meters.number"], name=op.f("meter_networks_meter_fkey")),
        sa.ForeignKeyConstraint(
            ["network_operator"], ["registry.network_operators.id"], name=op.f("meter_networks_network_operator_fkey")
        ),
        sa.PrimaryKeyConstraint("row", name=op.f("meter_networks_pkey")),
        schema="registry",
    )
    op.create_index(
        "meter_networks_meter_idx", "meter_networks", ["meter", "valid_from"], unique=False, schema="registry"
    )
    op.create_table(
        "sites",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False, comment="ISO 3166-1 alpha-2"),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Numeric(precision=9, scale=7), nullable=True),
        sa.Column("longitude", sa.Numeric(precision=10, scale=7), nullable=True),
        sa.ForeignKeyConstraint(["operator"], ["registry.parties.id"], name=op.f("sites_operator_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sites_pkey")),
        schema="registry",
    )
    op.create_table(
        "station_tariffs",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "valid_from", sa.TIMESTAMP(timezone=True), nullable=False, comment="until the next version of the same id"
        ),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="OCPI tariff object"),
        sa.ForeignKeyConstraint(["party"], ["registry.parties.id"], name=op.f("station_tariffs_party_fkey")),
        sa.PrimaryKeyConstraint("party", "id", "valid_from", name=op.f("station_tariffs_pkey")),
        schema="registry",
    )
    op.create_table(
        "households",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("tariff", sa.Text(), nullable=False, comment="name of a household tariff"),
        sa.Column("reading_day", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("reading_day BETWEEN 1 AND 31", name=op.f("households_reading_day_check")),
        sa.ForeignKeyConstraint(["customer"], ["registry.customers.id"], name=op.f("households_customer_fkey")),
        sa.ForeignKeyConstraint(["site"], ["registry.sites.id"], name=op.f("households_site_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("households_pkey")),
        schema="registry",
    )
    op.create_table(
        "stations",
        sa.Column("id", sa.Text(), nullable=False, comment="OCPP identity"),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("ip_code", sa.Text(), nullable=False, comment="IEC 60529"),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("acceptance", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["registry.sites.id"], name=op.f("stations_site_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stations_pkey")),
        schema="registry",
    )
    op.create_index(op.f("stations_site_idx"), "stations", ["site"], unique=False, schema="registry")
    op.create_table(
        "tokens",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("uid_folded", sa.Text(), nullable=False, comment="the uid in lower case: a token's uid has no case"),
        sa.Column("uid", sa.Text(), nullable=False, comment="as its issuer writes it"),
        sa.Column("contract", sa.Text(), nullable=False, comment="what the issuer bills: an EMAID or an id of its own"),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("valid_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("whitelist", sa.Text(), nullable=False),
        sa.Column("visual_number", sa.Text(), nullable=True),
        sa.Column("group_uid", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["customer"], ["registry.customers.id"], name=op.f("tokens_customer_fkey")),
        sa.ForeignKeyConstraint(["party"], ["registry.parties.id"], name=op.f("tokens_party_fkey")),
        sa.ForeignKeyConstraint(["unit"], ["registry.units.id"], name=op.f("tokens_unit_fkey")),
        sa.PrimaryKeyConstraint("party", "type", "uid_folded", name=op.f("tokens_pkey")),
        schema="registry",
    )
    op.create_index(op.f("tokens_customer_idx"), "tokens", ["customer"], unique=False, schema="registry")
    op.create_index("tokens_uid_idx", "tokens", ["uid_folded"], unique=False, schema="registry")
    op.create_table(
        "unit_supplies",
        sa.Column("row", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("balance_group", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "valid_to", sa.TIMESTAMP(timezone=True), nullable=True, comment="first moment after; null while it runs"
        ),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("unit_supplies_span_check")),
        sa.ForeignKeyConstraint(
            ["balance_group"], ["registry.balance_groups.id"], name=op.f("unit_supplies_balance_group_fkey")
        ),
        sa.ForeignKeyConstraint(["supplier"], ["registry.suppliers.id"], name=op.f("unit_supplies_supplier_fkey")),
        sa.ForeignKeyConstraint(["unit"], ["registry.units.id"], name=op.f("unit_supplies_unit_fkey")),
        sa.PrimaryKeyConstraint("row", name=op.f("unit_supplies_pkey")),
        schema="registry",
    )
    op.create_index("unit_supplies_unit_idx", "unit_supplies", ["unit", "valid_from"], unique=False, schema="registry")
    op.create_table(
        "evses",
        sa.Column("id", sa.Text(), nullable=False, comment="EVSEID"),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False, comment="OCPP 2.x EVSE id, OCPP 1.6 connectorId"),
        sa.Column("tariff", sa.Text(), nullable=True, comment="id of a station tariff of the site's operator"),
        sa.CheckConstraint("number > 0", name=op.f("evses_number_check")),
        sa.ForeignKeyConstraint(["station"], ["registry.stations.id"], name=op.f("evses_station_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("evses_pkey")),
        sa.UniqueConstraint("station", "number", name=op.f("evses_station_number_key")),
        schema="registry",
    )
    op.create_table(
        "presence",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("booted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["registry.stations.id"], name=op.f("presence_station_fkey")),
        sa.PrimaryKeyConstraint("station", name=op.f("presence_pkey")),
        schema="registry",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "statuses",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column(
            "evse_no", sa.SmallInteger(), autoincrement=False, nullable=False, comment="0 for the station itself"
        ),
        sa.Column(
            "connector_no", sa.SmallInteger(), autoincrement=False, nullable=False, comment="0 for the whole EVSE"
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["registry.stations.id"], name=op.f("statuses_station_fkey")),
        sa.PrimaryKeyConstraint("station", "evse_no", "connector_no", name=op.f("statuses_pkey")),
        schema="registry",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "connectors",
        sa.Column("evse", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("power_type", sa.Text(), nullable=False),
        sa.Column("max_voltage_v", sa.Integer(), nullable=False),
        sa.Column("max_current_a", sa.Integer(), nullable=False),
        sa.Column("max_power_w", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["evse"], ["registry.evses.id"], name=op.f("connectors_evse_fkey")),
        sa.PrimaryKeyConstraint("evse", "number", name=op.f("connectors_pkey")),
        schema="registry",
    )
    op.create_table(
        "meter_places",
        sa.Column("row", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("evse", sa.Text(), nullable=True),
        sa.Column("household", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "valid_to", sa.TIMESTAMP(timezone=True), nullable=True, comment="first moment after; null while it runs"
        ),
        sa.CheckConstraint("num_nonnulls(evse, household) = 1", name=op.f("meter_places_one_thing_check")),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("meter_places_span_check")),
        sa.ForeignKeyConstraint(["evse"], ["registry.evses.id"], name=op.f("meter_places_evse_fkey")),
        sa.ForeignKeyConstraint(["household"], ["registry.households.id"], name=op.f("meter_places_household_fkey")),
        sa.ForeignKeyConstraint(["meter"], ["registry.meters.number"], name=op.f("meter_places_meter_fkey")),
        sa.PrimaryKeyConstraint("row", name=op.f("meter_places_pkey")),
        schema="registry",
    )
    op.create_index("meter_places_evse_idx", "meter_places", ["evse", "valid_from"], unique=False, schema="registry")
    op.create_index(
        "meter_places_household_idx", "meter_places", ["household", "valid_from"], unique=False, schema="registry"
    )
    op.create_index("meter_places_meter_idx", "meter_places", ["meter", "valid_from"], unique=False, schema="registry")
