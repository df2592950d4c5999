"""What payments ask of rooms beside and above: houses know their bills, whoever invoices knows who owes what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import WattbookError
from wattbook.kernel.units import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class HousePayment:
    """Charging at a house that was paid: the energy is to leave the house's bill.

    Attributes:
        server, id: the identity of the payment.
        household: the house, or `meter`: the number of its meter; just one of them.
        amount: what was paid, for information.
    """

    server: str
    id: str
    household: str | None
    meter: str | None
    energy_mwh: int
    started_at: datetime
    ended_at: datetime
    received_at: datetime
    amount: Money | None
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class HouseReceipt:
    """Attributes:
    household: the house it counts for.
    error: why it was not taken in; None when it was.
    """

    household: str | None = None
    error: WattbookError | None = None


class Houses(Protocol):
    async def forward(self, connection: AsyncConnection, payments: Sequence[HousePayment]) -> list[HouseReceipt]:
        """Inside the caller's transaction, in order; a receipt for each."""
        ...


@dataclass(frozen=True, slots=True)
class Debtor:
    """Whose account an invoice is open on.

    Attributes:
        account: `receivable`; or `wallet` where a postpaid account with a limit owes below zero.
    """

    owner: str
    account: str
    currency: str


class Invoices(Protocol):
    async def debtors(self, connection: AsyncConnection, numbers: Sequence[str]) -> list[Debtor | None]:
        """Of each invoice, by its number; None for one that was never issued."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom a payment may be for, beside customers and stations."""

    houses: Houses
    invoices: Invoices
