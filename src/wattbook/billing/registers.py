"""Issuers and recipients on record, and who stands on a document where nothing more is on record."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.parties import LANGUAGES, Issuer, LegalParty, checked_party
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.customers import Customer, find_customers
from wattbook.registry.parties import find_parties


async def put_issuer(connection: AsyncConnection, issuer: Issuer) -> None:
    """Raises:
    InvalidInput: see `checked_party`.
    """
    checked_party(issuer)
    await store.put_party(connection, "issuers", issuer)


async def put_recipient(connection: AsyncConnection, recipient: LegalParty) -> None:
    """Name and address of a customer, partner or household, for the documents from now on.

    Raises:
        InvalidInput: see `checked_party`.
    """
    checked_party(recipient)
    await store.put_party(connection, "recipients", recipient)


async def find_issuer(connection: AsyncConnection, party: str) -> Issuer:
    """Raises:
    NotFound: the party has no legal name and address on record.
    """
    found = (await store.issuers(connection, [party])).get(party)
    if found is None:
        raise NotFound(f"{party} issues no documents yet: its legal name, address and tax number are not on record")
    return found


async def find_recipients(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, tuple[LegalParty, str]]:
    """Each with the language of its documents. Who has no address on record is named as the registry does."""
    on_record = await store.recipients(connection, ids)
    customers = dict(zip(ids, await find_customers(connection, ids), strict=True))
    names = await _party_names(connection, [each for each in ids if customers[each] is None])
    return {each: _recipient(each, on_record.get(each), customers[each], names.get(each)) for each in ids}


def _recipient(
    own_id: str, on_record: LegalParty | None, customer: Customer | None, party_name: str | None
) -> tuple[LegalParty, str]:
    language = customer.language if customer and customer.language in LANGUAGES else "en"
    if on_record is not None:
        return on_record, language
    if customer is not None:
        country = customer.party[:2]
        return LegalParty(id=own_id, name=customer.name, country=country, vat_id=customer.vat_id), language
    return LegalParty(id=own_id, name=party_name or own_id, country=own_id[:2].upper()), language


async def _party_names(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    try:
        found = await find_parties(connection, ids)
    except InvalidInput:  # an id among them that is no party: a household
        return {}
    return {each.id: each.name for each in found if each}
