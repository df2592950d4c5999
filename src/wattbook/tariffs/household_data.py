"""What a household tariff is made of, as a data file states it: structs that refuse a file which contradicts itself.

A bill is a list of charges in order, each rounded by the step that bears its name. A charge has one kind (a fixed
amount, a price by tier, by zone of the day, per kilowatt, a percentage of what stands above it, and so on) and dated
versions of its numbers. Seasons are sets of months, zones are hours of the local day by season and type of day.

Where prices or the season change inside a billing period the period is cut into stretches of days with equal terms.
`split` says what is known of each stretch: with `days` only the sum of the whole period is known and every stretch
weighs by its share of the days (KEPCO's published example); with `measured` the energy of each stretch was measured,
which a tariff with zones needs anyway.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from wattbook.kernel.units import Currency
from wattbook.tariffs.rounding import Rounding

Line = Literal["base", "energy", "climate", "fuel", "vat", "fund"]
"""The line of a bill document to which a charge belongs; `vat` and `fund` are not the seller's revenue."""

LINES: tuple[Line, ...] = ("base", "energy", "climate", "fuel", "vat", "fund")
LEVIES: tuple[Line, ...] = ("vat", "fund")
DayType = Literal["weekday", "weekend", "holiday"]
DAY_TYPES: tuple[DayType, ...] = ("weekday", "weekend", "holiday")
MONTHS = frozenset(range(1, 13))
ALWAYS = "always"
"""The season of a tariff that has none."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a data file."""


# ------------------------------------------------------------------------------------------------ dated versions


class Version(Struct, frozen=True, kw_only=True):
    """Numbers that hold from `valid_from` until the next version; who said so, and when that was looked at."""

    valid_from: date
    source: str
    checked_on: date


class Amount(Version, frozen=True, kw_only=True):
    amount: Decimal


class AmountByTier(Version, frozen=True, kw_only=True):
    by_tier: tuple[Decimal, ...]
    """Per month, for the highest tier reached."""


class PriceByTier(Version, frozen=True, kw_only=True):
    by_tier: tuple[Decimal, ...]
    """Per kWh."""
    super_user: Decimal | None = None
    """Per kWh, for the part above the super-user limit in its months."""


class PriceByZone(Version, frozen=True, kw_only=True):
    by_season: dict[str, dict[str, Decimal]]
    """Per kWh, by season and zone; the season of a tariff without seasons is `always`."""
    super_user: Decimal | None = None


class PricePerKwh(Version, frozen=True, kw_only=True):
    per_kwh: Decimal


class PricePerKw(Version, frozen=True, kw_only=True):
    per_kw: Decimal
    """Per month."""


class Allowance(Version, frozen=True, kw_only=True):
    per_kwh: Decimal
    """Less than zero for a credit."""
    kwh_per_day: dict[str, Decimal]
    """By season: for how many kWh a day, summed over the stretch, the price holds."""


class Percentage(Version, frozen=True, kw_only=True):
    percent: Decimal


# ------------------------------------------------------------------------------------------------------- charges


class Charge(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One named step of the bill."""

    name: str
    line: Line


class Fixed(Charge, frozen=True, kw_only=True, tag="fixed"):
    """An amount per day, year, or month (of which a whole billing period is one)."""

    per: Literal["day", "month", "year"]
    versions: tuple[Amount, ...]


class BaseByTier(Charge, frozen=True, kw_only=True, tag="base-by-tier"):
    versions: tuple[AmountByTier, ...]


class EnergyByTier(Charge, frozen=True, kw_only=True, tag="energy-by-tier"):
    versions: tuple[PriceByTier, ...]


class EnergyByZone(Charge, frozen=True, kw_only=True, tag="energy-by-zone"):
    versions: tuple[PriceByZone, ...]


class PerKwh(Charge, frozen=True, kw_only=True, tag="per-kwh"):
    """On every kWh. `at` first-day: the version of the period's first day holds for all of it."""

    versions: tuple[PricePerKwh, ...]
    at: Literal["each-day", "first-day"] = "each-day"


class PerKw(Charge, frozen=True, kw_only=True, tag="per-kw"):
    """On the contracted power, or on the highest power measured in the period (a demand charge).

    `minutes` is the demand interval: the highest power is the greatest mean over one.
    """

    versions: tuple[PricePerKw, ...]
    basis: Literal["contract", "peak"]
    minutes: Literal[15, 30, 60] = 15


class AllowancePerKwh(Charge, frozen=True, kw_only=True, tag="allowance"):
    versions: tuple[Allowance, ...]


class Minimum(Charge, frozen=True, kw_only=True, tag="minimum"):
    """What is missing when the charges that `of` names sum to less than the amount per day or month."""

    per: Literal["day", "month"]
    of: tuple[str, ...]
    versions: tuple[Amount, ...]


class Percent(Charge, frozen=True, kw_only=True, tag="percent"):
    """Of the subtotal, or of the charges above it that `of` names; changed rates weigh by their share of the days."""

    versions: tuple[Percentage, ...]
    of: tuple[str, ...] = ("subtotal",)


AnyCharge = Fixed | BaseByTier | EnergyByTier | EnergyByZone | PerKwh | PerKw | AllowancePerKwh | Minimum | Percent


# -------------------------------------------------------------------------------------------- seasons, days, zones


class Season(Struct, frozen=True):
    name: str
    months: tuple[int, ...]
    tier_limits_kwh: tuple[int, ...] = ()
    """The last kWh of each tier but the last, which has no end."""


class SuperUser(Struct, frozen=True):
    months: tuple[int, ...]
    above_kwh: int


class Holiday(Struct, frozen=True):
    """A day of every year: by its date, or the nth of a weekday in a month (Monday is 0; nth −1 is the last)."""

    name: str
    month: int
    day: int | None = None
    weekday: int | None = None
    nth: int | None = None
    monday_after_sunday: bool = False
    """When it falls on a Sunday, the Monday after it is kept as well."""

    def __post_init__(self) -> None:
        by_date, by_weekday = self.day is not None, self.weekday is not None and self.nth is not None
        if by_date == by_weekday:
            raise ValueError(f"holiday {self.name} needs either a day, or a weekday and which one of the month")


class Zone(Struct, frozen=True):
    """Hours of the local day, such as [[22, 24], [0, 8]], in these seasons and on these types of day."""

    name: str
    hours: tuple[tuple[int, int], ...]
    seasons: tuple[str, ...] | None = None
    days: tuple[DayType, ...] = DAY_TYPES

    def holds(self, season: str, day: DayType, hour: int) -> bool:
        in_season = self.seasons is None or season in self.seasons
        return in_season and day in self.days and any(first <= hour < end for first, end in self.hours)


class Length(Struct, frozen=True):
    """How many days may be billed as one period; below `days_min` a bill says that it is short."""

    days_min: int
    days_max: int


class Note(Struct, frozen=True, kw_only=True):
    """What a bill must say about itself when its days and its kWh fall in these bounds (all inclusive)."""

    text: str
    first: date = date.min
    last: date = date.max
    kwh_min: int = 0
    kwh_max: int | None = None

    def concerns(self, kwh: int, first: date, last: date) -> bool:
        in_days = self.first <= last and first <= self.last
        return in_days and self.kwh_min <= kwh and (self.kwh_max is None or kwh <= self.kwh_max)


class HouseholdTariff(Struct, frozen=True, kw_only=True):
    """A tariff with its whole known history; prices in units of `currency`, rounding units in its smallest coin."""

    name: str
    title: str
    country: str
    currency: str
    time_zone: str
    length: Length
    charges: tuple[AnyCharge, ...]
    rounding: dict[str, Rounding]
    """The step `kwh`, one for each charge, and `total`."""
    split: Literal["days", "measured"] = "days"
    seasons: tuple[Season, ...] = (Season(name=ALWAYS, months=tuple(sorted(MONTHS))),)
    super_user: SuperUser | None = None
    zones: tuple[Zone, ...] = ()
    """In the order in which they are stacked where a limit counts the kWh of all zones: cheapest first."""
    holidays: tuple[Holiday, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        """The contradictions a data file can hold; ValueError becomes an error of the loader that names the file."""
        if sorted(month for season in self.seasons for month in season.months) != sorted(MONTHS):
            raise ValueError("the seasons must hold each of the twelve months once")
        Currency.of(self.currency)
        self._check_order()
        self._check_demand()
        self._check_tiers()
        self._check_zones()
        for charge in self.charges:
            days = [version.valid_from for version in charge.versions]
            if not days or sorted(set(days)) != days:
                raise ValueError("versions must be there, in the order of valid_from, and no two on one day")

    @property
    def coins_per_unit(self) -> int:
        """Smallest coins in a unit of the currency: 1 won, 100 cents."""
        return int(10 ** Currency.of(self.currency).display_digits)

    @property
    def power_basis(self) -> frozenset[str]:
        """What power a bill depends on: `contract`, `peak`."""
        return frozenset(charge.basis for charge in self.charges if isinstance(charge, PerKw))

    @property
    def demand_minutes(self) -> int | None:
        """The interval over which the highest power is the mean; None where no charge depends on it."""
        return next((each.minutes for each in self.charges if isinstance(each, PerKw) and each.basis == "peak"), None)

    def season_of(self, month: int) -> Season:
        return next(season for season in self.seasons if month in season.months)

    def _check_order(self) -> None:
        names = [charge.name for charge in self.charges]
        if set(self.rounding) != {"kwh", *names, "total"} or len(set(names)) != len(names):
            raise ValueError(f"rounding names the steps kwh, total and each charge once: {sorted(self.rounding)}")
        above: list[str] = []
        for charge in self.charges:
            if isinstance(charge, Percent | Minimum):
                known = {*above, *(["subtotal"] if isinstance(charge, Percent) else [])}
                if unknown := set(charge.of) - known:
                    raise ValueError(f"charge {charge.name} is of {sorted(unknown)}, which do not stand above it")
            if above and charge.line not in LEVIES and self.charges[len(above) - 1].line in LEVIES:
                raise ValueError(f"charge {charge.name} comes after a levy, so a levy's subtotal would miss it")
            above.append(charge.name)

    def _check_demand(self) -> None:
        lengths = {each.minutes for each in self.charges if isinstance(each, PerKw) and each.basis == "peak"}
        if len(lengths) > 1:
            raise ValueError(f"charges for the highest power share one demand interval, not {sorted(lengths)}")

    def _check_tiers(self) -> None:
        tiered = [charge for charge in self.charges if isinstance(charge, BaseByTier | EnergyByTier)]
        counts = {len(version.by_tier) for charge in tiered for version in charge.versions}
        counts |= {len(season.tier_limits_kwh) + 1 for season in self.seasons} if tiered else set()
        if len(counts) > 1:
            raise ValueError(f"seasons and prices differ in their number of tiers: {sorted(counts)}")
        for season in self.seasons:
            if sorted(set(season.tier_limits_kwh)) != list(season.tier_limits_kwh):
                raise ValueError(f"the tier limits of {season.name} must rise")

    def _check_zones(self) -> None:
        by_zone = [charge for charge in self.charges if isinstance(charge, EnergyByZone)]
        if by_zone and self.split != "measured":
            raise ValueError("energy by zone needs the split `measured`")
        if not self.zones:
            if by_zone:
                raise ValueError("energy by zone needs zones")
            return
        for season in self.seasons:
            for day in DAY_TYPES:
                for hour in range(24):
                    if (count := sum(zone.holds(season.name, day, hour) for zone in self.zones)) != 1:
                        raise ValueError(f"{season.name}, {day}, hour {hour} is in {count} zones instead of one")
            wanted = {zone.name for zone in self.zones if zone.seasons is None or season.name in zone.seasons}
            for version in (version for charge in by_zone for version in charge.versions):
                if set(version.by_season.get(season.name, ())) != wanted:
                    raise ValueError(f"{season.name} has prices for other zones than {sorted(wanted)}")
        for charge in self.charges:
            if isinstance(charge, AllowancePerKwh):
                for allowance in charge.versions:
                    if set(allowance.kwh_per_day) != {season.name for season in self.seasons}:
                        raise ValueError(f"charge {charge.name} needs its kWh per day for each season")
