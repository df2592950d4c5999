"""A tariff compiled for one billing period: the few products whose sum is the bill, whoever evaluates them.

Compiling answers every question that depends on dates (which versions hold, which season, how many days a stretch has)
once. What remains of a charge is a sum of pieces `price × share × quantity`, where the quantity is cut out of the
measured kWh by limits. The bill of one house evaluates the pieces in exact fractions and keeps them as its explanation
(`household`); a bill run evaluates the same pieces for all houses at once in integers (`bulk`).

What has to be measured are the `slots`: for a tariff without zones the energy of the whole period (or of each stretch
of days with equal terms), for one with zones that of each zone in each stretch.
"""

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import chain, groupby, pairwise
from typing import NamedTuple, Protocol, TypeVar

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.household_data import (
    LEVIES,
    AllowancePerKwh,
    AnyCharge,
    BaseByTier,
    EnergyByTier,
    EnergyByZone,
    Fixed,
    HouseholdTariff,
    Minimum,
    Percent,
    PerKw,
    PerKwh,
)
from wattbook.tariffs.period import BillingPeriod


class Slot(NamedTuple):
    """Energy that a bill needs measured by itself: of the days from first to last, in the zone ('' is every hour)."""

    first: date
    last: date
    zone: str


class EnergyPiece(NamedTuple):
    """The kWh that lie between two limits, in a stack of slots of which some lie below and some belong to the piece.

    quantity = clip(kWh of `slots` and `below`) − clip(kWh of `below`), clipped to [lower, upper].
    """

    label: str
    first: date
    last: date
    slots: tuple[int, ...]
    below: tuple[int, ...]
    lower: Fraction
    upper: Fraction | None
    price: Fraction
    share: Fraction


class TierPiece(NamedTuple):
    """An amount by the highest tier that the kWh of the slots reach; more than a limit is the next tier."""

    first: date
    last: date
    slots: tuple[int, ...]
    limits: tuple[Fraction, ...]
    amounts: tuple[Fraction, ...]
    share: Fraction


class FixedPiece(NamedTuple):
    """An amount that depends on nothing measured, or, with a basis, on the kilowatts of it."""

    first: date
    last: date
    basis: str
    price: Fraction
    share: Fraction


class PercentPiece(NamedTuple):
    first: date
    last: date
    rate: Fraction
    share: Fraction


ZERO = Fraction()
Piece = EnergyPiece | TierPiece | FixedPiece | PercentPiece


class Step(NamedTuple):
    """A charge: the sum of its pieces, rounded by the step of its name.

    `of` names what a percentage is of, or, for a minimum, the charges whose sum is lifted to the sum of the pieces.
    """

    charge: AnyCharge
    pieces: tuple[Piece, ...]
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """A tariff for one period; `part` is the share of a month it is billed as (1 unless a part was asked for)."""

    tariff: HouseholdTariff
    period: BillingPeriod
    part: Fraction
    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]

    @property
    def month_days(self) -> int | None:
        """Of the month that the period is a part of; None: it is billed as a whole one."""
        return None if self.part == 1 else int(self.period.day_count / self.part)

    @property
    def subtotal_of(self) -> tuple[str, ...]:
        """The charges that sum to the subtotal."""
        return tuple(step.charge.name for step in self.steps if step.charge.line not in LEVIES)


@lru_cache(maxsize=4_096)
def _compiled(key: "_Key") -> Schedule:
    return _compile(key.tariff, key.period, key.month_days)


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """Tariffs hold dictionaries and are compared by identity here: a catalogue loads each once."""

    tariff: HouseholdTariff
    period: BillingPeriod
    month_days: int | None

    def __hash__(self) -> int:
        return hash((id(self.tariff), self.period, self.month_days))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Key)
            and self.tariff is other.tariff
            and (self.period, self.month_days) == (other.period, other.month_days)
        )


def compile_household(tariff: HouseholdTariff, period: BillingPeriod, month_days: int | None = None) -> Schedule:
    """The tariff for the period; the same one again is returned from memory.

    Args:
        month_days: the period is a part of a month of so many days, and monthly limits and amounts are scaled to it
            (terms §80 as cited by pages of Korean local governments). None bills the period as a whole month.

    Raises:
        InvalidInput: a period longer than the tariff bills at once, or days before its data begin.
    """
    return _compiled(_Key(tariff, period, month_days))


# ------------------------------------------------------------------------------------------------------ compiling


class _Stretch(NamedTuple):
    """Consecutive days under the same terms.

    `share` weighs kWh, `month` weighs amounts per month, `scale` is what monthly limits are multiplied by.
    """

    first: date
    last: date
    days: int
    slots: tuple[int, ...]
    share: Fraction
    month: Fraction
    scale: Fraction


def _compile(tariff: HouseholdTariff, period: BillingPeriod, month_days: int | None) -> Schedule:
    if period.day_count > tariff.length.days_max:
        raise InvalidInput(
            f"{period} has {period.day_count} days; {tariff.name} bills at most {tariff.length.days_max} as one month"
        )
    if month_days is not None and not period.day_count <= month_days <= tariff.length.days_max:
        raise InvalidInput(f"{period} cannot be a part of a month of {month_days} days")
    part = Fraction(1) if month_days is None else Fraction(period.day_count, month_days)
    slots: list[Slot] = []
    stretches = tuple(_stretches(tariff, period, part, slots))
    steps = tuple(_step(tariff, charge, stretches, slots, period) for charge in tariff.charges)
    return Schedule(tariff, period, part, tuple(slots), steps)


def _stretches(tariff: HouseholdTariff, period: BillingPeriod, part: Fraction, slots: list[Slot]) -> Iterator[_Stretch]:
    if tariff.split == "days":
        slots.append(Slot(period.first, period.last, ""))
    for _, group in groupby(period.days(), key=lambda day: _terms(tariff, day)):
        days = list(group)
        first, last, share = days[0], days[-1], Fraction(len(days), period.day_count)
        if tariff.split == "days":
            yield _Stretch(first, last, len(days), (0,), share, share * part, part)
        else:
            season = tariff.season_of(first.month).name
            zones = [zone.name for zone in tariff.zones if zone.seasons is None or season in zone.seasons] or [""]
            own = tuple(range(len(slots), len(slots) + len(zones)))
            slots.extend(Slot(first, last, zone) for zone in zones)
            yield _Stretch(first, last, len(days), own, Fraction(1), share * part, share * part)


def _terms(tariff: HouseholdTariff, day: date) -> tuple[object, ...]:
    """All that the price of a day's energy depends on."""
    is_super_month = tariff.super_user is not None and day.month in tariff.super_user.months
    dated = [
        _at(charge.versions, day).valid_from
        for charge in tariff.charges
        if not (isinstance(charge, Percent) or (isinstance(charge, PerKwh) and charge.at == "first-day"))
    ]
    return tariff.season_of(day.month).name, is_super_month, *dated


def _step(
    tariff: HouseholdTariff,
    charge: AnyCharge,
    stretches: tuple[_Stretch, ...],
    slots: list[Slot],
    period: BillingPeriod,
) -> Step:
    match charge:
        case Percent():
            return Step(charge, tuple(_percent(charge, period)), charge.of)
        case Minimum():
            return Step(charge, tuple(_fixed(charge, stretch) for stretch in stretches), charge.of)
        case PerKwh(at="first-day"):
            price = Fraction(_at(charge.versions, period.first).per_kwh)
            every = tuple(range(len(slots)))
            whole = EnergyPiece("", period.first, period.last, every, (), Fraction(), None, price, Fraction(1))
            return Step(charge, (whole,))
        case _:
            pieces = chain.from_iterable(_pieces(tariff, charge, stretch, slots) for stretch in stretches)
            return Step(charge, tuple(_merged(pieces)))


def _pieces(tariff: HouseholdTariff, charge: AnyCharge, stretch: _Stretch, slots: list[Slot]) -> Iterator[Piece]:
    """Of a charge, in a stretch."""
    season = tariff.season_of(stretch.first.month)
    limits = tuple(limit * stretch.scale for limit in season.tier_limits_kwh)

    def energy(
        label: str,
        price: object,
        lower: Fraction = ZERO,
        upper: Fraction | None = None,
        own: tuple[int, ...] = stretch.slots,
        below: tuple[int, ...] = (),
    ) -> EnergyPiece:
        exact = Fraction(str(price))
        return EnergyPiece(label, stretch.first, stretch.last, own, below, lower, upper, exact, stretch.share)

    match charge:
        case Fixed():
            yield _fixed(charge, stretch)
        case PerKw():
            price = Fraction(_at(charge.versions, stretch.first).per_kw)
            yield FixedPiece(stretch.first, stretch.last, charge.basis, price, stretch.month)
        case BaseByTier():
            amounts = tuple(Fraction(amount) for amount in _at(charge.versions, stretch.first).by_tier)
            yield TierPiece(stretch.first, stretch.last, stretch.slots, limits, amounts, stretch.month)
        case EnergyByTier():
            tiers = _at(charge.versions, stretch.first)
            above = _above(tariff, stretch, tiers.super_user)
            prices = tiers.by_tier if above is None else (*tiers.by_tier, tiers.super_user)
            borders = (Fraction(), *limits, *(() if above is None else (above,)), None)
            for tier, ((lower, upper), price_of_tier) in enumerate(zip(pairwise(borders), prices, strict=True), 1):
                yield energy(str(tier), price_of_tier, lower or ZERO, upper)
        case EnergyByZone():
            zones = _at(charge.versions, stretch.first)
            above = _above(tariff, stretch, zones.super_user)
            for place, slot in enumerate(stretch.slots):
                zone = slots[slot].zone
                price_of_zone = zones.by_season[season.name][zone]
                yield energy(zone, price_of_zone, ZERO, above, (slot,), stretch.slots[:place])
            if above is not None:
                yield energy("super-user", zones.super_user, above)
        case PerKwh():
            yield energy("", _at(charge.versions, stretch.first).per_kwh)
        case AllowancePerKwh():
            allowance = _at(charge.versions, stretch.first)
            # A whole-period sum is compared with the whole period's allowance, and the stretch weighs by its share.
            days = stretch.days / stretch.share
            yield energy("", allowance.per_kwh, ZERO, Fraction(allowance.kwh_per_day[season.name]) * days)
        case _:  # pragma: no cover - percentages and minima are handled by _step
            raise AssertionError(charge)


def _above(tariff: HouseholdTariff, stretch: _Stretch, price: object) -> Fraction | None:
    """The super-user limit of a stretch, None where there is none."""
    if price is None or tariff.super_user is None or stretch.first.month not in tariff.super_user.months:
        return None
    return tariff.super_user.above_kwh * stretch.scale


def _fixed(charge: Fixed | Minimum, stretch: _Stretch) -> FixedPiece:
    price = Fraction(_at(charge.versions, stretch.first).amount)
    if charge.per == "day":
        share = Fraction(stretch.days)
    elif charge.per == "month":
        share = stretch.month
    else:
        days = (date.fromordinal(day) for day in range(stretch.first.toordinal(), stretch.last.toordinal() + 1))
        share = sum((Fraction(1, 366 if isleap(day.year) else 365) for day in days), Fraction())
    return FixedPiece(stretch.first, stretch.last, "", price, share)


def _percent(charge: Percent, period: BillingPeriod) -> Iterator[PercentPiece]:
    for version, group in groupby(period.days(), key=lambda day: _at(charge.versions, day)):
        days = list(group)
        yield PercentPiece(days[0], days[-1], Fraction(version.percent) / 100, Fraction(len(days), period.day_count))


def _merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbouring stretches in which a charge has the same terms are one: their shares add."""
    kept: list[Piece] = []
    for piece in pieces:
        for place, other in enumerate(kept):
            if _same_terms(other, piece):
                kept[place] = other._replace(last=piece.last, share=other.share + piece.share)
                break
        else:
            kept.append(piece)
    return iter(kept)


def _same_terms(one: Piece, other: Piece) -> bool:
    return (other.first - one.last).days == 1 and _terms_of(one) == _terms_of(other)


def _terms_of(piece: Piece) -> tuple[object, ...]:
    dated = ("first", "last", "share")
    return type(piece), *(value for name, value in zip(piece._fields, piece, strict=True) if name not in dated)


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...


DatedT = TypeVar("DatedT", bound=_Dated)


def _at(versions: tuple[DatedT, ...], day: date) -> DatedT:
    """The version that holds on the day.

    Raises:
        InvalidInput: the day is before the first version.
    """
    for version in reversed(versions):
        if version.valid_from <= day:
            return version
    raise InvalidInput(f"no prices known for {day}: the data begin on {versions[0].valid_from}")
