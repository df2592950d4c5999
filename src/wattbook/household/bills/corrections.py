"""Payment information taken in, and what it changes.

A payment for a period that is not billed yet is kept, and the bill will know it. One for a billed period, or the
withdrawal of one, makes the whole period be assessed anew from everything that is known; the difference to what stands
is one credit note and one group of postings, for any number of payments that came together. So what stands after a
payment depends on which payments are known, not on the order in which they came.

What cannot be taken in is answered with an error and kept in quarantine, and what is right beside it is taken in.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.posting import post
from wattbook.book.transfers import Transfer
from wattbook.household import store
from wattbook.household.bills import documents
from wattbook.household.bills.documents import Bill, CreditNote
from wattbook.household.bills.interest import interest_on
from wattbook.household.bills.moved_energy import moved_shares, moved_so_far, payers
from wattbook.household.bills.postings import Ledger, interest, paid_elsewhere, sale
from wattbook.household.paid.assessment import PER_PERIOD, Charge, Share
from wattbook.household.paid.charges import charges_in_time
from wattbook.household.paid.exceptions import note_exceptions
from wattbook.household.paid.payments import ChargedInterval, PaymentInformation, PaymentState, checked
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, WattbookError
from wattbook.kernel.units import Currency, Money
from wattbook.registry.households import find_households
from wattbook.registry.interest import InterestRate, interest_rates
from wattbook.registry.meters import MeterPlace, places_of_meters
from wattbook.registry.validity import Ambiguous, Missing

PAYMENTS_MAX: Final = 1_000
"""In one call."""
QUARANTINE_SHOWN_MAX: Final = 1_000


class Outcome(StrEnum):
    """What became of payment information."""

    COUNTED = "counted"
    """The energy is out of the house's bill: by a credit note, or when the period is billed."""
    WITHDRAWN = "withdrawn"
    """The payment does not count, or no longer."""
    KNOWN = "known"
    """It came before; nothing changed."""
    REFUSED = "refused"
    """`error` says why; it is kept in quarantine."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to payment information.

    Attributes:
        household: the house it belongs to; None when it was refused.
        credit_notes: that were issued now for the billed periods which the charge touches, one a period: they answer
            to every payment of the same call.
        exception_mwh: of these periods: zero, or less than zero by what was paid for and not measured.
        error: InvalidInput, NotFound (no such house or meter) or Conflict (same identity, other content).
    """

    outcome: Outcome
    household: str | None = None
    credit_notes: tuple[CreditNote, ...] = ()
    exception_mwh: int = 0
    error: WattbookError | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Payment information that was not taken in, and why; `times` it came."""

    code: str
    reason: str
    content: str
    first_received_at: datetime
    last_received_at: datetime
    times: int


async def receive_payments(
    connection: AsyncConnection, payments: Sequence[PaymentInformation], intervals: IntervalStore | None = None
) -> list[Receipt]:
    """Take in payment information, in order; a receipt for each. Credit notes are issued at the latest time of receipt.

    Args:
        intervals: what charges that came with their own course are held against. Without them a billed period that
            has such a charge is noted, and assessed when readings are tended (`reassessment`).

    Raises:
        InvalidInput: more than 1000 in one call.
    """
    if len(payments) > PAYMENTS_MAX:
        raise InvalidInput(f"at most {PAYMENTS_MAX} payments are received in one call, not {len(payments)}")
    located = await _located(connection, payments)
    sound = [each for each in located if isinstance(each, PaymentInformation)]
    await store.lock_houses(connection, [each.house for each in sound])
    bills = await documents.bills_in_time(connection, [(each.house, each.started_at, each.ended_at) for each in sound])
    recorded = iter(await _recorded(connection, sound))
    servers, waiting = await payers(connection, bills, intervals)
    ready = [bill for bill in bills if bill.id not in waiting]
    corrections: list[_Correction] = []
    if bills:
        issued_at = max(each.received_at for each in sound)
        await store.note_reviews(connection, sorted(waiting), issued_at)
        charged = await _charged(connection, ready, intervals, issued_at)
        corrections = await _correct(connection, ready, servers, charged, issued_at)
    receipts = [
        _receipt(each, next(recorded), corrections)
        if isinstance(each, PaymentInformation)
        else Receipt(Outcome.REFUSED, error=each)
        for each in located
    ]
    await _keep_refused(connection, payments, receipts)
    return receipts


async def payments_of_households(
    connection: AsyncConnection, households: Sequence[str]
) -> list[tuple[PaymentInformation, str]]:
    """The payments known for these houses, by house and end of the charge, each with what decides its period."""
    rows = await store.payments_of_households(connection, households)
    return [(_payment_of_row(row), str(row["split"])) for row in rows]


async def keep_unreadable_payment(
    connection: AsyncConnection, content: bytes, error: InvalidInput, *, received_at: datetime
) -> None:
    """Keep what came as payment information and is none: `error` is what its sender was told."""
    await store.quarantine(connection, [_quarantined(error, ascii(content)[2:-1], utc(received_at))])


async def quarantined_payments(connection: AsyncConnection, *, limit: int = 100) -> list[Quarantined]:
    """What was refused, the latest first."""
    if not 0 < limit <= QUARANTINE_SHOWN_MAX:
        raise InvalidInput(f"1 to {QUARANTINE_SHOWN_MAX} entries can be asked for, not {limit}")
    return [
        Quarantined(
            row["code"],
            row["reason"],
            row["content"],
            row["first_received_at"],
            row["last_received_at"],
            row["times"],
        )
        for row in await store.quarantined(connection, limit)
    ]


# Which house


async def _located(
    connection: AsyncConnection, payments: Sequence[PaymentInformation]
) -> list[PaymentInformation | WattbookError]:
    """Each payment checked and with its household, or what is wrong with it."""
    found = [_checked(payment) for payment in payments]
    meters = [(each.meter, each.started_at) for each in found if isinstance(each, PaymentInformation) and each.meter]
    places = iter(await places_of_meters(connection, meters))
    found = [
        _at_place(each, next(places)) if isinstance(each, PaymentInformation) and each.meter else each for each in found
    ]
    named = [each.house for each in found if isinstance(each, PaymentInformation)]
    records = iter(await find_households(connection, named))
    return [
        NotFound(f"household {each.house} is not registered", household=each.house)
        if isinstance(each, PaymentInformation) and next(records) is None
        else each
        for each in found
    ]


def _checked(payment: PaymentInformation) -> PaymentInformation | WattbookError:
    try:
        return checked(payment)
    except WattbookError as error:
        return error


def _at_place(
    payment: PaymentInformation, place: MeterPlace | Missing | Ambiguous[MeterPlace]
) -> PaymentInformation | WattbookError:
    """The payment of the house that its meter measured when the charge began."""
    if isinstance(place, Missing | Ambiguous):
        return NotFound(place.reason, meter=payment.meter)
    if place.household is None:
        return NotFound(f"meter {payment.meter} measures no house", meter=payment.meter)
    return replace(payment, household=place.household, meter=None)


# What is known


async def _recorded(connection: AsyncConnection, payments: Sequence[PaymentInformation]) -> list[Outcome | Conflict]:
    """Add what is new, withdraw what is withdrawn, and say what became of each payment."""
    if not payments:
        return []
    first = {payment.identity: payment for payment in reversed(payments)}
    added = await store.add_payments(connection, [_row(payment) for payment in first.values()])
    await store.add_payment_parts(connection, [part for identity in added for part in _part_rows(first[identity])])
    known = {(row["server"], row["id"]): dict(row) for row in await store.payments(connection, list(first))}
    withdrawn: set[tuple[str, str]] = set()
    outcomes: list[Outcome | Conflict] = []
    for payment in payments:
        row = known[payment.identity]
        is_withdrawal = payment.state is PaymentState.WITHDRAWN
        if difference := _difference(row, payment):
            words = f"payment {payment.id} of {payment.server} is known with another content: {difference}"
            outcomes.append(Conflict(words, server=payment.server, payment=payment.id))
        elif payment.identity in added:
            added.remove(payment.identity)
            outcomes.append(Outcome.WITHDRAWN if is_withdrawal else Outcome.COUNTED)
        elif is_withdrawal and row["state"] == PaymentState.PAID:
            row["state"] = PaymentState.WITHDRAWN
            withdrawn.add(payment.identity)
            outcomes.append(Outcome.WITHDRAWN)
        else:
            outcomes.append(Outcome.KNOWN)
    await store.withdraw_payments(connection, sorted(withdrawn))
    return outcomes


def _difference(row: store.Row, payment: PaymentInformation) -> str:
    """What a payment says that is not what is known of it. What the driver paid may differ: no bill depends on it."""
    pairs = {
        "household": (row["household"], payment.house),
        "mWh": (row["energy_mwh"], payment.energy_mwh),
        "start": (row["started_at"], payment.started_at),
        "end": (row["ended_at"], payment.ended_at),
    }
    if payment.intervals:
        stored = tuple(map(ChargedInterval, row["part_ends"], row["part_energies"]))
        pairs["intervals"] = (stored, payment.intervals)
    return ", ".join(f"{name} {known} against {said}" for name, (known, said) in pairs.items() if known != said)


def _row(payment: PaymentInformation) -> store.Row:
    amount = payment.amount
    return {
        "server": payment.server,
        "id": payment.id,
        "household": payment.house,
        "energy_mwh": payment.energy_mwh,
        "started_at": payment.started_at,
        "ended_at": payment.ended_at,
        "received_at": payment.received_at,
        "amount": None if amount is None else amount.amount,
        "currency": None if amount is None else amount.currency.code,
        "state": str(payment.state),
        "split": str(payment.split),
    }


def _part_rows(payment: PaymentInformation) -> list[store.Row]:
    return [
        {
            "server": payment.server,
            "payment": payment.id,
            "ended_at": part.ended_at,
            "household": payment.house,
            "energy_mwh": part.energy_mwh,
        }
        for part in payment.parts
    ]


def _payment_of_row(row: store.Row) -> PaymentInformation:
    currency = row["currency"]
    return PaymentInformation(
        server=row["server"],
        id=row["id"],
        household=row["household"],
        energy_mwh=row["energy_mwh"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        received_at=row["received_at"],
        amount=None if currency is None else Money(row["amount"], Currency.of(currency)),
        state=PaymentState(row["state"]),
    )


# What it changes


class _Correction(NamedTuple):
    """A billed period after the payments; `note` is None where they changed nothing."""

    bill: Bill
    note: CreditNote | None
    exception_mwh: int


def _periods(bills: Sequence[Bill]) -> list[tuple[str, datetime, datetime]]:
    return [(bill.household, bill.starts_at, bill.ends_at) for bill in bills]


async def _charged(
    connection: AsyncConnection, bills: Sequence[Bill], intervals: IntervalStore | None, now: datetime
) -> list[list[Charge]]:
    """What is known of the charges of each bill's period; what went beyond the meters goes on the work list."""
    schedules = [bill.schedule for bill in bills]
    bases = [bill.basis if intervals is not None else PER_PERIOD for bill in bills]
    if intervals is not None:
        await note_exceptions(connection, intervals, _periods(bills), now=now)
    return await charges_in_time(connection, intervals, _periods(bills), schedules, bases)


async def _correct(
    connection: AsyncConnection,
    bills: Sequence[Bill],
    servers: Mapping[str, Sequence[str]],
    charged: Sequence[Sequence[Charge]],
    issued_at: datetime,
) -> list[_Correction]:
    """Assess each billed period anew, and issue and post what differs from what stands."""
    if not bills:
        return []
    notes = await documents.credit_notes_of_bills(connection, [bill.id for bill in bills])
    before = await moved_so_far(connection, bills, notes, servers)
    rates = await interest_rates(connection, [bill.utility for bill in bills])
    drafted = [
        _draft(bill, notes[bill.id], before[bill.id], charges, rates.get(bill.utility, ()), issued_at)
        for bill, charges in zip(bills, charged, strict=True)
    ]
    issued = [(correction.note, entries) for correction, entries in drafted if correction.note is not None]
    for outcome in await post(connection, [entries for _, entries in issued], booked_at=issued_at):
        if isinstance(outcome, WattbookError):
            raise outcome
    await documents.add_credit_notes(connection, [note for note, _ in issued])
    return [correction for correction, _ in drafted]


def _draft(
    bill: Bill,
    notes: Sequence[CreditNote],
    before: Mapping[str, Share],
    charges: Sequence[Charge],
    rates: Sequence[InterestRate],
    at: datetime,
) -> tuple[_Correction, list[Transfer]]:
    """credit = issued − re-rated with everything now known − credits already given."""
    stands = documents.standing(bill, notes)
    assessed = documents.assessed(bill, stands, charges)
    credit = documents.corrected(bill, notes).minus(assessed.lines)
    moved = moved_shares(before, assessed.shares)
    revision = len(notes) + 1
    note_id = f"{bill.id}:{revision}"
    ledger = Ledger(f"credit:{note_id}", bill.household, bill.debtor, bill.utility, bill.currency, bill.ends_at)
    given = interest_on(bill, notes, credit.total, rates, at)
    entries = [*paid_elsewhere(ledger, moved), *sale(ledger, credit.negated), *interest(ledger, given.amount)]
    if not entries:
        return _Correction(bill, None, assessed.exception_mwh), entries
    posting = entries[0].fact
    note = documents.credit_note(bill, revision, assessed, credit, stands, posting=posting, issued_at=at, given=given)
    return _Correction(bill, note, assessed.exception_mwh), entries


def _receipt(payment: PaymentInformation, outcome: Outcome | Conflict, corrections: Sequence[_Correction]) -> Receipt:
    if isinstance(outcome, Conflict):
        return Receipt(Outcome.REFUSED, error=outcome)
    touched = [each for each in corrections if each.bill.covers(payment.house, payment.started_at, payment.ended_at)]
    notes = tuple(each.note for each in touched if each.note is not None and outcome is not Outcome.KNOWN)
    return Receipt(outcome, payment.house, notes, sum(each.exception_mwh for each in touched))


async def _keep_refused(
    connection: AsyncConnection, payments: Sequence[PaymentInformation], receipts: Sequence[Receipt]
) -> None:
    await store.quarantine(
        connection,
        [
            _quarantined(receipt.error, payment.as_json(), payment.received_at)
            for payment, receipt in zip(payments, receipts, strict=True)
            if receipt.error is not None
        ],
    )


def _quarantined(error: WattbookError, content: str, received_at: datetime) -> store.Row:
    return {
        "digest": hashlib.sha256(f"{error.code} {content}".encode()).hexdigest(),
        "code": error.code,
        "reason": error.message,
        "content": content,
        "received_at": received_at,
    }
