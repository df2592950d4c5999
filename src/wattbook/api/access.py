"""Who may call, and what: programs by a key, people by a login; until there is an administrator, this machine only.

A key is long and random (`openssl rand -hex 32`, or one that was made here), so a fast hash of it is enough. One key
can be configured, as its SHA-256 in the setting `api_key_sha256`: it is an administrator's. The others are in the
registry.

A browser sends its login to us also when a page of somebody else made it call. So a call that changes something and is
known by a login only must come from a page of ours: the browser says where from in `Origin`.

Without any of them, "on this machine" is read strictly. A request that a proxy passed on comes from this machine and
may be anybody's. And a page in a browser here may be made to call us under a foreign name that resolves to loopback;
the name is then in `Host`.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from wattbook.api.errors import Unauthenticated
from wattbook.api.services import Services
from wattbook.kernel.errors import Refused
from wattbook.registry.people import AccessRole, Login, find_key, find_login, has_administrator

CALLER_HASH_LENGTH: Final = 12
COOKIE: Final = "wattbook_login"

_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def access(services: Services) -> Callable[[Request], Awaitable[None]]:
    """A dependency of routes: a viewer may read, an operator may change.

    Raises from it:
        Unauthenticated: nobody we know.
        Refused: somebody whose role does not go so far; or nobody has a key yet, and this is not from this machine.
    """

    async def let_in(request: Request) -> None:
        login = await who(request, services)
        needed = AccessRole.VIEWER if request.method in _READING else AccessRole.OPERATOR
        _require(login, needed)
        request.state.caller, request.state.role = login.by, login.role

    return let_in


def administrator(request: Request) -> None:
    """A dependency of the routes that only an administrator may call, whatever the method; after `access`."""
    _require(Login(request.state.caller, request.state.role), AccessRole.ADMINISTRATOR)


def caller(request: Request) -> str:
    """Who calls, for the log of changes: a person, a program's key, or an address of this machine."""
    by: str = request.state.caller
    return by


async def who(connection: HTTPConnection, services: Services) -> Login:
    """Who this is. Raises as `access`."""
    header = connection.headers.get("authorization")
    if header is not None:
        return await _of_key(header, services)
    token = connection.cookies.get(COOKIE)
    if token is not None:
        return await _of_login(connection, token, services)
    if services.settings.api_key_sha256 is None and await _nobody_yet(services):
        return _local(connection)
    raise Unauthenticated("an API key is needed: Authorization: Bearer <key>")


async def _of_key(header: str, services: Services) -> Login:
    scheme, _, key = header.partition(" ")
    login = await of_key(key.strip(), services) if scheme.lower() == "bearer" else None
    if login is None:
        raise Unauthenticated("this is no API key of ours: Authorization: Bearer <key>")
    return login


async def of_key(key: str, services: Services) -> Login | None:
    """Whose key it is."""
    shown = sha256(key.encode()).hexdigest()
    configured = services.settings.api_key_sha256
    if configured is not None and compare_digest(shown, configured.lower()):
        return Login(f"key:{shown[:CALLER_HASH_LENGTH]}", AccessRole.ADMINISTRATOR)
    async with services.database.snapshot() as connection:
        return await find_key(connection, key, now=services.clock())


async def _of_login(connection: HTTPConnection, token: str, services: Services) -> Login:
    if connection.scope.get("method", "GET") not in _READING and not is_our_page(connection):
        raise Refused("a login is taken from our own pages only; a program shows a key", reason="foreign-page")
    async with services.database.snapshot() as snapshot:
        login = await find_login(snapshot, token, now=services.clock())
    if login is None:
        raise Unauthenticated("the login has ended")
    return login


async def _nobody_yet(services: Services) -> bool:
    async with services.database.snapshot() as connection:
        return not await has_administrator(connection)


def _local(connection: HTTPConnection) -> Login:
    address = connection.client.host if connection.client else ""
    passed_on = any(name in connection.headers for name in _PASSED_ON)
    if passed_on or not _loopback(address) or not _named_locally(connection):
        raise Refused("no API key is configured, so only programs on this machine may call", reason="not-local")
    return Login(f"address:{address}", AccessRole.ADMINISTRATOR)


def is_our_page(connection: HTTPConnection) -> bool:
    """Whether the browser says that a page of ours made it call."""
    origin = connection.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == connection.headers.get("host")


def _require(login: Login, needed: AccessRole) -> None:
    if not login.role.may(needed):
        raise Refused(f"{login.by} is {login.role} here, and this takes {needed}", reason="role")


def _named_locally(connection: HTTPConnection) -> bool:
    name = connection.url.hostname or ""
    return name == "localhost" or _loopback(name)


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
