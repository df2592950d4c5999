"""Clearance: may this driver draw power, or feed it in, at this place, now?

The checks run in the order in which the methods name them: the station works and has a price (charging across
operators, step 1), the token is valid, the balance is enough (step 2), the unit has one supplier and the meter one
network operator (location-independent power intake). The first that fails refuses, with a reason a program can act on
and a message for people; every refusal is kept.

A token we have not issued is its issuer's to judge. The first answer is then `AskPartner`; who asks does so outside of
any transaction, stores what came back (`consents`), and clears again. The supplier of a foreign driver is the one its
issuer names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import store
from wattbook.charging.cases import Case, ClearanceRequest, currency_of, look_up, wallet_of
from wattbook.charging.consents import balance_group_named, prepaid_named, supplier_named
from wattbook.charging.paying import Paying, is_for_one_payment, paying
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.ports import Consent, ConsentRequest
from wattbook.charging.price import pricer_of, tariff_text
from wattbook.charging.store import StoredRefusal
from wattbook.kernel.clock import readable, utc
from wattbook.kernel.errors import InvalidInput, Refused
from wattbook.registry.clearance import ClearanceFacts
from wattbook.registry.customers import Customer, Token, TokenType, Whitelist
from wattbook.registry.stations import Acceptance, StationTariff
from wattbook.registry.validity import Ambiguous, Missing

Reason = Literal[
    "station-unknown", "station-unavailable", "evse-unknown", "tariff-missing", "tariff-unsupported",
    "token-unknown", "token-ambiguous", "token-blocked", "token-expired", "token-not-allowed", "customer-missing",
    "token-busy", "master-pass", "stop-not-allowed",
    "customer-held",
    "partner-unreachable", "no-credit", "supplier-missing", "supplier-ambiguous", "meter-missing", "meter-ambiguous",
    "network-operator-missing", "network-operator-ambiguous",
]  # fmt: skip
"""`details['reason']` of a refusal."""

Payment = Literal["prepaid", "postpaid", "partner", "none"]

ASKED_ANEW_AFTER: Final = timedelta(minutes=1)
"""A token that is never to be taken without asking is remembered so long."""

_REFUSED_BY_PARTNER: Final[dict[Consent, tuple[Reason, str]]] = {
    "blocked": ("token-blocked", "its issuer has blocked it"),
    "expired": ("token-expired", "its issuer says it has expired"),
    "no_credit": ("no-credit", "its issuer says the balance is not enough"),
    "not_allowed": ("token-not-allowed", "its issuer does not allow it here"),
    "unknown": ("token-unknown", "nobody knows it"),
    "unreachable": ("partner-unreachable", "its issuer does not answer"),
}


@dataclass(frozen=True, slots=True)
class Driver:
    """Who charges, who pays, and on whose account the energy counts.

    Attributes:
        customer_id: of a customer of ours; None for a partner's, and for a card at the charger.
        available: what a wallet may still spend, stored units of the currency; None for other payments.
        prepaid: what is set aside for the session, stored units: by a partner that said so, or held here at the start.
        valid_until: when the token expires, as far as known.
        group_uid: tokens of one group may stop each other's sessions.
        payer_id: owner of the account that pays; None for a partner's driver.
    """

    token_uid: str
    token_type: str
    token_party: str
    contract_id: str | None
    customer_id: str | None
    payment: Payment
    supplier_id: str
    balance_group: str | None
    authorization_reference: str | None = None
    available: int | None = None
    prepaid: int | None = None
    valid_until: datetime | None = None
    group_uid: str | None = None
    payer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where: what belongs to an EVSE is None when none was named."""

    operator: str
    site_id: str
    evse_id: str | None
    meter_no: str | None
    network_operator: str | None
    tariff: StationTariff | None
    rated_power_w: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """All that a session needs, each thing found exactly once."""

    driver: Driver
    place: Place
    currency: str

    @property
    def valid_until(self) -> datetime | None:
        """Until when a station may rely on it; None: until it hears otherwise."""
        return self.driver.valid_until

    @property
    def group_uid(self) -> str | None:
        """Whose tokens may stop it."""
        return self.driver.group_uid


@dataclass(frozen=True, slots=True)
class AskPartner:
    """The token is not ours: its issuer must say yes first. `evse_id` is empty when no EVSE was named."""

    request: ConsentRequest


@dataclass(frozen=True, slots=True)
class StopOnly:
    """A master pass: it may end any session and begin none (OCPP 2.0.1, C16)."""

    valid_until: datetime | None
    group_uid: str


Decision = Cleared | AskPartner | StopOnly | Refused


async def clear(
    connection: AsyncConnection, requests: Sequence[ClearanceRequest], *, now: datetime, policy: Policy = POLICY
) -> list[Decision]:
    """Decide each request; refusals are recorded in the same transaction.

    Returns, one a request:
        Cleared; AskPartner; StopOnly, if the request allows for it; or Refused with `details['reason']`, a `Reason`.
    """
    cases = await look_up(connection, [(request, now) for request in requests], now=now)
    decisions = [decide(case, policy) for case in cases]
    await record_refusals(
        connection,
        [
            (request, decision)
            for request, decision in zip(requests, decisions, strict=True)
            if isinstance(decision, Refused)
        ],
        now=now,
    )
    return decisions


async def record_refusals(
    connection: AsyncConnection, refused: Sequence[tuple[ClearanceRequest, Refused]], *, now: datetime
) -> None:
    await store.write_refusals(
        connection,
        [
            StoredRefusal(
                refused_at=utc(now),
                station_id=request.station_id,
                connector_no=request.connector_no,
                token_uid=request.token_uid,
                reason=reason.details["reason"],
                message=reason.message,
            )
            for request, reason in refused
        ],
    )


def decide(case: Case, policy: Policy) -> Decision:
    """Cleared, AskPartner, or the first thing that is missing, as a value."""
    try:
        operator, site_id = _check_station(case)
        driver = _driver(case, operator, site_id, policy)
        if isinstance(driver, AskPartner | StopOnly):
            return driver
        return Cleared(driver, _place(case.facts, operator, site_id), currency_of(case))
    except Refused as refused:
        return refused


def _check_station(case: Case) -> tuple[str, str]:
    """The operator and the site of a station that works."""
    request, facts = case.request, case.facts
    name = f"station {request.station_id}"
    if facts.station is None or facts.site is None:
        raise refusal("station-unknown", f"{name} is not registered")
    if facts.station.acceptance is not Acceptance.ACCEPTED:
        raise refusal("station-unavailable", f"{name} is {facts.station.acceptance.value}, not accepted")
    if request.connector_no and facts.evse is None:
        raise refusal("evse-unknown", f"{name} has no EVSE {request.connector_no}")
    for status in facts.statuses:
        if status.out_of_service:
            part = f"EVSE {status.evse_no} of {name}" if status.evse_no else name
            raise refusal("station-unavailable", f"{part} is {status.status} since {status.at.isoformat()}")
    return facts.site.operator, facts.site.id


def _driver(case: Case, operator: str, site_id: str, policy: Policy) -> Driver | AskPartner | StopOnly:
    holder = case.facts.holder
    if isinstance(holder, Ambiguous):
        raise refusal("token-ambiguous", holder.reason)
    if isinstance(holder, Missing):
        return _foreign_driver(case, None, site_id)
    _check_token(holder.token, case.at)
    group = holder.token.group_uid
    if group is not None and group == policy.master_pass_group:
        if not case.request.may_stop_only:
            raise refusal("master-pass", f"token {holder.token.uid} ends sessions and begins none")
        return StopOnly(_relied_on_until(holder.token, case.at, policy), group)
    if holder.customer is not None:
        return _local_driver(case, holder.token, holder.customer, policy)
    if holder.token.party == operator and is_for_one_payment(holder.token):
        return _card_driver(case, holder.token, operator, policy)
    if holder.token.party == operator:
        raise refusal("customer-missing", f"token {holder.token.uid} is ours and belongs to no customer")
    return _foreign_driver(case, holder.token, site_id)


def _check_token(token: Token, at: datetime) -> None:
    if not token.valid:
        raise refusal("token-blocked", f"token {token.uid} is blocked by {token.party}")
    if token.valid_until is not None and token.valid_until <= at:
        raise refusal("token-expired", f"token {token.uid} expired at {readable(token.valid_until)}")


def _relied_on_until(token: Token, at: datetime, policy: Policy) -> datetime | None:
    """Until when a station may take the token without asking; None: until it hears otherwise."""
    limits = [token.valid_until]
    if policy.cache_for is not None:
        limits.append(at + policy.cache_for)
    if token.whitelist is Whitelist.NEVER:
        # Long enough to begin with: a station may take the end of its memory for the end of the token.
        limits.append(at + ASKED_ANEW_AFTER)
    return min((limit for limit in limits if limit is not None), default=None)


def _local_driver(case: Case, token: Token, customer: Customer, policy: Policy) -> Driver:
    if customer.held_because is not None:
        raise refusal("customer-held", f"customer {customer.id} is on hold: {customer.held_because}")
    payer = paying(case.facts, currency_of(case))
    assert payer is not None, "a customer pays, or somebody for it"
    if payer.customer is not None and payer.customer.held_because is not None:
        raise refusal("customer-held", f"customer {payer.owner} is on hold: {payer.customer.held_because}")
    available = _spendable(case, payer, policy)
    allocation = case.facts.allocation
    if isinstance(allocation, Missing):
        raise refusal("supplier-missing", allocation.reason)
    if isinstance(allocation, Ambiguous):
        raise refusal("supplier-ambiguous", allocation.reason)
    return Driver(
        token_uid=token.uid,
        token_type=token.type.value,
        token_party=token.party,
        contract_id=token.contract,
        customer_id=customer.id,
        payment="postpaid" if available is None else "prepaid",
        supplier_id=allocation.supplier,
        balance_group=allocation.balance_group,
        available=available,
        valid_until=_relied_on_until(token, case.at, policy),
        group_uid=token.group_uid,
        payer_id=payer.owner,
    )


def _spendable(case: Case, payer: Paying, policy: Policy) -> int | None:
    """What may be set aside, with the credit that is given; None for who will owe."""
    if not payer.from_wallet:
        return None
    currency = currency_of(case)
    available = case.wallets[wallet_of(payer.owner, currency)].available + payer.credit
    if available < policy.balance_min_amount(currency):
        raise refusal("no-credit", f"account {payer.owner} has too little {currency} to begin")
    return available


def _card_driver(case: Case, token: Token, operator: str, policy: Policy) -> Driver:
    """Somebody with a card and no contract: the operator of the station is the supplier too."""
    payer = paying(case.facts, currency_of(case))
    assert payer is not None, "the payment is the account"
    return Driver(
        token_uid=token.uid,
        token_type=token.type.value,
        token_party=token.party,
        contract_id=token.contract,
        customer_id=None,
        payment="prepaid",
        supplier_id=operator,
        balance_group=None,
        available=_spendable(case, payer, policy),
        valid_until=_relied_on_until(token, case.at, policy),
        payer_id=payer.owner,
    )


def _foreign_driver(case: Case, token: Token | None, site_id: str) -> Driver | AskPartner:
    uid, consent = case.request.token_uid, case.consent
    if consent is None:
        return AskPartner(
            ConsentRequest(
                token_uid=uid,
                token_type=token.type.value if token else TokenType.RFID.value,
                token_party=token.party if token else None,
                site_id=site_id,
                evse_id=case.facts.evse.id if case.facts.evse else "",
            )
        )
    answer = consent.answer
    if answer.consent != "allowed":
        reason, words = _REFUSED_BY_PARTNER[answer.consent]
        raise refusal(reason, f"token {uid}: {words}" + (f": {answer.info}" if answer.info else ""))
    if answer.token_party is None:
        raise refusal("token-unknown", f"token {uid}: who allowed it did not say who it is")
    supplier = supplier_named(answer)
    if supplier is None or supplier not in case.suppliers:
        named = answer.supplier_id or "no supplier"
        raise refusal("supplier-missing", f"token {uid}: {answer.token_party} names {named}, not registered here")
    return Driver(
        token_uid=uid,
        token_type=consent.token_type,
        token_party=answer.token_party,
        contract_id=answer.contract_id,
        customer_id=None,
        payment="partner",
        supplier_id=supplier,
        balance_group=balance_group_named(answer),
        authorization_reference=answer.authorization_reference,
        prepaid=prepaid_named(answer, currency_of(case)),
    )


def _place(facts: ClearanceFacts, operator: str, site_id: str) -> Place:
    """The last checks, of what belongs to an EVSE."""
    evse = facts.evse
    if evse is None:
        return Place(operator, site_id, None, None, None, None, 0)
    meter, network_operator, tariff = facts.meter, facts.network_operator, facts.tariff
    if isinstance(meter, Missing):
        raise refusal("meter-missing", meter.reason)
    if isinstance(meter, Ambiguous):
        raise refusal("meter-ambiguous", meter.reason)
    if isinstance(network_operator, Missing):
        raise refusal("network-operator-missing", network_operator.reason)
    if isinstance(network_operator, Ambiguous):
        raise refusal("network-operator-ambiguous", network_operator.reason)
    if tariff is None:
        raise refusal("tariff-missing", f"EVSE {evse.id} has no tariff in force")
    try:
        pricer_of(tariff_text(tariff.document), facts.site.time_zone if facts.site else None)
    except InvalidInput as error:
        raise refusal("tariff-unsupported", error.message) from None
    return Place(operator, site_id, evse.id, meter.number, network_operator.id, tariff, rated_power_w(facts))


def rated_power_w(facts: ClearanceFacts) -> int:
    """Of the EVSE's strongest connector; 0 when not known."""
    return max((connector.max_power_w for connector in facts.connectors), default=0)


def refusal(reason: Reason, message: str) -> Refused:
    """A refusal as a value."""
    return Refused(message, reason=reason)
