"""What charging asks of the world outside: a partner's consent to charge a driver it does not know."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

Consent = Literal["allowed", "blocked", "expired", "no_credit", "not_allowed", "unknown", "unreachable"]


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A foreign token at one of our EVSEs. `token_party` is known when the token was seen before."""

    token_uid: str
    token_type: str
    token_party: str | None
    site_id: str
    evse_id: str


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """What the issuer said.

    Attributes:
        token_party: the party that answered, `KR*WTB`.
        contract_id: the driver's contract (EMAID).
        supplier_id, balance_group: the power supplier of the contract, as the issuer names it; None when not said.
        prepaid, currency: how much the issuer set aside for this session, when it said so.
        info: a text for the driver.
    """

    consent: Consent
    token_party: str | None = None
    contract_id: str | None = None
    authorization_reference: str | None = None
    supplier_id: str | None = None
    balance_group: str | None = None
    prepaid: Decimal | None = None
    currency: str | None = None
    info: str | None = None


class PartnerConsent(Protocol):
    """Asks the issuer in real time; never raises for an answer of no, or for silence (`unreachable`)."""

    async def ask(self, request: ConsentRequest) -> ConsentAnswer: ...
