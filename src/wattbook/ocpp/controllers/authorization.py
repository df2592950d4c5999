"""Block C, authorisation: may this token charge?"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner, ClearanceRequest, Cleared, Decision, clear
from wattbook.charging.starting import Started
from wattbook.kernel.errors import Refused
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import Authorization, Authorize, AuthorizeAnswer, CertificateStatus, IdToken, TokenInfo

AUTHORIZATIONS: Final = {
    "token-blocked": Authorization.BLOCKED,
    "no-credit": Authorization.NO_CREDIT,
    "token-expired": Authorization.EXPIRED,
    "token-unknown": Authorization.UNKNOWN,
    "token-not-allowed": Authorization.NOT_AT_THIS_LOCATION,
}
"""Reason of a refusal → the word of OCPP 2.0.1 (Part 2, AuthorizationStatusEnumType). Every other one is `Invalid`."""

UNNAMED_EVSE: Final = 0
"""Authorize does not say at which connector; place and price are looked at when the transaction starts."""


async def authorize(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[Outcome]:
    """Clear the token at the station (OCPP 1.6, 4.1; 2.0.1, C01 to C07)."""
    requests = [
        ClearanceRequest(inbound.station_id, UNNAMED_EVSE, cast(Authorize, inbound.message).token.value)
        for inbound in batch
    ]
    decisions = await clear(connection, requests, now=context.now, policy=context.policy)
    contracts = await _contracts(connection, batch, context)
    return [_answer(decision, contract) for decision, contract in zip(decisions, contracts, strict=True)]


async def _contracts(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> list[CertificateStatus | None]:
    """What became of the contract certificate that came with each token; None where none came."""
    said = [cast(Authorize, inbound.message) for inbound in batch]
    shown = [bool(each.certificate or each.certificate_hashes) for each in said]
    asked = [(inbound.station_id, each) for inbound, each, came in zip(batch, said, shown, strict=True) if came]
    if not asked:
        return [None] * len(batch)
    statuses = iter(await context.certificates.contract_statuses(connection, asked, context.now))
    return [next(statuses) if came else None for came in shown]


def _answer(decision: Decision, contract: CertificateStatus | None) -> Outcome:
    if isinstance(decision, AskPartner):
        return decision
    if isinstance(decision, Refused):
        return AuthorizeAnswer(refused_info(decision), contract)
    if contract not in (None, CertificateStatus.ACCEPTED):
        # C07: a contract that is not vouched for opens nothing, whoever its number belongs to.
        return AuthorizeAnswer(TokenInfo(Authorization.INVALID), contract)
    return AuthorizeAnswer(accepted_info(decision), contract)


def accepted_info(verdict: Cleared | Started) -> TokenInfo:
    """The verdict in the words of OCPP; the group lets a station see whose card may stop what this one began."""
    group = None if verdict.group_uid is None else IdToken(verdict.group_uid)
    return TokenInfo(Authorization.ACCEPTED, verdict.valid_until, group)


def refused_info(refusal: Refused) -> TokenInfo:
    """The verdict in the words of OCPP."""
    return TokenInfo(AUTHORIZATIONS.get(refusal.details["reason"], Authorization.INVALID))
