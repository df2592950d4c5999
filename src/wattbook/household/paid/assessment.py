"""What a house owes for a period when part of its energy was paid for elsewhere: a pure function of all that is known.

Under a progressive tariff a kilowatt-hour costs what the others make it cost, so the charge of an EV cannot be priced
by itself, and credits given payment by payment would depend on the order in which payments arrived. So the period is
assessed as a whole, and again as a whole whenever a payment becomes known: what the meters measured, less everything
that was paid elsewhere, is rated once. The duplicate charge is the bill of everything less that bill, and nothing
simpler ("re-rated": it alone leaves the house with exactly the bill of its own consumption).

More can be paid for than the meters measured: a charger's meter is another meter than the house's, and a payment may be
wrong. What was measured is set off against payments in the order in which the charges ended; the rest is the exception,
which no bill may lose sight of. Charges end in one order however their payments arrived. Under a tariff with zones of
the day a charge is set off against what was measured in the zone in which it ended. A charge that came with its own
course never takes more than the meters measured while it was charged (`exceptions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy, Money, div_half_up
from wattbook.tariffs.household import HouseholdBill, HouseholdTariff, Usage, rate_household
from wattbook.tariffs.household_data import LINES
from wattbook.tariffs.period import BillingPeriod

RE_RATED: Final = "re-rated"
"""The policy by which the duplicate charge is found: the bill of all less the bill of the rest."""
PRO_RATA: Final = "pro-rata"
"""Another: of the bill of all, the share that the energy paid elsewhere has of all energy."""
STAND_ALONE: Final = "stand-alone"
"""Another: the bill of the energy paid elsewhere, as if the house had used nothing else."""
POLICIES: Final = (RE_RATED, PRO_RATA, STAND_ALONE)
"""Only the first leaves the house with exactly the bill of its own consumption; each document names the one it used."""


PER_INTERVAL: Final = "per interval"
"""The basis on which paid energy is held against what was measured: each part of a charge against its own time."""
PER_PERIOD: Final = "per period"
"""Another: all of it against the period, or the zones of the day in it."""
BASES: Final = (PER_INTERVAL, PER_PERIOD)


class Charge(NamedTuple):
    """Energy charged at the house in this period and paid to a payment device or server, by the time it ended."""

    ended_at: datetime
    server: str
    payment: str
    energy_mwh: int
    slot: int = 0
    """Of the tariff's schedule for the period: the zone in which this part of the charge ended."""
    beyond_mwh: int = 0
    """So much of it is more than the meters measured while it was charged."""


class Share(NamedTuple):
    """What a payment server's payments took: measured energy of the house, and energy beyond what was measured."""

    covered_mwh: int = 0
    excess_mwh: int = 0

    def plus(self, other: "Share") -> "Share":
        return Share(self.covered_mwh + other.covered_mwh, self.excess_mwh + other.excess_mwh)

    def minus(self, other: "Share") -> "Share":
        return Share(self.covered_mwh - other.covered_mwh, self.excess_mwh - other.excess_mwh)


class Lines(NamedTuple):
    """The lines of a bill, or the differences that a credit note has; amounts in stored units of the currency.

    `rounding` is what the last step of the bill took from, or gave to, the sum of the others.
    """

    kwh: int
    base: int
    energy: int
    climate: int
    fuel: int
    vat: int
    fund: int
    rounding: int
    total: int

    @classmethod
    def of(cls, bill: HouseholdBill) -> Self:
        charges = [bill.by_line.get(line, 0) for line in LINES]
        coin = Currency.of(bill.currency).coin
        amounts = (*charges, bill.total - sum(charges), bill.total)
        return cls(bill.kwh, *(amount * coin for amount in amounts))

    @property
    def subtotal(self) -> int:
        """Before taxes and levies: what is the utility's."""
        return self.base + self.energy + self.climate + self.fuel

    def share(self, part: int, whole: int, coin: int) -> "Lines":
        """Each line in this proportion, half up to a whole coin; `rounding` makes them sum to that of the total."""
        parts = [div_half_up(amount * part, whole * coin) * coin for amount in self[1:]]
        total = parts[-1]
        kwh = div_half_up(self.kwh * part, whole)
        return Lines._make([kwh, *parts[:-2], total - sum(parts[:-2]), total])

    def minus(self, other: "Lines") -> "Lines":
        return Lines(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def negated(self) -> "Lines":
        return Lines(*(-amount for amount in self))

    def money(self, currency: str) -> dict[str, Money]:
        """Every line but the kWh, by name, in order."""
        unit = Currency.of(currency)
        return {name: Money(amount, unit) for name, amount in self._asdict().items() if name != "kwh"}


@dataclass(frozen=True, slots=True)
class Assessment:
    """A house's period: `household_mwh + paid_mwh + exception_mwh = metered_mwh`, and what that costs.

    Attributes:
        household_mwh: what the house answers for.
        paid_mwh: what was paid elsewhere, measured by the house or not.
        exception_mwh: zero, or less than zero by what was paid for and not measured.
        shares: of each payment server.
        gross: the bill of everything that was measured.
        bill: the bill of what the house answers for.
        policy: one of `POLICIES`, which decides the lines.
        alone: the bill of what was measured and paid elsewhere, for the policy that wants it.
    """

    metered_mwh: int
    household_mwh: int
    paid_mwh: int
    exception_mwh: int
    shares: dict[str, Share]
    gross: HouseholdBill
    bill: HouseholdBill
    policy: str = RE_RATED
    alone: HouseholdBill | None = None

    @property
    def lines(self) -> Lines:
        """What the house owes."""
        covered_mwh = self.metered_mwh - self.household_mwh
        if self.policy == RE_RATED or not covered_mwh:
            return Lines.of(self.bill)
        gross = Lines.of(self.gross)
        if self.alone is not None:
            return gross.minus(Lines.of(self.alone))
        return gross.minus(gross.share(covered_mwh, self.metered_mwh, Currency.of(self.gross.currency).coin))

    @property
    def gross_total(self) -> int:
        """In stored units."""
        return Lines.of(self.gross).total

    @property
    def duplicate(self) -> int:
        """What would be charged twice if the house paid the gross bill; in stored units."""
        return self.gross_total - self.lines.total


def assess(
    tariff: HouseholdTariff,
    period: BillingPeriod,
    metered_mwh: int | Sequence[int],
    charges: Sequence[Charge],
    contract_w: int | None = None,
    *,
    policy: str = RE_RATED,
    month_days: int | None = None,
    peak_w: int | None = None,
) -> Assessment:
    """Assess a period from everything known of it; the order of `charges` does not matter.

    Args:
        metered_mwh: of each slot of the tariff's schedule for the period; a number where it has one slot.
        month_days: the period is a part of a month of so many days.
        peak_w: the highest power measured, where the tariff charges for it; charges that were paid elsewhere stay in.

    Raises:
        InvalidInput: less than nothing was measured or charged, the tariff cannot rate the period, or no such policy.
    """
    if policy not in POLICIES:
        raise InvalidInput(f"no policy {policy[:40]!r} of duplicate charges: one of {', '.join(POLICIES)}")
    measured = slots_of(metered_mwh)
    shares, left = set_off(measured, charges)
    covered = [had - has for had, has in zip(measured, left, strict=True)]

    def rated(energies_mwh: Sequence[int]) -> HouseholdBill:
        usage = Usage(tuple(map(Energy, energies_mwh)), contract_w, peak_w)
        return rate_household(tariff, usage, period, month_days=month_days)

    assessed = Assessment(
        metered_mwh=sum(measured),
        household_mwh=sum(left),
        paid_mwh=sum(charge.energy_mwh for charge in charges),
        exception_mwh=-sum(share.excess_mwh for share in shares.values()),
        shares=shares,
        gross=rated(measured),
        bill=rated(left),
        policy=policy,
        alone=rated(covered) if policy == STAND_ALONE else None,
    )
    assert assessed.household_mwh + assessed.paid_mwh + assessed.exception_mwh == assessed.metered_mwh
    return assessed


def allocate(metered_mwh: int | Sequence[int], charges: Sequence[Charge]) -> dict[str, Share]:
    """What each server's payments took of the measured energy, the charge that ended first served first.

    Raises:
        InvalidInput: less than nothing was measured or charged.
    """
    return set_off(slots_of(metered_mwh), charges)[0]


def set_off(measured: Sequence[int], charges: Sequence[Charge]) -> tuple[dict[str, Share], list[int]]:
    """`allocate`, and what is left of each slot: a charge takes what was measured in the zone in which it ended.

    Raises:
        InvalidInput: less than nothing was measured or charged, or a charge names a slot that there is not.
    """
    if any(mwh < 0 for mwh in measured):
        raise InvalidInput(f"a period cannot have {min(measured)} mWh")
    shares: dict[str, Share] = {}
    left = list(measured)
    for charge in sorted(charges):
        if not 0 <= charge.beyond_mwh <= charge.energy_mwh or not charge.energy_mwh or not 0 <= charge.slot < len(left):
            words = f"{charge.energy_mwh} mWh in slot {charge.slot} of {len(left)}"
            raise InvalidInput(f"payment {charge.payment} of {charge.server} has {words}")
        covered_mwh = min(charge.energy_mwh - charge.beyond_mwh, left[charge.slot])
        left[charge.slot] -= covered_mwh
        share = Share(covered_mwh, charge.energy_mwh - covered_mwh)
        shares[charge.server] = shares.get(charge.server, Share()).plus(share)
    return shares, left


def slots_of(metered_mwh: int | Sequence[int]) -> tuple[int, ...]:
    return (metered_mwh,) if isinstance(metered_mwh, int) else tuple(metered_mwh)
