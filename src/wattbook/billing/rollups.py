"""Revenue by whatever one asks for, and what is still open, by age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.store import OpenRow
from wattbook.book.accounts import Account
from wattbook.book.statements import balances

By = Literal["issuer", "recipient", "product", "rate", "month"]
BUCKETS: Final = (0, 30, 60, 90)
"""Days overdue at which a bucket begins, after the one of what is not due yet."""


@dataclass(frozen=True, slots=True)
class Revenue:
    """What documents of a time sum to, credit notes taken off; stored units.

    `key` is None for lines without a stated tax, when summed by rate.
    """

    key: str | None
    currency: str
    documents: int
    energy_mwh: int
    net: int


@dataclass(frozen=True, slots=True)
class Open:
    """What is still to be paid of a document."""

    number: str
    debtor: str
    currency: str
    due_on: date
    amount: int

    def days_overdue(self, today: date) -> int:
        return (today - self.due_on).days


async def revenue(connection: AsyncConnection, issuer: str, first: date, last: date, by: By) -> list[Revenue]:
    """Of the documents issued from `first` to `last`, by currency and key."""
    return [Revenue(*row) for row in await store.revenue(connection, issuer, first, last, by)]


async def open_items(connection: AsyncConnection, issuer: str) -> list[Open]:
    """Documents that are not paid in full, by debtor, the oldest first.

    A payment settles the oldest document first, whatever it was meant for: so nothing but the book and the documents
    needs to be kept. What was settled of a debtor's documents is all that was credited to what the debtor owes, less
    what roundings credited.
    """
    rows = await store.owed_documents(connection, issuer)
    debtors = sorted({Account(row.debtor, "receivable", row.currency) for row in rows})
    found = await balances(connection, debtors)
    open_now: list[Open] = []
    for debtor in debtors:
        own = [row for row in rows if (row.debtor, row.currency) == (debtor.owner, debtor.commodity)]
        open_now += _unsettled(own, found[debtor].credits_posted + sum(min(row.debt_rounding, 0) for row in own))
    return open_now


def _unsettled(rows: Sequence[OpenRow], settled: int) -> list[Open]:
    left: list[Open] = []
    for row in rows:
        covered = min(row.due, settled)
        settled -= covered
        if row.due > covered:
            left.append(Open(row.number, row.debtor, row.currency, row.due_on, row.due - covered))
    return left


def aged(items: Sequence[Open], today: date) -> dict[tuple[str, str], list[int]]:
    """By debtor and currency: what is not due yet, then what is overdue since 0, 30, 60, 90 days and more."""
    table: dict[tuple[str, str], list[int]] = {}
    for item in items:
        days = item.days_overdue(today)
        bucket = 0 if days <= 0 else sum(days > start for start in BUCKETS)
        table.setdefault((item.debtor, item.currency), [0] * (len(BUCKETS) + 1))[bucket] += item.amount
    return table
