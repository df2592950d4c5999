"""Credit notes: an invoice or receipt taken back, in full or line by line, with a reference to it.

Tax is computed on all that was credited so far, this note included, less what the notes before gave back. So the
notes of a document together never give back a coin more tax than it had, and all of it once every line is credited.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind, Line, Tax, tax_on
from wattbook.billing.issuing import issue
from wattbook.billing.listing import find_document
from wattbook.billing.registers import find_issuer
from wattbook.billing.steps import Step, transfers_of
from wattbook.billing.store import line_key
from wattbook.book.accounts import Account
from wattbook.book.transfers import Transfer, fact_id
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused


async def credit(
    connection: AsyncConnection,
    number: str,
    *,
    reason: str,
    zone: ZoneInfo,
    now: datetime,
    positions: Sequence[int] | None = None,
) -> Document:
    """Credit these lines of a document, counted from 1; without positions, every line that is not credited yet.

    What the debtor still owes is less by it; what was paid from a wallet returns to the wallet.

    Raises:
        NotFound: no such document, or no such line.
        InvalidInput: no reason is given.
        Conflict: a line was credited already.
        Refused: a credit note, statement or reminder cannot be credited.
    """
    if not reason.strip() or len(reason) > 500 or not reason.isprintable():
        raise InvalidInput("a credit note says why, in 1 to 500 printable characters")
    original = await _creditable(connection, number)
    issuer = await find_issuer(connection, original.issuer.id)
    today = now.astimezone(zone).date()
    await store.lock_series(connection, issuer.id, Kind.CREDIT_NOTE, today.year)
    before = await store.credited(connection, number)
    lines = _chosen(original, before, positions)
    digest = hashlib.sha256("\n".join(_key(line) for line in lines).encode()).hexdigest()
    fact = f"credit:{number}:{digest[:32]}"
    note = replace(
        _note(original, lines, _taxes(original, before, lines)),
        id=fact_id(fact),
        issuer=issuer,
        issued_on=today,
        reason=reason,
    )
    (issued,) = await issue(connection, [(note, _postings(fact, note, original, now))], now=now)
    return issued


async def _creditable(connection: AsyncConnection, number: str) -> Document:
    """Raises: NotFound: no such document. Refused: it is none of those that can be credited."""
    original = await find_document(connection, number)
    if original.kind not in (Kind.INVOICE, Kind.RECEIPT):
        raise Refused(f"{number} is a {original.kind}; invoices and receipts can be credited")
    if original.posting and not original.is_e_invoice:
        raise Refused(f"{number} is the bill of a house: what is known of its energy and payments corrects it")
    return original


def _note(original: Document, lines: Sequence[Line], taxes: tuple[Tax, ...]) -> Document:
    """The lines with their signs turned; `taxes` are below zero already."""
    net, tax = sum(each.net for each in taxes), sum(each.tax for each in taxes)
    return Document(
        id="",
        number="",
        kind=Kind.CREDIT_NOTE,
        issuer=original.issuer,
        recipient=original.recipient,
        language=original.language,
        currency=original.currency,
        issued_on=original.issued_on,
        first_day=original.first_day,
        last_day=original.last_day,
        due_on=None,
        lines=tuple(
            replace(line, net=-line.net, exact_net=-line.exact_net, exact_tax=-line.exact_tax) for line in lines
        ),
        taxes=taxes,
        net=net,
        tax=tax,
        total=net + tax,
        reference=original.number,
    )


async def is_credited(connection: AsyncConnection, document: Document) -> bool:
    """Whether every line of it was taken back."""
    before = await store.credited(connection, document.number)
    return all(_key(line) in before for line in document.lines)


def _chosen(original: Document, before: dict[str, int], positions: Sequence[int] | None) -> list[Line]:
    if positions is None:
        lines = [line for line in original.lines if _key(line) not in before]
        if not lines:
            raise Conflict(f"{original.number} is credited in full already")
        return lines
    wrong = [n for n in positions if not 1 <= n <= len(original.lines)]
    if wrong or not positions:
        raise NotFound(f"{original.number} has lines 1 to {len(original.lines)}, not {wrong}")
    lines = [original.lines[n - 1] for n in sorted(set(positions))]
    again = [line.source for line in lines if _key(line) in before]
    if again:
        raise Conflict(f"{original.number}: {', '.join(again)} is credited already")
    return lines


def _taxes(original: Document, before: dict[str, int], lines: Sequence[Line]) -> tuple[Tax, ...]:
    given: dict[str | None, int] = {}
    for line in original.lines:
        given[line.rate] = given.get(line.rate, 0) + before.get(_key(line), 0)
    taxes: list[Tax] = []
    for each in original.taxes:
        net = sum(line.net for line in lines if line.rate == each.rate)
        if any(line.rate == each.rate for line in lines):
            so_far = tax_on(given[each.rate], each.rate, original.currency)
            tax = tax_on(given[each.rate] + net, each.rate, original.currency) - so_far
            taxes.append(Tax(rate=each.rate, net=-net, tax=-tax))
    return tuple(taxes)


def _postings(fact: str, note: Document, original: Document, now: datetime) -> list[Transfer]:
    """The sale taken back: from revenue what was earned, from tax what the note says, the rest from rounding."""

    def account(owner: str, purpose: str) -> Account:
        return Account(owner, purpose, note.currency)

    issuer, debtor = note.issuer.id, note.recipient.id
    till = account(issuer, "sale")
    back = account(debtor, "receivable" if original.due else "wallet")
    total, earned, tax = -note.total, -sum(line.exact_net for line in note.lines), -note.tax
    steps = (
        Step("total", back, till, total),
        Step("revenue", till, account(issuer, "revenue"), earned),
        Step("tax", till, account(issuer, "tax"), tax),
        Step("rounding", till, account(issuer, "rounding"), total - earned - tax),
    )
    return transfers_of(fact, steps, at=now, memo=f"{note.reference}: {note.reason}"[:500])


def _key(line: Line) -> str:
    return line_key(line.source, line.product, line.rate)
