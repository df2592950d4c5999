"""What happened to sessions, as small facts. An edge subscribes and writes what it must in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.tariffs.session_price import Cost
from wattbook.tariffs.station import Dimension, SessionPeriod

SessionState = Literal["pending", "active", "completed", "invalid"]


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as a partner or a driver may see it.

    Attributes:
        id: unique at this operator, at most 36 characters.
        token_uid, token_party: what identified the driver, and the party (`KR*WTB`) that issued it.
        authorization_reference: the issuer's own reference of its consent, if it gave one.
        import_mwh, export_mwh: drawn and fed in so far.
        cost_before_tax, cost_after_tax: so far, in units of the currency, exact; None when no price applies.
        power_w: the last known; negative while feeding in.
        prepaid, progress_percent, remaining_s: Mp, N and ts of the cross-operator method; None where undefined.
    """

    id: str
    state: SessionState
    token_uid: str
    token_type: str
    token_party: str
    contract_id: str | None
    authorization_reference: str | None
    station_id: str
    evse_id: str
    connector_no: int
    site_id: str
    meter_no: str
    currency: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    import_mwh: int
    export_mwh: int
    cost_before_tax: Decimal | None
    cost_after_tax: Decimal | None
    power_w: int | None = None
    prepaid: Decimal | None = None
    progress_percent: Decimal | None = None
    remaining_s: int | None = None


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A session began or moved on."""

    session: SessionView


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session is priced and booked; nothing about it changes any more.

    Attributes:
        cdr_id: unique at this operator, at most 36 characters.
        tariff: the OCPI tariff object that priced it.
        duration_s: from start to end.
        explanation: price lines for a person.
        periods: what was priced; none for a session that makes another's estimated end good.
        costs: exact, by dimension of the tariff.
        estimated: its station fell silent; what was measured until then had to do.
        makes_good: of a session that makes another's estimated end good, the id of that one's record.
    """

    session: SessionView
    cdr_id: str
    tariff: dict[str, Any]
    duration_s: int
    explanation: tuple[str, ...]
    periods: tuple[SessionPeriod, ...] = ()
    costs: Mapping[Dimension, Cost] = field(default_factory=dict)
    estimated: bool = False
    makes_good: str | None = None


Event = SessionChanged | SessionEnded
Subscriber = Callable[[AsyncConnection, Sequence[Event]], Awaitable[None]]
"""Called inside the transaction that changed the sessions, with all of a batch's events."""
