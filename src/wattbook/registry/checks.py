"""What a field of master data may hold. Each check gives back what is to be stored, or says which field is wrong."""

import re
from datetime import datetime

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import CiString, Identifier, MarketPartnerId, PartyId

TEXT_LENGTH_MAX = 255
OCPI_ID_LENGTH_MAX = 36
"""OCPI 2.2.1 gives the ids of locations, tariffs and tokens a CiString(36)."""

_COUNTRY = re.compile(r"[A-Z]{2}")


def plain_text(text: str, what: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    """White space around it removed.

    Raises:
        InvalidInput: empty, too long, or holding a control character.
    """
    stripped = text.strip()
    if not stripped:
        raise InvalidInput(f"{what} is empty")
    if len(stripped) > length_max:
        raise InvalidInput(f"{what} is longer than {length_max} characters")
    if not stripped.isprintable():
        raise InvalidInput(f"{what} holds a control character")
    return stripped


def ocpi_id(text: str, what: str) -> str:
    """As written.

    Raises:
        InvalidInput: empty, longer than 36 characters, or not printable ASCII.
    """
    try:
        return CiString(plain_text(text, what), OCPI_ID_LENGTH_MAX).text
    except InvalidInput as wrong:
        raise InvalidInput(f"{what}: {wrong.message}") from None


def identifier(kind: type[Identifier], text: str, what: str) -> str:
    """The canonical spelling.

    Raises:
        InvalidInput: not an identifier of this kind.
    """
    try:
        return kind(text).text
    except InvalidInput as wrong:
        raise InvalidInput(f"{what} {text!r}: {wrong.message}", **wrong.details) from None


def market_party(text: str, what: str) -> str:
    """The canonical spelling of a market partner's 13 digits or of a party such as `KR*PWR`.

    Raises:
        InvalidInput: neither of them.
    """
    return identifier(MarketPartnerId if text.strip().isdigit() else PartyId, text, what)


def country(text: str, what: str) -> str:
    """Two capital letters.

    Raises:
        InvalidInput: not of the form of ISO 3166-1 alpha-2.
    """
    if not _COUNTRY.fullmatch(text):
        raise InvalidInput(f"{what} is {text!r}: two capital letters are needed, such as KR")
    return text


def whole(number: int, what: str, low: int, high: int) -> int:
    """The number, if it is in its range.

    Raises:
        InvalidInput: outside of low to high, both included.
    """
    if not low <= number <= high:
        raise InvalidInput(f"{what} is {number}: it must be from {low} to {high}")
    return number


def span(valid_from: datetime, valid_to: datetime | None, what: str) -> tuple[datetime, datetime | None]:
    """Both in UTC.

    Raises:
        InvalidInput: a time without zone, or an end that is not after the start.
    """
    start, end = utc(valid_from), None if valid_to is None else utc(valid_to)
    if end is not None and end <= start:
        raise InvalidInput(f"{what} ends at {end.isoformat()}, which is not after its start {start.isoformat()}")
    return start, end
