"""Vehicles: batteries on wheels that take energy in and can give it back.

A vehicle is a value. Charging it answers with a new one and the energy that flowed, in whole milliwatt-hours; nothing
here knows of stations, and time is only ever a length of time.

Up to the knee a battery takes all the power it can; above it the power falls in a straight line to a tenth, so the last
fifth takes long. Losses between meter and battery are left out: what the meter counts is what the battery gains.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_KWH, div_ceil, div_floor

KNEE_PERMILLE = 800
"""State of charge above which the charging power falls."""

POWER_AT_FULL_PERMILLE = 100
"""Share of the highest power that is left as the battery gets full."""

MICROSECOND = timedelta(microseconds=1)
US_W_PER_MWH = 3_600_000
"""Microseconds × watts that make 1 mWh."""


@dataclass(frozen=True, slots=True)
class VehicleModel:
    """What vehicles of one make have in common.

    Attributes:
        ac_max_w, dc_max_w: the most it takes from each kind of outlet.
        feed_in_max_w: the most it gives back; 0: it cannot.
    """

    name: str
    capacity_mwh: int
    ac_max_w: int
    dc_max_w: int
    feed_in_max_w: int = 0

    def __post_init__(self) -> None:
        if self.capacity_mwh <= 0 or min(self.ac_max_w, self.dc_max_w, self.feed_in_max_w) < 0:
            raise InvalidInput(f"no vehicle: {self}")


# Classes of vehicles as they are sold in the 2020s, rounded; no particular make.
MODELS = (
    VehicleModel("city car", 40 * MWH_PER_KWH, 7_400, 50_000),
    VehicleModel("compact", 60 * MWH_PER_KWH, 11_000, 125_000, feed_in_max_w=10_000),
    VehicleModel("saloon", 80 * MWH_PER_KWH, 11_000, 200_000, feed_in_max_w=11_000),
    VehicleModel("van", 75 * MWH_PER_KWH, 22_000, 100_000),
    VehicleModel("bus", 350 * MWH_PER_KWH, 22_000, 300_000, feed_in_max_w=60_000),
)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle at one moment.

    Attributes:
        stored_mwh: what its battery holds.
        uncounted: microseconds × watts that flowed and made no whole milliwatt-hour yet, so that many short stretches
            count as much as one long one.
    """

    model: VehicleModel
    stored_mwh: int
    uncounted: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.stored_mwh <= self.model.capacity_mwh or not 0 <= self.uncounted < US_W_PER_MWH:
            raise InvalidInput(f"a battery of {self.model.capacity_mwh} mWh cannot hold {self.stored_mwh} mWh")

    @property
    def soc_permille(self) -> int:
        """State of charge, cut off downward."""
        return div_floor(self.stored_mwh * 1000, self.model.capacity_mwh)

    @property
    def room_mwh(self) -> int:
        """What still fits in."""
        return self.model.capacity_mwh - self.stored_mwh


@dataclass(frozen=True, slots=True)
class Flow:
    """What a stretch of time did.

    Attributes:
        vehicle: as it is afterwards.
        energy_mwh: that flowed, in either direction never negative.
        power_w: at which it flowed; 0 when nothing could flow.
        lasted: shorter than asked when the limit was reached before; zero when nothing could flow.
    """

    vehicle: Vehicle
    energy_mwh: int
    power_w: int
    lasted: timedelta


def charging_power_w(vehicle: Vehicle, offered_w: int, *, dc: bool) -> int:
    """What the vehicle takes now of the power that is offered."""
    if vehicle.room_mwh == 0:
        return 0
    most_w = vehicle.model.dc_max_w if dc else vehicle.model.ac_max_w
    above = max(0, vehicle.soc_permille - KNEE_PERMILLE)
    share = 1000 - div_floor(above * (1000 - POWER_AT_FULL_PERMILLE), 1000 - KNEE_PERMILLE)
    return min(offered_w, div_ceil(most_w * share, 1000))


def charge(vehicle: Vehicle, offered_w: int, lasting: timedelta, *, dc: bool, energy_mwh_max: int) -> Flow:
    """Take energy in for that time, or until the limit is reached or the battery is full."""
    power_w = charging_power_w(vehicle, offered_w, dc=dc)
    return _flow(vehicle, power_w, lasting, min(energy_mwh_max, vehicle.room_mwh), 1)


def feed_in(vehicle: Vehicle, taken_w: int, lasting: timedelta, *, energy_mwh_max: int) -> Flow:
    """Give energy back for that time, or until the limit is reached or the battery is empty."""
    power_w = min(taken_w, vehicle.model.feed_in_max_w)
    return _flow(vehicle, power_w, lasting, min(energy_mwh_max, vehicle.stored_mwh), -1)


def random_vehicle(random: Random, *, feeds_in: bool = False) -> Vehicle:
    """One that arrives with 10 to 60 % in its battery; with `feeds_in`, one that can give back."""
    models = [model for model in MODELS if model.feed_in_max_w or not feeds_in]
    model = random.choice(models)
    return Vehicle(model, div_floor(model.capacity_mwh * random.randint(100, 600), 1000))


def _flow(vehicle: Vehicle, power_w: int, lasting: timedelta, energy_mwh_max: int, sign: int) -> Flow:
    """Flow at this power, into the vehicle or out of it; cut short at the moment the limit is reached."""
    if power_w <= 0 or energy_mwh_max <= 0:
        return Flow(vehicle, 0, 0, timedelta(0))
    energy_mwh, uncounted = divmod(vehicle.uncounted + power_w * (lasting // MICROSECOND), US_W_PER_MWH)
    lasted = lasting
    if energy_mwh >= energy_mwh_max:
        needed = MICROSECOND * div_ceil(energy_mwh_max * US_W_PER_MWH - vehicle.uncounted, power_w)
        energy_mwh, uncounted, lasted = energy_mwh_max, 0, min(needed, lasting)
    after = replace(vehicle, stored_mwh=vehicle.stored_mwh + sign * energy_mwh, uncounted=uncounted)
    return Flow(after, energy_mwh, power_w, lasted)
