"""What can be posted: transfers, holds, and what becomes of a hold. All of them immutable, each named by its fact."""

from datetime import datetime
from functools import lru_cache
from hashlib import sha1
from typing import Final
from uuid import UUID

from msgspec import Struct

from wattbook.book.accounts import ENERGY, PURPOSES, Account
from wattbook.book.routes import ALLOWED
from wattbook.kernel.errors import InvalidInput, Refused, WattbookError
from wattbook.kernel.units import AMOUNT_MAX, CURRENCY_DIGITS

FACTS: Final = UUID("6f1a8f52-6f0e-5f5b-9d55-77617474626b")
"""The namespace in which a fact becomes an id."""

_NAMESPACE: Final = FACTS.bytes

FACT_LENGTH_MAX: Final = 200
OWNER_LENGTH_MAX: Final = 128
MEMO_LENGTH_MAX: Final = 500
GROUP_MAX: Final = 64


def fact_id(fact: str) -> str:
    """The id of a fact as 32 hex digits: the same words, the same id, on any machine."""
    return fact_key(fact).hex()


def fact_key(fact: str) -> bytes:
    """The id of a fact as 16 bytes: a UUID of version 5 (RFC 9562, 5.5).

    The book handles ids by the hundred thousand: bytes are made, compared and sent in a third of the time of a
    `uuid.UUID`.
    """
    key = bytearray(sha1(_NAMESPACE + fact.encode(errors="surrogatepass"), usedforsecurity=False).digest()[:16])
    key[6] = key[6] & 0x0F | 0x50  # version 5
    key[8] = key[8] & 0x3F | 0x80  # variant
    return bytes(key)


class Span(Struct, frozen=True, gc=False):
    """The stretch of a meter's time that a metered amount covers, [start, end)."""

    start: datetime
    end: datetime


class Transfer(Struct, frozen=True, kw_only=True):
    """`amount` moves from `credit` to `debit`, now and for good.

    Attributes:
        fact: names the business fact, such as `cdr:KR*WTB*8812:energy`; at most 200 printable characters.
        amount: units of the commodity, positive.
        event_at: when it happened, which may be long before it is booked.
        span: for energy into or out of a meter: the stretch of metered time, which no other transfer may cover again.
        memo: why, for a person who reads a statement.
    """

    fact: str
    debit: Account
    credit: Account
    amount: int
    event_at: datetime
    span: Span | None = None
    memo: str = ""


class Hold(Struct, frozen=True, kw_only=True):
    """`amount` is set aside on both accounts until it is captured, voided, or `expires_at` has passed."""

    fact: str
    debit: Account
    credit: Account
    amount: int
    event_at: datetime
    expires_at: datetime
    memo: str = ""


class Capture(Struct, frozen=True, kw_only=True):
    """`amount` of a hold, at most all of it, moves for good; the rest is free again."""

    fact: str
    hold: str
    amount: int
    event_at: datetime
    memo: str = ""


class Void(Struct, frozen=True, kw_only=True):
    """A hold ends and nothing moves."""

    fact: str
    hold: str
    event_at: datetime
    memo: str = ""


Entry = Transfer | Hold | Capture | Void


def validate(entry: Entry) -> None:
    """What can be said of an entry by itself.

    Raises:
        InvalidInput: amount, commodity, owner or fact out of form.
        Refused: no route between the two purposes.
    """
    if not 0 < len(entry.fact) <= FACT_LENGTH_MAX or not entry.fact.isprintable():
        raise InvalidInput(f"a fact is 1 to {FACT_LENGTH_MAX} printable characters: {entry.fact[:40]!r}")
    if entry.memo and not _is_text(entry.memo):
        raise InvalidInput(f"{entry.fact}: a memo is text, without NUL and half characters")
    if len(entry.memo) > MEMO_LENGTH_MAX:
        raise InvalidInput(f"{entry.fact}: a memo is at most {MEMO_LENGTH_MAX} characters")
    if entry.event_at.tzinfo is None:
        raise InvalidInput(f"{entry.fact}: the event time has no zone")
    if type(entry) is not Transfer and isinstance(entry, Void):  # the first, because that is quicker to say
        return
    if not 0 < entry.amount <= AMOUNT_MAX:
        raise InvalidInput(f"{entry.fact}: an amount is a positive 64-bit integer, not {entry.amount}")
    if type(entry) is not Transfer and isinstance(entry, Capture):
        return
    if type(entry) is Transfer and entry.span is not None and not entry.span.start <= entry.span.end:
        raise InvalidInput(f"{entry.fact}: the span ends before it starts")
    error = pair_error(entry.debit, entry.credit)
    if error is not None:
        raise error.of(entry.fact)


def _is_text(memo: str) -> bool:
    """Whether the database can keep it: no NUL, no half of a surrogate pair."""
    try:
        return b"\0" not in memo.encode()
    except UnicodeEncodeError:
        return False


class PairError(Struct, frozen=True):
    """Why two accounts cannot post to each other, said once for all transfers between them."""

    words: str
    reason: str | None = None

    def of(self, fact: str) -> WattbookError:
        if self.reason is None:
            return InvalidInput(f"{fact}: {self.words}")
        return Refused(f"{fact}: {self.words}", reason=self.reason, fact=fact)


@lru_cache(maxsize=65_536)
def pair_error(debit: Account, credit: Account) -> PairError | None:
    """Why nothing may move from this credit account to this debit account, whatever the fact; None when it may."""
    if debit.commodity != credit.commodity:
        return PairError(f"{credit.commodity} cannot become {debit.commodity}")
    for account in (debit, credit):
        purpose = PURPOSES.get(account.purpose)
        if purpose is None:
            return PairError(f"no account is for {account.purpose!r}")
        if (purpose.kind == "energy") != (account.commodity == ENERGY):
            return PairError(f"{account.purpose} does not count {account.commodity}")
        if not 0 < len(account.owner) <= OWNER_LENGTH_MAX or not account.owner.isprintable():
            return PairError(f"an owner is 1 to {OWNER_LENGTH_MAX} printable characters")
    if debit.commodity != ENERGY and debit.commodity not in CURRENCY_DIGITS:
        return PairError(f"unknown commodity {debit.commodity!r}")
    if debit == credit:
        return PairError("an account cannot give to itself")
    if (credit.purpose, debit.purpose) not in ALLOWED:
        return PairError(f"no route leads from {credit.purpose} to {debit.purpose}", "no-route")
    return None
