"""Charge detail records across an operator's border: made by the operator of the station, posted by the provider.

The provider's books mirror the operator's. There the energy went to the partner; here it comes from the partner and
goes to the customer. There the partner owes the price; here the price is owed to the operator, and the customer pays
the same price: out of what was set aside, then out of the wallet, and what is still missing is owed. The tax that the
operator charged is had back from the state, the tax in our own sale is due to it.

Not supported yet, and refused: credit records, and energy fed in at a partner's station.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.book.transfers import Capture, Entry, Transfer, Void
from wattbook.charging.events import SessionEnded, SessionView
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, Refused
from wattbook.kernel.units import Energy, Money, div_half_up
from wattbook.registry.clearance import ClearanceFacts, ClearanceRequest, clearance_facts
from wattbook.registry.customers import AccountKind, Customer, find_customers
from wattbook.registry.stations import PowerType
from wattbook.roaming import store, tables
from wattbook.roaming.booking import book
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    UNKNOWN,
    Cdr,
    CdrDimension,
    CdrLocation,
    ChargingPeriod,
    Coordinates,
    OcpiError,
    Price,
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
from wattbook.roaming.records import Authorisation, CdrSide, Message
from wattbook.roaming.sessions import cdr_token, consent_of, energy_dimensions, stored_object, total_cost
from wattbook.tariffs.station import Dimension, SessionPeriod

SECONDS_PER_HOUR: Final = 3_600
_MILLISECOND: Final = timedelta(milliseconds=1)
CDRS_SHOWN_MAX: Final = 100
_EXPORT: Final = "ENERGY_EXPORT"

# ISO 3166-1: a location in a record has three letters, a site two. For countries where cars charge; checked 2026-11.
ALPHA_3: Final[Mapping[str, str]] = {
    "AE": "ARE", "AT": "AUT", "AU": "AUS", "BE": "BEL", "BG": "BGR", "BR": "BRA", "CA": "CAN", "CH": "CHE",
    "CL": "CHL", "CN": "CHN", "CY": "CYP", "CZ": "CZE", "DE": "DEU", "DK": "DNK", "EE": "EST", "ES": "ESP",
    "FI": "FIN", "FR": "FRA", "GB": "GBR", "GR": "GRC", "HK": "HKG", "HR": "HRV", "HU": "HUN", "IE": "IRL",
    "IL": "ISR", "IN": "IND", "IS": "ISL", "IT": "ITA", "JP": "JPN", "KR": "KOR", "LT": "LTU", "LU": "LUX",
    "LV": "LVA", "MT": "MLT", "MX": "MEX", "MY": "MYS", "NL": "NLD", "NO": "NOR", "NZ": "NZL", "PL": "POL",
    "PT": "PRT", "RO": "ROU", "RS": "SRB", "SE": "SWE", "SG": "SGP", "SI": "SVN", "SK": "SVK", "TH": "THA",
    "TR": "TUR", "TW": "TWN", "UA": "UKR", "US": "USA", "VN": "VNM", "ZA": "ZAF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """A record as its operator stated it: what we read in it, and all of it."""

    cdr: Cdr
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoamingCdr:
    """A record between an operator and a provider; amounts in stored units of its currency.

    Attributes:
        accepted_at: when the payer took it; None while it is on its way, or refused.
        settlement: id of the settlement that paid it.
    """

    issuer: str
    id: str
    side: CdrSide
    payer: str
    customer: str | None
    session_id: str | None
    started_at: datetime
    ended_at: datetime
    energy_mwh: int
    currency: str
    before_tax: int
    after_tax: int
    recorded_at: datetime
    accepted_at: datetime | None
    settlement: str | None


async def list_cdrs(connection: AsyncConnection, *, limit: int = CDRS_SHOWN_MAX) -> list[RoamingCdr]:
    """The newest records."""
    return await store.listed(connection, tables.cdrs, min(limit, CDRS_SHOWN_MAX), RoamingCdr)


# ---------------------------------------------------------------------------------------- as operator of the station


async def describe(connection: AsyncConnection, events: Sequence[SessionEnded], own_party: str) -> list[Statement]:
    """The records of ended sessions at stations of ours."""
    facts = await _facts(connection, [event.session for event in events])
    described = [_describe(event, fact, own_party) for event, fact in zip(events, facts, strict=True)]
    return [Statement(cdr, encode(cdr)) for cdr in described]


async def _facts(connection: AsyncConnection, views: Sequence[SessionView]) -> list[ClearanceFacts]:
    return await clearance_facts(
        connection,
        [ClearanceRequest(view.station_id, view.connector_no, view.token_uid, view.started_at) for view in views],
    )


def _describe(event: SessionEnded, facts: ClearanceFacts, own_party: str) -> Cdr:
    view = event.session
    parked = sum((each.parking for each in event.periods), timedelta())
    return Cdr(
        **codes_of(own_party),
        id=event.cdr_id,
        start_date_time=utc(view.started_at),
        end_date_time=utc(view.ended_at or view.updated_at),
        session_id=view.id,
        cdr_token=cdr_token(view),
        auth_method="AUTH_REQUEST",
        authorization_reference=view.authorization_reference,
        cdr_location=_location(view, facts),
        meter_id=view.meter_no,
        currency=view.currency,
        tariffs=[event.tariff],
        charging_periods=_charging_periods(event),
        total_cost=total_cost(view) or Price(Decimal(0)),
        total_energy=Energy(view.import_mwh).kwh,
        total_time=_hours(timedelta(seconds=event.duration_s)),
        total_fixed_cost=_cost(event, Dimension.FLAT),
        total_energy_cost=_cost(event, Dimension.ENERGY),
        total_time_cost=_cost(event, Dimension.TIME),
        total_parking_time=_hours(parked) if parked else None,
        total_parking_cost=_cost(event, Dimension.PARKING_TIME),
        last_updated=utc(view.updated_at),
        remark=_remark(event),
        wattbook_explanation=list(event.explanation),
    )


def _remark(event: SessionEnded) -> str | None:
    """Why a record is not what its session alone would cost, for whoever prices it again."""
    if event.makes_good is not None:
        return f"Makes good the estimated end in CDR {event.makes_good}: both cost what one session would."
    if event.estimated:
        return "The station fell silent; this is what was measured until then. Another CDR may make it good."
    return None


def _charging_periods(event: SessionEnded) -> list[ChargingPeriod]:
    """As they were priced, with the energy, time and power of each; one for a session that says no more than totals."""
    tariff_id = event.tariff.get("id")
    if not event.periods:
        dimensions = [
            *energy_dimensions(event.session),
            CdrDimension("TIME", _hours(timedelta(seconds=event.duration_s))),
        ]
        return [ChargingPeriod(utc(event.session.started_at), dimensions, tariff_id)]
    return [ChargingPeriod(utc(each.start), _dimensions(each), tariff_id) for each in event.periods]


def _dimensions(period: SessionPeriod) -> list[CdrDimension]:
    """Without energy where none flowed: engines disagree on whether nought is a use, whose step then counts."""
    dimensions = [CdrDimension("ENERGY", period.energy.kwh)] if period.energy.mwh else []
    if period.fed_in.mwh:
        dimensions.append(CdrDimension("ENERGY_EXPORT", period.fed_in.kwh))
    if period.parking:
        dimensions.append(CdrDimension("PARKING_TIME", _hours(period.parking)))
    else:
        dimensions.append(CdrDimension("TIME", _hours(period.time)))
    if period.power_kw is not None:
        dimensions += [
            CdrDimension(f"{name}_POWER", kw) for name, kw in zip(("MIN", "MAX"), period.power_kw, strict=True)
        ]
    return dimensions


def _cost(event: SessionEnded, dimension: Dimension) -> Price | None:
    """Of one dimension, to the stored unit; left out where the tariff has no price for it."""
    cost = event.costs.get(dimension)
    if cost is None:
        return None
    return Price(*(Money.half_up(side, event.session.currency).value for side in (cost.before_tax, cost.after_tax)))


def _hours(time: timedelta) -> Decimal:
    """To the four decimals of an OCPI number; for information, nothing is priced from it."""
    return Decimal(div_half_up((time // _MILLISECOND) * 10, SECONDS_PER_HOUR)) / 10_000


def _location(view: SessionView, facts: ClearanceFacts) -> CdrLocation:
    """What the registry knows. It has no cities, and no format: direct current comes on a cable."""
    site = facts.site
    connector = facts.connectors[0] if facts.connectors else None
    coordinates = Coordinates(UNKNOWN, UNKNOWN)
    if site is not None and site.latitude is not None and site.longitude is not None:
        coordinates = Coordinates(f"{site.latitude:f}", f"{site.longitude:f}")
    return CdrLocation(
        id=view.site_id,
        name=None if site is None else site.name,
        address=UNKNOWN if site is None else site.address[:45],
        city=UNKNOWN,
        country=UNKNOWN if site is None else ALPHA_3.get(site.country, UNKNOWN),
        coordinates=coordinates,
        evse_uid=view.evse_id,
        evse_id=view.evse_id,
        connector_id=str(view.connector_no),
        connector_standard=UNKNOWN if connector is None else connector.standard,
        connector_format="CABLE" if connector is not None and connector.power_type is PowerType.DC else "SOCKET",
        connector_power_type=UNKNOWN if connector is None else connector.power_type,
    )


def message(roaming: Roaming, statement: Statement) -> Message:
    """To the driver's provider."""
    return Message(
        sender=roaming.party,
        receiver=statement.cdr.cdr_token.party,
        module="cdrs",
        object_id=statement.cdr.id,
        method="POST",
        path="",
        correlation_id=roaming.new_id(),
        body=Raw(statement.body),
    )


# ------------------------------------------------------------------------------------------------ as provider, as hub


def stated(call: Call) -> Statement:
    """The record that a POST states.

    Raises:
        InvalidInput: a required field is missing or out of form, or what it says cannot be.
    """
    decode_object(call.body)  # what is stored must be storable, also the fields that we do not read
    cdr = decode(call.body, Cdr)
    if cdr.party != call.sender:
        raise InvalidInput(f"{call.sender} cannot state a record of {cdr.party}")
    if cdr.credit:
        raise InvalidInput(f"CDR {cdr.id} is a credit record; these are not supported yet")
    if moment(cdr.end_date_time) < moment(cdr.start_date_time):
        raise InvalidInput(f"CDR {cdr.id} ends before it starts")
    _check_energy(cdr)
    return Statement(cdr, call.body)


def _check_energy(cdr: Cdr) -> None:
    """The parts make up the whole, as far as they are stated."""
    dimensions = [each for period in cdr.charging_periods for each in period.dimensions]
    if any(each.volume for each in dimensions if each.type == _EXPORT):
        raise InvalidInput(f"CDR {cdr.id} holds energy fed in; that is not supported yet")
    drawn = [energy(each.volume, "a volume of ENERGY").mwh for each in dimensions if each.type == "ENERGY"]
    total = energy(cdr.total_energy, "total_energy")
    if drawn and sum(drawn) != total.mwh:
        raise InvalidInput(f"CDR {cdr.id}: its periods sum to {Energy(sum(drawn))}, total_energy is {total}")


def _amounts(cdr: Cdr) -> tuple[int, int]:
    """Before and after tax, stored units. Where no tax is stated there is none."""
    before = money(cdr.total_cost.excl_vat, cdr.currency, "total_cost")
    stated_after = cdr.total_cost.incl_vat
    after = before if stated_after is None else money(stated_after, cdr.currency, "total_cost")
    if after < before:
        raise InvalidInput(f"CDR {cdr.id} costs {after} with tax and {before} without")
    return before.amount, after.amount


def row(statement: Statement, side: CdrSide, customer: str | None, now: datetime) -> dict[str, Any]:
    """The record of a statement."""
    cdr = statement.cdr
    before_tax, after_tax = _amounts(cdr)
    return {
        "issuer": cdr.party,
        "id": cdr.id,
        "side": side,
        "payer": cdr.cdr_token.party,
        "customer": customer,
        "token_uid": cdr.cdr_token.uid.lower(),
        "session_id": cdr.session_id,
        "authorization_reference": cdr.authorization_reference,
        "started_at": moment(cdr.start_date_time),
        "ended_at": moment(cdr.end_date_time),
        "energy_mwh": energy(cdr.total_energy, "total_energy").mwh,
        "currency": cdr.currency,
        "before_tax": before_tax,
        "after_tax": after_tax,
        "body": Raw(statement.body),
        "recorded_at": now,
    }


def location(roaming: Roaming, issuer: str, cdr_id: str) -> str:
    """Where a record can be read here."""
    country_code, _, party_id = issuer.partition("*")
    return roaming.url("cdrs", country_code, party_id, quote(cdr_id, safe=""))


async def get_cdr(roaming: Roaming, call: Call) -> Reply:
    """GET cdrs/{country}/{party}/{id}, by the parties of it."""
    key = {"issuer": party_of(call.path["country"], call.path["party"]), "id": call.path["id"]}
    return await stored_object(roaming, call, tables.cdrs, key)


async def post_cdr(roaming: Roaming, call: Call) -> Reply:
    """As provider: POST cdrs. Posted with the record in one transaction, so it counts once or not at all."""
    statement, now = stated(call), roaming.clock()
    cdr = statement.cdr
    if cdr.cdr_token.party != roaming.party:
        raise OcpiError(Status.UNKNOWN_TOKEN, f"{cdr.cdr_token.uid} is a token of {cdr.cdr_token.party}")
    async with roaming.database.transaction() as connection:
        consent = await _consent(connection, roaming, cdr)
        record = row(statement, "received", consent.customer, now) | {"accepted_at": now}
        added = await store.add_once(connection, tables.cdrs, record)
        if added is None:
            raise Conflict(f"CDR {cdr.id} or its session was recorded before with another content")
        if added:
            await _post(connection, roaming, record, consent, now)
    return Reply(http=201 if added else 200, location=location(roaming, cdr.party, cdr.id))


async def _consent(connection: AsyncConnection, roaming: Roaming, cdr: Cdr) -> Authorisation:
    """Our consent that the record is based on.

    Raises:
        OcpiError: it names none (2002).
        InvalidInput: we gave none under this name, for this token, to this operator.
    """
    consent = await consent_of(connection, roaming.party, cdr.authorization_reference, cdr.cdr_token)
    if consent is None:
        raise OcpiError(Status.NOT_ENOUGH_INFORMATION, f"CDR {cdr.id} names no authorization_reference")
    if consent.asked_by != cdr.party:
        raise InvalidInput(f"{consent.reference} was given to {consent.asked_by}, not to {cdr.party}")
    return consent


# ------------------------------------------------------------------------------------------------------- the postings


async def _post(
    connection: AsyncConnection, roaming: Roaming, record: Mapping[str, Any], consent: Authorisation, now: datetime
) -> None:
    """Energy, sale and purchase in one group; how the customer pays may have to be tried again."""
    assert consent.customer is not None, "a consent is only given for a customer"
    (customer,) = await find_customers(connection, [consent.customer])
    assert customer is not None, "a customer is never removed"
    rest = [*_energy(record), *_sale(record, roaming.party), *_purchase(record)]
    payments = await _ways_to_pay(connection, roaming.party, record, consent, customer, now)
    for payment in payments[:-1]:
        try:
            return await book(connection, [*payment, *rest], now)
        except (Conflict, Refused):
            continue  # the hold has expired, or the wallet was emptied meanwhile
    return await book(connection, [*payments[-1], *rest], now)


async def _ways_to_pay(
    connection: AsyncConnection,
    party: str,
    record: Mapping[str, Any],
    consent: Authorisation,
    customer: Customer,
    now: datetime,
) -> list[list[Entry]]:
    """From the best to the last: the hold and the wallet, the wallet, on account."""
    fact, currency, total = _fact(record), record["currency"], record["after_tax"]
    event_at, sale = record["ended_at"], Account(party, "sale", currency)
    wallet = Account(customer.id, "wallet", currency)

    def paid_from(purpose: str, amount: int) -> list[Entry]:
        if not amount:
            return []
        account = Account(customer.id, purpose, currency)
        return [Transfer(fact=f"{fact}:{purpose}", debit=account, credit=sale, amount=amount, event_at=event_at)]

    def free_first(available: int, due: int) -> list[Entry]:
        from_wallet = min(max(available, 0), due)
        return [*paid_from("wallet", from_wallet), *paid_from("receivable", due - from_wallet)]

    on_account = paid_from("receivable", total)
    if customer.account_kind is not AccountKind.PREPAID:
        return [on_account]
    available = (await balances(connection, [wallet]))[wallet].available
    ways = [free_first(available, total), on_account]
    if consent.hold_fact is None or consent.held is None:
        return ways
    if consent.currency != currency or not total:
        freed = Void(fact=f"{fact}:hold", hold=consent.hold_fact, event_at=event_at)
        return [[freed, *ways[0]], *ways]
    captured = min(consent.held, total)
    capture = Capture(fact=f"{fact}:hold", hold=consent.hold_fact, amount=captured, event_at=event_at)
    missing = total - captured
    return [[capture, *free_first(available, missing)], [capture, *paid_from("receivable", missing)], *ways]


def _fact(record: Mapping[str, Any]) -> str:
    return f"cdr:{record['issuer']}*{record['id']}"


def _energy(record: Mapping[str, Any]) -> list[Entry]:
    if not record["energy_mwh"]:
        return []
    return [
        Transfer(
            fact=f"{_fact(record)}:energy",
            debit=Account(record["customer"], "consumption", ENERGY),
            credit=Account(record["issuer"], "partner", ENERGY),
            amount=record["energy_mwh"],
            event_at=record["ended_at"],
        )
    ]


def _sale(record: Mapping[str, Any], party: str) -> list[Entry]:
    """We sell at cost: the price to the customer is the operator's."""
    sale = Account(party, "sale", record["currency"])
    return [
        Transfer(
            fact=f"{_fact(record)}:{purpose}",
            debit=sale,
            credit=Account(party, purpose, record["currency"]),
            amount=amount,
            event_at=record["ended_at"],
        )
        for purpose, amount in (("revenue", record["before_tax"]), ("tax", record["after_tax"] - record["before_tax"]))
        if amount
    ]


def _purchase(record: Mapping[str, Any]) -> list[Entry]:
    currency, issuer = record["currency"], record["issuer"]
    parts = (
        ("cost", Account(record["payer"], "cost", currency), record["before_tax"]),
        ("input-tax", Account(record["payer"], "tax", currency), record["after_tax"] - record["before_tax"]),
    )
    return [
        Transfer(
            fact=f"{_fact(record)}:{name}",
            debit=account,
            credit=Account(issuer, "payable", currency),
            amount=amount,
            event_at=record["ended_at"],
        )
        for name, account, amount in parts
        if amount
    ]
