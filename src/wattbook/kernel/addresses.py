"""Where a URL that somebody gave us may lead. Partners and programs name URLs that we then call, so they could point us
at our own inner network: only http and https, no name and password, no redirect, and no address that is not public,
unless the operator said so.

Names are checked when they are resolved, at every connection: a name that was public may be private the next time.
"""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from wattbook.kernel.errors import InvalidInput

URL_LENGTH_MAX: Final = 255


def check_url(url: str, *, allow_private: bool) -> str:
    """The URL as it is.

    Raises:
        InvalidInput: not a URL that may be called.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput("not a URL") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise InvalidInput("a URL to call begins with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("a URL to call holds no user name and no password")
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable() or parts.fragment:
        raise InvalidInput(f"a URL to call has at most {URL_LENGTH_MAX} characters of ASCII and no fragment")
    if not allow_private and _is_inner(host):
        raise InvalidInput(f"nothing is called at {host}, which is no public address")
    return url


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if not _is_inner(each["host"])]
        if not public:
            raise OSError(None, f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


def _is_inner(host: str) -> bool:
    """An address that is not public. A name is none: it is judged when it is resolved."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return not address.is_global or address.is_multicast
