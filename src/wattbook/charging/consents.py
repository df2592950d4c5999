"""What partners said of tokens that we have not issued: kept for a time, and read with care.

What a partner names may be no identifier at all; then it named nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.charging import store
from wattbook.charging.policy import POLICY, Policy
from wattbook.charging.ports import ConsentAnswer, ConsentRequest
from wattbook.charging.store import StoredConsent
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import Eic, MarketPartnerId, PartyId
from wattbook.kernel.units import Money


async def record_consents(
    connection: AsyncConnection,
    answers: Sequence[tuple[ConsentRequest, ConsentAnswer]],
    *,
    now: datetime,
    policy: Policy = POLICY,
) -> None:
    """Keep what partners said; the latest answer for a token at a site counts, for the time the policy gives it."""
    await store.write_consents(
        connection,
        [
            StoredConsent(
                token_folded=folded(request.token_uid),
                site_id=request.site_id,
                token_type=request.token_type,
                answered_at=utc(now),
                valid_until=utc(now) + (policy.consent_valid if answer.consent == "allowed" else policy.refusal_valid),
                answer=answer,
            )
            for request, answer in answers
        ],
    )


def supplier_named(answer: ConsentAnswer) -> str | None:
    """In its canonical spelling; None also for what cannot be the identifier of a supplier."""
    text = (answer.supplier_id or "").strip()
    try:
        return (MarketPartnerId if text.isdigit() else PartyId)(text).text
    except InvalidInput:
        return None


def balance_group_named(answer: ConsentAnswer) -> str | None:
    try:
        return Eic(answer.balance_group or "").text
    except InvalidInput:
        return None


def prepaid_named(answer: ConsentAnswer, currency: str) -> int | None:
    """Only in the currency of the price: what another one is worth is not ours to say."""
    if answer.prepaid is None or not currency or answer.currency != currency:
        return None
    return Money.half_up(answer.prepaid, currency).amount


def folded(uid: str) -> str:
    return uid.strip().lower()
