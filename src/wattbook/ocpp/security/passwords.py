"""Passwords of stations: HTTP Basic authentication on raw bytes, salted hashes, rotation.

A password is bytes. OCPP 1.6 (security extension, 2.3) has a key of up to 20 bytes that need not be text and travels
over OCPP as hexadecimal, but stands in the Authorization header as it is; 2.x has a printable text of 16 to 40
characters. Some 1.6 stations put the hexadecimal text into the header: that is accepted where it was said of the
station, and nowhere else.

The hash is scrypt with N = 2⁹: about a millisecond and half a megabyte. The door hashes inside an upgrade, while the
event loop waits, so it must be short; and it can be, for these are random keys of 128 bits and more, not words that
people choose: nobody finds one by trying. A password that was right once is recognised by a keyed digest from then on,
so a storm of returning stations costs microseconds each.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.ocpp.security import store
from wattbook.registry.stations import find_stations

LENGTH_MIN: Final = 16
LENGTH_MAX: Final = 40
VALID_AT_ONCE_MAX: Final = 3
"""The one in use, one that was sent and perhaps taken, and the newest."""

PRESENTED_BYTES_MAX: Final = 2 * LENGTH_MAX
"""Of what a station presents: the hexadecimal text of the longest password. More is not even hashed."""

_SCHEME: Final = b"\x01"  # scrypt with the cost below; another cost gets another byte
_SALT_BYTES: Final = 16
_N, _R, _P = 512, 8, 1


def hash_password(password: bytes, salt: bytes) -> bytes:
    """What is kept of a password: a scheme of one byte, the salt of 16, the hash of 32."""
    assert len(salt) == _SALT_BYTES, "a salt has 16 bytes"
    return _SCHEME + salt + hashlib.scrypt(password, salt=salt, n=_N, r=_R, p=_P, dklen=32)


def is_password(password: bytes, hashed: bytes) -> bool:
    """Compared in constant time."""
    if hashed[:1] != _SCHEME:
        return False
    return hmac.compare_digest(hash_password(password, hashed[1 : 1 + _SALT_BYTES]), hashed)


def presented_password(header: str | None, station_id: str) -> bytes | None:
    """The password in an Authorization header (RFC 7617) whose user is the station; None if there is none.

    The user is compared before the colon is looked for: a 1.6 identity may hold one.
    """
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user = station_id.encode() + b":"
    return credentials[len(user) :] if hmac.compare_digest(credentials[: len(user)], user) else None


def readings(presented: bytes, *, hex_allowed: bool) -> Iterator[bytes]:
    """What a presented password may mean: itself, and where it is allowed what its hexadecimal digits say."""
    yield presented
    if hex_allowed:
        try:
            yield bytes.fromhex(presented.decode("ascii"))
        except ValueError:
            return


def new_key(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """A key for OCPP 1.6: 20 random bytes."""
    return random_bytes(20)


def new_passphrase(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """A password for OCPP 2.x: 32 printable characters, 192 random bits."""
    return base64.urlsafe_b64encode(random_bytes(24))


def authorization_key(password: bytes) -> str:
    """How a key travels over OCPP 1.6, as the value of AuthorizationKey."""
    return password.hex().upper()


async def set_password(
    connection: AsyncConnection,
    station_id: str,
    password: bytes,
    *,
    at_once: bool = False,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> None:
    """Make this the newest password of a station.

    The ones before stay valid until the station comes with this one; `at_once` ends them now, for a password that
    others know. A station with a password must use it, unless profile 0 was said of it.

    Raises:
        InvalidInput: shorter than 16 or longer than 40 bytes.
        NotFound: no such station.
    """
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise InvalidInput(f"a station's password has {LENGTH_MIN} to {LENGTH_MAX} bytes")
    await _require_station(connection, station_id)
    security = await store.lock_security(connection, station_id)
    hashed = hash_password(password, random_bytes(_SALT_BYTES))
    before = () if at_once else security.password_hashes
    if len(before) >= VALID_AT_ONCE_MAX:  # the oldest is the one in use: a newer in use would have ended it
        before = (before[0], *before[2 - VALID_AT_ONCE_MAX :])
    await store.save_security(connection, replace(security, password_hashes=(*before, hashed)))


async def require_profile(
    connection: AsyncConnection, station_id: str, profile: int | None, *, may_lower: bool = True
) -> None:
    """Say which security profile a station must come with at least; None: what the house asks of all.

    Raises:
        InvalidInput: no profile of OCPP.
        NotFound: no such station.
        Conflict: it would be lower than now, and may not.
    """
    if profile is not None and not 0 <= profile <= 3:
        raise InvalidInput("OCPP has the security profiles 0 to 3")
    await _require_station(connection, station_id)
    security = await store.lock_security(connection, station_id)
    if not may_lower and security.profile is not None and (profile is None or profile < security.profile):
        raise Conflict(f"station {station_id} must come with security profile {security.profile}: it does not go down")
    await store.save_security(connection, replace(security, profile=profile, next_profile=None))


@dataclass(frozen=True, slots=True)
class Security:
    """What is set for a station; see `store.StationSecurity`. The hashes stay inside."""

    station_id: str
    profile: int | None
    next_profile: int | None
    hex_passwords: bool
    valid_passwords: int


async def security_of(connection: AsyncConnection, station_id: str) -> Security:
    """What is set for a station; nothing is, for one that is not registered."""
    kept = await store.find_security(connection, station_id)
    return Security(station_id, kept.profile, kept.next_profile, kept.hex_passwords, len(kept.password_hashes))


async def accept_hex_passwords(connection: AsyncConnection, station_id: str, accepted: bool) -> None:
    """Say of a station that it presents the hexadecimal text of its key instead of the key.

    Raises:
        NotFound: no such station.
    """
    await _require_station(connection, station_id)
    security = await store.lock_security(connection, station_id)
    await store.save_security(connection, replace(security, hex_passwords=accepted))


async def _require_station(connection: AsyncConnection, station_id: str) -> None:
    (station,) = await find_stations(connection, [station_id])
    if station is None:
        raise NotFound(f"no station {station_id}")
