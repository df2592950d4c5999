"""What roaming keeps, as values: partners, messages to deliver, authorisations, records."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from msgspec import Raw

CdrSide = Literal["issued", "received", "passed"]
SettlementSide = Literal["paid", "received", "passed"]
PartnerStatus = Literal["invited", "offered", "registered", "ended"]


@dataclass(frozen=True, slots=True)
class PartnerRole:
    """A party for which a partner speaks, in one role (CPO, EMSP, HUB …)."""

    party: str
    role: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A platform we exchange messages with.

    Attributes:
        party: whom we dealt with when we met; a hub's or an operator's own.
        endpoints: by module and interface, such as `sessions:RECEIVER`.
        their_token: what we show to it; never in a log.
        reachable: whether the last try to reach it went well.
    """

    id: int
    party: str
    status: PartnerStatus
    roles: tuple[PartnerRole, ...] = ()
    versions_url: str | None = None
    endpoints: dict[str, str]
    their_token: str | None = field(default=None, repr=False)
    reachable: bool = True
    last_seen_at: datetime | None = None

    @property
    def is_hub(self) -> bool:
        return any(role.role == "HUB" for role in self.roles)

    def speaks_for(self, party: str) -> bool:
        """A hub speaks for parties that we cannot know."""
        return self.is_hub or any(role.party == party for role in self.roles)

    def endpoint(self, module: str, interface: str) -> str | None:
        return self.endpoints.get(f"{module}:{interface}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something a sender stated and a receiver must get; sender, receiver, module and object name it.

    Attributes:
        path: below the endpoint of the receiver's module.
        version: how often the sender stated it; what is delivered is always the latest.
    """

    sender: str
    receiver: str
    module: str
    object_id: str
    method: str
    path: str
    correlation_id: str
    body: Raw
    id: int = 0
    version: int = 1
    answered_at: datetime | None = None
    answer_status: int | None = None
    answer_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A message that waits, or that its receiver refused.

    Attributes:
        trouble: why the last try failed; None before the first.
        answer_status, answer_message: the refusal, in OCPI's words.
    """

    sender: str
    receiver: str
    module: str
    object_id: str
    stored_at: datetime
    tried_at: datetime | None
    trouble: str | None
    answer_status: int | None
    answer_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """A question whether a token may charge, and the answer of its issuer."""

    reference: str | None
    correlation_id: str
    token_uid: str
    token_type: str
    asked_by: str
    answered_by: str
    answer: str
    at: datetime
    customer: str | None = None
    hold_fact: str | None = None
    currency: str | None = None
    held: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrRow:
    """A record as it counts in the book; amounts in stored units of its currency, `place` for a person."""

    issuer: str
    id: str
    payer: str
    customer: str | None
    started_at: datetime
    ended_at: datetime
    energy_mwh: int
    currency: str
    before_tax: int
    after_tax: int
    settlement: str | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRow:
    """What a payer paid an operator for records; amounts in stored units of its currency."""

    payer: str
    id: str
    side: SettlementSide
    payee: str
    period_start: datetime
    period_end: datetime
    cdr_count: int
    energy_mwh: int
    currency: str
    before_tax: int
    after_tax: int
    recorded_at: datetime
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatedObject:
    """A session, record or settlement as its owner wrote it, and the two parties it is between."""

    body: bytes
    parties: tuple[str, str]
