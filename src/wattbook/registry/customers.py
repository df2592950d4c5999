"""Customers and the tokens by which they, or the drivers of roaming partners, are recognised."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.identifiers import CiString, PartyId
from wattbook.kernel.units import Currency
from wattbook.registry import checks, store, tables
from wattbook.registry.units import Unit, unit_id
from wattbook.registry.validity import Ambiguous, Missing, only

PAGE_SIZE_MAX = 1_000
VAT_ID_LENGTH_MAX = 20
VISUAL_NUMBER_LENGTH_MAX = 64  # OCPI 2.2.1, tokens module
_LANGUAGE = re.compile(r"[a-z]{2}")


class AccountKind(StrEnum):
    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class TokenType(StrEnum):
    """OCPI 2.2.1, tokens module, TokenType; EMAID is how OCPI 2.3.0 names a contract used by Plug & Charge."""

    RFID = "RFID"
    EMAID = "EMAID"
    APP_USER = "APP_USER"
    AD_HOC_USER = "AD_HOC_USER"
    OTHER = "OTHER"


class Whitelist(StrEnum):
    """When a token may be accepted without asking its issuer (OCPI 2.2.1, tokens module, WhitelistType)."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays.

    Attributes:
        party: the provider whose customer this is.
        language: ISO 639-1.
        currency: in which the account is kept, ISO 4217.
        vat_id: as the customer's tax office writes it.
        held_because: why nothing is sold to the customer now; set by `hold_service` alone.
    """

    id: str
    party: str
    name: str
    language: str
    account_kind: AccountKind
    currency: str
    vat_id: str | None = None
    held_because: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """What a driver shows. Issuer, type and uid together name it; the uid has no case.

    Attributes:
        party: the issuer, ourselves or a roaming partner.
        contract: what the issuer bills, an EMAID or an id of its own.
        customer: whose it is; None for a partner's token.
        unit: the vehicle that goes with it; None if it is not bound to one.
        valid: whether the issuer lets it charge at all.
        valid_until: first moment at which it is expired.
        group_uid: tokens of one group may stop each other's sessions.
        concurrent_max: how many sessions it may run at once; None: as for all.
    """

    party: str
    type: TokenType
    uid: str
    contract: str
    customer: str | None = None
    unit: str | None = None
    valid: bool = True
    valid_until: datetime | None = None
    whitelist: Whitelist = Whitelist.ALLOWED
    visual_number: str | None = None
    group_uid: str | None = None
    concurrent_max: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A token with the records it leads to."""

    token: Token
    customer: Customer | None
    unit: Unit | None


async def add_customers(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Add customers, by id; one that is known is replaced.

    Raises:
        InvalidInput: a field is out of its form: unknown currency, language not of two letters.
        NotFound: the party is not registered.
    """
    rows = [asdict(_checked_customer(each)) for each in customers]
    for row in rows:
        del row["held_because"]  # a change of the master data gives no service back
    await store.upsert(connection, tables.customers, rows)


async def find_customers(connection: AsyncConnection, ids: Sequence[str]) -> list[Customer | None]:
    return await store.find(connection, tables.customers, Customer, ids)


async def hold_service(connection: AsyncConnection, customers: Sequence[str], *, because: str) -> None:
    """Sell nothing more to these customers until `release_service`; what runs already runs on."""
    await store.set_held(connection, customers, checks.plain_text(because, "reason of a hold"))


async def release_service(connection: AsyncConnection, customers: Sequence[str]) -> None:
    await store.set_held(connection, customers, None)


async def add_tokens(connection: AsyncConnection, tokens: Sequence[Token]) -> None:
    """Add tokens, or replace those of the same issuer, type and uid.

    Raises:
        InvalidInput: a field is out of its form.
        NotFound: the party, customer or unit is not registered.
    """
    checked = [_checked_token(token) for token in tokens]
    rows = [asdict(token) | {"uid_folded": folded_uid(token.uid)} for token in checked]
    await store.upsert(connection, tables.tokens, rows)


async def find_tokens(connection: AsyncConnection, uids: Sequence[str]) -> list[Holder | Missing | Ambiguous[Holder]]:
    """For each uid, in any case: the one token of any issuer and type. One that is not valid is found like any other.

    Raises:
        InvalidInput: a uid that no token can have.
    """
    found = await store.tokens_of_uids(connection, [folded_uid(uid) for uid in uids])
    return [holder_of(uid, msgspec.json.decode(row, type=list[Holder])) for uid, row in zip(uids, found, strict=True)]


async def list_tokens(
    connection: AsyncConnection,
    *,
    after: Sequence[str] | None = None,
    party: str | None = None,
    customer: str | None = None,
    valid: bool | None = None,
    limit: int = PAGE_SIZE_MAX,
) -> list[Token]:
    """Tokens in the order of their uids, of one issuer or customer or of all; with `after`, those that come after the
    token of this `place_of`.

    Raises:
        InvalidInput: a page of less than one token or more than 1000, or no place.
    """
    if after is not None and len(after) != 3:
        raise InvalidInput("a place in the list of tokens has a uid, an issuer and a type")
    checks.whole(limit, "tokens on a page", 1, PAGE_SIZE_MAX)
    rows = await store.tokens_page(connection, after, {"party": party, "customer": customer, "valid": valid}, limit)
    return [msgspec.json.decode(row, type=Token) for row in rows]


def place_of(token: Token) -> tuple[str, str, str]:
    """Where a token stands in the list."""
    return folded_uid(token.uid), token.party, token.type.value


async def tokens_for_lists(connection: AsyncConnection, now: datetime, *, limit: int) -> list[Token]:
    """Tokens that stations are to know without asking (ALWAYS, ALLOWED_OFFLINE) and that are good now, by uid."""
    rows = await store.listed_tokens(connection, [Whitelist.ALWAYS.value, Whitelist.ALLOWED_OFFLINE.value], now, limit)
    return [msgspec.json.decode(row, type=Token) for row in rows]


def holder_of(uid: str, candidates: Sequence[Holder]) -> Holder | Missing | Ambiguous[Holder]:
    return only(
        candidates,
        missing=f"token {uid!r} is not registered",
        ambiguous=f"token {uid!r} is registered by several issuers or under several types",
    )


def folded_uid(uid: str) -> str:
    """The uid without case.

    Raises:
        InvalidInput: empty, longer than 36 characters, or not printable ASCII.
    """
    return CiString(checks.ocpi_id(uid, "uid of a token"), checks.OCPI_ID_LENGTH_MAX).folded


def _checked_customer(customer: Customer) -> Customer:
    what = f"of customer {customer.id}"
    if not _LANGUAGE.fullmatch(customer.language):
        raise InvalidInput(f"language {what} is {customer.language!r}: two small letters are needed, such as ko")
    vat_id = customer.vat_id
    return replace(
        customer,
        id=checks.ocpi_id(customer.id, "id of a customer"),
        party=checks.identifier(PartyId, customer.party, f"party {what}"),
        name=checks.plain_text(customer.name, f"name {what}"),
        currency=Currency.of(customer.currency).code,
        vat_id=None if vat_id is None else checks.plain_text(vat_id, f"VAT id {what}", length_max=VAT_ID_LENGTH_MAX),
    )


def _checked_token(token: Token) -> Token:
    what = f"of token {token.uid}"
    visual, group = token.visual_number, token.group_uid
    return replace(
        token,
        party=checks.identifier(PartyId, token.party, f"party {what}"),
        uid=checks.ocpi_id(token.uid, "uid of a token"),
        contract=checks.ocpi_id(token.contract, f"contract {what}"),
        unit=None if token.unit is None else unit_id(token.unit),
        valid_until=None if token.valid_until is None else utc(token.valid_until),
        visual_number=None
        if visual is None
        else checks.plain_text(visual, f"visual number {what}", length_max=VISUAL_NUMBER_LENGTH_MAX),
        group_uid=None if group is None else checks.ocpi_id(group, f"group {what}"),
    )
