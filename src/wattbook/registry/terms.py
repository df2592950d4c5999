"""The terms on which an account pays: who pays in its place, how far below zero it may go, when its owner is warned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, Currency
from wattbook.registry import checks, store, tables


class WhenUsedUp(StrEnum):
    """What becomes of a running session when what is set aside for it is used up and no more can be."""

    STOP = "stop"
    WARN = "warn"
    """It goes on; what is missing in the end is owed."""


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """Attributes:
    owner: a customer; or the contract of a token for one payment, which belongs to no customer.
    payer: a customer that pays in the owner's place, such as a fleet; its own terms count, and not that of its payer.
    currency: in which the amounts are, in stored units, and in which alone credit is given.
    credit_limit: how far below zero the wallet may go.
    low_balance: what is left when the owner is warned.
    """

    owner: str
    currency: str
    payer: str | None = None
    credit_limit: int = 0
    low_balance: int = 0
    when_used_up: WhenUsedUp = WhenUsedUp.STOP


async def set_terms(connection: AsyncConnection, terms: Sequence[AccountTerms]) -> None:
    """Set terms, by owner; those that are known are replaced. The floor of the wallet is the caller's to move.

    Raises:
        InvalidInput: a field is out of its form, or somebody pays for itself.
        NotFound: the payer is not registered.
    """
    await store.upsert(connection, tables.account_terms, [asdict(_checked(each)) for each in terms])


async def find_terms(connection: AsyncConnection, owners: Sequence[str]) -> list[AccountTerms | None]:
    return await store.find(connection, tables.account_terms, AccountTerms, owners)


def _checked(terms: AccountTerms) -> AccountTerms:
    what = f"of the terms of {terms.owner[:64]}"
    checks.plain_text(terms.owner, f"owner {what}")
    Currency.of(terms.currency)
    if terms.payer == terms.owner:
        raise InvalidInput(f"{terms.owner} needs no payer to pay for itself")
    for name, amount in (("credit limit", terms.credit_limit), ("low balance", terms.low_balance)):
        if not 0 <= amount <= AMOUNT_MAX:
            raise InvalidInput(f"the {name} {what} is from zero up")
    return terms
