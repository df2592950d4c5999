"""Vehicles: no energy from nowhere, a slow last fifth, and the same seed gives the same vehicle."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH
from wattbook.simulate.vehicles import (
    MODELS,
    Vehicle,
    VehicleModel,
    charge,
    charging_power_w,
    feed_in,
    random_vehicle,
)

HOUR = timedelta(hours=1)
CAR = VehicleModel("car", 50 * MWH_PER_KWH, 10_000, 100_000, feed_in_max_w=5_000)

vehicles = st.builds(
    lambda model, permille: Vehicle(model, model.capacity_mwh * permille // 1000),
    st.sampled_from(MODELS),
    st.integers(0, 1000),
)
stretches = st.timedeltas(timedelta(0), timedelta(days=1))
powers = st.integers(0, 400_000)
limits = st.integers(0, 500 * MWH_PER_KWH)


@given(vehicles, powers, stretches, limits, st.booleans())
def test_charging_moves_energy_and_makes_none(
    vehicle: Vehicle, offered_w: int, lasting: timedelta, limit_mwh: int, dc: bool
) -> None:
    flow = charge(vehicle, offered_w, lasting, dc=dc, energy_mwh_max=limit_mwh)
    assert flow.vehicle.stored_mwh == vehicle.stored_mwh + flow.energy_mwh
    assert 0 <= flow.energy_mwh <= min(limit_mwh, vehicle.room_mwh)
    assert flow.power_w <= offered_w
    assert timedelta(0) <= flow.lasted <= lasting


@given(vehicles, powers, stretches, limits)
def test_feeding_in_takes_out_of_the_battery_what_it_gives(
    vehicle: Vehicle, taken_w: int, lasting: timedelta, limit_mwh: int
) -> None:
    flow = feed_in(vehicle, taken_w, lasting, energy_mwh_max=limit_mwh)
    assert flow.vehicle.stored_mwh == vehicle.stored_mwh - flow.energy_mwh
    assert 0 <= flow.energy_mwh <= min(limit_mwh, vehicle.stored_mwh)
    assert flow.power_w <= vehicle.model.feed_in_max_w


def test_ten_kilowatts_for_an_hour_are_ten_kilowatt_hours() -> None:
    flow = charge(Vehicle(CAR, 0), 22_000, HOUR, dc=False, energy_mwh_max=CAR.capacity_mwh)
    assert (flow.energy_mwh, flow.power_w, flow.lasted) == (10 * MWH_PER_KWH, 10_000, HOUR)


def test_a_limit_ends_the_stretch_at_the_moment_it_is_reached() -> None:
    flow = charge(Vehicle(CAR, 0), 22_000, HOUR, dc=False, energy_mwh_max=5 * MWH_PER_KWH)
    assert (flow.energy_mwh, flow.lasted) == (5 * MWH_PER_KWH, HOUR / 2)


@given(st.integers(1, 300_000), st.integers(1, 90), st.booleans())
def test_many_short_stretches_count_as_much_as_one_long_one(power_w: int, seconds: int, outward: bool) -> None:
    store = VehicleModel("store", 10_000 * MWH_PER_KWH, 300_000, 300_000, feed_in_max_w=300_000)
    begun = Vehicle(store, 5_000 * MWH_PER_KWH)

    def flow(vehicle: Vehicle, lasting: timedelta) -> Vehicle:
        if outward:
            return feed_in(vehicle, power_w, lasting, energy_mwh_max=store.capacity_mwh).vehicle
        return charge(vehicle, power_w, lasting, dc=True, energy_mwh_max=store.capacity_mwh).vehicle

    in_parts = begun
    for _ in range(20):
        in_parts = flow(in_parts, timedelta(seconds=seconds))
    assert in_parts == flow(begun, timedelta(seconds=20 * seconds))


def test_the_outlet_and_the_vehicle_both_limit_the_power() -> None:
    empty = Vehicle(CAR, 0)
    assert charging_power_w(empty, 3_700, dc=False) == 3_700
    assert charging_power_w(empty, 22_000, dc=False) == 10_000
    assert charging_power_w(empty, 150_000, dc=True) == 100_000


def test_the_power_falls_above_four_fifths_and_ends_at_full() -> None:
    at = [charging_power_w(Vehicle(CAR, CAR.capacity_mwh * soc // 100), 10**6, dc=True) for soc in (80, 90, 99, 100)]
    assert at == [100_000, 55_000, 14_500, 0]


def test_a_vehicle_that_cannot_feed_in_gives_nothing() -> None:
    one_way = Vehicle(VehicleModel("one way", MWH_PER_KWH, 1_000, 0), MWH_PER_KWH)
    assert feed_in(one_way, 1_000, HOUR, energy_mwh_max=MWH_PER_KWH).energy_mwh == 0


def test_the_same_seed_gives_the_same_vehicle() -> None:
    assert random_vehicle(Random(7)) == random_vehicle(Random(7))
    assert all(random_vehicle(Random(seed), feeds_in=True).model.feed_in_max_w for seed in range(20))


def test_a_battery_does_not_hold_more_than_it_can() -> None:
    with pytest.raises(InvalidInput):
        Vehicle(CAR, CAR.capacity_mwh + 1)
