"""One statement gathers all that a clearance looks at; what is missing or contradictory is told apart from what is."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.registry.conftest import (
    CAR,
    CAR_PARK,
    EVSE,
    NORTH_GROUP,
    NOW,
    SOUTH_GROUP,
    STATION,
    TOKEN,
    YEAR,
    connect_to_grid,
)
from wattbook.kernel.clock import readable
from wattbook.registry.clearance import ClearanceFacts, ClearanceRequest, clearance_facts
from wattbook.registry.customers import AccountKind, Customer, Holder, Token, TokenType, add_tokens
from wattbook.registry.meters import (
    Measures,
    Meter,
    MeterNetwork,
    MeterPlace,
    add_meters,
    assign_meter_networks,
    assign_meter_places,
)
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.presence import Status, record_statuses, touch
from wattbook.registry.stations import Connector, PowerType, StationTariff, add_station_tariffs
from wattbook.registry.units import Allocation, Unit, UnitSupply, assign_unit_supplies
from wattbook.registry.validity import Ambiguous, Missing

REQUEST = ClearanceRequest(STATION.id, 1, TOKEN.uid.lower(), NOW)


async def facts(connection: AsyncConnection, request: ClearanceRequest = REQUEST) -> ClearanceFacts:
    (answer,) = await clearance_facts(connection, [request])
    return answer


async def test_all_that_is_known_of_a_request_comes_in_one_answer(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    station = Status(STATION.id, 0, 0, "Available", None, NOW)
    evse = Status(STATION.id, 1, 0, "Preparing", "NoError", NOW)
    await record_statuses(connection, [station, evse, replace(evse, evse_no=2)])
    await touch(connection, [(STATION.id, NOW)])
    answer = await facts(connection)
    assert answer.tariff is not None
    exact = {"type": "ENERGY", "price": Decimal("347.2")}
    assert answer.tariff.document["elements"] == [{"price_components": [exact]}]
    assert answer == ClearanceFacts(
        station=STATION,
        site=CAR_PARK,
        evse=EVSE,
        connectors=(Connector("KR*WTB*E1", 1, "IEC_62196_T2", PowerType.AC_3_PHASE, 230, 32, 22_000),),
        last_seen_at=NOW,
        statuses=(station, evse),
        tariff=StationTariff("KR*WTB", "flat", YEAR, "KRW", answer.tariff.document),
        meter=Meter("M-EVSE", Measures.EVSE, obis_export="1-0:2.8.0"),
        network_operator=NetworkOperator("9900000000010", "City grid", "10YDE-VE-------2"),
        holder=Holder(
            TOKEN,
            Customer("kim", "KR*WTB", "Kim", "ko", AccountKind.PREPAID, "KRW"),
            Unit(CAR, "blue car", 60_000_000, True),
        ),
        allocation=Allocation("9900000000003", SOUTH_GROUP),
    )


async def test_each_request_of_a_batch_gets_its_own_answer_in_order(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    requests = [
        replace(REQUEST, station="stranger"),
        REQUEST,
        replace(REQUEST, evse_no=7),
        replace(REQUEST, token_uid="0000"),
        replace(REQUEST, token_uid="x" * 40),
        replace(REQUEST, station="\x00", evse_no=10**12, token_uid="\x00"),
        replace(REQUEST, at=YEAR - timedelta(days=1)),
    ]
    stranger, good, no_evse, no_token, senseless, impossible, early = await clearance_facts(connection, requests)
    assert (stranger.station, stranger.site, stranger.evse, stranger.tariff) == (None, None, None, None)
    assert isinstance(stranger.holder, Holder)
    assert good.evse == EVSE
    assert (no_evse.station, no_evse.evse, no_evse.connectors) == (STATION, None, ())
    assert no_evse.meter == Missing(f"no meter is on record for EVSE 7 of station WTB-0001 at {readable(NOW)}")
    assert no_token.holder == Missing("token '0000' is not registered")
    assert isinstance(no_token.allocation, Missing)
    assert isinstance(senseless.holder, Missing)
    assert (impossible.station, impossible.evse) == (None, None)
    assert early.tariff is None
    assert isinstance(early.meter, Missing)
    assert isinstance(early.allocation, Missing)
    assert await clearance_facts(connection, []) == []


async def test_missing_assignments_are_told_apart(connection: AsyncConnection) -> None:
    answer = await facts(connection)
    place = f"EVSE 1 of station WTB-0001 at {readable(NOW)}"
    assert answer.meter == Missing(f"no meter is on record for {place}")
    assert answer.network_operator == Missing(
        "no network operator can be told for EVSE 1 of station WTB-0001 without its one meter"
    )
    assert answer.allocation == Missing(f"no supplier is on record for unit {CAR} at {readable(NOW)}")
    await assign_meter_places(connection, [MeterPlace("M-EVSE", "KR*WTB*E1", None, YEAR)])
    answer = await facts(connection)
    assert isinstance(answer.meter, Meter)
    assert answer.network_operator == Missing(f"no network operator is on record for meter M-EVSE at {readable(NOW)}")


async def test_ambiguous_assignments_are_reported_with_their_candidates(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await assign_unit_supplies(connection, [UnitSupply(CAR, "KR*NTH", NORTH_GROUP, NOW)], allow_overlap=True)
    await assign_meter_networks(connection, [MeterNetwork("M-EVSE", "KR*GRD", NOW)], allow_overlap=True)
    answer = await facts(connection)
    assert isinstance(answer.allocation, Ambiguous)
    assert {each.supplier for each in answer.allocation.candidates} == {"9900000000003", "KR*NTH"}
    assert isinstance(answer.network_operator, Ambiguous)
    assert {each.id for each in answer.network_operator.candidates} == {"9900000000010", "KR*GRD"}
    assert isinstance((await facts(connection, replace(REQUEST, at=NOW - timedelta(1)))).allocation, Allocation)


async def test_two_meters_at_one_evse_are_ambiguous_and_name_no_network(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await add_meters(connection, [Meter("M-2", Measures.EVSE)])
    await assign_meter_places(connection, [MeterPlace("M-2", "KR*WTB*E1", None, NOW)], allow_overlap=True)
    answer = await facts(connection)
    assert isinstance(answer.meter, Ambiguous)
    assert {each.number for each in answer.meter.candidates} == {"M-2", "M-EVSE"}
    assert isinstance(answer.network_operator, Missing)


async def test_a_token_of_two_issuers_is_ambiguous_and_names_no_supplier(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await add_tokens(connection, [Token("KR*BBB", TokenType.RFID, TOKEN.uid, "C-2")])
    answer = await facts(connection)
    assert isinstance(answer.holder, Ambiguous)
    assert isinstance(answer.allocation, Missing)


async def test_a_token_without_unit_has_no_supplier(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await add_tokens(connection, [replace(TOKEN, unit=None)])
    answer = await facts(connection)
    assert isinstance(answer.holder, Holder)
    assert answer.allocation == Missing(f"no unit is on record for token {REQUEST.token_uid!r}")


async def test_the_tariff_is_the_version_in_force(connection: AsyncConnection) -> None:
    raised = StationTariff("KR*WTB", "flat", NOW, "KRW", {"id": "flat", "elements": []})
    later = replace(raised, valid_from=NOW + timedelta(days=1))
    foreign = replace(raised, party="KR*BBB")
    await add_station_tariffs(connection, [raised, later, foreign])
    assert (await facts(connection)).tariff == raised
    before = await facts(connection, replace(REQUEST, at=NOW - timedelta(microseconds=1)))
    assert before.tariff is not None
    assert before.tariff.valid_from == YEAR
