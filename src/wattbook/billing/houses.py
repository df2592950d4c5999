"""Bills of houses and their credit notes as numbered documents.

The household room decides what a house owes, line by line, and has posted it. A document adds the number, the names and
the language, and says the same: it rounds nothing and posts nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind, Line, Tax
from wattbook.billing.issuing import issue
from wattbook.billing.parties import Issuer, LegalParty
from wattbook.billing.registers import find_issuer, find_recipients
from wattbook.book.transfers import fact_id
from wattbook.household.bills.documents import Bill, CreditNote, bills_of_households, credit_notes_of_bills
from wattbook.household.paid.assessment import Lines

PRODUCTS: Final = ("base", "energy", "climate", "fuel", "fund", "rounding")
"""The lines of a bill beside its VAT, as the household room names them."""
NOTHING: Final = Lines(*(0 for _ in Lines._fields))


class _Frame(NamedTuple):
    """What the documents of a house have in common."""

    seller: Issuer
    recipient: LegalParty
    language: str
    today: date


async def documents_of_house(
    connection: AsyncConnection, household: str, *, zone: ZoneInfo, now: datetime
) -> list[Document]:
    """Every bill and credit note of a house as a document, oldest first; those that are none yet are issued.

    Raises:
        NotFound: the utility has no legal name and address on record.
    """
    bills = await bills_of_households(connection, [household])
    notes = await credit_notes_of_bills(connection, [bill.id for bill in bills])
    documents: list[Document] = []
    for bill in bills:
        seller = await find_issuer(connection, bill.utility)
        named = await find_recipients(connection, [bill.debtor], country=seller.country)
        frame = _Frame(seller, *named[bill.debtor], now.astimezone(zone).date())
        stage = "provisional" if bill.stage == "provisional" else ""
        draft = _document(frame, bill, Kind.INVOICE, f"bill:{bill.id}", bill.posting.hex, bill.lines, reason=stage)
        documents += await issue(connection, [(draft, ())], now=now)
        number = documents[-1].number
        for correction in _corrections(frame, bill, notes[bill.id], number):
            documents += await issue(connection, [(correction, ())], now=now)
    return documents


async def numbers_of(connection: AsyncConnection, sources: Sequence[str]) -> dict[str, str]:
    """The number of each document there is, by `bill:<id>` or `credit:<id>`."""
    source_of = {fact_id(f"document:{source}"): source for source in sources}
    return {source_of[each.id]: each.number for each in await store.find(connection, "id", list(source_of))}


def _corrections(frame: _Frame, bill: Bill, notes: list[CreditNote], reference: str) -> Iterator[Document]:
    """A credit note each; an invoice where a correction is a charge. One below the coin is no document, unless it makes
    a provisional bill final."""
    for note in notes:
        kind = Kind.INVOICE if note.lines.total < 0 else Kind.CREDIT_NOTE
        lines = NOTHING.minus(note.lines)
        if any(lines) or note.becomes == "final":
            source, reason = f"credit:{note.id}", note.becomes or note.reason
            yield _document(frame, bill, kind, source, note.posting.hex, lines, reference, reason, note.interest)


def _document(
    frame: _Frame,
    bill: Bill,
    kind: Kind,
    source: str,
    posting: str,
    amounts: Lines,
    reference: str | None = None,
    reason: str = "",
    interest: int = 0,
) -> Document:
    within = timedelta(days=frame.seller.pay_within_days)
    given: tuple[Line, ...] = ()
    untaxed: tuple[Tax, ...] = ()
    if interest:
        given = (Line(source=source, group=posting, product="interest", net=-interest, exact_net=-interest),)
        untaxed = (Tax(rate=None, net=-interest, tax=0),)
    return Document(
        id=fact_id(f"document:{source}"),
        number="",
        kind=kind,
        issuer=frame.seller,
        recipient=frame.recipient,
        language=frame.language,
        currency=bill.currency,
        issued_on=frame.today,
        first_day=bill.period.first,
        last_day=bill.period.last,
        due_on=frame.today + within if amounts.total > 0 else None,
        lines=tuple(
            Line(
                source=source,
                group=posting,
                product=product,
                energy_mwh=bill.household_mwh if product == "energy" and reference is None else 0,
                net=getattr(amounts, product),
                exact_net=getattr(amounts, product),
                exact_tax=amounts.vat if product == "energy" else 0,
            )
            for product in PRODUCTS
            if getattr(amounts, product) or product == "energy"
        )
        + given,
        taxes=(Tax(rate=None, net=amounts.total - amounts.vat, tax=amounts.vat), *untaxed),
        net=amounts.total - amounts.vat - interest,
        tax=amounts.vat,
        total=amounts.total - interest,
        reference=reference,
        reason=reason,
        posting=posting,
    )
