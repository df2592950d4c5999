"""What a document posts: steps with names, between two accounts each."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from wattbook.book.accounts import Account
from wattbook.book.transfers import Transfer


class Step(NamedTuple):
    """An amount from `credit` to `debit`, in stored units; below zero it goes the other way."""

    name: str
    credit: Account
    debit: Account
    amount: int


def transfers_of(fact: str, steps: Iterable[Step], *, at: datetime, memo: str) -> list[Transfer]:
    """Each named after the fact and its step; what moves nothing is left out."""
    return [
        Transfer(
            fact=f"{fact}:{step.name}",
            credit=step.credit if step.amount > 0 else step.debit,
            debit=step.debit if step.amount > 0 else step.credit,
            amount=abs(step.amount),
            event_at=at,
            memo=memo,
        )
        for step in steps
        if step.amount
    ]
