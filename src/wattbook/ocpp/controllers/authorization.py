"""Block C, authorisation: may this token charge?"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.cases import ClearanceRequest
from wattbook.charging.clearance import AskPartner, Cleared, Decision, StopOnly, clear
from wattbook.charging.concurrency import folded, open_of_tokens
from wattbook.charging.starting import Started
from wattbook.charging.stop_rights import StopVerdict
from wattbook.kernel.errors import Refused
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.messages import Authorization, Authorize, AuthorizeAnswer, CertificateStatus, IdToken, TokenInfo

AUTHORIZATIONS: Final = {
    "token-blocked": Authorization.BLOCKED,
    "no-credit": Authorization.NO_CREDIT,
    "token-expired": Authorization.EXPIRED,
    "token-unknown": Authorization.UNKNOWN,
    "token-not-allowed": Authorization.NOT_AT_THIS_LOCATION,
    "token-busy": Authorization.CONCURRENT_TRANSACTION,
}
"""Reason of a refusal → the word of OCPP 2.0.1 (Part 2, AuthorizationStatusEnumType). Every other one is `Invalid`."""

ACCEPTED: Final = TokenInfo(Authorization.ACCEPTED)
UNNAMED_EVSE: Final = 0
"""Authorize does not say at which connector; place and price are looked at when the transaction starts."""


async def authorize(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[Outcome]:
    """Clear the token at the station (OCPP 1.6, 4.1; 2.0.1, C01 to C07).

    Who runs a session here may show the token to end it, so a wallet that this session emptied is no reason to refuse.
    A master pass is good, and its group tells the station what for (C16).
    """
    requests = [
        ClearanceRequest(
            inbound.station_id, UNNAMED_EVSE, cast(Authorize, inbound.message).token.value, may_stop_only=True
        )
        for inbound in batch
    ]
    decisions = await clear(connection, requests, now=context.now, policy=context.policy)
    running = await _running_here(connection, requests, decisions)
    contracts = await _contracts(connection, batch, context)
    return [
        AuthorizeAnswer(ACCEPTED, contract) if request in running else _answer(decision, contract)
        for request, decision, contract in zip(requests, decisions, contracts, strict=True)
    ]


async def _running_here(
    connection: AsyncConnection, requests: Sequence[ClearanceRequest], decisions: Sequence[Decision]
) -> frozenset[ClearanceRequest]:
    """Those without credit whose token runs a session at this station."""
    spent = [
        request
        for request, decision in zip(requests, decisions, strict=True)
        if isinstance(decision, Refused) and decision.details["reason"] == "no-credit"
    ]
    if not spent:
        return frozenset()
    running = await open_of_tokens(connection, [request.token_uid for request in spent])
    return frozenset(
        request
        for request in spent
        if any(each.station_id == request.station_id for each in running.get(folded(request.token_uid), ()))
    )


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
    if isinstance(decision, StopOnly):
        return AuthorizeAnswer(accepted_info(decision))
    if contract not in (None, CertificateStatus.ACCEPTED):
        # C07: a contract that is not vouched for opens nothing, whoever its number belongs to.
        return AuthorizeAnswer(TokenInfo(Authorization.INVALID), contract)
    return AuthorizeAnswer(accepted_info(decision), contract)


def accepted_info(verdict: Cleared | Started | StopOnly) -> TokenInfo:
    """The verdict in the words of OCPP; the group lets a station see whose card may stop what this one began."""
    group = None if verdict.group_uid is None else IdToken(verdict.group_uid)
    return TokenInfo(Authorization.ACCEPTED, verdict.valid_until, group)


def stop_info(verdict: StopVerdict | None) -> TokenInfo | None:
    """The verdict on the token that ended a session; None if none did, or none that is known."""
    if verdict is None:
        return None
    if isinstance(verdict, Refused):
        return refused_info(verdict)
    group = None if verdict.group_uid is None else IdToken(verdict.group_uid)
    return TokenInfo(Authorization.ACCEPTED, verdict.valid_until, group)


def refused_info(refusal: Refused) -> TokenInfo:
    """The verdict in the words of OCPP."""
    return TokenInfo(AUTHORIZATIONS.get(refusal.details["reason"], Authorization.INVALID))
