"""Compression of WebSocket messages: permessage-deflate (RFC 7692), which OCPP 2.0.1 and 2.1 ask of management systems.

What costs is memory, not time: at zlib's defaults a compressor holds 256 kB, which for ten thousand stations is more
than the rest of the gateway. So we ask for small windows in both directions, and a direction's state is made when its
first compressed message passes. Messages too short to gain anything are sent plain, as RFC 7692 (6.) allows.

A message that grows beyond the limit of a frame while it is inflated is stopped there: a bomb costs what a frame may.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from msgspec import Struct

EXTENSION: Final = "permessage-deflate"
WINDOW_BITS_MIN: Final = 9
"""zlib makes no raw stream of 8 bits, though RFC 7692 (7.1.2) has it: a peer that insists is not compressed for."""
WINDOW_BITS_MAX: Final = 15
OURS_WINDOW_BITS: Final = 12
"""What we ask for: 4 kB hold two usual messages of OCPP; state is 32 kB to compress and 12 kB to inflate."""
MEMORY_LEVEL: Final = 5
PLAIN_BYTES_MAX: Final = 128

_SYNC_TAIL: Final = b"\x00\x00\xff\xff"
"""An empty stored block ends each message and is left out on the wire (RFC 7692, 7.2.1)."""

Parameters = Mapping[str, str | None]


class Inflated(Exception):
    """Too large once inflated."""


class BadDeflate(Exception):
    """Not a deflate stream."""


class Direction(Struct, frozen=True):
    """How one end's messages are compressed: LZ77 window, and whether it lasts from message to message."""

    window_bits: int = WINDOW_BITS_MAX
    takeover: bool = True


class Terms(Struct, frozen=True):
    """What both ends agreed on."""

    server: Direction
    client: Direction

    def for_server(self) -> "Deflate":
        return Deflate(out=self.server, into=self.client)

    def for_client(self) -> "Deflate":
        return Deflate(out=self.client, into=self.server)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Deflate:
    """One socket's two streams."""

    __slots__ = ("_compressor", "_decompressor", "_into", "_out")

    def __init__(self, out: Direction, into: Direction) -> None:
        self._out = out
        self._into = into
        self._compressor: _Compressor | None = None
        self._decompressor: _Decompressor | None = None

    def compress(self, message: bytes) -> bytes:
        compressor = self._compressor
        if compressor is None:
            compressor = zlib.compressobj(
                zlib.Z_BEST_SPEED, zlib.DEFLATED, -max(self._out.window_bits, WINDOW_BITS_MIN), MEMORY_LEVEL
            )
            if self._out.takeover:
                self._compressor = compressor
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return data[: -len(_SYNC_TAIL)]

    def inflate(self, data: bytes, bytes_max: int) -> bytes:
        """The message.

        Raises:
            Inflated: it is longer than `bytes_max`.
            BadDeflate: it is no deflate stream.
        """
        stream = self._decompressor
        if stream is None:
            # A larger window than the sender's inflates all the same.
            stream = zlib.decompressobj(-max(self._into.window_bits, WINDOW_BITS_MIN))
            if self._into.takeover:
                self._decompressor = stream
        try:
            message = stream.decompress(data + _SYNC_TAIL, bytes_max + 1)
        except zlib.error as error:
            raise BadDeflate(str(error)) from error
        if len(message) > bytes_max or stream.unconsumed_tail:
            raise Inflated
        if stream.eof:
            # A final block may end a message (7.2.3.4); what follows it is an empty block, and the next starts anew.
            self._decompressor = None
            if len(stream.unused_data) > len(_SYNC_TAIL) + 1:
                raise BadDeflate("data after the final block")
        return message


def answer(offers: Iterable[str]) -> tuple[str, Terms] | None:
    """A server's answer to the `Sec-WebSocket-Extensions` headers of a client: the header to send, and what it means.

    None: nothing that could be accepted was offered, and the socket stays plain.
    """
    for offer in _extensions(offers):
        if offer is None:
            continue
        said = _direction(offer, "server")
        theirs = _direction(offer, "client")
        if said is None or theirs is None or said.window_bits < WINDOW_BITS_MIN:
            continue
        server = Direction(min(said.window_bits, OURS_WINDOW_BITS), said.takeover)
        client = theirs
        if "client_max_window_bits" in offer:  # only a client that names it understands our limit (7.1.2.2)
            client = Direction(max(min(theirs.window_bits, OURS_WINDOW_BITS), WINDOW_BITS_MIN), theirs.takeover)
        return _header(server, client, offer), Terms(server, client)
    return None


def offer() -> str:
    """What a client says it can do."""
    return f"{EXTENSION}; client_max_window_bits; server_max_window_bits={OURS_WINDOW_BITS}"


def accepted(answers: Iterable[str]) -> Terms | None:
    """What a server made of our `offer`; None if it compresses nothing.

    Raises:
        BadDeflate: an answer that does not follow from the offer.
    """
    extensions = list(_extensions(answers, strict=True))
    if not extensions:
        return None
    parameters = extensions[0]
    if len(extensions) > 1 or parameters is None:
        raise BadDeflate("the answer to the offered compression is not understood")
    server, client = _direction(parameters, "server"), _direction(parameters, "client")
    if server is None or client is None or client.window_bits < WINDOW_BITS_MIN:
        raise BadDeflate("the parameters of the compression are not understood")
    return Terms(server, client)


def _extensions(headers: Iterable[str], *, strict: bool = False) -> Iterable[Parameters | None]:
    """The parameters of each permessage-deflate in the headers; None for one that is not well formed."""
    for header in headers:
        for text in header.split(","):
            name, *rest = (part.strip() for part in text.split(";"))
            if name == EXTENSION:
                yield _parameters(rest)
            elif strict and name:
                raise BadDeflate(f"{name[:50]} was not offered")


def _parameters(parts: Iterable[str]) -> Parameters | None:
    parameters: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if name.strip() in parameters:
            return None
        parameters[name.strip()] = value.strip().strip('"') if equals else None
    known = {f"{end}_{what}" for end in ("server", "client") for what in ("max_window_bits", "no_context_takeover")}
    return parameters if parameters.keys() <= known else None


def _direction(parameters: Parameters, end: str) -> Direction | None:
    """One end's parameters (RFC 7692, 7.1); None if a value is none."""
    bits = parameters.get(f"{end}_max_window_bits")
    takeover = f"{end}_no_context_takeover" not in parameters
    if parameters.get(f"{end}_no_context_takeover") is not None:
        return None
    if bits is None:
        # A bare client_max_window_bits says "I understand this one"; the server's always bears a value.
        bare = f"{end}_max_window_bits" in parameters and end == "server"
        return None if bare else Direction(WINDOW_BITS_MAX, takeover)
    if not bits.isascii() or not bits.isdigit() or bits.startswith("0") or not 8 <= int(bits[:3]) <= WINDOW_BITS_MAX:
        return None
    return Direction(int(bits), takeover)


def _header(server: Direction, client: Direction, offer: Parameters) -> str:
    """Of the window sizes only what the client spoke of: a smaller window than it expects harms nobody."""
    words = [EXTENSION]
    for end, direction in (("server", server), ("client", client)):
        if not direction.takeover:
            words.append(f"{end}_no_context_takeover")
        if f"{end}_max_window_bits" in offer:
            words.append(f"{end}_max_window_bits={direction.window_bits}")
    return "; ".join(words)
