"""Calls a partner: token, headers, deadline, and an answer that is a value also when the partner says no."""

import base64
from dataclasses import dataclass
from typing import Final

import aiohttp

from wattbook.kernel.addresses import PublicResolver, check_url
from wattbook.kernel.errors import InvalidInput, Unavailable
from wattbook.roaming.ocpi.routing import Routing
from wattbook.roaming.ocpi.wire import BODY_BYTES_MAX, Envelope, decode

TIMEOUT_S: Final = 10.0
_CHUNK_BYTES: Final = 1 << 16


class NoAnswer(Unavailable):
    """The partner could not be reached, or said nothing that could be understood."""


class TimedOut(NoAnswer):
    """The partner did not answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partner said.

    Attributes:
        http: status of HTTP.
        envelope: its status code and data (JSON, empty when there is none).
        body: the whole answer, as it came.
        location: where it keeps what was sent, if it said so.
    """

    http: int
    envelope: Envelope
    body: bytes
    location: str | None = None

    @property
    def accepted(self) -> bool:
        return 1000 <= self.envelope.status_code < 2000 and self.http < 300

    @property
    def is_final(self) -> bool:
        """Whether asking again would change nothing: the receiver itself took it or refused it."""
        return self.accepted or (2000 <= self.envelope.status_code < 3000 and self.http not in (401, 429))


class Client:
    """One pool of connections for all partners."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200, resolver=None if allow_private else PublicResolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._http.close()

    async def call(
        self,
        method: str,
        url: str,
        token: str,
        routing: Routing,
        *,
        body: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """Raises:
        NoAnswer: not reached, or not understood; TimedOut: not in time.
        InvalidInput: the URL is none that a partner may have.
        """
        headers = routing.headers() | {"Authorization": f"Token {base64.b64encode(token.encode()).decode()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        check_url(url, allow_private=self._allow_private)
        try:
            async with self._http.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                content = await _limited(response)
                return Answer(response.status, decode(content, Envelope), content, response.headers.get("Location"))
        except TimeoutError:
            raise TimedOut(f"{_shown(url)} did not answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"{_shown(url)} was not reached: {error}") from None
        except InvalidInput as error:
            raise NoAnswer(f"{_shown(url)} did not answer in OCPI: {error.message}") from None


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise InvalidInput(f"an answer of more than {BODY_BYTES_MAX} bytes")
    return bytes(content)


def _shown(url: str) -> str:
    """Without its query, which may hold what is not for a log."""
    return url.partition("?")[0]
