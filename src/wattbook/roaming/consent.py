"""As an operator: ask the issuer of a token that is not ours, through the hub, while the driver waits."""

from typing import Final
from urllib.parse import quote

import structlog

from wattbook.charging.ports import Consent, ConsentAnswer, ConsentRequest
from wattbook.kernel.errors import InvalidInput
from wattbook.roaming import partner_rows
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.client import Answer, NoAnswer
from wattbook.roaming.ocpi.wire import AuthorizationInfo, LocationReferences, Status, decode, encode
from wattbook.roaming.partners import partner_for
from wattbook.roaming.records import Partner

TIMEOUT_S: Final = 8.0
"""Longer than a hub waits for a provider, shorter than a driver waits for a station."""

UNREACHABLE: Final = ConsentAnswer("unreachable")

_ALLOWED: Final[dict[str, Consent]] = {
    "ALLOWED": "allowed",
    "BLOCKED": "blocked",
    "EXPIRED": "expired",
    "NO_CREDIT": "no_credit",
    "NOT_ALLOWED": "not_allowed",
}

log = structlog.get_logger(__name__)


class OcpiConsent:
    """Implements `charging.ports.PartnerConsent` with OCPI's real-time authorisation."""

    def __init__(self, roaming: Roaming) -> None:
        self._roaming = roaming

    async def ask(self, request: ConsentRequest) -> ConsentAnswer:
        partner = await self._partner(request.token_party)
        if partner is None:
            return ConsentAnswer("unknown", info="no roaming partner is registered")
        try:
            answer = await self._call(partner, request)
            return _read(answer, request)
        except (NoAnswer, InvalidInput) as trouble:
            log.warning("roaming.consent_unreachable", partner=partner.party, trouble=trouble.message)
            return UNREACHABLE

    async def _partner(self, token_party: str | None) -> Partner | None:
        """Of an unknown issuer, the hub: it asks who it may be."""
        async with self._roaming.database.transaction() as connection:
            if token_party is not None:
                return await partner_for(connection, token_party)
            hubs = await partner_rows.partners_with_role(connection, "HUB")
        return hubs[0] if hubs else None

    async def _call(self, partner: Partner, request: ConsentRequest) -> Answer:
        endpoint = partner.endpoint("tokens", "SENDER")
        if endpoint is None or partner.their_token is None:
            raise NoAnswer(f"{partner.party} has no endpoint for tokens")
        evses = [request.evse_id] if request.evse_id else []
        return await self._roaming.client.call(
            "POST",
            f"{endpoint.rstrip('/')}/{quote(request.token_uid, safe='')}/authorize?type={quote(request.token_type)}",
            partner.their_token,
            self._roaming.routing(request.token_party),
            body=encode(LocationReferences(request.site_id, evses)),
            timeout_s=TIMEOUT_S,
        )


def _read(answer: Answer, request: ConsentRequest) -> ConsentAnswer:
    """An unknown token comes as HTTP 404 or as 2004, as a partner reads the specification.

    Raises:
        NoAnswer: the issuer could not be asked.
        InvalidInput: what came is no answer to this question.
    """
    if answer.envelope.status_code == Status.UNKNOWN_TOKEN or answer.http == 404:
        return ConsentAnswer("unknown")
    if not answer.accepted:
        raise NoAnswer(f"answered {answer.http}/{answer.envelope.status_code}")
    info = decode(bytes(answer.envelope.data), AuthorizationInfo)
    if info.token.uid.lower() != request.token_uid.lower() or info.allowed not in _ALLOWED:
        raise InvalidInput(f"asked for token {request.token_uid}, was told {info.allowed} of {info.token.uid}")
    contract, prepaid = info.token.energy_contract, info.wattbook_prepaid
    text = None if info.info is None else info.info.get("text")
    return ConsentAnswer(
        _ALLOWED[info.allowed],
        token_party=info.token.party,
        contract_id=info.token.contract_id,
        authorization_reference=info.authorization_reference,
        supplier_id=None if contract is None else contract.wattbook_supplier_id or contract.supplier_name,
        balance_group=None if contract is None else contract.wattbook_balance_group,
        prepaid=None if prepaid is None else prepaid.amount,
        currency=None if prepaid is None else prepaid.currency,
        info=text if isinstance(text, str) else None,
    )
