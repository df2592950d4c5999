"""Bills assessed again because their readings changed.

A true value that comes in place of an estimate, a later version, an edit: the period is summed and assessed anew from
everything known, and the difference to what stands is a credit note, or a charge, as after a late payment.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.lookup import postings_of
from wattbook.book.posting import post
from wattbook.book.transfers import Transfer
from wattbook.household import store, work_list
from wattbook.household.bills import documents
from wattbook.household.bills.billing import Measured, lock, measure_again
from wattbook.household.bills.documents import Bill, CreditNote, Standing
from wattbook.household.bills.interest import interest_on
from wattbook.household.bills.moved_energy import moved_shares, moved_so_far, payers
from wattbook.household.bills.postings import Delivery, Ledger, interest, paid_elsewhere, redelivered, sale
from wattbook.household.paid.assessment import Charge, Share
from wattbook.household.paid.charges import charges_in_time
from wattbook.household.paid.exceptions import note_exceptions
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import WattbookError
from wattbook.registry.households import meters_of_households
from wattbook.registry.interest import interest_rates
from wattbook.registry.validity import Missing


async def assess_again(
    connection: AsyncConnection,
    intervals: IntervalStore,
    *,
    now: datetime,
    balance_group: str | None = None,
    limit: int = 200,
) -> list[CreditNote]:
    """Assess noted bills again, and issue a credit note for each whose energy is another now.

    A bill that cannot be summed up any more, as when readings were taken back, stays as it is and is put on the work
    list.

    Args:
        balance_group: from which a house was supplied whose bill was over nothing; of others the book knows it.
        limit: bills in one call; what is beyond stays noted.
    """
    bills = await documents.find_bills(connection, await store.take_reviews(connection, limit))
    await lock(connection, [(bill.household, bill.starts_at, bill.ends_at) for bill in bills])
    groups = await _balance_groups(connection, bills, balance_group)
    measured = await measure_again(connection, intervals, bills, now=utc(now))
    notes = await documents.credit_notes_of_bills(connection, [bill.id for bill in bills])
    schedules = [bill.schedule for bill in bills]
    periods = [(bill.household, bill.starts_at, bill.ends_at) for bill in bills]
    charges = await charges_in_time(connection, intervals, periods, schedules, [bill.basis for bill in bills])
    await note_exceptions(connection, intervals, periods, now=now)
    servers, _ = await payers(connection, bills, intervals)
    moved = await moved_so_far(connection, bills, notes, servers)
    drafted: list[tuple[CreditNote, list[Transfer]]] = []
    for bill, charged in zip(bills, charges, strict=True):
        found, group = measured[bill.id], groups.get(bill.id)
        if group is None:
            await _cannot(connection, bill, "no balance group is known that supplied it", utc(now))
        elif isinstance(found, Measured):
            drafted += await _drafted(connection, bill, notes[bill.id], found, charged, moved[bill.id], group, utc(now))
        else:
            await _cannot(connection, bill, found.message, utc(now))
    posted = [entries for _, entries in drafted if entries]
    for outcome in await post(connection, posted, booked_at=utc(now)):
        if isinstance(outcome, WattbookError):
            raise outcome
    await documents.add_credit_notes(connection, [note for note, _ in drafted])
    return [note for note, _ in drafted]


async def _drafted(
    connection: AsyncConnection,
    bill: Bill,
    notes: Sequence[CreditNote],
    found: Measured,
    charges: Sequence[Charge],
    moved: Mapping[str, Share],
    balance_group: str,
    now: datetime,
) -> list[tuple[CreditNote, list[Transfer]]]:
    """The note and its postings; none where energy and stage are what they were.

    A note over nothing, with no postings, makes a bill final whose estimates turned out to be true.
    """
    stands = Standing(found.slots_mwh, sum(estimate.energy_mwh for estimate in found.estimates), found.peak_w)
    assessed = documents.assessed(bill, stands, charges)
    credit = documents.corrected(bill, notes).minus(assessed.lines)
    changed = await _changed(connection, bill, notes, found.deliveries)
    revision = len(notes) + 1
    ledger = Ledger(
        f"credit:{bill.id}:{revision}", bill.household, bill.debtor, bill.utility, bill.currency, bill.ends_at
    )
    rates = (await interest_rates(connection, [bill.utility])).get(bill.utility, ())
    given = interest_on(bill, notes, credit.total, rates, now)
    entries = [
        *redelivered(ledger, balance_group, changed),
        *paid_elsewhere(ledger, moved_shares(moved, assessed.shares)),
        *sale(ledger, credit.negated),
        *interest(ledger, given.amount),
    ]
    before = documents.standing(bill, notes).stage
    becomes = stands.stage if stands.stage != before else None
    if not entries and becomes is None:
        return []
    posting = entries[0].fact if entries else f"{ledger.fact}:total"
    note = documents.credit_note(
        bill,
        revision,
        assessed,
        credit,
        stands,
        posting=posting,
        issued_at=now,
        reason="readings",
        becomes=becomes,
        given=given,
    )
    return [(note, entries)]


async def _changed(
    connection: AsyncConnection, bill: Bill, notes: Sequence[CreditNote], deliveries: Sequence[Delivery]
) -> list[Delivery]:
    """By how much each meter's energy differs from what the bill and its notes have posted."""
    documents_of_bill = [f"bill:{bill.id}", *(f"credit:{note.id}" for note in notes if note.reason == "readings")]
    names = [f"{each.meter}:{each.span.start:%Y%m%dT%H%MZ}:meter" for each in deliveries]
    facts = {name: [f"{document}:{name}" for document in documents_of_bill] for name in names}
    posted = await postings_of(connection, [fact for each in facts.values() for fact in each])
    changed = []
    for name, delivery in zip(names, deliveries, strict=True):
        found = [posted[fact] for fact in facts[name] if fact in posted]
        had_mwh = sum(each.amount if each.debit.purpose == "meter" else -each.amount for each in found)
        changed.append(delivery._replace(energy_mwh=delivery.energy_mwh - had_mwh))
    return changed


async def _balance_groups(
    connection: AsyncConnection, bills: Sequence[Bill], otherwise: str | None
) -> dict[str, str | None]:
    """Which balance group supplied each bill's house: the one in the postings of the bill."""
    times = [(bill.household, bill.starts_at, bill.ends_at) for bill in bills]
    places = await meters_of_households(connection, times)
    facts = {
        bill.id: [
            f"bill:{bill.id}:{place.meter}:{max(bill.starts_at, utc(place.valid_from)):%Y%m%dT%H%MZ}:supply"
            for place in ([] if isinstance(found, Missing) else found)
        ]
        for bill, found in zip(bills, places, strict=True)
    }
    posted = await postings_of(connection, [fact for each in facts.values() for fact in each])
    return {
        bill: next((posted[fact].credit.owner for fact in each if fact in posted), otherwise)
        for bill, each in facts.items()
    }


async def _cannot(connection: AsyncConnection, bill: Bill, why: str, now: datetime) -> None:
    words = f"bill {bill.id} cannot be assessed again: {why}"
    finding = Finding(Kind.CANNOT_ESTIMATE, None, None, bill.starts_at, bill.ends_at, words, household=bill.household)
    await work_list.open_items(connection, [finding], now)
