"""Bills and credit notes of houses as they are kept: line by line, and never changed."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import store
from wattbook.household.bills import notices
from wattbook.household.bills.bill import Bill, CreditNote, Standing, assessed, corrected, credit_note, standing
from wattbook.household.bills.closing import is_closed
from wattbook.household.paid.assessment import Lines
from wattbook.household.readings.estimation import Estimate
from wattbook.kernel.errors import Conflict
from wattbook.tariffs.period import BillingPeriod

__all__ = ["Bill", "CreditNote", "Standing", "assessed", "corrected", "credit_note", "standing"]


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
                "peak_w": bill.peak_w,
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
                "becomes": note.becomes,
                "peak_w": note.peak_w,
                "interest": note.interest,
                "interest_days": note.interest_days,
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
        peak_w=row["peak_w"],
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
        becomes=row["becomes"],
        peak_w=row["peak_w"],
        interest=row["interest"],
        interest_days=row["interest_days"],
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
