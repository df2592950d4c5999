"""Senders of payments: terminals, portable chargers and payment servers, each with keys of its own.

A sender signs what it sends: the header `Wattbook-Signature` is `t=<Unix seconds>,v1=<hex>`, where the hex digits are
HMAC-SHA256 (RFC 2104) under the sender's key over `<t>.<name of the sender>.` and the body, byte for byte. More than
one `v1` may stand there: one of them has to fit one of the sender's valid keys. A time more than five minutes off ours
is refused, so what was overheard cannot be sent again later; sent again at once, it changes nothing, because a payment
is known by its id.

A key is given out once, when it is made. A new key leaves the one before it valid for a day, or as long as is asked, so
that a fleet of terminals can change over.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from wattbook.payments import store
from wattbook.payments.ledger import BANK, DESK, WALLET

REPLAY_WINDOW: Final = timedelta(minutes=5)
OLD_KEY_VALID_FOR: Final = timedelta(days=1)
OLD_KEY_VALID_FOR_MAX: Final = timedelta(days=30)
KEY_BYTES: Final = 32
SIGNATURES_MAX: Final = 8
SENDERS_MAX: Final = 10_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")
_RESERVED: Final = frozenset({DESK, WALLET, BANK, "stripe"})


class NotSigned(Refused):
    """A message whose sender could not be made sure of."""

    code = "not-signed"


@dataclass(frozen=True, slots=True)
class Sender:
    """Attributes:
    keys: how many it has, the old ones that are still valid counted.
    """

    name: str
    description: str
    blocked: bool
    created_at: datetime
    keys: int


async def add_sender(connection: AsyncConnection, name: str, description: str, *, now: datetime) -> str:
    """Register a sender; its first key in hex, which is not told again.

    Raises:
        InvalidInput: not 1 to 32 small letters, digits, points and hyphens, or a name of ours.
        Conflict: it is registered already.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidInput(f"a sender is named by 1 to 32 small letters, digits, '.' and '-', not {name[:64]!r}")
    if len(description) > 200 or not description.isprintable():
        raise InvalidInput("the description of a sender is at most 200 printable characters")
    row = {"name": name, "description": description, "blocked": False, "created_at": utc(now)}
    if not await store.add_sender(connection, row):
        raise Conflict(f"sender {name} is registered already", sender=name)
    return await renew_key(connection, name, now=now)


async def renew_key(
    connection: AsyncConnection, name: str, *, now: datetime, old_valid_for: timedelta = OLD_KEY_VALID_FOR
) -> str:
    """A new key in hex, which is not told again; those before it end after `old_valid_for`.

    Raises:
        NotFound: no such sender. InvalidInput: longer than 30 days.
    """
    if not timedelta(0) <= old_valid_for <= OLD_KEY_VALID_FOR_MAX:
        raise InvalidInput(f"an old key stays valid for at most {OLD_KEY_VALID_FOR_MAX.days} days")
    await _known(connection, name)
    secret = secrets.token_bytes(KEY_BYTES)
    await store.replace_key(connection, name, secret, utc(now), utc(now) + old_valid_for)
    return secret.hex()


async def block_sender(connection: AsyncConnection, name: str, *, blocked: bool = True) -> None:
    """What a blocked sender signs counts as not signed. Raises: NotFound."""
    await _known(connection, name)
    await store.block_sender(connection, name, blocked)


async def list_senders(connection: AsyncConnection) -> list[Sender]:
    return [Sender(**row) for row in await store.all_senders(connection, SENDERS_MAX)]


async def is_known(connection: AsyncConnection, name: str) -> bool:
    return name.isprintable() and await store.find_sender(connection, name) is not None


def sign(key: bytes, sender: str, body: bytes, at: datetime) -> str:
    """The header of a message, as its sender makes it."""
    seconds = int(utc(at).timestamp())
    return f"t={seconds},v1={_mac(key, seconds, sender, body)}"


async def verify(connection: AsyncConnection, sender: str, header: str, body: bytes, *, now: datetime) -> None:
    """Raises:
    NotSigned: no signature of a valid key of this sender, or one of another time.
    """
    seconds, signatures = _read_header(header)
    if abs(utc(now).timestamp() - seconds) > REPLAY_WINDOW.total_seconds():
        raise NotSigned(
            f"the signature is of another time than ours, which is {int(utc(now).timestamp())}", reason="stale"
        )
    keys = await store.valid_keys(connection, sender, utc(now))
    if not any(_fits(key, seconds, sender, body, signatures) for key in keys):
        raise NotSigned("the signature fits no valid key of this sender", reason="signature")


def _fits(key: bytes, seconds: int, sender: str, body: bytes, signatures: Sequence[str]) -> bool:
    expected = _mac(key, seconds, sender, body)
    return any(hmac.compare_digest(expected.encode(), shown.encode()) for shown in signatures)


def _mac(key: bytes, seconds: int, sender: str, body: bytes) -> str:
    return hmac.new(key, f"{seconds}.{sender}.".encode() + body, sha256).hexdigest()


def _read_header(header: str) -> tuple[int, list[str]]:
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]) or not 0 < len(signatures) <= SIGNATURES_MAX:
        raise NotSigned("a signature looks like t=1795303333,v1=<64 hex digits>", reason="form")
    return int(times[0]), signatures


async def _known(connection: AsyncConnection, name: str) -> None:
    if not await is_known(connection, name):
        raise NotFound(f"sender {name[:64]!r} is not registered", sender=name[:64])
