"""Who pays for a session, and from which account.

The driver's customer pays, or the payer that its terms name, such as a fleet. Prepaid customers pay from their wallet,
and so do postpaid ones whose terms give a limited credit: their wallet may go below zero as far. Whoever else is
postpaid owes. A token for one payment, of a card at the charger, belongs to no customer: the payment is the account.
"""

from dataclasses import dataclass

from wattbook.registry.clearance import ClearanceFacts
from wattbook.registry.customers import AccountKind, Customer, Holder, Token, TokenType


@dataclass(frozen=True, slots=True)
class Paying:
    """Attributes:
    owner: of the account.
    customer: who is behind it; None for a card.
    from_wallet: money is set aside; else it will be owed.
    credit: how far below zero the wallet may go, stored units.
    """

    owner: str
    customer: Customer | None
    from_wallet: bool
    credit: int = 0


def paying(facts: ClearanceFacts, currency: str) -> Paying | None:
    """None for a driver who is not ours."""
    holder, terms = facts.holder, facts.terms
    if not isinstance(holder, Holder):
        return None
    credit = terms.credit_limit if terms is not None and terms.currency == currency else 0
    customer = facts.payer or holder.customer
    if customer is None:
        return Paying(holder.token.contract, None, True, credit) if is_for_one_payment(holder.token) else None
    return Paying(customer.id, customer, customer.account_kind is AccountKind.PREPAID or credit > 0, credit)


def is_for_one_payment(token: Token) -> bool:
    return token.type is TokenType.AD_HOC_USER and token.customer is None


def account_currency(facts: ClearanceFacts) -> str | None:
    """In which the account is kept, when no price says in which it will be paid."""
    if facts.terms is not None:
        return facts.terms.currency
    holder = facts.holder
    customer = facts.payer or (holder.customer if isinstance(holder, Holder) else None)
    return None if customer is None else customer.currency
