"""Bodies of requests that are read by ourselves: bounded, said to be JSON, and with exact numbers."""

from decimal import Decimal
from typing import TypeVar

import msgspec
from fastapi import Request, Response

from wattbook.api.errors import BodyTooLarge, NotJson
from wattbook.kernel.errors import InvalidInput

BodyT = TypeVar("BodyT")

_encode = msgspec.json.Encoder(decimal_format="number").encode


async def json_body(request: Request, bytes_max: int) -> bytes:
    """Raises:
    NotJson: the request does not say that it is JSON.
    BodyTooLarge: longer than the route takes.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise NotJson("the body is JSON and says so: Content-Type: application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLarge(f"this body has at most {bytes_max} bytes")
    return body


async def read_body(request: Request, kind: type[BodyT], bytes_max: int) -> BodyT:
    """The body as a struct; numbers with a fraction are Decimal.

    Raises:
        InvalidInput: not such a document; and what `json_body` raises.
    """
    body = await json_body(request, bytes_max)
    try:
        return msgspec.json.Decoder(kind, float_hook=Decimal).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as fault:
        raise InvalidInput(str(fault)[:500]) from None


def answer(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A struct, or plain lists and dicts of them, as compact JSON."""
    return Response(_encode(document), status, headers, media_type="application/json")
