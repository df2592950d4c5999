"""As a provider: may this token of ours charge at a partner's station, and how much is set aside for it?

A prepaid customer's wallet is held, by the same policy as at a station of our own, before the answer goes out: two
stations cannot be told the same money. The reference of the answer derives from the question, so a question that comes
twice gets one hold and one answer.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.statements import balances
from wattbook.book.transfers import Hold, fact_id
from wattbook.kernel.errors import Refused
from wattbook.kernel.units import Currency, Money
from wattbook.registry.customers import AccountKind, Customer, Holder, find_tokens
from wattbook.registry.parties import find_suppliers
from wattbook.registry.units import Allocation, allocate_units
from wattbook.registry.validity import Ambiguous, Missing
from wattbook.roaming import store
from wattbook.roaming.booking import book
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.server import Call, Reply
from wattbook.roaming.ocpi.wire import (
    AuthorizationInfo,
    EnergyContract,
    LocationReferences,
    OcpiError,
    Prepaid,
    Status,
    Token,
    codes_of,
    decode,
)
from wattbook.roaming.records import Authorisation

_HOLD_TRIES = 2
"""A wallet may be emptied between reading and holding; then what is left is tried once more."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """AllowedType of OCPI, a text for the driver when it is a no, and what goes with a yes."""

    allowed: str
    info: str | None = None
    supply: EnergyContract | None = None


async def authorise(roaming: Roaming, call: Call) -> Reply:
    """POST tokens/{uid}/authorize?type=…: with or without the place, which we do not judge."""
    token_type, now = call.query.get("type", "RFID").upper(), roaming.clock()
    if call.body:
        decode(call.body, LocationReferences)
    async with roaming.database.transaction() as connection:
        holder = await _holder(connection, roaming.party, call.path["uid"], token_type)
        reference = str(fact_id(f"consent:{roaming.party}:{holder.token.uid}:{call.routing.correlation_id}"))
        known = await store.authorisation(connection, roaming.party, reference)
        answer = await _judge(connection, holder, now)
        authorisation = known
        if known is None:
            authorisation, answer = await _consent(connection, roaming, call, holder, answer, reference)
    return Reply(_info(roaming, holder, answer, authorisation, now))


async def _holder(connection: AsyncConnection, party: str, uid: str, token_type: str) -> Holder:
    """The token of ours with its customer."""
    (found,) = await find_tokens(connection, [uid])
    candidates = () if isinstance(found, Missing) else found.candidates if isinstance(found, Ambiguous) else (found,)
    for holder in candidates:
        if holder.token.party == party and holder.token.type == token_type:
            return holder
    raise OcpiError(Status.UNKNOWN_TOKEN, f"{party} has no {token_type} token {uid!r}", http=404)


async def _judge(connection: AsyncConnection, holder: Holder, now: datetime) -> _Answer:
    """All but the balance."""
    token = holder.token
    if not token.valid:
        return _Answer("BLOCKED", "This token is blocked.")
    if token.valid_until is not None and token.valid_until <= now:
        return _Answer("EXPIRED", "This token has expired.")
    if holder.customer is None:
        return _Answer("NOT_ALLOWED", "This token belongs to no customer.")
    if token.unit is None:
        return _Answer("NOT_ALLOWED", "No vehicle goes with this token, so no supplier can be named.")
    (allocation,) = await allocate_units(connection, [(token.unit, now)])
    if not isinstance(allocation, Allocation):
        return _Answer("NOT_ALLOWED", "The vehicle has no power supplier on record.")
    (supplier,) = await find_suppliers(connection, [allocation.supplier])
    name = allocation.supplier if supplier is None else supplier.name
    return _Answer(
        "ALLOWED",
        supply=EnergyContract(name[:64], token.contract, allocation.supplier, allocation.balance_group),
    )


async def _consent(
    connection: AsyncConnection, roaming: Roaming, call: Call, holder: Holder, answer: _Answer, reference: str
) -> tuple[Authorisation, _Answer]:
    """Set aside what the customer may spend, and keep what is answered."""
    now, customer, held = roaming.clock(), holder.customer, None
    hold_fact = f"consent:{roaming.party}:{reference}"
    if answer.allowed == "ALLOWED" and customer is not None and customer.account_kind is AccountKind.PREPAID:
        held = await _hold(connection, roaming, customer, hold_fact, now)
        if held is None:
            answer = _Answer("NO_CREDIT", "The balance is not enough to charge.")
    authorisation = Authorisation(
        reference=reference if answer.allowed == "ALLOWED" else None,
        correlation_id=call.routing.correlation_id,
        token_uid=holder.token.uid.lower(),
        token_type=holder.token.type,
        asked_by=call.sender,
        answered_by=roaming.party,
        answer=answer.allowed,
        at=now,
        customer=None if customer is None else customer.id,
        hold_fact=None if held is None else hold_fact,
        currency=None if customer is None else customer.currency,
        held=held,
    )
    await store.add_authorisation(connection, authorisation)
    return authorisation, answer


async def _hold(
    connection: AsyncConnection, roaming: Roaming, customer: Customer, fact: str, now: datetime
) -> int | None:
    """The amount set aside, stored units; None if there is too little."""
    wallet, policy = Account(customer.id, "wallet", customer.currency), roaming.policy
    for _ in range(_HOLD_TRIES):
        available = (await balances(connection, [wallet]))[wallet].available
        if available < policy.balance_min_amount(customer.currency):
            return None
        amount = min(available, policy.hold_max_amount(customer.currency))
        try:
            await book(
                connection,
                [
                    Hold(
                        fact=fact,
                        debit=wallet,
                        credit=Account(roaming.party, "sale", customer.currency),
                        amount=amount,
                        event_at=now,
                        expires_at=now + policy.hold_valid,
                        memo="charging at a partner's station",
                    )
                ],
                now,
            )
        except Refused:
            continue
        return amount
    return None


def _info(
    roaming: Roaming, holder: Holder, answer: _Answer, authorisation: Authorisation | None, now: datetime
) -> AuthorizationInfo:
    token = holder.token
    prepaid = None
    if authorisation is not None and authorisation.held is not None and authorisation.currency is not None:
        held = Money(authorisation.held, Currency.of(authorisation.currency))
        prepaid = Prepaid(held.value, authorisation.currency)
    return AuthorizationInfo(
        answer.allowed,
        Token(
            uid=token.uid,
            type=token.type,
            contract_id=token.contract,
            issuer=roaming.settings.name,
            valid=token.valid,
            whitelist=token.whitelist,
            last_updated=now,
            visual_number=token.visual_number,
            energy_contract=answer.supply,
            **codes_of(token.party),
        ),
        authorization_reference=None if authorisation is None else authorisation.reference,
        info=None if answer.info is None else {"language": "en", "text": answer.info},
        wattbook_prepaid=prepaid,
    )
