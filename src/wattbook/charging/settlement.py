"""What is posted for a session that ended: one group of transfers that moves its energy and its money.

Every fact is named after the CDR, so the same CDR posts once. Energy into and out of a meter says which stretch of the
meter's time it covers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from wattbook.book.accounts import ENERGY, Account
from wattbook.book.transfers import Capture, Entry, Span, Transfer, Void
from wattbook.charging.cases import wallet_of
from wattbook.charging.price import StoredPrice
from wattbook.charging.records import SessionRow
from wattbook.charging.starting import hold_fact
from wattbook.kernel.errors import Conflict, NotFound, Refused, WattbookError


class Way(Enum):
    """How what a driver owes is paid."""

    HOLD_THEN_WALLET = "from the hold, what is missing from the wallet"
    HOLD_THEN_DEBT = "from the hold, what is missing is owed"
    WALLET = "from the wallet: the hold is no more"
    DEBT = "owed"


def first_way(session: SessionRow) -> Way:
    if session.payment == "prepaid":
        return Way.HOLD_THEN_WALLET if session.prepaid else Way.WALLET
    return Way.DEBT


def next_way(way: Way, refused: WattbookError) -> Way | None:
    """Another way to pay what the book would not take; None when there is none."""
    if way in (Way.HOLD_THEN_WALLET, Way.HOLD_THEN_DEBT) and isinstance(refused, Conflict | NotFound):
        return Way.WALLET
    if isinstance(refused, Refused) and refused.details.get("reason") == "floor":
        return {Way.HOLD_THEN_WALLET: Way.HOLD_THEN_DEBT, Way.WALLET: Way.DEBT}.get(way)
    return None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A session that ended and what it comes to.

    Attributes:
        price: None when nobody is billed: the energy is an exception.
        span: the stretch of the meter's time, as far as no other session has it.
        event_at: when it ended, as far as that can be true.
    """

    session: SessionRow
    cdr_id: str
    price: StoredPrice | None
    span: Span | None
    event_at: datetime

    @property
    def prefix(self) -> str:
        """Of the facts of this CDR."""
        return cdr_facts(self.session.operator, self.cdr_id)


def cdr_facts(operator: str, cdr_id: str) -> str:
    return f"cdr:{operator}*{cdr_id}"


def entries(settlement: Settlement, way: Way) -> list[Entry]:
    """The group; empty when nothing moved."""
    return [*_energy(settlement), *_money(settlement, way)]


def _energy(settlement: Settlement) -> Iterator[Entry]:
    session = settlement.session
    supply = _energy_account(session.balance_group or session.supplier_id or session.operator, "balance_group")
    grid = _energy_account(session.network_operator or session.operator, "grid")
    meter = _energy_account(meter_owner(session), "meter")
    drawer, feeder = _driver(settlement)
    steps = (
        ("import:supply", supply, grid, session.import_mwh, None),
        ("import:meter", grid, meter, session.import_mwh, settlement.span),
        ("import:bill", meter, drawer, session.import_mwh, None),
        ("export:bill", feeder, meter, session.export_mwh, settlement.span),
        ("export:meter", meter, grid, session.export_mwh, None),
        ("export:supply", grid, supply, session.export_mwh, None),
    )
    for step, credit, debit, amount, span in steps:
        if amount:
            yield Transfer(
                fact=f"{settlement.prefix}:energy:{step}",
                credit=credit,
                debit=debit,
                amount=amount,
                event_at=settlement.event_at,
                span=span,
                memo=f"session {session.id}",
            )


def _driver(settlement: Settlement) -> tuple[Account, Account]:
    """Who answers for what was drawn, and for what was fed in."""
    session = settlement.session
    if settlement.price is None:
        exception = _energy_account(session.operator, "energy_exception")
        return exception, _energy_account(session.operator, "feed_in")
    if session.payment == "partner":
        assert session.token_party is not None, "a partner's token names the partner"
        return _energy_account(session.token_party, "partner"), _energy_account(session.token_party, "feed_in")
    # Who drew it, not who pays: a fleet is billed for energy that is its driver's. A card has no customer behind it.
    drawer = session.customer_id or session.payer
    return _energy_account(drawer, "consumption"), _energy_account(drawer, "feed_in")


def meter_owner(session: SessionRow) -> str:
    """The meter's number; where no meter is registered, the place that measured."""
    return session.meter_no or session.evse_id or f"{session.station_id}/{session.connector_no}"


def _energy_account(owner: str, purpose: str) -> Account:
    return Account(owner, purpose, ENERGY)


def _money(settlement: Settlement, way: Way) -> Iterator[Entry]:
    session, price, prefix, at = settlement.session, settlement.price, settlement.prefix, settlement.event_at
    held = session.prepaid or 0 if way in (Way.HOLD_THEN_WALLET, Way.HOLD_THEN_DEBT) else 0
    owed = price.bought_after_tax if price else 0
    if held:
        hold = hold_fact(session.operator, session.id, session.hold_no)
        if owed:
            yield Capture(fact=f"{prefix}:money:hold", hold=hold, amount=min(owed, held), event_at=at)
        else:
            yield Void(fact=f"{prefix}:money:release", hold=hold, event_at=at)
    if price is None:
        return

    def transfer(step: str, credit: Account, debit: Account, amount: int) -> Iterator[Transfer]:
        if amount < 0:
            credit, debit, amount = debit, credit, -amount
        if amount:
            fact = f"{prefix}:money:{step}"
            memo = f"session {session.id}"
            yield Transfer(fact=fact, credit=credit, debit=debit, amount=amount, event_at=at, memo=memo)

    def account(owner: str, purpose: str) -> Account:
        return Account(owner, purpose, price.currency)

    driver = session.payer
    sale = account(session.operator, "sale")
    debtor = account(driver, "receivable")
    wallet = wallet_of(driver, price.currency)
    from_wallet = way in (Way.HOLD_THEN_WALLET, Way.WALLET)
    yield from transfer(
        "wallet" if from_wallet else "debt", sale, wallet if from_wallet else debtor, owed - min(owed, held)
    )
    yield from transfer("revenue", account(session.operator, "revenue"), sale, price.bought_before_tax)
    yield from transfer("tax", account(session.operator, "tax"), sale, price.tax)
    creditor = wallet if session.payment == "prepaid" else account(driver, "payable")
    cost = account(session.operator, "cost")
    yield from transfer("feed-in", creditor, cost, price.fed_in_before_tax)
    yield from transfer("feed-in-tax", account(driver, "payable"), account(session.operator, "tax"), price.fed_in_tax)
