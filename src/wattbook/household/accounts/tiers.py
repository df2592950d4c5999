"""Where a house stands in its tariff: the tiers, and what the next kilowatt-hour costs.

Prices come from the tariff as it is compiled for the period. What one more kilowatt-hour costs is the bill with it less
the bill without it: with the base charge of a higher tier, with taxes and with every rounding of the bill.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from wattbook.kernel.units import MWH_PER_KWH, Energy, Money
from wattbook.tariffs.household import HouseholdBill, Usage, rate_household
from wattbook.tariffs.household_data import EnergyByTier, EnergyByZone
from wattbook.tariffs.schedule import EnergyPiece, Schedule


class Tier(NamedTuple):
    """The kilowatt-hours above `above_kwh`, up to and including `to_kwh`; None: there is no end.

    Attributes:
        price: per kWh in units of the currency, before taxes and what else the bill adds.
        slots: of the schedule, whose kilowatt-hours it counts.
    """

    number: int
    above_kwh: Fraction
    to_kwh: Fraction | None
    price: Fraction
    slots: tuple[int, ...]


class TierUse(NamedTuple):
    """Of a rated bill: the energy in a tier, or in a zone of the day, and what it costs before taxes.

    Attributes:
        tier: from 1; None where prices do not rise by tier.
        zone: empty where they do not depend on the time of day.
        price: per kWh in units of the currency.
        amount: exact, before the rounding of the charge.
    """

    tier: int | None
    zone: str
    kwh: Fraction
    price: Fraction

    @property
    def amount(self) -> Fraction:
        return self.kwh * self.price


def tiers_at(schedule: Schedule, slot: int) -> list[Tier]:
    """The tiers that hold in a slot, by number; none where prices do not rise by tier.

    Where the season changes inside a period whose energy is not measured by season, those of its last days.
    """
    found: dict[int, Tier] = {}
    for step in schedule.steps:
        if isinstance(step.charge, EnergyByTier):
            for piece in step.pieces:
                if isinstance(piece, EnergyPiece) and slot in piece.slots:
                    number = int(piece.label)
                    found[number] = Tier(number, piece.lower, piece.upper, piece.price, piece.slots)
    return [found[number] for number in sorted(found)]


def tier_of(schedule: Schedule, tiers: Sequence[Tier], slots_mwh: Sequence[int]) -> Tier | None:
    """The one that this energy has reached, rounded as the bill rounds it; more than a limit is the next tier."""
    rounding = schedule.tariff.rounding["kwh"]
    for tier in tiers:
        kwh = sum(rounding.step("kwh", Fraction(slots_mwh[slot], MWH_PER_KWH)).result for slot in tier.slots)
        if tier.to_kwh is None or kwh <= tier.to_kwh:
            return tier
    return None


def use_by_tier(schedule: Schedule, bill: HouseholdBill) -> list[TierUse]:
    """How a rated bill divides into tiers, or into zones of the day; one line where the tariff has neither."""
    dividing = {step.charge.name for step in schedule.steps if isinstance(step.charge, EnergyByTier | EnergyByZone)}
    found: dict[tuple[int | None, str, Fraction], Fraction] = {}
    for line in bill.lines:
        if line.charge in dividing:
            key = (line.tier, line.zone, line.price)
            found[key] = found.get(key, Fraction()) + line.quantity * line.share
    uses = [TierUse(tier, zone, kwh, price) for (tier, zone, price), kwh in found.items()]
    return uses or [TierUse(None, "", Fraction(bill.kwh), Fraction())]


def next_kwh(
    schedule: Schedule, slots_mwh: Sequence[int], slot: int, contract_w: int | None, peak_w: int | None = None
) -> Money:
    """What the next kilowatt-hour in a slot costs in the end."""
    more = [mwh + (MWH_PER_KWH if place == slot else 0) for place, mwh in enumerate(slots_mwh)]
    before, after = (
        rate_household(
            schedule.tariff,
            Usage(tuple(map(Energy, energies)), contract_w, peak_w),
            schedule.period,
            month_days=schedule.month_days,
        )
        for energies in (slots_mwh, more)
    )
    return after.total_money() - before.total_money()
