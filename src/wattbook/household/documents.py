"""Bills and credit notes of houses: what was issued, line by line, and never changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.transfers import fact_id
from wattbook.household import notices, store
from wattbook.household.assessment import PER_INTERVAL, Assessment, Charge, Lines, assess
from wattbook.household.closing import is_closed
from wattbook.household.dues import Due
from wattbook.household.estimation import Estimate
from wattbook.kernel.errors import Conflict
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
        """`provisional` while some of it is an estimate, which a true value will correct; else `final`."""
        return "provisional" if self.estimated_mwh else "final"

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
        metered_mwh: of the whole period, as known now; so are `slots_mwh` and `estimated_mwh`. None: as in the bill.
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

    @property
    def total(self) -> Money:
        return Money(self.lines.total, Currency.of(self.currency))


class Standing(NamedTuple):
    """What is known now of the energy of a billed period: of each slot of the tariff, and how much is an estimate."""

    slots_mwh: tuple[int, ...]
    estimated_mwh: int


def standing(bill: Bill, notes: Sequence[CreditNote]) -> Standing:
    """As the latest document says that speaks of it."""
    for note in reversed(notes):
        if note.metered_mwh is not None:
            return Standing(note.slots_mwh or (note.metered_mwh,), note.estimated_mwh or 0)
    return Standing(bill.measured_mwh, bill.estimated_mwh)


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
) -> CreditNote:
    """The note that makes a bill what it is assessed as now.

    Args:
        credit: what each line is less by.
        stands: what is known of the energy from now on.
        posting: fact of the first of its postings.
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
    )


async def bills_of_households(connection: AsyncConnection, households: Sequence[str]) -> list[Bill]:
    """Every bill of these houses, by house and period."""
    return [_bill_of_row(row) for row in await store.bills_of_households(connection, households)]


async def find_bills(connection: AsyncConnection, bills: Sequence[str]) -> list[Bill]:
    """Those of these ids that there are, by house and period."""
    return [_bill_of_row(row) for row in await store.find_bills(connection, bills)]


async def bills_in_time(connection: AsyncConnection, asked: Sequence[tuple[str, datetime, datetime]]) -> list[Bill]:
    """The bills of each (household, from, to) whose period shares any moment with it, each once."""
    return [_bill_of_row(row) for row in await store.bills_in_time(connection, asked)]


async def credit_notes_of_bills(connection: AsyncConnection, bills: Sequence[str]) -> dict[str, list[CreditNote]]:
    """The credit notes of each bill, in the order of their issue; an empty list for a bill that has none."""
    notes: dict[str, list[CreditNote]] = {bill: [] for bill in bills}
    for row in await store.credit_notes_of_bills(connection, bills):
        notes[row["bill"]].append(_note_of_row(row))
    return notes


async def add_bills(connection: AsyncConnection, bills: Sequence[Bill]) -> None:
    """Keep bills that were posted.

    Raises:
        Conflict: one is of a period that its utility has closed.
    """
    periods = {(bill.utility, bill.due.cycle) for bill in bills}
    for utility, period in sorted(periods, key=str):
        if await is_closed(connection, utility, [period]) == [True]:
            raise Conflict(f"{utility} has closed {period}: no bill of it is issued any more")
    await store.add_bills(
        connection,
        [
            {
                "id": bill.id,
                "household": bill.household,
                "first_day": bill.period.first,
                "last_day": bill.period.last,
                "starts_at": bill.starts_at,
                "ends_at": bill.ends_at,
                "issued_at": bill.issued_at,
                "utility": bill.utility,
                "tariff": bill.tariff,
                "policy": bill.policy,
                "currency": bill.currency,
                "metered_mwh": bill.metered_mwh,
                "paid_mwh": bill.paid_mwh,
                "exception_mwh": bill.exception_mwh,
                "household_mwh": bill.household_mwh,
                "gross_total": bill.gross_total,
                "posting": bill.posting,
                "slots_mwh": None if bill.slots_mwh is None else list(bill.slots_mwh),
                "contract_w": bill.contract_w,
                "run": bill.run,
                "estimated_mwh": bill.estimated_mwh,
                "stage": bill.stage,
                "basis": bill.basis,
                "customer": bill.customer,
                "cycle_first_day": bill.cycle and bill.cycle.first,
                "cycle_last_day": bill.cycle and bill.cycle.last,
            }
            | bill.lines._asdict()
            for bill in bills
        ],
    )
    await notices.tell_of_bills(connection, bills)


async def add_credit_notes(connection: AsyncConnection, notes: Sequence[CreditNote]) -> None:
    await store.add_credit_notes(
        connection,
        [
            {
                "id": note.id,
                "bill": note.bill,
                "revision": note.revision,
                "issued_at": note.issued_at,
                "policy": note.policy,
                "currency": note.currency,
                "paid_mwh": note.paid_mwh,
                "exception_mwh": note.exception_mwh,
                "household_mwh": note.household_mwh,
                "posting": note.posting,
                "reason": note.reason,
                "metered_mwh": note.metered_mwh,
                "slots_mwh": None if note.slots_mwh is None else list(note.slots_mwh),
                "estimated_mwh": note.estimated_mwh,
            }
            | note.lines._asdict()
            for note in notes
        ],
    )
    await notices.tell_of_credit_notes(connection, notes)


def _bill_of_row(row: store.Row) -> Bill:
    first: date = row["first_day"]
    return Bill(
        id=row["id"],
        household=row["household"],
        period=BillingPeriod(first, row["last_day"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        issued_at=row["issued_at"],
        utility=row["utility"],
        tariff=row["tariff"],
        policy=row["policy"],
        currency=row["currency"],
        metered_mwh=row["metered_mwh"],
        paid_mwh=row["paid_mwh"],
        exception_mwh=row["exception_mwh"],
        household_mwh=row["household_mwh"],
        lines=_lines_of_row(row),
        gross_total=row["gross_total"],
        posting=row["posting"],
        slots_mwh=None if row["slots_mwh"] is None else tuple(row["slots_mwh"]),
        contract_w=row["contract_w"],
        run=row["run"],
        estimated_mwh=row["estimated_mwh"],
        basis=row["basis"],
        customer=row["customer"],
        cycle=None if row["cycle_first_day"] is None else BillingPeriod(row["cycle_first_day"], row["cycle_last_day"]),
    )


def _note_of_row(row: store.Row) -> CreditNote:
    return CreditNote(
        id=row["id"],
        bill=row["bill"],
        revision=row["revision"],
        issued_at=row["issued_at"],
        policy=row["policy"],
        currency=row["currency"],
        paid_mwh=row["paid_mwh"],
        exception_mwh=row["exception_mwh"],
        household_mwh=row["household_mwh"],
        lines=_lines_of_row(row),
        posting=row["posting"],
        reason=row["reason"],
        metered_mwh=row["metered_mwh"],
        slots_mwh=None if row["slots_mwh"] is None else tuple(row["slots_mwh"]),
        estimated_mwh=row["estimated_mwh"],
    )


def _lines_of_row(row: store.Row) -> Lines:
    return Lines(*(row[name] for name in Lines._fields))


async def add_estimates(connection: AsyncConnection, estimates: Sequence[tuple[str, Sequence[Estimate]]]) -> None:
    """Keep with each bill what of it is an estimate."""
    await store.add_bill_estimates(
        connection, [estimate._asdict() | {"bill": bill} for bill, parts in estimates for estimate in parts]
    )


async def estimates_of_bills(connection: AsyncConnection, bills: Sequence[str]) -> dict[str, list[Estimate]]:
    """What of each bill was an estimate when it was issued, by meter and start."""
    found: dict[str, list[Estimate]] = {bill: [] for bill in bills}
    for row in await store.bill_estimates(connection, bills):
        found[row["bill"]].append(Estimate(*(row[name] for name in Estimate._fields)))
    return found
