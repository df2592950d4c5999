"""People and programs of the operator: who may look, who may work, who may let others in.

A person logs in with a password and gets a login, a random token that the browser keeps; a program has a key. Of tokens
and keys only a hash is kept, a fast one, for they are random; of passwords one that is slow on purpose (scrypt), for
people choose them.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound
from wattbook.registry import checks

PASSWORD_LENGTH_MIN: Final = 12
PASSWORD_LENGTH_MAX: Final = 256
LOGIN_LASTS: Final = timedelta(hours=12)
LINK_LASTS: Final = timedelta(minutes=15)

KEY_NAME: Final = "api-key"
"""Who logs in under this name shows a program's key in the place of a password; nobody is called so."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_SCHEME: Final = b"\x02"  # scrypt with the cost below; another cost gets another byte
_SALT_BYTES: Final = 16
_N, _R, _P = 1 << 15, 8, 1  # 32 MB and about a tenth of a second
_MEMORY_BYTES_MAX: Final = 64 << 20

RandomBytes = Callable[[int], bytes]


class AccessRole(StrEnum):
    """What somebody may; each may what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def may(self, needed: "AccessRole") -> bool:
        order = list(AccessRole)
        return order.index(self) >= order.index(needed)


class Person(Struct, frozen=True):
    name: str
    role: AccessRole
    disabled: bool
    created_at: datetime


class ApiKey(Struct, frozen=True):
    """A program's key; the key itself was shown once. `expires_at` None: never."""

    name: str
    role: AccessRole
    created_at: datetime
    expires_at: datetime | None


class Login(Struct, frozen=True):
    """Who somebody is. `by` is how the log of changes names them, e.g. `person:kim`."""

    by: str
    role: AccessRole


def hash_password(password: str, salt: bytes) -> bytes:
    """What is kept of a person's password: a scheme of one byte, the salt of 16, the hash of 32. Slow on purpose."""
    assert len(salt) == _SALT_BYTES, "a salt has 16 bytes"
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY_BYTES_MAX, dklen=32)
    return _SCHEME + salt + hashed


def is_password(password: str, kept: bytes) -> bool:
    """Compared in constant time; slow on purpose, so call it beside the event loop."""
    if kept[:1] != _SCHEME or len(password) > PASSWORD_LENGTH_MAX:
        return False
    return hmac.compare_digest(hash_password(password, kept[1 : 1 + _SALT_BYTES]), kept)


def checked_password(password: str) -> str:
    """Raises:
    InvalidInput: too short or too long.
    """
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidInput(f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters")
    return password


# People


async def add_person(
    connection: AsyncConnection, name: str, role: AccessRole, password_hash: bytes, *, now: datetime
) -> Person:
    """Raises:
    InvalidInput: a name that cannot be one.
    Conflict: somebody has this name.
    """
    if not _NAME.fullmatch(name) or name == KEY_NAME:
        raise InvalidInput("a name has 1 to 64 small letters, digits, and . _ @ -")
    done = await connection.execute(
        text("""
            INSERT INTO registry.people (name, role, password_hash, disabled, created_at)
            VALUES (:name, :role, :hash, false, :now) ON CONFLICT DO NOTHING
        """),
        {"name": name, "role": role.value, "hash": password_hash, "now": utc(now)},
    )
    if not done.rowcount:
        raise Conflict(f"somebody is called {name} already")
    return Person(name, role, False, utc(now))


async def change_person(
    connection: AsyncConnection,
    name: str,
    *,
    role: AccessRole | None = None,
    password_hash: bytes | None = None,
    disabled: bool | None = None,
) -> Person:
    """Change what is given; every login of the person ends.

    Raises:
        NotFound: nobody has this name.
    """
    found = await connection.execute(
        text("""
            UPDATE registry.people SET role = coalesce(:role, role), disabled = coalesce(:disabled, disabled),
                   password_hash = coalesce(CAST(:hash AS bytea), password_hash)
            WHERE name = :name RETURNING name, role, disabled, created_at
        """),
        {"name": name, "role": role and role.value, "disabled": disabled, "hash": password_hash},
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"nobody is called {name[:64]!r}")
    await connection.execute(text("DELETE FROM registry.logins WHERE person = :name"), {"name": name})
    return Person(row.name, AccessRole(row.role), row.disabled, row.created_at)


async def remove_person(connection: AsyncConnection, name: str) -> None:
    """Raises:
    NotFound: nobody has this name.
    """
    done = await connection.execute(text("DELETE FROM registry.people WHERE name = :name"), {"name": name})
    if not done.rowcount:
        raise NotFound(f"nobody is called {name[:64]!r}")


async def list_people(connection: AsyncConnection) -> list[Person]:
    found = await connection.execute(
        text("SELECT name, role, disabled, created_at FROM registry.people ORDER BY name LIMIT 10000")
    )
    return [Person(row.name, AccessRole(row.role), row.disabled, row.created_at) for row in found]


async def password_hash_of(connection: AsyncConnection, name: str) -> tuple[bytes, AccessRole] | None:
    """Of a person who may log in."""
    found = await connection.execute(
        text("SELECT password_hash, role FROM registry.people WHERE name = :name AND NOT disabled"),
        {"name": name if name.isprintable() else ""},
    )
    row = found.one_or_none()
    return None if row is None else (bytes(row.password_hash), AccessRole(row.role))


# Keys of programs


async def add_key(
    connection: AsyncConnection,
    name: str,
    role: AccessRole,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> str:
    """The key, which nobody can show again.

    Raises:
        Conflict: a program has this name.
        InvalidInput: a name that cannot be one, or a time that is over.
    """
    checks.plain_text(name, "name of a key", length_max=64)
    if expires_at is not None and utc(expires_at) <= utc(now):
        raise InvalidInput("a key that has expired is of no use")
    key = random_bytes(32).hex()
    done = await connection.execute(
        text("""
            INSERT INTO registry.api_keys (key_sha256, name, role, created_at, expires_at)
            VALUES (:hash, :name, :role, :now, :expires) ON CONFLICT DO NOTHING
        """),
        {
            "hash": _hash(key),
            "name": name,
            "role": role.value,
            "now": utc(now),
            "expires": None if expires_at is None else utc(expires_at),
        },
    )
    if not done.rowcount:
        raise Conflict(f"there is a key of {name} already")
    return key


async def remove_key(connection: AsyncConnection, name: str) -> None:
    """Raises:
    NotFound: there is none.
    """
    done = await connection.execute(text("DELETE FROM registry.api_keys WHERE name = :name"), {"name": name})
    if not done.rowcount:
        raise NotFound(f"there is no key of {name[:64]!r}")
    await connection.execute(text("DELETE FROM registry.logins WHERE by = :by"), {"by": f"key:{name}"})


async def list_keys(connection: AsyncConnection) -> list[ApiKey]:
    found = await connection.execute(
        text("SELECT name, role, created_at, expires_at FROM registry.api_keys ORDER BY name LIMIT 10000")
    )
    return [ApiKey(row.name, AccessRole(row.role), row.created_at, row.expires_at) for row in found]


async def find_key(connection: AsyncConnection, key: str, *, now: datetime) -> Login | None:
    """Whose key it is."""
    found = await connection.execute(
        text("""
            SELECT name, role FROM registry.api_keys
            WHERE key_sha256 = :hash AND (expires_at IS NULL OR expires_at > :now)
        """),
        {"hash": _hash(key), "now": utc(now)},
    )
    row = found.one_or_none()
    return None if row is None else Login(f"key:{row.name}", AccessRole(row.role))


async def has_administrator(connection: AsyncConnection) -> bool:
    """Whether anybody is there who can let others in; before, that is whoever sits at the machine."""
    found = await connection.execute(
        text("""
            SELECT EXISTS (SELECT FROM registry.people WHERE role = 'administrator' AND NOT disabled)
                OR EXISTS (SELECT FROM registry.api_keys WHERE role = 'administrator')
        """)
    )
    return bool(found.scalar_one())


# Logins


async def open_login(
    connection: AsyncConnection,
    login: Login,
    *,
    now: datetime,
    person: str | None = None,
    once: bool = False,
    lasts: timedelta = LOGIN_LASTS,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> str:
    """The token by which somebody is known from now on; with `once`, that of a link that can be followed once."""
    token = random_bytes(32).hex()
    await connection.execute(text("DELETE FROM registry.logins WHERE expires_at <= :now"), {"now": utc(now)})
    await connection.execute(
        text("""
            INSERT INTO registry.logins (token_sha256, by, person, role, once, expires_at)
            VALUES (:hash, :by, :person, :role, :once, :expires)
        """),
        {
            "hash": _hash(token),
            "by": login.by,
            "person": person,
            "role": login.role.value,
            "once": once,
            "expires": utc(now) + lasts,
        },
    )
    return token


async def find_login(connection: AsyncConnection, token: str, *, now: datetime) -> Login | None:
    """Who has this token, if it is valid."""
    found = await connection.execute(
        text("""
            SELECT by, role FROM registry.logins
            WHERE token_sha256 = :hash AND NOT once AND expires_at > :now
        """),
        {"hash": _hash(token), "now": utc(now)},
    )
    row = found.one_or_none()
    return None if row is None else Login(row.by, AccessRole(row.role))


async def follow_link(connection: AsyncConnection, token: str, *, now: datetime) -> Login | None:
    """Whom a link lets in; the first time only."""
    found = await connection.execute(
        text("""
            DELETE FROM registry.logins WHERE token_sha256 = :hash AND once RETURNING by, role, expires_at > :now
        """),
        {"hash": _hash(token), "now": utc(now)},
    )
    row = found.one_or_none()
    return None if row is None or not row[2] else Login(row.by, AccessRole(row.role))


async def end_login(connection: AsyncConnection, token: str) -> None:
    await connection.execute(text("DELETE FROM registry.logins WHERE token_sha256 = :hash"), {"hash": _hash(token)})


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
