"""Sessions that cross an operator's border: told by the operator of the station while they run, kept by the hub and by
the driver's provider, who shows its customer how far the charging has come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from urllib.parse import quote

from msgspec import Raw
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.transfers import Void
from wattbook.charging.events import SessionState, SessionView
from wattbook.charging.progress import Progress as ProgressFigures
from wattbook.charging.progress import progress
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.kernel.units import Energy
from wattbook.roaming import store, tables
from wattbook.roaming.booking import book
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    UNKNOWN,
    CdrDimension,
    CdrToken,
    ChargingPeriod,
    OcpiError,
    Price,
    Progress,
    Session,
    Status,
    codes_of,
    decode,
    decode_object,
    encode,
    energy,
    moment,
    money,
    party_of,
)
from wattbook.roaming.records import Authorisation, Message

SESSIONS_SHOWN_MAX: Final = 100
_STATUS: Final[Mapping[SessionState, str]] = {
    "pending": "PENDING",
    "active": "ACTIVE",
    "completed": "COMPLETED",
    "invalid": "INVALID",
}
_STATUSES: Final = frozenset({"ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"})
FINAL: Final = frozenset({"COMPLETED", "INVALID"})
_NO_WEIGHT: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Statement:
    """A session as its operator stated it: what we read in it, and all of it."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoamingSession:
    """A session at a partner's station, as a customer may see it.

    Attributes:
        issuer: the operator of the station.
        after_tax, prepaid: stored units of the currency; None when not known.
        progress_percent, remaining_s: N and ts; None where undefined.
    """

    issuer: str
    id: str
    payer: str
    customer: str | None
    status: str
    location_id: str
    evse_uid: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    energy_mwh: int
    currency: str
    after_tax: int | None
    prepaid: int | None
    progress_percent: Decimal | None
    remaining_s: int | None


async def list_sessions(
    connection: AsyncConnection, *, customer: str | None = None, limit: int = SESSIONS_SHOWN_MAX
) -> list[RoamingSession]:
    """The newest sessions, of one customer or of all."""
    return await store.sessions_of(connection, customer, min(limit, SESSIONS_SHOWN_MAX), RoamingSession)


# ---------------------------------------------------------------------------------------- as operator of the station


def describe(view: SessionView, own_party: str) -> Session:
    """The OCPI object of a session at a station of ours."""
    return Session(
        **codes_of(own_party),
        id=view.id,
        start_date_time=utc(view.started_at),
        end_date_time=None if view.ended_at is None else utc(view.ended_at),
        kwh=Energy(view.import_mwh).kwh,
        cdr_token=cdr_token(view),
        auth_method="AUTH_REQUEST",
        authorization_reference=view.authorization_reference,
        location_id=view.site_id,
        evse_uid=view.evse_id,
        connector_id=str(view.connector_no),
        meter_id=view.meter_no,
        currency=view.currency,
        status=_STATUS[view.state],
        last_updated=utc(view.updated_at),
        charging_periods=[ChargingPeriod(utc(view.started_at), energy_dimensions(view))],
        total_cost=total_cost(view),
        wattbook_progress=Progress(view.progress_percent, view.remaining_s, view.prepaid, view.power_w),
    )


def cdr_token(view: SessionView) -> CdrToken:
    return CdrToken(
        **codes_of(view.token_party),
        uid=view.token_uid,
        type=view.token_type,
        contract_id=view.contract_id or UNKNOWN,
    )


def energy_dimensions(view: SessionView) -> list[CdrDimension]:
    drawn = [CdrDimension("ENERGY", Energy(view.import_mwh).kwh)]
    return drawn + ([CdrDimension("ENERGY_EXPORT", Energy(view.export_mwh).kwh)] if view.export_mwh else [])


def total_cost(view: SessionView) -> Price | None:
    """Left out while it is not known; nought means free."""
    return None if view.cost_before_tax is None else Price(view.cost_before_tax, view.cost_after_tax)


def push(roaming: Roaming, view: SessionView) -> Message:
    """What the driver's provider is told of the session's present state."""
    country_code, _, party_id = roaming.party.partition("*")
    return Message(
        sender=roaming.party,
        receiver=view.token_party,
        module="sessions",
        object_id=view.id,
        method="PUT",
        path=f"/{country_code}/{party_id}/{quote(view.id, safe='')}",
        correlation_id=roaming.new_id(),
        body=Raw(encode(describe(view, roaming.party))),
    )


# ------------------------------------------------------------------------------------------------ as provider, as hub


def stated(call: Call) -> Statement:
    """The session that a PUT states.

    Raises:
        InvalidInput: a required field is missing or out of form, or the path names another session.
    """
    decode_object(call.body)  # what is stored must be storable, also the fields that we do not read
    return _checked(call, call.body)


async def patched(connection: AsyncConnection, call: Call) -> Statement:
    """The session on record with the fields that a PATCH states. Charging periods are added (OCPI 2.2.1, 9.2.2.3).

    Raises:
        InvalidInput: no `last_updated`, or what comes out is no session.
        NotFound: the session was never put.
    """
    change = decode_object(call.body)
    if "last_updated" not in change:
        raise InvalidInput("a PATCH states last_updated")
    known = await store.stated_object(connection, tables.sessions, _key(call))
    if known is None:
        raise NotFound(f"session {call.path['id']} is not known here: PUT it")
    whole = decode_object(known.body)
    periods = [*whole.get("charging_periods", []), *change.pop("charging_periods", [])]
    return _checked(call, encode(whole | change | ({"charging_periods": periods} if periods else {})))


def _checked(call: Call, body: bytes) -> Statement:
    session = decode(body, Session)
    if session.party != call.sender:
        raise InvalidInput(f"{call.sender} cannot state a session of {session.party}")
    if (session.party, session.id) != (_key(call)["issuer"], call.path["id"]):
        raise InvalidInput(f"the path names {call.path['id']}, the body {session.id} of {session.party}")
    if session.status not in _STATUSES:
        raise InvalidInput(f"status {session.status!r} is none of {', '.join(sorted(_STATUSES))}")
    return Statement(session, body)


def row(statement: Statement, consent: Authorisation | None) -> dict[str, Any]:
    """The record of a statement."""
    session = statement.session
    cost = session.total_cost
    after_tax = None if cost is None else money(_paid(cost), session.currency, "total_cost").amount
    drawn = energy(session.kwh, "kwh")
    started_at, updated_at = moment(session.start_date_time), moment(session.last_updated)
    prepaid, figures = _progress(session, consent, after_tax, started_at, updated_at)
    return {
        "issuer": session.party,
        "id": session.id,
        "payer": session.cdr_token.party,
        "customer": None if consent is None else consent.customer,
        "token_uid": session.cdr_token.uid.lower(),
        "authorization_reference": session.authorization_reference,
        "status": session.status,
        "location_id": session.location_id,
        "evse_uid": session.evse_uid,
        "started_at": started_at,
        "updated_at": updated_at,
        "ended_at": None if session.end_date_time is None else moment(session.end_date_time),
        "energy_mwh": drawn.mwh,
        "currency": session.currency,
        "after_tax": after_tax,
        "prepaid": prepaid,
        "progress_percent": figures.percent,
        "remaining_s": figures.remaining_s,
        "body": Raw(statement.body),
    }


def _paid(cost: Price) -> Decimal:
    return cost.excl_vat if cost.incl_vat is None else cost.incl_vat


def _progress(
    session: Session, consent: Authorisation | None, after_tax: int | None, started_at: datetime, updated_at: datetime
) -> tuple[int | None, ProgressFigures]:
    """Mp, N and ts: as the operator told them, else as we can tell without knowing the time lost to low power."""
    told = session.wattbook_progress or Progress()
    prepaid = None
    if told.prepaid is not None:
        prepaid = money(told.prepaid, session.currency, "prepaid").amount
    elif consent is not None and consent.currency == session.currency:
        prepaid = consent.held
    charged_ms = max(int((updated_at - started_at).total_seconds()), 0) * 1000
    ours = progress(
        prepaid=prepaid or 0, cost=after_tax or 0, charged_ms=charged_ms, lost_ms=Fraction(0), weight=_NO_WEIGHT
    )
    percent, remaining_s = told.percent, told.remaining_s
    percent = ours.percent if percent is None else min(max(percent, Decimal(0)), Decimal(100))
    remaining_s = ours.remaining_s if remaining_s is None else max(remaining_s, 0)
    return prepaid, ProgressFigures(percent, None if session.status in FINAL else remaining_s)


async def put_session(roaming: Roaming, call: Call) -> Reply:
    """As provider: PUT sessions/{country}/{party}/{id}."""
    async with roaming.database.transaction() as connection:
        await _keep(connection, roaming, stated(call))
    return Reply()


async def patch_session(roaming: Roaming, call: Call) -> Reply:
    """As provider: PATCH sessions/{country}/{party}/{id}."""
    async with roaming.database.transaction() as connection:
        await _keep(connection, roaming, await patched(connection, call))
    return Reply()


async def get_session(roaming: Roaming, call: Call) -> Reply:
    """GET sessions/{country}/{party}/{id}, by the parties of it."""
    return await stored_object(roaming, call, tables.sessions, _key(call))


async def stored_object(roaming: Roaming, call: Call, table: Table, key: Mapping[str, str]) -> Reply:
    """What its owner stated, for the two parties it is between; to anybody else it does not exist."""
    async with roaming.database.transaction() as connection:
        found = await store.stated_object(connection, table, key)
    if found is None or not (call.partner.is_hub or call.sender in found.parties):
        raise NotFound(f"{call.path['id']} is not known here")
    return Reply(Raw(found.body))


async def _keep(connection: AsyncConnection, roaming: Roaming, statement: Statement) -> None:
    session = statement.session
    if session.cdr_token.party != roaming.party:
        raise OcpiError(Status.UNKNOWN_TOKEN, f"{session.cdr_token.uid} is a token of {session.cdr_token.party}")
    consent = await consent_of(connection, roaming.party, session.authorization_reference, session.cdr_token)
    news = await store.put_session(connection, row(statement, consent))
    if news and session.status == "INVALID" and consent is not None and consent.hold_fact is not None:
        await _free(connection, roaming, consent.hold_fact)


async def consent_of(
    connection: AsyncConnection, party: str, reference: str | None, token: CdrToken
) -> Authorisation | None:
    """The consent that we gave under this reference, for this token.

    Raises:
        InvalidInput: we gave none, or for another token.
    """
    if reference is None:
        return None
    consent = await store.authorisation(connection, party, reference)
    if consent is None or consent.token_uid != token.uid.lower():
        raise InvalidInput(f"authorization_reference {reference} was not given for token {token.uid}")
    return consent


async def _free(connection: AsyncConnection, roaming: Roaming, hold_fact: str) -> None:
    """Nothing is to be paid for this session. A hold that ended already has nothing left to free."""
    now = roaming.clock()
    try:
        await book(connection, [Void(fact=f"{hold_fact}:invalid", hold=hold_fact, event_at=now)], now)
    except Conflict:
        return


def _key(call: Call) -> dict[str, str]:
    return {"issuer": party_of(call.path["country"], call.path["party"]), "id": call.path["id"]}
