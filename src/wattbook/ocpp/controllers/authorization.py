"""Block C, authorisation: may this token charge?"""

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging.clearance import AskPartner, ClearanceRequest, Decision, clear
from wattbook.kernel.errors import Refused
from wattbook.ocpp.controllers.controller import Context, Outcome
from wattbook.ocpp.message_handler import InboundMessage
from wattbook.ocpp.messages import Authorization, Authorize, AuthorizeAnswer, TokenInfo

AUTHORIZATIONS: Final = {
    "token-blocked": Authorization.BLOCKED,
    "no-credit": Authorization.BLOCKED,
    "token-expired": Authorization.EXPIRED,
}
"""Reason of a refusal → the word of OCPP 1.6, 7.2. Every other reason is `Invalid`."""

UNNAMED_EVSE: Final = 0
"""Authorize of 1.6 does not say at which connector; place and price are looked at when the transaction starts."""


async def authorize(
    connection: AsyncConnection, batch: Sequence[InboundMessage], context: Context
) -> Sequence[Outcome]:
    """Clear the token at the station (OCPP 1.6, 4.1)."""
    requests = [
        ClearanceRequest(inbound.station_id, UNNAMED_EVSE, cast(Authorize, inbound.message).token.value)
        for inbound in batch
    ]
    decisions = await clear(connection, requests, now=context.now, policy=context.policy)
    return [_answer(decision) for decision in decisions]


def _answer(decision: Decision) -> Outcome:
    if isinstance(decision, AskPartner):
        return decision
    if isinstance(decision, Refused):
        return AuthorizeAnswer(refused_info(decision))
    return AuthorizeAnswer(TokenInfo(Authorization.ACCEPTED, decision.valid_until))


def refused_info(refusal: Refused) -> TokenInfo:
    """The verdict in the words of OCPP."""
    return TokenInfo(AUTHORIZATIONS.get(refusal.details["reason"], Authorization.INVALID))
