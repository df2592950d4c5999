"""Serves OCPI: who may speak, for whom, the envelope, and one table that tells every error in OCPI's words."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import InvalidInput, LimitExceeded, WattbookError
from wattbook.roaming import partner_rows
from wattbook.roaming.delivery import hasten
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.routing import Routing
from wattbook.roaming.ocpi.wire import BODY_BYTES_MAX, ERRORS, OcpiError, Status, Unauthorized, envelope
from wattbook.roaming.partners import token_hash
from wattbook.roaming.records import Partner

SEEN_INTERVAL: Final = timedelta(minutes=1)
"""How exactly we know when a partner was last heard of; not every message is worth a write."""

log = structlog.get_logger(__name__)


class Access(Enum):
    """Which tokens open a door."""

    VERSIONS = "any, also a first one and one that is only offered"
    CREDENTIALS = "a first one, or a partner's"
    MODULES = "a partner's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request of a partner that may speak here.

    Attributes:
        token: what it showed; token_hash: of that.
        path: the variables of the route.
    """

    partner: Partner
    token: str = field(repr=False)
    token_hash: str
    routing: Routing
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    @property
    def sender(self) -> str:
        """The party that speaks.

        Raises:
            InvalidInput: the message does not say, and the partner speaks for several.
        """
        if self.routing.sender is not None:
            return self.routing.sender
        roles = {role.party for role in self.partner.roles}
        if len(roles) != 1:
            raise InvalidInput("OCPI-from-country-code and OCPI-from-party-id are needed")
        return roles.pop()


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back; `raw` hands on a whole answer of another platform as it came."""

    data: Any = None
    status: int = Status.OK
    message: str | None = None
    http: int = 200
    location: str | None = None
    sender: str | None = None
    raw: bytes | None = None


Handler = Callable[[Roaming, Call], Awaitable[Reply]]


def serve(
    router: APIRouter, roaming: Roaming, method: str, path: str, handler: Handler, access: Access = Access.MODULES
) -> None:
    """Answer a method and path with a handler."""

    async def endpoint(request: Request) -> Response:
        routing: Routing | None = None
        try:
            routing = Routing.read(request.headers, roaming.new_id())
            call = await _admit(roaming, request, routing, access)
            reply = await handler(roaming, call)
        except WattbookError as error:
            reply = _refusal(error)
        except Exception:
            log.exception("roaming.failed", method=method, path=path)
            reply = Reply(status=Status.SERVER_ERROR, message="an error of ours; it is logged", http=500)
        return _response(reply, routing, roaming)

    router.add_api_route(path, endpoint, methods=[method], include_in_schema=False)


async def _admit(roaming: Roaming, request: Request, routing: Routing, access: Access) -> Call:
    shown = _shown_tokens(request.headers.get("authorization"))
    hashes = {token_hash(token): token for token in shown}
    async with roaming.database.transaction() as connection:
        found = await partner_rows.partner_of_token(connection, list(hashes))
        if found is None:
            raise Unauthorized("the token is not known")
        partner, used_hash, offered = found
        if access is not Access.VERSIONS and (offered or (access is Access.MODULES and partner.status != "registered")):
            raise Unauthorized("the token may not be used here")
        await _note_seen(connection, partner, roaming.clock())
    if access is Access.MODULES:
        _check_parties(roaming, partner, routing)
    return Call(
        partner=partner,
        token=hashes[used_hash],
        token_hash=used_hash,
        routing=routing,
        path=request.path_params,
        query=request.query_params,
        body=await _body(request),
    )


def _shown_tokens(header: str | None) -> list[str]:
    """In base64, as OCPI 2.2 asks, and as it is, as many partners still send it."""
    scheme, _, shown = (header or "").partition(" ")
    if scheme.lower() != "token" or not shown.strip():
        raise Unauthorized("a header `Authorization: Token …` is needed")
    raw = shown.strip()
    try:
        return [base64.b64decode(raw, validate=True).decode().strip(), raw]
    except (binascii.Error, UnicodeDecodeError):
        return [raw]


async def _note_seen(connection: AsyncConnection, partner: Partner, now: datetime) -> None:
    if partner.status != "registered":
        return
    if partner.reachable and partner.last_seen_at is not None and now - partner.last_seen_at < SEEN_INTERVAL:
        return
    await partner_rows.note_reachable(connection, partner.id, True, now)
    if not partner.reachable:
        await hasten(connection, partner)


def _check_parties(roaming: Roaming, partner: Partner, routing: Routing) -> None:
    """OCPI does not bind parties to tokens; without that any partner could speak for any other."""
    if routing.sender is not None and (routing.sender == roaming.party or not partner.speaks_for(routing.sender)):
        raise InvalidInput(f"this token does not speak for {routing.sender}")
    if routing.receiver is not None and routing.receiver != roaming.party and not roaming.is_hub:
        raise InvalidInput(f"{routing.receiver} is not here, {roaming.party} is")


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise LimitExceeded(f"a message has at most {BODY_BYTES_MAX} bytes")
    return bytes(content)


def _refusal(error: WattbookError) -> Reply:
    if isinstance(error, OcpiError):
        return Reply(status=error.status, message=error.message, http=error.http)
    http, status = next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), (200, Status.SERVER_ERROR))
    return Reply(status=status, message=error.message, http=http)


def _response(reply: Reply, routing: Routing | None, roaming: Roaming) -> Response:
    headers = {} if routing is None else _answer_headers(routing, reply.sender or roaming.party)
    if reply.location is not None:
        headers["Location"] = reply.location
    content = reply.raw
    if content is None:
        content = envelope(reply.status, reply.message, reply.data, roaming.clock())
    return Response(content, reply.http, headers, media_type="application/json")


def _answer_headers(routing: Routing, by: str) -> dict[str, str]:
    """Routing headers stand only on the answer to a message that had them."""
    return routing.answered(by if routing.sender is not None else None).headers()
