"""Charging sessions on invoices and receipts: what they cost, cut into lines by product and rate of tax."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

from wattbook.billing.documents import LINES_MAX, Document, Kind, Line, taxes_of, to_coin
from wattbook.billing.parties import Issuer, LegalParty
from wattbook.billing.steps import Step, transfers_of
from wattbook.book.accounts import Account
from wattbook.book.lookup import Posting
from wattbook.book.transfers import Transfer, fact_id
from wattbook.charging.sold import Sold
from wattbook.kernel.errors import Conflict
from wattbook.kernel.units import Money

PRODUCTS: Final = {"PARKING_TIME": "parking", "RESERVATION_TIME": "reservation"}
"""By dimension of the price; every other one is part of charging."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the documents of one run have in common."""

    issuer: Issuer
    kind: Kind
    issued_on: date
    first_day: date
    last_day: date
    now: datetime


def drafts(
    frame: Frame,
    sold: Sequence[Sold],
    postings: Mapping[str, Posting],
    recipients: Mapping[str, tuple[LegalParty, str]],
) -> Iterator[tuple[Document, list[Transfer]]]:
    """One document for each payer and currency, several where there are too many lines; `sold` comes by payer."""
    for (payer, currency), group in groupby(sold, key=lambda each: (each.payer, each.currency)):
        recipient, language = recipients[payer]
        bought: list[Sold] = []
        lines: list[Line] = []
        for session in group:
            own = _lines(session, postings)
            if len(lines) + len(own) > LINES_MAX:
                yield _draft(frame, bought, lines, postings, recipient, language, currency)
                bought, lines = [], []
            bought.append(session)
            lines += own
        yield _draft(frame, bought, lines, postings, recipient, language, currency)


def _draft(
    frame: Frame,
    sold: Sequence[Sold],
    lines: Sequence[Line],
    postings: Mapping[str, Posting],
    recipient: LegalParty,
    language: str,
    currency: str,
) -> tuple[Document, list[Transfer]]:
    taxes = taxes_of(lines, currency)
    net, tax = sum(each.net for each in taxes), sum(each.tax for each in taxes)
    moved = [postings[fact] for each in sold for fact in each.paid_facts if fact in postings]
    exact_owed = sum(each.amount for each in moved if each.debit.purpose == "receivable")
    exact_paid = sum(each.amount for each in moved) - exact_owed
    # What was paid was paid: a document can only say so in coins. All of it is paid when nothing is owed.
    paid = net + tax if not exact_owed else min(to_coin(exact_paid, currency), net + tax)
    digest = hashlib.sha256("\n".join(each.facts for each in sold).encode()).hexdigest()
    fact = f"{frame.kind}:{frame.issuer.id}:{digest[:40]}"
    due_on = frame.issued_on + timedelta(days=frame.issuer.pay_within_days) if net + tax > paid else None
    document = Document(
        id=fact_id(fact),
        number="",
        kind=frame.kind,
        issuer=frame.issuer,
        recipient=recipient,
        language=language,
        currency=currency,
        issued_on=frame.issued_on,
        first_day=frame.first_day,
        last_day=frame.last_day,
        due_on=due_on,
        lines=tuple(lines),
        taxes=taxes,
        net=net,
        tax=tax,
        total=net + tax,
        paid=paid,
        debt_rounding=net + tax - paid - exact_owed,
    )
    taxed = tax - sum(line.exact_tax for line in lines)
    return document, _rounding(fact, frame, document, taxed)


def _rounding(fact: str, frame: Frame, document: Document, tax: int) -> list[Transfer]:
    """What whole coins change: the debt, the tax by `tax`, and the rest is ours to bear or to keep."""

    def account(owner: str, purpose: str) -> Account:
        return Account(owner, purpose, document.currency)

    issuer, debt = frame.issuer.id, document.debt_rounding
    till = account(issuer, "sale")
    steps = (
        Step("debt", till, account(document.recipient.id, "receivable"), debt),
        Step("tax", account(issuer, "tax"), till, tax),
        Step("rounding", account(issuer, "rounding"), till, debt - tax),
    )
    return transfers_of(fact, steps, at=frame.now, memo="rounding to whole coins")


def _lines(sold: Sold, postings: Mapping[str, Posting]) -> list[Line]:
    """One for each product and rate; together exactly what was posted."""
    group = next((postings[fact].group for fact in sold.paid_facts if fact in postings), None)
    if group is None:
        raise Conflict(f"{sold.facts} has a price and no posting", source=sold.facts)
    parts: dict[tuple[str, str | None], tuple[int, int]] = {}
    for line in sold.price_lines:
        if line["dimension"] == "ENERGY_EXPORT":
            continue
        key = PRODUCTS.get(line["dimension"], "charging"), _rate(line["vat"])
        net, gross = (Money.of(line[name], sold.currency).amount for name in ("before_tax", "after_tax"))
        before = parts.get(key, (0, 0))
        parts[key] = before[0] + net, before[1] + gross - net
    if not parts:
        parts["charging", None] = 0, 0
    # The lines were rounded one by one and the price as a whole: the largest part takes what that leaves.
    largest = max(parts, key=lambda key: abs(parts[key][0]))
    left_net = sold.before_tax - sum(net for net, _ in parts.values())
    left_tax = sold.after_tax - sold.before_tax - sum(tax for _, tax in parts.values())
    parts[largest] = parts[largest][0] + left_net, parts[largest][1] + left_tax
    return [
        Line(
            source=sold.facts,
            group=group,
            product=product,
            place=sold.place,
            started_at=sold.started_at,
            ended_at=sold.ended_at,
            energy_mwh=sold.import_mwh if (product, rate) == largest else 0,
            rate=rate,
            net=to_coin(net, sold.currency),
            exact_net=net,
            exact_tax=tax,
        )
        for (product, rate), (net, tax) in parts.items()
    ]


def _rate(vat: str | None) -> str | None:
    return None if vat is None else f"{Decimal(vat).normalize():f}"
