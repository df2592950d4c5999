"""Running draw: while a session runs, what is set aside for it keeps ahead of what it costs.

When the cost comes near the hold, the hold is replaced by a larger one in one group of the book, so the wallet's floor
holds at every moment and exactly one hold is open. When no more can be set aside, the driver is warned; when what is
set aside will be used up before the session is looked at again, the terms of the account decide whether the session is
to be stopped. Each of the two is said once a session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account, Balance
from wattbook.book.posting import Posted, post
from wattbook.book.statements import balances
from wattbook.book.transfers import Hold, Void
from wattbook.charging import store
from wattbook.charging.cases import wallet_of
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.readings import read_running_courses
from wattbook.charging.records import FoundSession, SessionRow
from wattbook.charging.starting import hold_fact
from wattbook.charging.views import stored_price
from wattbook.kernel.clock import utc
from wattbook.registry.terms import AccountTerms, WhenUsedUp, find_terms

BALANCE_LOW: Final = "balance-low"
USED_UP: Final = "balance-used-up"

RESERVE: Final = (1, 5)
"""A hold is made larger when less than this part of it is left."""

LOOKS_AHEAD: Final = 3
"""A session is looked at once an interval of the policy; what it costs in so many of them must still be there."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a person should hear of a session, or a station be told.

    Attributes:
        owner: of the account that pays.
        kind: `low`: little is left and no more can be set aside; `used-up`: nothing is left.
        stop: whether the session is to end.
        left: of what is set aside, stored units.
    """

    session_id: str
    station_id: str
    transaction_id: str
    evse_id: str | None
    owner: str
    kind: Literal["low", "used-up"]
    stop: bool
    currency: str
    left: int


@dataclass(slots=True)
class _Draw:
    """A session whose hold comes to its end."""

    row: SessionRow
    cost: int
    held: int
    soon: int  # what it will have cost when it is looked at again

    @property
    def account(self) -> Account:
        return wallet_of(self.row.payer, self.row.currency or "")


async def draw(
    connection: AsyncConnection, sessions: Sequence[str], *, now: datetime, policy: Policy = POLICY
) -> list[Drawn]:
    """Look after the holds of sessions that this transaction has moved on; what is to be said of them, once."""
    found = await store.find_sessions(connection, sorted(sessions))
    await read_running_courses(connection, found.values())
    drawing = [each for known in found.values() if (each := _drawing(known, policy)) is not None]
    if not drawing:
        return []
    wallets = await balances(connection, list({each.account for each in drawing}))
    owners = sorted({each.row.payer for each in drawing})
    terms = {each.owner: each for each in await find_terms(connection, owners) if each is not None}
    left = {account: _spendable(balance, terms.get(account.owner)) for account, balance in wallets.items()}
    await _set_more_aside(connection, drawing, left, utc(now), policy)
    said = [_told(each, left[each.account], terms.get(each.row.payer)) for each in drawing]
    await store.update_draws(connection, [each.row for each in drawing])
    return [drawn for drawn in said if drawn is not None]


def _drawing(found: FoundSession, policy: Policy) -> _Draw | None:
    """None while enough is set aside, and for sessions that pay otherwise."""
    row = found.session
    if row.state != "active" or row.payment != "prepaid" or not row.prepaid or row.currency is None:
        return None
    price = stored_price(found)
    if price is None:
        return None
    cost = price.bought_after_tax
    lasted = max((row.sampled_at or row.begun_at) - row.begun_at, timedelta(seconds=1))
    ahead = policy.change_interval * LOOKS_AHEAD
    soon = cost + cost * (ahead // timedelta(milliseconds=1)) // max(lasted // timedelta(milliseconds=1), 1)
    part, of = RESERVE
    if (row.prepaid - cost) * of >= row.prepaid * part and soon < row.prepaid:
        return None
    return _Draw(row, cost, row.prepaid, soon)


def _spendable(balance: Balance, terms: AccountTerms | None) -> int:
    credit = terms.credit_limit if terms is not None and terms.currency == balance.account.commodity else 0
    return balance.available + credit


async def _set_more_aside(
    connection: AsyncConnection, drawing: Sequence[_Draw], left: dict[Account, int], now: datetime, policy: Policy
) -> None:
    """Each hold by a step, as far as its wallet reaches; one that another poster was faster to stays as it is."""
    growing: list[tuple[_Draw, int, list[Void | Hold]]] = []
    for each in drawing:
        step = min(policy.hold_max_amount(each.row.currency or ""), max(left[each.account], 0))
        if step:
            left[each.account] -= step
            growing.append((each, step, _larger(each, each.held + step, now, policy)))
    outcomes = await post(connection, [group for _, _, group in growing], booked_at=now) if growing else []
    for (each, step, _), outcome in zip(growing, outcomes, strict=True):
        if isinstance(outcome, Posted):
            each.held += step
            each.row.prepaid = each.held
            each.row.hold_no += 1


def _larger(each: _Draw, amount: int, now: datetime, policy: Policy) -> list[Void | Hold]:
    row = each.row
    before = hold_fact(row.operator, row.id, row.hold_no)
    return [
        Void(fact=f"{before}:replaced", hold=before, event_at=now),
        Hold(
            fact=hold_fact(row.operator, row.id, row.hold_no + 1),
            debit=each.account,
            credit=Account(row.operator, "sale", row.currency or ""),
            amount=amount,
            event_at=now,
            expires_at=now + policy.hold_valid,
            memo=f"charging at {row.evse_id}",
        ),
    ]


def _told(each: _Draw, spendable: int, terms: AccountTerms | None) -> Drawn | None:
    """Once each: that little is left, that nothing is."""
    row, part, of = each.row, *RESERVE
    left = max(each.held - each.cost, 0)
    used_up = each.soon >= each.held
    if not used_up and left * of >= each.held * part and not _is_low(each, left + spendable, terms):
        return None
    flag = USED_UP if used_up else BALANCE_LOW
    if flag in row.flags:
        return None
    row.flags = [*row.flags, flag]
    return Drawn(
        session_id=row.id,
        station_id=row.station_id,
        transaction_id=row.transaction_id,
        evse_id=row.evse_id,
        owner=row.payer,
        kind="used-up" if used_up else "low",
        stop=used_up and (terms is None or terms.when_used_up is WhenUsedUp.STOP),
        currency=row.currency or "",
        left=left,
    )


def _is_low(each: _Draw, left: int, terms: AccountTerms | None) -> bool:
    """By the amount that the owner wants to be warned at."""
    return terms is not None and terms.currency == each.row.currency and left <= terms.low_balance
