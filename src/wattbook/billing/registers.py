"""Issuers and recipients on record, and who stands on a document where nothing more is on record."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.parties import LANGUAGES, Issuer, LegalParty, checked_party
from wattbook.kernel import identifiers
from wattbook.kernel.errors import NotFound
from wattbook.kernel.identifiers import PartyId
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


async def find_recipients(
    connection: AsyncConnection, ids: Sequence[str], *, country: str
) -> dict[str, tuple[LegalParty, str]]:
    """Each with the language of its documents. Who has no address on record is named as the registry does.

    Args:
        country: of whom nothing else is known, such as of a card.
    """
    on_record = await store.recipients(connection, ids)
    customers = dict(zip(ids, await find_customers(connection, ids), strict=True))
    parties = [each for each in ids if customers[each] is None and identifiers.check(each, PartyId.kind).valid]
    names = {each.id: each.name for each in await find_parties(connection, parties) if each}
    return {each: _recipient(each, on_record.get(each), customers[each], names.get(each), country) for each in ids}


async def recipients_by_vat_id(connection: AsyncConnection, vat_ids: Sequence[str]) -> dict[str, LegalParty]:
    """Recipients on record by their VAT id, spelled without anything between the digits."""
    return await store.recipients_by_vat_id(connection, vat_ids) if vat_ids else {}


def _recipient(
    own_id: str, on_record: LegalParty | None, customer: Customer | None, party_name: str | None, country: str
) -> tuple[LegalParty, str]:
    language = customer.language if customer and customer.language in LANGUAGES else "en"
    if on_record is not None:
        return on_record, language
    if customer is not None:
        named = LegalParty(id=own_id, name=customer.name, country=customer.party[:2], vat_id=customer.vat_id)
        return named, language
    return LegalParty(id=own_id, name=party_name or own_id, country=own_id[:2] if party_name else country), language
