"""Which purposes may post to which. What is not in this table is refused, balanced or not.

Each row reads: *credit* gives, *debit* takes. Energy walks supplier → network operator → meter → whoever answers for
it, and the same way back when a car feeds in. Money walks payer → sale → revenue, tax and levies.
"""

from typing import Final, NamedTuple


class Route(NamedTuple):
    """From the credit purpose to the debit purpose, and the business reason that makes it sensible."""

    credit: str
    debit: str
    reason: str


ROUTES: Final = (
    # energy drawn
    Route("balance_group", "grid", "a supplier puts energy into the grid"),
    Route("grid", "meter", "a meter measures import"),
    Route("meter", "consumption", "its consumer is billed"),
    Route("consumption", "meter", "a reading that came later says that it was less"),
    Route("meter", "partner", "a roaming partner's driver drew it; the partner bills it"),
    Route("meter", "energy_exception", "nobody can be billed for it"),
    Route("partner", "consumption", "our driver drew it at a roaming partner's station; we bill it"),
    # energy fed in
    Route("feed_in", "meter", "a battery gives through a meter that measures export"),
    Route("meter", "grid", "a meter measures export"),
    Route("grid", "balance_group", "a supplier takes energy from the grid"),
    # energy of a house that its driver has paid already
    Route("consumption", "paid_elsewhere", "a paid charge leaves the house's bill"),
    Route("paid_elsewhere", "consumption", "a withdrawn payment returns to the house's bill"),
    Route("energy_exception", "paid_elsewhere", "more was paid for than the house's meter imported"),
    Route("paid_elsewhere", "energy_exception", "such an excess is withdrawn"),
    # money in and out
    Route("wallet", "cash", "a customer tops up"),
    Route("cash", "wallet", "a customer takes money back"),
    Route("receivable", "cash", "a debtor pays"),
    Route("cash", "payable", "we pay a creditor"),
    Route("cash", "receivable", "a debtor's payment is returned"),
    Route("wallet", "wallet", "a customer gives to another"),
    # money that a payment provider or server takes for us
    Route("wallet", "clearing", "a customer tops up, or a card pays for a charge"),
    Route("receivable", "clearing", "a debtor pays"),
    Route("clearing", "wallet", "a payment is given back"),
    Route("clearing", "receivable", "a payment is taken back: it is owed again"),
    Route("clearing", "cash", "a provider pays out"),
    Route("cash", "clearing", "a payout came back"),
    Route("clearing", "cost", "a provider keeps its fee"),
    Route("cost", "clearing", "a provider gives a fee back"),
    # a sale and its parts
    Route("sale", "wallet", "a prepaid customer pays a sale"),
    Route("sale", "receivable", "a postpaid customer, household or partner owes a sale"),
    Route("revenue", "sale", "the part of a sale that is ours"),
    Route("tax", "sale", "the part of a sale that is tax"),
    Route("levy", "sale", "the part of a sale that is a levy"),
    Route("rounding", "sale", "the part of a sale that a rounding step gave"),
    Route("sale", "rounding", "the part of a sale that a rounding step took"),
    Route("rounding", "wallet", "a card pays whole coins: what a coin is too little for is given up"),
    Route("wallet", "rounding", "a card pays whole coins: what a coin is too much for is kept"),
    # a credit note: a sale taken back, part by part
    Route("receivable", "sale", "a debtor is credited"),
    Route("wallet", "sale", "a prepaid customer is credited"),
    Route("sale", "revenue", "revenue is taken back"),
    Route("sale", "tax", "tax is taken back"),
    Route("sale", "levy", "a levy is taken back"),
    Route("receivable", "interest", "a debtor is given interest on what was charged too much"),
    # what we buy
    Route("wallet", "cost", "a prepaid customer is paid for energy fed in"),
    Route("payable", "cost", "a creditor is owed for energy or service"),
    Route("payable", "tax", "tax a creditor charged us, to be had back from the state"),
    # between partners
    Route("payable", "receivable", "a clearing house owes one party what another owes it"),
    Route("receivable", "payable", "claims and debts are set off against each other"),
)

ALLOWED: Final = frozenset((route.credit, route.debit) for route in ROUTES)
