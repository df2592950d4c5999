"""Bills and credit notes as groups of postings: energy that changes hands and money that is owed, in one group each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from wattbook.book.accounts import ENERGY, Account
from wattbook.book.transfers import Span, Transfer
from wattbook.household.paid.assessment import Lines, Share


class Delivery(NamedTuple):
    """What a meter of the house measured, in whose network, over which stretch of its time."""

    meter: str
    network_operator: str
    energy_mwh: int
    span: Span


class Ledger(NamedTuple):
    """Whose accounts a house's documents post to.

    Attributes:
        fact: begins the fact of every posting, such as `bill:house-1:2026-10-01`.
        debtor: who owes what the house costs.
        ends_at: of the billing period. Energy and money belong to it however late they are booked, so the event time
            is its last moment.
    """

    fact: str
    household: str
    debtor: str
    utility: str
    currency: str
    ends_at: datetime

    def flow(self, words: str, giver: Account, taker: Account, amount: int, memo: str = "") -> Iterator[Transfer]:
        """From giver to taker; a negative amount flows back, and of nothing there is no posting."""
        if amount:
            yield Transfer(
                fact=f"{self.fact}:{words}",
                debit=taker if amount > 0 else giver,
                credit=giver if amount > 0 else taker,
                amount=abs(amount),
                event_at=self.event_at,
                memo=memo,
            )

    @property
    def event_at(self) -> datetime:
        return self.ends_at - timedelta(microseconds=1)

    @property
    def consumption(self) -> Account:
        return Account(self.household, "consumption", ENERGY)


def deliveries(ledger: Ledger, balance_group: str, measured: Sequence[Delivery]) -> Iterator[Transfer]:
    """Energy from the supplier through grid and meters to the house."""
    for delivery in measured:
        if not delivery.energy_mwh:
            continue
        grid = Account(delivery.network_operator, "grid", ENERGY)
        meter = Account(delivery.meter, "meter", ENERGY)
        source = Account(balance_group, "balance_group", ENERGY)
        name = f"{delivery.meter}:{delivery.span.start:%Y%m%dT%H%MZ}"
        yield from ledger.flow(f"{name}:supply", source, grid, delivery.energy_mwh)
        yield Transfer(
            fact=f"{ledger.fact}:{name}:meter",
            debit=meter,
            credit=grid,
            amount=delivery.energy_mwh,
            event_at=ledger.event_at,
            span=delivery.span,
        )
        yield from ledger.flow(f"{name}:house", meter, ledger.consumption, delivery.energy_mwh)


def redelivered(ledger: Ledger, balance_group: str, changed: Sequence[Delivery]) -> Iterator[Transfer]:
    """What readings that came later add to what was delivered, or take back where it is less than zero.

    The stretch of the meter's time is taken already, so these postings have none.
    """
    for delivery in changed:
        grid = Account(delivery.network_operator, "grid", ENERGY)
        meter = Account(delivery.meter, "meter", ENERGY)
        source = Account(balance_group, "balance_group", ENERGY)
        name = f"{delivery.meter}:{delivery.span.start:%Y%m%dT%H%MZ}"
        memo = "corrected by readings that came later"
        yield from ledger.flow(f"{name}:supply", source, grid, delivery.energy_mwh, memo)
        yield from ledger.flow(f"{name}:meter", grid, meter, delivery.energy_mwh, memo)
        yield from ledger.flow(f"{name}:house", meter, ledger.consumption, delivery.energy_mwh, memo)


def paid_elsewhere(ledger: Ledger, moved: Mapping[str, Share]) -> Iterator[Transfer]:
    """Energy that leaves the house for those who paid for it; back again where a share is negative."""
    for server, share in sorted(moved.items()):
        payer = Account(server, "paid_elsewhere", ENERGY)
        exception = Account(ledger.household, "energy_exception", ENERGY)
        yield from ledger.flow(f"{server}:paid", ledger.consumption, payer, share.covered_mwh, "paid elsewhere")
        yield from ledger.flow(
            f"{server}:excess", exception, payer, share.excess_mwh, "paid for beyond what the house's meters measured"
        )


def interest(ledger: Ledger, amount: int) -> Iterator[Transfer]:
    """What the house is given beside a credit, on the account of who owes."""
    debtor = Account(ledger.debtor, "receivable", ledger.currency)
    yield from ledger.flow("interest", debtor, Account(ledger.utility, "interest", ledger.currency), amount)


def sale(ledger: Ledger, lines: Lines) -> Iterator[Transfer]:
    """What the house owes, and to whom it goes. Lines of the other sign take a sale back."""

    def account(owner: str, purpose: str) -> Account:
        return Account(owner, purpose, ledger.currency)

    till = account(ledger.utility, "sale")
    yield from ledger.flow("total", till, account(ledger.debtor, "receivable"), lines.total)
    yield from ledger.flow("revenue", account(ledger.utility, "revenue"), till, lines.subtotal)
    yield from ledger.flow("vat", account(ledger.utility, "tax"), till, lines.vat)
    yield from ledger.flow("fund", account(ledger.utility, "levy"), till, lines.fund)
    yield from ledger.flow("rounding", account(ledger.utility, "rounding"), till, lines.rounding)
