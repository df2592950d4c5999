"""Who issues a document and who gets it, as the law wants them named."""

import re
from typing import Final

from msgspec import Struct
from stdnum import iban

from wattbook.kernel.errors import InvalidInput

LANGUAGES: Final = ("en", "de", "ko", "zh")
_COUNTRY: Final = re.compile("[A-Z]{2}")
_PREFIX: Final = re.compile("[A-Z0-9]{1,12}")
TEXT_LENGTH_MAX: Final = 200


class LegalParty(Struct, frozen=True, kw_only=True):
    """Name and address on a document.

    Attributes:
        id: of the registry: a party, customer or household.
        country: ISO 3166-1, two letters.
        vat_id: with its country prefix where it has one.
    """

    id: str
    name: str
    street: str = ""
    postcode: str = ""
    city: str = ""
    country: str
    vat_id: str | None = None
    email: str | None = None


class Issuer(LegalParty, frozen=True, kw_only=True):
    """Who sells.

    Attributes:
        prefix: begins the numbers of its documents.
        tax_number: where there is no VAT id.
        account: where to pay, an IBAN.
        pay_within_days: from the day of issue until an invoice is due.
    """

    prefix: str
    tax_number: str | None = None
    account: str | None = None
    pay_within_days: int = 14


def checked_party(party: LegalParty) -> None:
    """Raises:
    InvalidInput: a name is missing, a text too long or unprintable, a country or an account not one.
    """
    texts = (party.id, party.name, party.street, party.postcode, party.city, party.vat_id or "", party.email or "")
    if not party.id or not party.name.strip():
        raise InvalidInput("who is named on a document has an id and a name")
    if any(len(text) > TEXT_LENGTH_MAX or not text.isprintable() for text in texts):
        raise InvalidInput(f"{party.id}: names and addresses are printable, {TEXT_LENGTH_MAX} characters at most")
    if not _COUNTRY.fullmatch(party.country):
        raise InvalidInput(f"{party.id}: {party.country!r} is no country of ISO 3166-1, two letters such as KR")
    if isinstance(party, Issuer):
        if not _PREFIX.fullmatch(party.prefix):
            raise InvalidInput(f"{party.id}: numbers begin with 1 to 12 capital letters or digits")
        if not (party.vat_id or party.tax_number):
            raise InvalidInput(f"{party.id}: who issues documents has a VAT id or a tax number")
        if party.account is not None and not iban.is_valid(party.account):
            raise InvalidInput(f"{party.id}: the account to pay to is no valid IBAN")
        if not 0 <= party.pay_within_days <= 365:
            raise InvalidInput(f"{party.id}: an invoice is due within 0 to 365 days")
