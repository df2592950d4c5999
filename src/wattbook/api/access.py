"""Who may call: whoever shows the configured key; without a configured key, programs on this machine only.

The key itself is never stored: the setting `api_key_sha256` is its SHA-256 in hex. A key is to be long and random
(`openssl rand -hex 32`), so a fast hash is enough.

Without a key, "on this machine" is read strictly. A request that a proxy passed on comes from this machine and may be
anybody's. And a page in a browser here may be made to call us under a foreign name that resolves to loopback; the name
is then in `Host`.
"""

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from fastapi import Request

from wattbook.api.errors import Unauthenticated
from wattbook.kernel.errors import Refused

CALLER_HASH_LENGTH: Final = 12

_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def access(api_key_sha256: str | None) -> Callable[[Request], None]:
    """A dependency of routes.

    Raises from it:
        Unauthenticated: a key is configured, and the request has none or another one.
        Refused: no key is configured and the request is not from this machine.
    """

    def show_key(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        shown = sha256(key.strip().encode()).hexdigest()
        if scheme.lower() != "bearer" or not compare_digest(shown, (api_key_sha256 or "").lower()):
            raise Unauthenticated("an API key is needed: Authorization: Bearer <key>")
        request.state.caller = f"key:{shown[:CALLER_HASH_LENGTH]}"

    def be_local(request: Request) -> None:
        passed_on = any(name in request.headers for name in _PASSED_ON)
        if passed_on or not _loopback(request.client.host if request.client else "") or not _named_locally(request):
            raise Refused("no API key is configured, so only programs on this machine may call", reason="not-local")
        request.state.caller = f"address:{request.client.host if request.client else 'unknown'}"

    return show_key if api_key_sha256 else be_local


def caller(request: Request) -> str:
    """Who calls, for the log of changes: the beginning of the hash of the key that was shown, else the address."""
    who: str = request.state.caller
    return who


def _named_locally(request: Request) -> bool:
    name = request.url.hostname or ""
    return name == "localhost" or _loopback(name)


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
