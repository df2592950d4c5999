"""What a clearance is asked, and everything it looks at: read for all requests at once, before any is decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account, Balance
from wattbook.book.statements import balances
from wattbook.charging import store
from wattbook.charging.consents import folded, supplier_named
from wattbook.charging.paying import account_currency, paying
from wattbook.charging.store import StoredConsent
from wattbook.kernel.clock import utc
from wattbook.registry.clearance import ClearanceFacts, clearance_facts
from wattbook.registry.clearance import ClearanceRequest as FactsRequest
from wattbook.registry.parties import find_suppliers


@dataclass(frozen=True, slots=True)
class ClearanceRequest:
    """Who wants to charge or feed in where.

    Attributes:
        connector_no: the station's number of the EVSE; 0 when it does not say (Authorize of OCPP 1.6). Then tariff,
            meter and network operator are not looked at until the session starts.
        may_stop_only: the driver has shown the token and not said what for: it may be to end what runs.
    """

    station_id: str
    connector_no: int
    token_uid: str
    may_stop_only: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A request with everything that decides it.

    Attributes:
        at: the moment by which validities are judged.
        consent: what a partner said and is still valid.
        suppliers: those of the suppliers that partners named which are registered.
        wallets: balances of the wallets that would pay.
    """

    request: ClearanceRequest
    at: datetime
    facts: ClearanceFacts
    consent: StoredConsent | None
    suppliers: frozenset[str]
    wallets: dict[Account, Balance]


async def look_up(
    connection: AsyncConnection, asked: Sequence[tuple[ClearanceRequest, datetime]], *, now: datetime
) -> list[Case]:
    """The cases of requests and of the moments they are judged by."""
    if not asked:
        return []
    facts = await clearance_facts(
        connection,
        [FactsRequest(request.station_id, request.connector_no, request.token_uid, at) for request, at in asked],
    )
    keys = [
        (folded(request.token_uid), found.site.id if found.site else "")
        for (request, _), found in zip(asked, facts, strict=True)
    ]
    consents = await store.consents_at(connection, keys, utc(now))
    named = sorted({supplier for consent in consents.values() if (supplier := supplier_named(consent.answer))})
    known = await find_suppliers(connection, named) if named else []
    suppliers = frozenset(supplier.id for supplier in known if supplier)
    cases = [
        Case(request, at, found, consents.get(key), suppliers, {})
        for (request, at), found, key in zip(asked, facts, keys, strict=True)
    ]
    wallets = await balances(connection, list({wallet for case in cases if (wallet := _wallet(case))}))
    return [replace(case, wallets=wallets) for case in cases]


def wallet_of(customer_id: str, currency: str) -> Account:
    return Account(customer_id, "wallet", currency)


def _wallet(case: Case) -> Account | None:
    """That would pay."""
    payer = paying(case.facts, currency_of(case))
    return wallet_of(payer.owner, currency_of(case)) if payer is not None and payer.from_wallet else None


def currency_of(case: Case) -> str:
    """Of the price to be paid; while no EVSE is named, of the customer's account or of the partner's answer."""
    if case.facts.tariff:
        return case.facts.tariff.currency
    return account_currency(case.facts) or (case.consent.answer.currency if case.consent else None) or ""
