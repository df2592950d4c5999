"""What payments post: which accounts, under which facts. Pure: each function gives entries of the book, or names.

A channel's takings are on its clearing account until they are paid out to the bank; what the desk takes is cash.
A fact is named after the payment, refund, dispute or payout it stands for, so news of it posts once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wattbook.book.accounts import Account
from wattbook.book.transfers import Capture, Entry, Hold, Transfer, Void

DESK: Final = "desk"
"""The channel of what an operator enters: cash, or a transfer seen at the bank."""

WALLET: Final = "wallet"
"""The channel of what one customer gives to another."""

BANK: Final = "bank"

REFUND_HELD_FOR: Final = timedelta(days=60)
"""A provider that has not answered by then will not."""


def wallet(owner: str, currency: str) -> Account:
    return Account(owner, "wallet", currency)


def takings(channel: str, currency: str) -> Account:
    """Where a channel's money is."""
    return Account(channel, "cash" if channel == DESK else "clearing", currency)


def payment_fact(channel: str, payment: str) -> str:
    return f"payment:{channel}:{payment}"


def refund_fact(channel: str, refund: str) -> str:
    return f"refund:{channel}:{refund}"


@dataclass(frozen=True, slots=True)
class Movement:
    """Money between a channel and an account of a customer.

    Attributes:
        account: `wallet` or `receivable`.
    """

    channel: str
    owner: str
    account: str
    currency: str
    amount: int
    at: datetime

    @property
    def customer(self) -> Account:
        return Account(self.owner, self.account, self.currency)

    @property
    def till(self) -> Account:
        return takings(self.channel, self.currency)

    def coming_in(self, fact: str, memo: str = "") -> Transfer:
        return Transfer(
            fact=fact, debit=self.till, credit=self.customer, amount=self.amount, event_at=self.at, memo=memo
        )

    def going_out(self, fact: str, memo: str = "") -> Transfer:
        return Transfer(
            fact=fact, debit=self.customer, credit=self.till, amount=self.amount, event_at=self.at, memo=memo
        )

    def held_back(self, fact: str, memo: str = "") -> Hold:
        """Set aside for a refund that the provider has not confirmed."""
        return Hold(
            fact=f"{fact}:hold",
            debit=self.customer,
            credit=self.till,
            amount=self.amount,
            event_at=self.at,
            expires_at=self.at + REFUND_HELD_FOR,
            memo=memo,
        )


def refund_done(fact: str, amount: int, at: datetime) -> Entry:
    """Of a refund that was set aside."""
    return Capture(fact=fact, hold=f"{fact}:hold", amount=amount, event_at=at)


def refund_off(fact: str, at: datetime) -> Entry:
    return Void(fact=f"{fact}:void", hold=f"{fact}:hold", event_at=at)


def payout(channel: str, payout_id: str, currency: str, amount: int, at: datetime) -> Transfer:
    return Transfer(
        fact=f"payout:{channel}:{payout_id}",
        debit=Account(BANK, "cash", currency),
        credit=takings(channel, currency),
        amount=amount,
        event_at=at,
    )


def payout_returned(channel: str, payout_id: str, currency: str, amount: int, at: datetime) -> Transfer:
    return Transfer(
        fact=f"payout:{channel}:{payout_id}:returned",
        debit=takings(channel, currency),
        credit=Account(BANK, "cash", currency),
        amount=amount,
        event_at=at,
    )


def fee(channel: str, row: str, currency: str, amount: int, at: datetime) -> Transfer:
    """What a provider kept; a negative fee was given back."""
    cost, till = Account(channel, "cost", currency), takings(channel, currency)
    return Transfer(
        fact=f"fee:{channel}:{row}",
        debit=cost if amount > 0 else till,
        credit=till if amount > 0 else cost,
        amount=abs(amount),
        event_at=at,
    )
