"""Bills and credit notes of houses as values: what was issued, what stands after all notes, what the next one says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from wattbook.book.transfers import fact_id
from wattbook.household.bills.dues import Due
from wattbook.household.paid.assessment import PER_INTERVAL, Assessment, Charge, Lines, assess
from wattbook.kernel.units import Currency, Energy, Money
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The bill of a house for a period, as it was issued.

    `household_mwh + paid_mwh + exception_mwh = metered_mwh`; `gross_total - duplicate = lines.total`.

    Attributes:
        id: `<household>:<first day>`; numbers without gaps are given to the customer's document, elsewhere.
        period: days of the tariff's calendar; `starts_at` and `ends_at` are the same in UTC, the end not included.
        paid_mwh: energy paid elsewhere, as known when the bill was issued.
        exception_mwh: zero, or less than zero by what was paid for and not measured.
        lines: what the house owes, for `household_mwh`; amounts in stored units of `currency`.
        gross_total: the bill of everything that was measured.
        posting: group of its postings in the book.
        slots_mwh: what was measured of each slot of the tariff's schedule; None where there is one.
        contract_w: contracted power in watts, where the tariff charges for it.
        run: number of the bill run that issued it.
        estimated_mwh: part of what was metered that is an estimate; a bill with one is provisional.
        basis: on which paid energy was held against what was measured, one of `assessment.BASES`.
        peak_w: the highest power measured, in watts, where the tariff charges for it.
        customer: who owes it, by the contract of these days; None: the house had no contracts, and owes by itself.
        cycle: the billing period that this bill is a part of, as when people moved within it; None: it is one.
    """

    id: str
    household: str
    period: BillingPeriod
    starts_at: datetime
    ends_at: datetime
    issued_at: datetime
    utility: str
    tariff: str
    policy: str
    currency: str
    metered_mwh: int
    paid_mwh: int
    exception_mwh: int
    household_mwh: int
    lines: Lines
    gross_total: int
    posting: UUID
    slots_mwh: tuple[int, ...] | None = None
    contract_w: int | None = None
    run: int | None = None
    estimated_mwh: int = 0
    basis: str = PER_INTERVAL
    customer: str | None = None
    cycle: BillingPeriod | None = None
    peak_w: int | None = None

    @property
    def due(self) -> Due:
        """What it was issued for."""
        return Due(self.household, self.period, self.cycle or self.period, self.tariff, self.customer, self.contract_w)

    @property
    def debtor(self) -> str:
        """On whose account it is owed."""
        return self.due.debtor

    @property
    def schedule(self) -> Schedule:
        """What it was rated by."""
        return self.due.schedule

    @property
    def stage(self) -> str:
        """In which it was issued: `provisional` with a part that is an estimate, else `final`."""
        return Standing(self.measured_mwh, self.estimated_mwh, self.peak_w).stage

    @property
    def measured_mwh(self) -> tuple[int, ...]:
        """Of each slot of the tariff's schedule."""
        return self.slots_mwh or (self.metered_mwh,)

    @property
    def total(self) -> Money:
        return Money(self.lines.total, Currency.of(self.currency))

    @property
    def duplicate(self) -> Money:
        """What the house would have been charged for energy that was paid elsewhere."""
        return Money(self.gross_total - self.lines.total, Currency.of(self.currency))

    def covers(self, household: str, since: datetime, until: datetime) -> bool:
        """Whether it is of this house and shares any moment with the time given."""
        return self.household == household and self.starts_at < until and since < self.ends_at

    @property
    def consumption(self) -> Energy:
        return Energy(self.household_mwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote:
    """What a later payment, or its withdrawal, changed in a bill; a negative total is a charge.

    A note over nothing at all records energy that changed hands below the bill's rounding.

    Attributes:
        id: `<bill>:<revision>`.
        revision: 1 for the first note of a bill.
        paid_mwh: of the whole period, as known now; the same holds for `exception_mwh` and `household_mwh`.
        lines: what each line of the bill is less by, with the rounding line that makes them sum to the total.
        reason: `payments` that became known or were withdrawn, or `readings` that changed.
        interest: given beside the total on what was charged too much, where the utility gives any; stored units.
        interest_days: since what was given back was charged.
        becomes: `final` where the last estimate of a provisional bill was replaced, `provisional` where a part of a
            final bill is an estimate now; None: the stage is as before.
        metered_mwh: of the whole period, as known now; so are `slots_mwh`, `estimated_mwh` and `peak_w`. None: as in
            the bill.
    """

    id: str
    bill: str
    revision: int
    issued_at: datetime
    policy: str
    currency: str
    paid_mwh: int
    exception_mwh: int
    household_mwh: int
    lines: Lines
    posting: UUID
    reason: str = "payments"
    metered_mwh: int | None = None
    slots_mwh: tuple[int, ...] | None = None
    estimated_mwh: int | None = None
    becomes: str | None = None
    peak_w: int | None = None
    interest: int = 0
    interest_days: int = 0

    @property
    def total(self) -> Money:
        return Money(self.lines.total, Currency.of(self.currency))


class Interest(NamedTuple):
    """`amount` in stored units of the currency; `days` since the oldest charge of which something is given back."""

    amount: int = 0
    days: int = 0


class Standing(NamedTuple):
    """What is known now of a billed period: the energy of each slot of the tariff, how much of it is an estimate, and
    the highest power where the tariff charges for it."""

    slots_mwh: tuple[int, ...]
    estimated_mwh: int
    peak_w: int | None

    @property
    def stage(self) -> str:
        """`provisional` while some of it is an estimate, which a true value will correct; else `final`."""
        return "provisional" if self.estimated_mwh else "final"


def standing(bill: Bill, notes: Sequence[CreditNote]) -> Standing:
    """As the latest document says that speaks of it."""
    for note in reversed(notes):
        if note.metered_mwh is not None:
            peak_w = bill.peak_w if note.peak_w is None else note.peak_w
            return Standing(note.slots_mwh or (note.metered_mwh,), note.estimated_mwh or 0, peak_w)
    return Standing(bill.measured_mwh, bill.estimated_mwh, bill.peak_w)


def assessed(bill: Bill, stands: Standing, charges: Sequence[Charge]) -> Assessment:
    """A billed period anew, by the terms of its bill, from what is known now."""
    return assess(
        bill.schedule.tariff,
        bill.period,
        stands.slots_mwh,
        charges,
        bill.contract_w,
        policy=bill.policy,
        month_days=bill.schedule.month_days,
        peak_w=stands.peak_w,
    )


def corrected(bill: Bill, notes: Sequence[CreditNote]) -> Lines:
    """What the house owes in the end: the bill less all its credit notes."""
    lines = bill.lines
    for note in notes:
        lines = lines.minus(note.lines)
    return lines


def credit_note(
    bill: Bill,
    revision: int,
    assessed: Assessment,
    credit: Lines,
    stands: Standing,
    *,
    posting: str,
    issued_at: datetime,
    reason: str = "payments",
    becomes: str | None = None,
    given: Interest | None = None,
) -> CreditNote:
    """The note that makes a bill what it is assessed as now.

    Args:
        credit: what each line is less by.
        stands: what is known of the energy from now on.
        posting: fact of the first of its postings.
        given: interest beside the credit.
    """
    return CreditNote(
        id=f"{bill.id}:{revision}",
        bill=bill.id,
        revision=revision,
        issued_at=issued_at,
        policy=bill.policy,
        currency=bill.currency,
        paid_mwh=assessed.paid_mwh,
        exception_mwh=assessed.exception_mwh,
        household_mwh=assessed.household_mwh,
        lines=credit,
        posting=UUID(fact_id(posting)),
        reason=reason,
        metered_mwh=assessed.metered_mwh,
        slots_mwh=stands.slots_mwh if len(stands.slots_mwh) > 1 else None,
        estimated_mwh=stands.estimated_mwh,
        becomes=becomes,
        peak_w=stands.peak_w,
        interest=0 if given is None else given.amount,
        interest_days=0 if given is None else given.days,
    )
