"""Payments, refunds, disputes and payouts as stored; the fields are the columns of `tables`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from wattbook.payments.ledger import Movement, payment_fact, refund_fact


class Purpose(StrEnum):
    """What a payment is for."""

    TOP_UP = "top-up"
    SESSION = "session"
    """Charging at a station by somebody who is no customer: the payment is the account it is charged to."""
    INVOICE = "invoice"
    HOUSE = "house"
    """Charging at a house: handed on to the household room, which takes the energy out of the house's bill."""


class PaymentState(StrEnum):
    CREATED = "created"
    AUTHORISED = "authorised"
    PAID = "paid"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"


class Payment(Struct, kw_only=True):
    """Attributes:
    content: what was said of it first; news of the same payment must say the same.
    """

    channel: str
    id: str
    purpose: Purpose
    subject: str
    owner: str | None
    account: str | None
    currency: str | None
    amount: int | None
    state: PaymentState
    reference: str | None = None
    content: dict[str, Any]
    received_at: datetime
    updated_at: datetime

    @property
    def fact(self) -> str:
        return payment_fact(self.channel, self.id)

    def movement(self, at: datetime, amount: int | None = None, *, account: str | None = None) -> Movement:
        """Of this payment, or of a part of it, on its own account or on another of the same owner."""
        assert self.owner is not None, "a payment for a house moves no money here"
        assert self.account is not None, "an owner has an account"
        assert self.currency is not None, "an account has a currency"
        moved = self.amount if amount is None else amount
        assert moved is not None, "what moves has an amount"
        return Movement(self.channel, self.owner, account or self.account, self.currency, moved, at)


class RefundState(StrEnum):
    REQUESTED = "requested"
    DONE = "done"
    FAILED = "failed"


class Refund(Struct, kw_only=True):
    channel: str
    id: str
    payment: str | None
    owner: str
    account: str
    currency: str
    amount: int
    state: RefundState
    reference: str | None = None
    requested_at: datetime
    updated_at: datetime

    @property
    def fact(self) -> str:
        return refund_fact(self.channel, self.id)

    def movement(self, at: datetime) -> Movement:
        return Movement(self.channel, self.owner, self.account, self.currency, self.amount, at)


class Dispute(Struct, kw_only=True):
    """A payer took a payment back through its bank (a chargeback)."""

    channel: str
    id: str
    payment: str
    owner: str
    currency: str
    amount: int
    withdrawn: bool
    reinstated: bool
    status: str
    updated_at: datetime


class Payout(Struct, kw_only=True):
    channel: str
    id: str
    currency: str
    amount: int
    paid: bool
    failed: bool
    updated_at: datetime


class OperationKind(StrEnum):
    CREATE = "create"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


class OperationState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"


class Operation(Struct, kw_only=True):
    """What a provider is asked. `id` is the key under which it knows the question again."""

    id: str
    channel: str
    kind: OperationKind
    payment: str
    refund: str | None = None
    amount: int | None = None
    arguments: dict[str, Any] = {}
    state: OperationState = OperationState.ASKED
    error: str | None = None
    tries: int = 0
    asked_at: datetime
    done_at: datetime | None = None


class StoredEvent(Struct, kw_only=True):
    channel: str
    id: str
    kind: str
    received_at: datetime
    raw: bytes
    about: str | None
    state: str
    error: str | None = None
