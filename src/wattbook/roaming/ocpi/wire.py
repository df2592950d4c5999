"""The words of OCPI 2.2.1: envelope, objects, status codes, and JSON in which no number passes through a float.

Reading is permissive: a field we do not know is passed over (the body as it came is what we keep), a number may be
written as number or as text, a time may lack its zone and then is UTC. It is explicit all the same: a field that we
need and that is missing or out of form is refused with its place. Writing leaves out what is not set.

Fields named `wattbook_…` are ours; a partner that does not know them passes over them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Final, TypedDict, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from wattbook.kernel.clock import format_rfc3339
from wattbook.kernel.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Refused, Unavailable, WattbookError
from wattbook.kernel.units import MWH_PER_KWH, Energy, Money, div_half_up

VERSION: Final = "2.2.1"
BODY_BYTES_MAX: Final = 1 << 20
UNKNOWN: Final = "#NA"
"""What a required text holds when it cannot be known."""

NUMBER_DIGITS_MAX: Final = 24
"""Of a number in a message, before and after its point. No price or energy comes near; a parser must not either."""


class Status(IntEnum):
    """Status codes of the envelope (OCPI 2.2.1, 5)."""

    OK = 1000
    CLIENT_ERROR = 2000
    INVALID_PARAMETER = 2001
    NOT_ENOUGH_INFORMATION = 2002
    UNKNOWN_LOCATION = 2003
    UNKNOWN_TOKEN = 2004
    SERVER_ERROR = 3000
    CANNOT_USE_CLIENT_API = 3001
    UNSUPPORTED_VERSION = 3002
    NO_MATCHING_ENDPOINTS = 3003
    HUB_ERROR = 4000
    UNKNOWN_RECEIVER = 4001
    RECEIVER_TIMEOUT = 4002
    RECEIVER_NOT_CONNECTED = 4003


class NotJson(InvalidInput):
    """The body is no JSON at all, which OCPI answers on the level of HTTP."""


class Unauthorized(WattbookError):
    """No token, or one that may not be used here."""

    code = "unauthorized"


class OcpiError(WattbookError):
    """A refusal that OCPI has an own word for."""

    code = "ocpi"

    def __init__(self, status: Status, message: str, *, http: int = 200) -> None:
        super().__init__(message)
        self.status = status
        self.http = http


# An error inside a well-formed request of a known partner is told by the envelope, with HTTP 200 (OCPI 2.2.1, 4.1.7).
ERRORS: Final[Mapping[type[WattbookError], tuple[int, Status]]] = {
    NotJson: (400, Status.INVALID_PARAMETER),
    Unauthorized: (401, Status.INVALID_PARAMETER),
    InvalidInput: (200, Status.INVALID_PARAMETER),
    NotFound: (404, Status.CLIENT_ERROR),
    Conflict: (200, Status.CLIENT_ERROR),
    Refused: (200, Status.CLIENT_ERROR),
    LimitExceeded: (429, Status.CLIENT_ERROR),
    Unavailable: (200, Status.SERVER_ERROR),
}


# ------------------------------------------------------------------------------------------------------- the objects

Country = Annotated[str, Meta(pattern="^[A-Za-z]{2}$")]
PartyCode = Annotated[str, Meta(pattern="^[A-Za-z0-9]{3}$")]
Id = Annotated[str, Meta(pattern="^[ -~]{1,36}$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
TokenText = Annotated[str, Meta(pattern="^[!-~]{1,64}$")]
Url = Annotated[str, Meta(min_length=1, max_length=255)]


class Party(Struct, omit_defaults=True, kw_only=True):
    """Whatever names its owner by country and party."""

    country_code: Country
    party_id: PartyCode

    @property
    def party(self) -> str:
        """`KR*WTB`"""
        return party_of(self.country_code, self.party_id)


class BusinessDetails(Struct, omit_defaults=True):
    name: Annotated[str, Meta(max_length=100)]


class CredentialsRole(Party):
    role: str
    business_details: BusinessDetails


class Credentials(Struct, omit_defaults=True):
    token: TokenText
    url: Url
    roles: Annotated[list[CredentialsRole], Meta(min_length=1, max_length=1000)]


class Version(Struct, omit_defaults=True):
    version: str
    url: Url


class Endpoint(Struct, omit_defaults=True):
    """`role` is the interface, SENDER or RECEIVER; for credentials it means nothing."""

    identifier: str
    role: str
    url: Url


class VersionDetails(Struct, omit_defaults=True):
    version: str
    endpoints: list[Endpoint]


class LocationReferences(Struct, omit_defaults=True):
    location_id: Id
    evse_uids: list[Id] = field(default_factory=list)


class EnergyContract(Struct, omit_defaults=True):
    """Whose power the driver buys. The ids are ours: OCPI has only the supplier's name."""

    supplier_name: Annotated[str, Meta(max_length=64)]
    contract_id: str | None = None
    wattbook_supplier_id: str | None = None
    wattbook_balance_group: str | None = None


class Token(Party):
    uid: Id
    type: str
    contract_id: Id
    issuer: str
    valid: bool
    whitelist: str
    last_updated: datetime
    visual_number: str | None = None
    energy_contract: EnergyContract | None = None


class Prepaid(Struct, omit_defaults=True):
    """What the issuer set aside for the session, tax included: Mp of the cross-operator method."""

    amount: Decimal
    currency: Currency


class AuthorizationInfo(Struct, omit_defaults=True):
    allowed: str
    token: Token
    authorization_reference: Id | None = None
    info: dict[str, Any] | None = None
    wattbook_prepaid: Prepaid | None = None


class CdrToken(Party):
    uid: Id
    type: str
    contract_id: Id


class Price(Struct, omit_defaults=True):
    excl_vat: Decimal
    incl_vat: Decimal | None = None


class CdrDimension(Struct, omit_defaults=True):
    type: str
    volume: Decimal


class ChargingPeriod(Struct, omit_defaults=True):
    start_date_time: datetime
    dimensions: Annotated[list[CdrDimension], Meta(min_length=1)]
    tariff_id: Id | None = None


class Progress(Struct, omit_defaults=True):
    """N and ts of the cross-operator method, as the operator of the station computed them, and the actual power."""

    percent: Decimal | None = None
    remaining_s: int | None = None
    prepaid: Decimal | None = None
    power_w: int | None = None


class Session(Party):
    id: Id
    start_date_time: datetime
    kwh: Decimal
    cdr_token: CdrToken
    auth_method: str
    location_id: Id
    evse_uid: Id
    connector_id: Id
    currency: Currency
    status: str
    last_updated: datetime
    end_date_time: datetime | None = None
    authorization_reference: Id | None = None
    meter_id: str | None = None
    charging_periods: list[ChargingPeriod] = field(default_factory=list)
    total_cost: Price | None = None
    wattbook_progress: Progress | None = None


class Coordinates(Struct):
    latitude: str
    longitude: str


class CdrLocation(Struct, omit_defaults=True):
    id: Id
    address: str
    city: str
    country: str
    coordinates: Coordinates
    evse_uid: Id
    evse_id: str
    connector_id: Id
    connector_standard: str
    connector_format: str
    connector_power_type: str
    name: str | None = None


class Cdr(Party):
    id: Annotated[str, Meta(pattern="^[ -~]{1,39}$")]
    start_date_time: datetime
    end_date_time: datetime
    cdr_token: CdrToken
    auth_method: str
    cdr_location: CdrLocation
    currency: Currency
    charging_periods: Annotated[list[ChargingPeriod], Meta(min_length=1)]
    total_cost: Price
    total_energy: Decimal
    total_time: Decimal
    last_updated: datetime
    session_id: Id | None = None
    authorization_reference: Id | None = None
    meter_id: str | None = None
    tariffs: list[dict[str, Any]] = field(default_factory=list)
    total_fixed_cost: Price | None = None
    total_energy_cost: Price | None = None
    total_time_cost: Price | None = None
    total_parking_time: Decimal | None = None
    total_parking_cost: Price | None = None
    credit: bool | None = None
    remark: str | None = None
    wattbook_explanation: list[str] = field(default_factory=list)


class Settlement(Party):
    """What a provider paid an operator, record by record: our own module `settlements`.

    OCPI 2.2.1 has no such message. The shape is near the invoice reconciliation record of 2.3.0 (owner, id, ids of the
    records), with the payee, the period and the totals added. The owner is the payer.
    """

    id: Id
    payee_country_code: Country
    payee_party_id: PartyCode
    period_start: datetime
    period_end: datetime
    cdrs: Annotated[list[Id], Meta(min_length=1)]
    currency: Currency
    total_energy: Decimal
    total_cost: Price
    last_updated: datetime

    @property
    def payee(self) -> str:
        return party_of(self.payee_country_code, self.payee_party_id)


class Envelope(Struct, omit_defaults=True):
    status_code: int
    data: msgspec.Raw = msgspec.Raw(b"")
    status_message: str | None = None


# ----------------------------------------------------------------------------------------------------------- the JSON

Object = TypeVar("Object")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    """Decimals become JSON numbers with all their digits."""
    return _ENCODER.encode(value)


def decode(body: bytes, kind: type[Object]) -> Object:
    """An object of this kind.

    Raises:
        NotJson: no JSON.
        InvalidInput: a field that is needed is missing or out of its form; the message names its place.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from None


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object with all its fields, decimals exact.

    Raises:
        NotJson: no JSON.
        InvalidInput: no object, or something in it that cannot be stored: a number beyond all measure, a NUL.
    """
    if b"\\u0000" in body:
        raise InvalidInput("a text holds the character NUL")
    try:
        found = msgspec.json.Decoder(dict[str, Any], float_hook=_number_of_text).decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from None
    return found


def envelope(status: int, message: str | None, data: Any, now: datetime) -> bytes:
    content: dict[str, Any] = {} if data is None else {"data": data}
    content["status_code"] = int(status)
    if message is not None:
        content["status_message"] = message
    return encode(content | {"timestamp": format_rfc3339(now)})


# ---------------------------------------------------------------------------------------------------------- the values


def party_of(country_code: str, party_id: str) -> str:
    """`KR*WTB`; both parts have no case."""
    return f"{country_code.upper()}*{party_id.upper()}"


class PartyCodes(TypedDict):
    country_code: str
    party_id: str


def codes_of(party: str) -> PartyCodes:
    """The two fields by which an object names its owner."""
    country_code, _, party_id = party.partition("*")
    return PartyCodes(country_code=country_code, party_id=party_id)


def moment(stated: datetime) -> datetime:
    """In UTC, also where the zone was left out."""
    return stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated.astimezone(UTC)


def energy(kwh: Decimal, what: str) -> Energy:
    """The nearest mWh, ties away from zero: a partner may compute in finer parts.

    Raises:
        InvalidInput: no number, or negative.
    """
    numerator, denominator = _measured(kwh, what).as_integer_ratio()
    return Energy(div_half_up(numerator * MWH_PER_KWH, denominator))


def money(value: Decimal, currency: str, what: str) -> Money:
    """The nearest stored unit, ties away from zero.

    Raises:
        InvalidInput: no number, negative, or an unknown currency.
    """
    return Money.half_up(_measured(value, what), currency)


def _measured(value: Decimal, what: str) -> Decimal:
    _bounded(value, what)
    if value < 0:
        raise InvalidInput(f"{what} is negative: {value}; energy fed in and credits are not supported yet")
    return value


def _number_of_text(text: str) -> Decimal:
    return _bounded(Decimal(text), "a number")


def _bounded(value: Decimal, what: str) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > NUMBER_DIGITS_MAX or value.adjusted() > NUMBER_DIGITS_MAX:
        raise InvalidInput(f"{what} is out of range: {str(value)[:40]}")
    return value
