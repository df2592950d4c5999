"""Accounts, named by purpose: who owns it, what it is for, and in which commodity it counts.

An account has four numbers: debits and credits, each posted and pending. Its balance is read on the side its purpose
names: a wallet grows by credits, a receivable by debits. A floor says how low that balance may go, with everything that
is pending against it counted as gone.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

ENERGY: Final = "energy"
"""The commodity counted in mWh. Every other commodity is a currency (ISO 4217), counted in its stored units."""

Side = Literal["debit", "credit"]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an account is for.

    Attributes:
        kind: the commodities it may count: energy or money.
        side: the side on which it grows.
        floor: the lowest balance it may have, in units of the commodity; None for no limit.
        transit: whatever comes in goes out: the audit expects a balance of zero.
    """

    name: str
    kind: Literal["energy", "money"]
    side: Side
    meaning: str
    floor: int | None = None
    transit: bool = False


PURPOSES: Final[dict[str, Purpose]] = {
    purpose.name: purpose
    for purpose in (
        Purpose("balance_group", "energy", "credit", "energy a supplier's balance group gave; taken back by feed-in"),
        Purpose("grid", "energy", "debit", "energy on its way through a network operator's grid", transit=True),
        Purpose("meter", "energy", "debit", "energy a meter measured and somebody must answer for", transit=True),
        Purpose("consumption", "energy", "debit", "energy billed to its owner: customer, household or party"),
        Purpose("feed_in", "energy", "credit", "energy taken from its owner's battery"),
        Purpose("partner", "energy", "debit", "energy a roaming partner's drivers drew here; credit: ours drew there"),
        Purpose("paid_elsewhere", "energy", "debit", "household energy its driver paid to a payment device or server"),
        Purpose("energy_exception", "energy", "debit", "energy that no party can be billed for, named and kept"),
        Purpose("cash", "money", "debit", "money at hand or at a bank"),
        Purpose("clearing", "money", "debit", "what a payment provider or server took for us and has not paid out"),
        Purpose("wallet", "money", "credit", "what a prepaid customer may still spend", floor=0),
        Purpose("receivable", "money", "debit", "what its owner owes us"),
        Purpose("payable", "money", "credit", "what we owe its owner"),
        Purpose("sale", "money", "credit", "a sale on its way from payer to revenue, tax and levies", transit=True),
        Purpose("revenue", "money", "credit", "what we earned, before tax"),
        Purpose("tax", "money", "credit", "tax collected for the state"),
        Purpose("levy", "money", "credit", "levies collected for a fund"),
        Purpose("cost", "money", "debit", "what energy or service cost us"),
        Purpose("interest", "money", "debit", "interest we gave on what we charged too much"),
        Purpose("rounding", "money", "credit", "what named rounding steps gave or took"),
    )
}


class Account(NamedTuple):
    """The business key of an account. It exists from its first posting on.

    Attributes:
        owner: an identifier of the registry, such as `KR*WTB` or a customer id; at most 128 characters.
        purpose: a name in `PURPOSES`.
        commodity: `energy` or a currency code.
    """

    owner: str
    purpose: str
    commodity: str

    def __str__(self) -> str:
        return f"{self.purpose}[{self.owner}] {self.commodity}"


@dataclass(frozen=True, slots=True)
class Balance:
    """The four numbers of an account, in units of its commodity, and what they mean on its own side."""

    account: Account
    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def posted(self) -> int:
        """On the side on which the account grows."""
        net = self.debits_posted - self.credits_posted
        return net if PURPOSES[self.account.purpose].side == "debit" else -net

    @property
    def available(self) -> int:
        """Posted, less what is held against it."""
        side = PURPOSES[self.account.purpose].side
        return self.posted - (self.credits_pending if side == "debit" else self.debits_pending)
