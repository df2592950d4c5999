"""The keys that stations and their meters sign with: registered by the operator, never taken from the station's word.

A station may have several of a purpose, so that one can be changed while what was signed by the one before is on its
way. A gateway has all of them in memory, for signatures are checked where messages are read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.rereading import Rereading
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, LimitExceeded
from wattbook.ocpp.security.tables import signing_keys
from wattbook.ocpp.wire.signed import PublicKey

KEYS_MAX: Final = 8
"""Of one station and purpose."""

PEM_LENGTH_MAX: Final = 10_000


class KeyPurpose(StrEnum):
    """What is signed with a key."""

    MESSAGES = "messages"
    METER_VALUES = "meter-values"


class SigningKey(Struct, frozen=True):
    """`fingerprint` is the SHA-256 of the key in DER (SubjectPublicKeyInfo), in hexadecimal."""

    station_id: str
    purpose: KeyPurpose
    fingerprint: str
    added_at: datetime


def read_key(given: str) -> PublicKey:
    """A public key from PEM, of a key or of a certificate, or from DER in hexadecimal, as meters show it.

    Raises:
        InvalidInput: none of them, or a kind of key that nothing is signed with here.
    """
    if len(given) > PEM_LENGTH_MAX:
        raise InvalidInput(f"a key has at most {PEM_LENGTH_MAX} characters")
    try:
        if "BEGIN CERTIFICATE" in given:
            key: Any = x509.load_pem_x509_certificate(given.encode()).public_key()
        elif "BEGIN" in given:
            key = load_pem_public_key(given.encode())
        else:
            key = load_der_public_key(bytes.fromhex(given))
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise InvalidInput(f"no public key in PEM, and none in DER in hexadecimal: {fault}"[:300]) from None
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise InvalidInput("a key is RSA or on an elliptic curve")
    return key


def der_of(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fingerprint_of(key: PublicKey) -> str:
    return sha256(der_of(key)).hexdigest()


async def add_signing_key(
    connection: AsyncConnection, station_id: str, purpose: KeyPurpose, key: PublicKey, *, now: datetime
) -> SigningKey:
    """Raises:
    LimitExceeded: the station has as many as it may.
    """
    present = await list_signing_keys(connection, station_id)
    mine = fingerprint_of(key)
    others = [each for each in present if each.purpose is purpose and each.fingerprint != mine]
    if len(others) >= KEYS_MAX:
        raise LimitExceeded(f"a station has at most {KEYS_MAX} keys of a purpose; remove one")
    row = {
        "station_id": station_id,
        "purpose": purpose.value,
        "fingerprint": mine,
        "public_key": der_of(key),
        "added_at": utc(now),
    }
    await connection.execute(insert(signing_keys).values(row).on_conflict_do_nothing())
    return SigningKey(station_id, purpose, mine, utc(now))


async def remove_signing_key(
    connection: AsyncConnection, station_id: str, purpose: KeyPurpose, fingerprint: str
) -> bool:
    """Whether there was such a key."""
    columns = signing_keys.c
    done = await connection.execute(
        delete(signing_keys).where(
            (columns.station_id == station_id)
            & (columns.purpose == purpose.value)
            & (columns.fingerprint == fingerprint.lower())
        )
    )
    return done.rowcount == 1


async def list_signing_keys(connection: AsyncConnection, station_id: str) -> list[SigningKey]:
    """The oldest first."""
    columns = signing_keys.c
    chosen = select(columns.purpose, columns.fingerprint, columns.added_at).where(columns.station_id == station_id)
    rows = await connection.execute(chosen.order_by(columns.added_at, columns.fingerprint))
    return [SigningKey(station_id, KeyPurpose(row.purpose), row.fingerprint, row.added_at) for row in rows]


class SigningKeys:
    """All keys, in memory; `open` it before the port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[tuple[str, str], list[bytes]] = {}
        self._rereading = Rereading(self.refresh, "signing-keys")

    async def open(self) -> None:
        await self._rereading.open()

    async def close(self) -> None:
        await self._rereading.close()

    async def refresh(self) -> None:
        columns = signing_keys.c
        fresh: dict[tuple[str, str], list[bytes]] = {}
        async with self._database.snapshot() as connection:
            rows = select(columns.station_id, columns.purpose, columns.public_key).order_by(columns.added_at)
            for row in await connection.execute(rows):
                fresh.setdefault((row.station_id, row.purpose), []).append(bytes(row.public_key))
        self._keys = fresh

    def of(self, station_id: str, purpose: KeyPurpose) -> Sequence[PublicKey]:
        """The newest first."""
        return [_loaded(der) for der in reversed(self._keys.get((station_id, purpose.value), ()))]

    def of_messages(self, station_id: str, _: Mapping[str, Any]) -> Sequence[PublicKey]:
        """For `Tolerance.keys_of`."""
        return self.of(station_id, KeyPurpose.MESSAGES)


@lru_cache(maxsize=10_000)
def _loaded(der: bytes) -> PublicKey:
    key = load_der_public_key(der)
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey), "checked when it was added"
    return key
