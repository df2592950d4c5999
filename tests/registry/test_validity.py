"""What belongs together holds from a start up to before an end; doubt is reported, never settled by chance."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.registry.conftest import CAR, NORTH_GROUP, NOW, SOUTH_GROUP, YEAR, connect_to_grid, settle
from wattbook.db.engine import Database
from wattbook.kernel.clock import readable
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry.meters import (
    Measures,
    Meter,
    MeterNetwork,
    MeterPlace,
    add_meters,
    allocate_meters,
    assign_meter_networks,
    assign_meter_places,
    end_meter_networks,
    end_meter_places,
    places_of_meters,
)
from wattbook.registry.parties import NetworkOperator
from wattbook.registry.stations import Evse, add_evses
from wattbook.registry.units import (
    Allocation,
    Unit,
    UnitSupply,
    add_units,
    allocate_units,
    assign_unit_supplies,
    end_unit_supplies,
)
from wattbook.registry.validity import Ambiguous, Missing

SOUTH = Allocation("9900000000003", SOUTH_GROUP)
NORTH = Allocation("KR*NTH", NORTH_GROUP)
CITY = NetworkOperator("9900000000010", "City grid", "10YDE-VE-------2")
HILLS = NetworkOperator("KR*GRD", "Hills")
INSTANT = timedelta(microseconds=1)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def supply(allocation: Allocation, start: datetime, end: datetime | None = None, unit: str = CAR) -> UnitSupply:
    return UnitSupply(unit, allocation.supplier, allocation.balance_group, start, end)


async def test_a_validity_holds_from_its_start_up_to_not_including_its_end(connection: AsyncConnection) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR, JUNE), supply(NORTH, JUNE)])
    before, first, last, next_first = await allocate_units(
        connection, [(CAR, YEAR - INSTANT), (CAR, YEAR), (CAR, JUNE - INSTANT), (CAR, JUNE)]
    )
    assert before == Missing(f"no supplier is on record for unit {CAR} at 2025-12-31 23:59 UTC")
    assert (first, last, next_first) == (SOUTH, SOUTH, NORTH)


async def test_every_spelling_of_a_contract_finds_the_same_unit(connection: AsyncConnection) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR, unit="nl-tnm-c00122045")])
    asked = [("NL-TNM-C00122045-K", NOW), ("nltnmc00122045k", NOW), ("stranger", NOW)]
    assert await allocate_units(connection, asked) == [SOUTH, SOUTH, Missing("unit stranger is not registered")]


async def test_an_overlap_is_refused_and_names_the_other(connection: AsyncConnection) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR)])
    with pytest.raises(Conflict) as conflict:
        await assign_unit_supplies(connection, [supply(NORTH, JUNE)])
    assert conflict.value.message == (
        f"unit {CAR} already has supplier 9900000000003, balance group {SOUTH_GROUP} "
        "from 2026-01-01T00:00:00+00:00 to an open end; end that first"
    )
    assert conflict.value.details["given"]["supplier"] == "KR*NTH"
    assert conflict.value.details["known"]["supplier"] == "9900000000003"
    assert await allocate_units(connection, [(CAR, NOW)]) == [SOUTH]


async def test_an_overlap_within_one_batch_is_refused(connection: AsyncConnection) -> None:
    with pytest.raises(Conflict):
        await assign_unit_supplies(connection, [supply(SOUTH, YEAR, NOW), supply(NORTH, JUNE)])


async def test_the_same_again_changes_nothing(connection: AsyncConnection) -> None:
    for _ in range(2):
        await assign_unit_supplies(connection, [supply(SOUTH, YEAR), supply(SOUTH, YEAR)])
    assert await end_unit_supplies(connection, [(CAR, JUNE)]) == [True]
    assert await allocate_units(connection, [(CAR, JUNE)]) == [
        Missing(f"no supplier is on record for unit {CAR} at {readable(JUNE)}")
    ]


async def test_a_supplier_is_changed_by_ending_and_assigning(connection: AsyncConnection) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR)])
    assert await end_unit_supplies(connection, [(CAR, JUNE), ("stranger", JUNE)]) == [True, False]
    await assign_unit_supplies(connection, [supply(NORTH, JUNE)])
    assert await allocate_units(connection, [(CAR, JUNE - INSTANT), (CAR, JUNE)]) == [SOUTH, NORTH]
    assert await end_unit_supplies(connection, [(CAR, YEAR)]) == [False], "what starts at the moment is not ended by it"


async def test_two_sources_that_disagree_are_kept_when_asked_and_reported_as_ambiguous(
    connection: AsyncConnection,
) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR)])
    await assign_unit_supplies(connection, [supply(NORTH, JUNE)], allow_overlap=True)
    first, second = await allocate_units(connection, [(CAR, JUNE - INSTANT), (CAR, JUNE)])
    assert first == SOUTH
    assert isinstance(second, Ambiguous)
    assert set(second.candidates) == {SOUTH, NORTH}
    assert second.reason == f"unit {CAR} has several suppliers on record at {readable(JUNE)}"


async def test_two_sources_that_agree_leave_no_doubt(connection: AsyncConnection) -> None:
    await assign_unit_supplies(connection, [supply(SOUTH, YEAR), supply(SOUTH, JUNE)], allow_overlap=True)
    assert await allocate_units(connection, [(CAR, NOW)]) == [SOUTH]


async def test_meters_are_allocated_to_network_operators(connection: AsyncConnection) -> None:
    await assign_meter_networks(
        connection, [MeterNetwork("M-EVSE", CITY.id, YEAR, JUNE), MeterNetwork("M-EVSE", "KR-GRD", JUNE)]
    )
    asked = [("M-EVSE", JUNE - INSTANT), (" M-EVSE ", JUNE), ("M-HOUSE", NOW), ("M-0", NOW)]
    assert await allocate_meters(connection, asked) == [
        CITY,
        HILLS,
        Missing(f"no network operator is on record for meter M-HOUSE at {readable(NOW)}"),
        Missing("meter M-0 is not registered"),
    ]
    with pytest.raises(Conflict, match="meter M-EVSE already has network operator KR\\*GRD"):
        await assign_meter_networks(connection, [MeterNetwork("M-EVSE", CITY.id, NOW)])
    await assign_meter_networks(connection, [MeterNetwork("M-EVSE", CITY.id, NOW)], allow_overlap=True)
    (answer,) = await allocate_meters(connection, [("M-EVSE", NOW)])
    assert isinstance(answer, Ambiguous)
    assert set(answer.candidates) == {CITY, HILLS}
    assert await end_meter_networks(connection, [("M-EVSE", NOW)]) == [True]


async def test_a_meter_measures_one_thing_at_a_time(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await add_evses(connection, [Evse("KR*WTB*E2", "WTB-0001", 2)])
    with pytest.raises(Conflict, match="meter M-EVSE already has evse KR"):
        await assign_meter_places(connection, [MeterPlace("M-EVSE", "KR*WTB*E2", None, NOW)])
    assert await end_meter_places(connection, [("M-EVSE", NOW)]) == [True]
    await assign_meter_places(connection, [MeterPlace("M-EVSE", "KR*WTB*E2", None, NOW)])
    assert await places_of_meters(connection, [("M-EVSE", NOW), ("M-EVSE", YEAR), ("M-0", NOW)]) == [
        MeterPlace("M-EVSE", "KR*WTB*E2", None, NOW),
        MeterPlace("M-EVSE", "KR*WTB*E1", None, YEAR, NOW),
        Missing("meter M-0 is not registered"),
    ]


async def test_an_evse_has_one_meter_at_a_time_and_a_house_may_have_several(connection: AsyncConnection) -> None:
    await connect_to_grid(connection)
    await add_meters(connection, [Meter("M-2", Measures.EVSE), Meter("M-3", Measures.HOUSEHOLD)])
    with pytest.raises(Conflict, match="evse KR\\*WTB\\*E1 already has meter M-EVSE"):
        await assign_meter_places(connection, [MeterPlace("M-2", "KR*WTB*E1", None, NOW)])
    await assign_meter_places(connection, [MeterPlace("M-3", None, "house-1", NOW)])


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (MeterPlace("M-EVSE", None, None, NOW), "name one of them"),
        (MeterPlace("M-EVSE", "KR*WTB*E1", "house-1", NOW), "name one of them"),
        (MeterPlace("M-EVSE", None, "house-1", NOW), "measures a thing of kind evse, not household"),
        (MeterPlace("M-HOUSE", "KR*WTB*E1", None, NOW), "measures a thing of kind household, not evse"),
        (MeterPlace("M-HOUSE", None, "house-1", NOW, NOW), "not after its start"),
        (MeterPlace("M-HOUSE", None, "house-1", NOW.replace(tzinfo=None)), "without a zone"),
    ],
)
async def test_a_senseless_place_is_invalid(connection: AsyncConnection, place: MeterPlace, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await assign_meter_places(connection, [place])


async def test_only_registered_records_are_assigned(connection: AsyncConnection) -> None:
    with pytest.raises(NotFound, match="unit 'stranger' is not registered"):
        await assign_unit_supplies(connection, [supply(SOUTH, YEAR, unit="stranger")])
    with pytest.raises(NotFound, match="supplier 'KR\\*ZZZ' is not registered"):
        await assign_unit_supplies(connection, [UnitSupply(CAR, "KR*ZZZ", SOUTH_GROUP, YEAR)])
    with pytest.raises(NotFound, match="network operator 'KR\\*ZZZ' is not registered") as missing:
        await assign_meter_networks(connection, [MeterNetwork("M-EVSE", "KR*ZZZ", YEAR)])
    assert missing.value.details == {"network_operator": "KR*ZZZ"}
    with pytest.raises(NotFound, match="household 'house-9' is not registered"):
        await assign_meter_places(connection, [MeterPlace("M-HOUSE", None, "house-9", YEAR)])


async def test_two_writers_at_once_cannot_both_allocate_a_unit(database: Database) -> None:
    async with database.transaction() as connection:
        await settle(connection)

    async def allocate(allocation: Allocation) -> None:
        async with database.transaction() as connection:
            await assign_unit_supplies(connection, [supply(allocation, YEAR)])

    outcomes = await asyncio.gather(allocate(SOUTH), allocate(NORTH), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict]


DAYS = 6
SPANS = st.tuples(st.integers(0, DAYS - 1), st.one_of(st.none(), st.integers(1, DAYS))).filter(
    lambda span: span[1] is None or span[0] < span[1]
)
_units = count()


def day(number: int) -> datetime:
    return YEAR + timedelta(days=number)


def model(taken: list[tuple[Allocation, int, int | None]], at: int) -> set[Allocation]:
    return {each for each, start, end in taken if start <= at and (end is None or at < end)}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wishes=st.lists(st.tuples(st.sampled_from([SOUTH, NORTH]), SPANS, st.booleans()), max_size=5),
)
async def test_the_database_agrees_with_the_model_of_half_open_intervals(
    connection: AsyncConnection, wishes: list[tuple[Allocation, tuple[int, int | None], bool]]
) -> None:
    """A wish is taken if its days are free, if it is known already, or if overlaps are allowed; and every day answers
    with nothing, the one, or all the different ones."""
    unit = f"unit-{next(_units)}"
    await add_units(connection, [Unit(unit, "any vehicle")])
    taken: list[tuple[Allocation, int, int | None]] = []
    for allocation, (start, end), allow_overlap in wishes:
        wish = (allocation, start, end)
        days = range(start, DAYS + 1 if end is None else end)
        others = [each for each in taken if each != wish]
        free = not any(model(others, number) for number in days)
        new = supply(allocation, day(start), None if end is None else day(end), unit)
        if free or allow_overlap:
            await assign_unit_supplies(connection, [new], allow_overlap=allow_overlap)
            taken.append(wish)
        else:
            with pytest.raises(Conflict):
                await assign_unit_supplies(connection, [new])
    answers = await allocate_units(connection, [(unit, day(number)) for number in range(DAYS + 1)])
    for number, answer in enumerate(answers):
        expected = model(taken, number)
        match answer:
            case Allocation():
                assert {answer} == expected
            case Ambiguous():
                assert len(answer.candidates) > 1
                assert set(answer.candidates) == expected
            case Missing():
                assert not expected
