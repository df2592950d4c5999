"""The port of payment providers: what is asked of one, and what it tells, in words that are nobody's in particular.

News of a payment, refund, dispute or payout is what the provider says now, whoever asked and in whichever order it
comes: an answer to a question and an event that was pushed are the same kind of news.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, Protocol

from msgspec import Struct

from wattbook.kernel.errors import Refused
from wattbook.kernel.units import Money


class Declined(Refused):
    """The provider says no for good: asking again would not help."""

    code = "declined"


class PaymentNews(Struct, frozen=True, kw_only=True):
    """Attributes:
    reference: the provider's id of the payment.
    payment: ours, which it was told when it was created; None for a payment that is not of our making.
    amount: authorised, or taken; stored units.
    """

    reference: str
    payment: str | None
    state: Literal["created", "authorised", "paid", "cancelled"]
    currency: str
    amount: int
    at: datetime


class RefundNews(Struct, frozen=True, kw_only=True):
    """Attributes:
    refund: ours; None for one that was made at the provider.
    """

    id: str
    reference: str
    refund: str | None
    state: Literal["requested", "done", "failed"]
    currency: str
    amount: int
    at: datetime


class DisputeNews(Struct, frozen=True, kw_only=True):
    """Attributes:
    withdrawn, reinstated: whether this very news says that the amount left us, or came back.
    """

    id: str
    reference: str
    currency: str
    amount: int
    status: str
    withdrawn: bool
    reinstated: bool
    at: datetime


class PayoutNews(Struct, frozen=True, kw_only=True):
    id: str
    state: Literal["paid", "failed"]
    currency: str
    amount: int
    at: datetime


News = PaymentNews | RefundNews | DisputeNews | PayoutNews


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """A verified event.

    Attributes:
        about: the provider's id of the payment it is about, if any.
        news: None when it tells nothing that is ours to know.
    """

    id: str
    kind: str
    about: str | None
    news: News | None


class Created(Struct, frozen=True, kw_only=True):
    """Attributes:
    secret: what the payer's own device needs to confirm the payment with the provider.
    """

    news: PaymentNews
    secret: str


class ReportRow(Struct, frozen=True, kw_only=True):
    """A line of a provider's account with us.

    Attributes:
        reference: the provider's id of the payment, refund, dispute or payout that moved.
        gross: stored units, positive when it came to us; before the fee.
        fee: what the provider kept of it; negative: gave back.
    """

    id: str
    kind: Literal["payment", "refund", "dispute", "payout", "fee", "other"]
    reference: str
    currency: str
    gross: int
    fee: int
    day: date


class UnreadRow(Struct, frozen=True, kw_only=True):
    """A line of a report that cannot be understood.

    Attributes:
        reference: the provider's id of it, or else which line it is.
        content: as it came.
    """

    reference: str
    content: bytes
    reason: str


class Report(Struct, frozen=True):
    """What moved on a provider's account with us on a day in UTC."""

    rows: list[ReportRow]
    unread: list[UnreadRow] = []


class Provider(Protocol):
    """What a provider can do. A `key` names a question: the same again is not done twice. `again`: it was asked before
    and the answer may have been lost.

    Every question raises Declined, or Unavailable when there is no telling.
    """

    @property
    def name(self) -> str:
        """The channel."""
        ...

    async def create(
        self,
        key: str,
        payment: str,
        money: Money,
        *,
        hold_only: bool,
        method: str | None,
        again: bool,
        asked_at: datetime,
    ) -> Created:
        """Begin a payment; with a method, also confirm it. `hold_only`: authorise, to be captured later."""
        ...

    async def capture(self, key: str, reference: str, money: Money) -> PaymentNews:
        """Take this much, at most what was authorised; the rest is free again."""
        ...

    async def cancel(self, key: str, reference: str) -> PaymentNews: ...

    async def refund(self, key: str, refund: str, reference: str, money: Money, *, again: bool) -> RefundNews: ...

    def verify_event(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> None:
        """Raises:
        NotSigned: it is not from the provider, or of another time.
        """
        ...

    def read_event(self, body: bytes) -> ProviderEvent:
        """An event that was verified.

        Raises:
            InvalidInput: it cannot be understood.
        """
        ...

    async def report(self, day: date) -> Report:
        """Raises:
        Unavailable: it cannot be had now.
        """
        ...
