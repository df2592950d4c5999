"""What a sender says of a payment, read from JSON or a line of CSV into one shape. Pure."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy, Money
from wattbook.payments.records import Purpose
from wattbook.payments.wallets import positive

DOCUMENT_BYTES_MAX: Final = 16_384
ID_LENGTH_MAX: Final = 64

_DECIMAL_TEXT: Final = re.compile("[A-Za-z0-9.+-]*")

_NEEDED: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.TOP_UP: ("customer", "amount", "currency", "paid_at"),
    Purpose.SESSION: ("station", "token", "amount", "currency", "paid_at"),
    Purpose.INVOICE: ("invoice", "amount", "currency", "paid_at"),
    Purpose.HOUSE: ("kwh", "started_at", "ended_at"),
}
_ALSO: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.SESSION: ("returned",),
    Purpose.HOUSE: ("household", "meter", "amount", "currency", "paid_at"),
}


class PaymentDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One payment in the sender's words. Amounts and energy are decimal strings, times have an offset.

    Attributes:
        payment_id: the sender's own, 1 to 64 printable characters, never used for another payment.
        status: `withdrawn` takes the whole payment back; `returned` says that the rest of a payment for a session was
            given back to the driver, `returned` is how much.
        token: what the station will show when the driver begins; for a session.
        household: the house, or `meter`: the number of its meter.
    """

    payment_id: str
    purpose: Purpose
    status: Literal["paid", "withdrawn", "returned"] = "paid"
    amount: str | None = None
    currency: str | None = None
    paid_at: str | None = None
    customer: str | None = None
    station: str | None = None
    token: str | None = None
    invoice: str | None = None
    household: str | None = None
    meter: str | None = None
    kwh: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    returned: str | None = None


class Announced(Struct, frozen=True, kw_only=True):
    """A payment document that is in form.

    Attributes:
        content: all that must be the same when the payment is told again.
    """

    id: str
    purpose: Purpose
    status: str
    subject: str
    money: Money | None
    paid_at: datetime | None
    token: str | None
    household: str | None
    meter: str | None
    energy_mwh: int
    started_at: datetime | None
    ended_at: datetime | None
    returned: Money | None
    content: dict[str, Any]


_decoder = msgspec.json.Decoder(PaymentDocument)


def read(content: bytes) -> Announced:
    """Raises:
    InvalidInput: not such a document, and which field is wrong.
    """
    if len(content) > DOCUMENT_BYTES_MAX:
        raise InvalidInput(f"a payment document has at most {DOCUMENT_BYTES_MAX} bytes")
    try:
        document = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InvalidInput(str(fault)[:500]) from None
    return _announced(document)


def _announced(document: PaymentDocument) -> Announced:
    _check_fields(document)
    money = _money(document.amount, document.currency)
    paid_at, started_at, ended_at = (
        _moment(name, getattr(document, name)) for name in ("paid_at", "started_at", "ended_at")
    )
    energy_mwh = 0 if document.kwh is None else Energy.from_kwh(_decimal(document.kwh)).mwh
    subject = document.customer or document.station or document.invoice or document.household or document.meter or ""
    said = {
        "purpose": document.purpose.value,
        "subject": subject,
        "token": document.token,
        "amount": None if money is None else money.amount,
        "currency": None if money is None else money.currency.code,
        "kwh": None if document.kwh is None else energy_mwh,
    }
    times = {"paid_at": paid_at, "started_at": started_at, "ended_at": ended_at}
    said |= {name: None if moment is None else format_rfc3339(moment) for name, moment in times.items()}
    return Announced(
        id=document.payment_id,
        purpose=document.purpose,
        status=document.status,
        subject=subject,
        money=money,
        paid_at=paid_at,
        token=document.token,
        household=document.household,
        meter=document.meter,
        energy_mwh=energy_mwh,
        started_at=started_at,
        ended_at=ended_at,
        returned=_money(document.returned, document.currency if document.returned else None),
        content={name: value for name, value in said.items() if value is not None},
    )


def _check_fields(document: PaymentDocument) -> None:
    purpose = document.purpose
    if not 0 < len(document.payment_id) <= ID_LENGTH_MAX or not document.payment_id.isprintable():
        raise InvalidInput(f"payment_id is 1 to {ID_LENGTH_MAX} printable characters")
    given = {name for name in document.__struct_fields__[3:] if getattr(document, name) is not None}
    missing = [name for name in _NEEDED[purpose] if name not in given]
    if missing:
        raise InvalidInput(f"a payment for {purpose} needs {', '.join(missing)}")
    surplus = given - {*_NEEDED[purpose], *_ALSO.get(purpose, ())}
    if surplus:
        raise InvalidInput(f"a payment for {purpose} has no {', '.join(sorted(surplus))}")
    for name in sorted(given):
        text = getattr(document, name)
        if not 0 < len(text) <= ID_LENGTH_MAX or not text.isprintable():
            raise InvalidInput(f"{name} is 1 to {ID_LENGTH_MAX} printable characters")
    if purpose is Purpose.HOUSE and (document.household is None) == (document.meter is None):
        raise InvalidInput("a payment for a house names either a household or a meter")
    if (document.status == "returned") != (document.returned is not None):
        raise InvalidInput("the status 'returned' and the amount 'returned' go together")


def _money(amount: str | None, code: str | None) -> Money | None:
    if (amount is None) != (code is None):
        raise InvalidInput("an amount needs a currency, and a currency an amount")
    if amount is None or code is None:
        return None
    money = Money.of(_decimal(amount), Currency.of(code).code)
    positive(money)
    return money


def _decimal(text: str) -> Decimal:
    """Without what Python takes beside: spaces, underscores, digits of other scripts."""
    try:
        if not _DECIMAL_TEXT.fullmatch(text):
            raise ArithmeticError
        return Decimal(text)
    except ArithmeticError:
        raise InvalidInput(f'{text[:40]!r} is no amount: a decimal string such as "12.50" is needed') from None


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise InvalidInput(f"{name} is no time of RFC 3339: {text[:40]!r}") from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{name} has no offset: a time without one may be anybody's")
    try:
        return utc(moment)
    except OverflowError:
        raise InvalidInput(f"{name} is beyond the calendar") from None
