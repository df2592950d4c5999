"""Master data is checked before it is stored, stored canonically, and found again as it was given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.registry.conftest import CAR, CAR_PARK, EVSE, NOW, SOUTH_GROUP, STATION, TOKEN, YEAR, connect_to_grid
from wattbook.db.metadata import metadata
from wattbook.db.migrate import differences
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry.customers import (
    AccountKind,
    Customer,
    Holder,
    Token,
    TokenType,
    Whitelist,
    add_customers,
    add_tokens,
    find_customers,
    find_tokens,
)
from wattbook.registry.households import Household, add_households, find_households, meters_of_households
from wattbook.registry.meters import Measures, Meter, MeterPlace, add_meters, end_meter_places, find_meters
from wattbook.registry.parties import (
    BalanceGroup,
    NetworkOperator,
    Party,
    Role,
    Supplier,
    add_balance_groups,
    add_network_operators,
    add_parties,
    add_suppliers,
    find_network_operators,
    find_parties,
    find_suppliers,
)
from wattbook.registry.sites import SiteKind, add_sites, find_sites
from wattbook.registry.stations import (
    Connector,
    Evse,
    PowerType,
    StationTariff,
    add_connectors,
    add_evses,
    add_station_tariffs,
    add_stations,
    find_evses,
)
from wattbook.registry.units import Unit, add_units, find_units
from wattbook.registry.validity import Ambiguous, Missing

Add = Callable[[AsyncConnection, Sequence[Any]], Awaitable[None]]

CONNECTOR = Connector("KR*WTB*E1", 2, "CHADEMO", PowerType.DC, 500, 125, 50_000)
CUSTOMER = Customer("lee", "KR*WTB", "Lee", "ko", AccountKind.POSTPAID, "KRW", "123-45-67890")
HOUSE = Household("house-2", "kim", "3 Hill, Seoul", "kr-residential-low-voltage", 31, "park-1")
METER = Meter("M-9", Measures.HOUSEHOLD, malo="41373559241", melo="DE00056266802AO6G56M11SN51G21M24S")
SUNDAY_TARIFF = StationTariff("KR*WTB", "sunday", YEAR, "KRW", {})


async def test_every_kind_of_site_is_kept(connection: AsyncConnection) -> None:
    kinds = [replace(CAR_PARK, id=f"site-{kind}", kind=kind) for kind in SiteKind]
    placed = replace(CAR_PARK, id="placed", latitude=Decimal("37.5326"), longitude=Decimal("-126.9903001"))
    await add_sites(connection, [*kinds, placed])
    found = await find_sites(connection, [*(site.id for site in kinds), "placed", "nowhere"])
    assert [None if site is None else site.kind for site in found] == [*SiteKind, SiteKind.CAR_PARK, None]
    assert found[-2] is not None
    assert (found[-2].latitude, found[-2].longitude) == (placed.latitude, placed.longitude)


async def test_records_are_found_as_they_were_given(connection: AsyncConnection) -> None:
    await add_customers(connection, [CUSTOMER])
    await add_households(connection, [HOUSE])
    await add_meters(connection, [METER])
    assert await find_customers(connection, ["lee", "nobody"]) == [CUSTOMER, None]
    assert await find_households(connection, ["house-9", "house-2"]) == [None, HOUSE]
    assert await find_meters(connection, ["M-9 ", "M-0"]) == [METER, None]
    assert await find_units(connection, ["NL-TNM-C00122045-K"]) == [Unit(CAR, "blue car", 60_000_000, True)]


async def test_identifiers_are_stored_and_found_in_any_spelling(connection: AsyncConnection) -> None:
    await add_parties(connection, [Party("de8aa", " Eight ", (Role.EMSP, Role.CPO, Role.CPO))])
    assert await find_parties(connection, ["DE-8AA"]) == [Party("DE*8AA", "Eight", (Role.CPO, Role.EMSP))]
    await add_evses(connection, [Evse("krwtbe2*1", STATION.id, 2)])
    assert await find_evses(connection, ["KR*WTB*E2*1"]) == [Evse("KR*WTB*E2*1", STATION.id, 2)]
    await add_network_operators(connection, [NetworkOperator("kr-net", "Net")])
    assert await find_network_operators(connection, ["KR*NET"]) == [NetworkOperator("KR*NET", "Net")]
    await add_units(connection, [Unit("00:1a:2b:3c:4d:5e", "van"), Unit("INTNM000071", "old"), Unit("car-7", "mine")])
    found = await find_units(connection, ["001A2B3C4D5E", "IN-TNM-000071-9", "car-7", "car-8"])
    ids = [None if unit is None else unit.id for unit in found]
    assert ids[0] == "001A2B3C4D5E"
    assert ids[1] is not None
    assert ids[1].startswith("INTNMC00000719")
    assert ids[2:] == ["car-7", None]


async def test_adding_again_replaces_and_the_last_of_a_batch_stays(connection: AsyncConnection) -> None:
    await add_suppliers(connection, [Supplier("KR*NTH", "First"), Supplier("KR-NTH", "Last")])
    assert await find_suppliers(connection, ["KR*NTH"]) == [Supplier("KR*NTH", "Last")]
    await add_suppliers(connection, [])


OUT_OF_FORM: list[tuple[Add, object, str]] = [
    (add_parties, Party("WTB", "A", (Role.CPO,)), "party 'WTB'"),
    (add_parties, Party("KR*WTB", " ", (Role.CPO,)), "name of party KR\\*WTB is empty"),
    (add_parties, Party("KR*WTB", "A\nB", (Role.CPO,)), "holds a control character"),
    (add_parties, Party("KR*WTB", "A" * 256, (Role.CPO,)), "longer than 255"),
    (add_parties, Party("KR*WTB", "A", ()), "has no role"),
    (add_suppliers, Supplier("990000000000", "A"), "supplier '990000000000'"),
    (add_balance_groups, BalanceGroup("11XSOUTH-------?", "KR*NTH"), "balance group '11XSOUTH"),
    (add_network_operators, NetworkOperator("KR*GRD", "A", "10YDE-VE-------3"), "check character should be 2"),
    (add_sites, replace(CAR_PARK, time_zone="Asia/Nowhere"), "time zone of site park-1 is unknown"),
    (add_sites, replace(CAR_PARK, time_zone="../etc/passwd"), "time zone of site park-1 is unknown"),
    (add_sites, replace(CAR_PARK, country="Korea"), "two capital letters"),
    (add_sites, replace(CAR_PARK, latitude=Decimal(37)), "need both latitude and longitude"),
    (add_sites, replace(CAR_PARK, latitude=Decimal(91), longitude=Decimal(0)), "latitude of site park-1 is 91"),
    (add_sites, replace(CAR_PARK, latitude=Decimal(0), longitude=Decimal("NaN")), "longitude of site park-1"),
    (add_sites, replace(CAR_PARK, id="x" * 37), "longer than 36"),
    (add_stations, replace(STATION, id="WTB:1"), "no white space and no colon"),
    (add_stations, replace(STATION, id="WTB 1"), "no white space and no colon"),
    (add_stations, replace(STATION, id="정류장"), "printable characters of ASCII"),
    (add_stations, replace(STATION, id="x" * 49), "1 to 48"),
    (add_stations, replace(STATION, id=""), "1 to 48"),
    (add_stations, replace(STATION, ip_code="54"), "not an IP code"),
    (add_evses, replace(EVSE, id="KR*WTB*1"), "EVSE 'KR\\*WTB\\*1'"),
    (add_evses, replace(EVSE, number=0), "number of EVSE KR\\*WTB\\*E1 is 0"),
    (add_connectors, replace(CONNECTOR, standard="TYPE2"), "standard of connector 2"),
    (add_connectors, replace(CONNECTOR, max_power_w=0), "power of connector 2"),
    (add_station_tariffs, replace(SUNDAY_TARIFF, currency="XXX"), "unknown currency"),
    (add_station_tariffs, replace(SUNDAY_TARIFF, valid_from=NOW.replace(tzinfo=None)), "without a zone"),
    (add_meters, replace(METER, number=" "), "number of a meter is empty"),
    (add_meters, replace(METER, obis_import=None), "has no register"),
    (add_meters, replace(METER, obis_export="2.8.0"), "export register of meter M-9 is no OBIS code"),
    (add_meters, replace(METER, malo="41373559242"), "check digit should be 1"),
    (add_meters, replace(METER, melo="DE1"), "metering location of meter M-9"),
    (add_units, Unit("NLTNMC00122045U", "typo"), "check character should be K"),
    (add_units, Unit("", "nameless"), "id of a unit is empty"),
    (add_units, Unit("car", "empty", 0), "battery of unit car is 0"),
    (add_customers, replace(CUSTOMER, language="kor"), "two small letters"),
    (add_customers, replace(CUSTOMER, currency="won"), "unknown currency"),
    (add_customers, replace(CUSTOMER, vat_id="1" * 21), "longer than 20"),
    (add_tokens, replace(TOKEN, uid="x" * 37), "longer than 36"),
    (add_tokens, replace(TOKEN, contract="계약"), "only printable ASCII"),
    (add_households, replace(HOUSE, reading_day=32), "reading day of household house-2 is 32"),
    (add_households, replace(HOUSE, address=""), "address of household house-2 is empty"),
]

REFERS_TO_NOTHING: list[tuple[Add, object, str]] = [
    (add_balance_groups, BalanceGroup(SOUTH_GROUP, "KR*ZZZ"), "supplier 'KR\\*ZZZ' is not registered"),
    (add_sites, replace(CAR_PARK, operator="KR*ZZZ"), "operator 'KR\\*ZZZ' is not registered"),
    (add_stations, replace(STATION, site="nowhere"), "site 'nowhere' is not registered"),
    (add_evses, replace(EVSE, station="stranger"), "station 'stranger' is not registered"),
    (add_connectors, replace(CONNECTOR, evse="KR*WTB*E9"), "evse 'KR\\*WTB\\*E9' is not registered"),
    (add_station_tariffs, replace(SUNDAY_TARIFF, party="KR*ZZZ"), "party 'KR\\*ZZZ' is not registered"),
    (add_customers, replace(CUSTOMER, party="KR*ZZZ"), "party 'KR\\*ZZZ' is not registered"),
    (add_tokens, replace(TOKEN, customer="nobody"), "customer 'nobody' is not registered"),
    (add_tokens, replace(TOKEN, unit="stranger"), "unit 'stranger' is not registered"),
    (add_households, replace(HOUSE, site="nowhere"), "site 'nowhere' is not registered"),
]


async def test_what_is_out_of_form_is_invalid(connection: AsyncConnection) -> None:
    for add, record, reason in OUT_OF_FORM:
        with pytest.raises(InvalidInput, match=reason):
            await add(connection, [record])


async def test_what_refers_to_nothing_is_not_found(connection: AsyncConnection) -> None:
    for add, record, reason in REFERS_TO_NOTHING:
        with pytest.raises(NotFound, match=reason):
            await add(connection, [record])


async def test_two_evses_cannot_have_one_number_of_a_station(connection: AsyncConnection) -> None:
    with pytest.raises(Conflict, match="'KR\\*WTB\\*E2' cannot have station 'WTB-0001', number 1"):
        await add_evses(connection, [Evse("KR*WTB*E2", STATION.id, 1)])
    with pytest.raises(Conflict, match="number 3"):
        await add_evses(connection, [Evse("KR*WTB*E3", STATION.id, 3), Evse("KR*WTB*E4", STATION.id, 3)])
    await add_evses(connection, [EVSE])


async def test_a_token_is_found_whatever_its_case(connection: AsyncConnection) -> None:
    upper, lower, stranger = await find_tokens(connection, [TOKEN.uid, TOKEN.uid.lower(), "0000"])
    assert isinstance(upper, Holder)
    assert upper == lower
    assert upper.token == TOKEN
    assert upper.customer == Customer("kim", "KR*WTB", "Kim", "ko", AccountKind.PREPAID, "KRW")
    assert upper.unit == Unit(CAR, "blue car", 60_000_000, True)
    assert stranger == Missing("token '0000' is not registered")


async def test_a_token_keeps_all_its_issuer_said(connection: AsyncConnection) -> None:
    until = datetime(2027, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    partner = Token("KR*BBB", TokenType.APP_USER, "bBb", "C-1", None, None, False, until, Whitelist.NEVER, "B 1", "g")
    await add_tokens(connection, [partner])
    (found,) = await find_tokens(connection, ["BBB"])
    assert found == Holder(replace(partner, valid_until=datetime(2027, 1, 1, tzinfo=UTC)), None, None)


async def test_a_token_written_in_another_case_is_the_same_token(connection: AsyncConnection) -> None:
    blocked = replace(TOKEN, uid=TOKEN.uid.lower(), valid=False)
    await add_tokens(connection, [blocked])
    (found,) = await find_tokens(connection, [TOKEN.uid])
    assert isinstance(found, Holder)
    assert found.token == blocked


async def test_a_uid_of_two_issuers_is_ambiguous(connection: AsyncConnection) -> None:
    await add_tokens(connection, [Token("KR*BBB", TokenType.RFID, TOKEN.uid.lower(), "C-2")])
    (found,) = await find_tokens(connection, [TOKEN.uid])
    assert isinstance(found, Ambiguous)
    assert [each.token.party for each in found.candidates] == ["KR*BBB", "KR*WTB"]


async def test_a_household_knows_the_meters_of_a_period(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await end_meter_places(connection, [("M-HOUSE", NOW)])
    day = timedelta(days=1)
    asked = [("house-1", NOW - day, NOW + day), ("house-1", NOW, NOW + day), ("house-9", YEAR, NOW)]
    during, after, unknown = await meters_of_households(connection, asked)
    assert during == (MeterPlace("M-HOUSE", None, "house-1", YEAR, NOW),)
    assert after == ()
    assert unknown == Missing("household house-9 is not registered")


def test_the_migration_makes_what_the_tables_declare(database_url: str) -> None:
    ours = [change for change in differences(database_url, metadata) if "registry" in str(change)]
    assert ours == []
