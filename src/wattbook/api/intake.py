"""`/intake/v1`: where payment devices, payment servers and payment providers call. They sign instead of showing a key.

`POST /intake/v1/payments` takes one payment document or a list of them; the answer comes after the commit and may be
asked for again by sending the same once more. `GET /intake/v1/payments/{id}` says how a payment stands.
`POST /intake/v1/webhooks/{provider}` takes a provider's events.
"""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, FastAPI, Header, Request, Response
from msgspec import Raw

from wattbook.api.bodies import answer, json_body
from wattbook.api.errors import STATUS, error_answer, tell_errors
from wattbook.api.neighbours import neighbours
from wattbook.api.services import Services
from wattbook.kernel.errors import InvalidInput, NotFound, WattbookError
from wattbook.payments import inbox, quarantine
from wattbook.payments.documents import DOCUMENT_BYTES_MAX
from wattbook.payments.inbox import EVENT_BYTES_MAX
from wattbook.payments.intake import DOCUMENTS_MAX, Outcome, Receipt, standing, take_in
from wattbook.payments.senders import NotSigned, is_known, verify

INTAKE_PREFIX: Final = "/intake/v1"
BODY_BYTES_MAX: Final = 4 * 1024 * 1024

Sender = Annotated[str, Header(alias="Wattbook-Sender", max_length=64)]
Signature = Annotated[str, Header(alias="Wattbook-Signature", max_length=2_000)]

_list = msgspec.json.Decoder(list[Raw])


def create_intake(services: Services) -> FastAPI:
    """An application of its own: its callers have no API key."""
    app = FastAPI(title="wattbook intake", version="1", docs_url=None, redoc_url=None)
    tell_errors(app)
    app.include_router(router(services))
    return app


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    around = neighbours(services.settings)

    @routes.post("/payments")
    async def payments(request: Request, sender: Sender, signature: Signature) -> Response:
        """201 when a single payment is new, 200 when it is known; of a list 200 and a receipt for each."""
        body = await json_body(request, BODY_BYTES_MAX)
        await _verified(services, sender, signature, body, body)
        contents = _contents(body)
        async with services.database.transaction() as connection:
            receipts = await take_in(connection, sender, contents or [body], around, now=services.clock())
        if contents is not None:
            return answer({"receipts": [_receipt(receipt) for receipt in receipts]})
        (receipt,) = receipts
        if receipt.error is not None:
            return error_answer(receipt.error)
        return answer(_receipt(receipt), 200 if receipt.outcome is Outcome.KNOWN else 201)

    @routes.get("/payments/{payment_id}")
    async def payment(payment_id: str, sender: Sender, signature: Signature) -> Response:
        """How a payment stands; what is signed in the place of a body is its id."""
        await _verified(services, sender, signature, payment_id.encode(), None)
        async with services.database.snapshot() as connection:
            found = await standing(connection, sender, payment_id)
        return answer(
            {
                "payment_id": found.payment.id,
                "purpose": found.payment.purpose,
                "state": found.payment.state,
                "received_at": found.payment.received_at,
                "currency": found.payment.currency,
                "left": None if found.left is None else f"{found.left.value:f}",
            }
        )

    @routes.post("/webhooks/{provider}")
    async def webhook(provider: str, request: Request) -> Response:
        """200 after the commit, whatever became of the event, unless it is not the provider's."""
        known = services.providers.get(provider)
        if known is None:
            raise NotFound(f"no provider {provider[:64]!r} is set up here")
        body = await json_body(request, EVENT_BYTES_MAX)
        outcome = await inbox.receive(services.database, known, body, request.headers, services.clock)
        return answer({"outcome": outcome})

    return routes


async def _verified(services: Services, sender: str, signature: str, signed: bytes, kept: bytes | None) -> None:
    """What a known sender did not sign well is kept, as far as it fits; a stranger is only told."""
    try:
        async with services.database.snapshot() as connection:
            await verify(connection, sender, signature, signed, now=services.clock())
    except NotSigned as error:
        if kept is not None:
            async with services.database.transaction() as connection:
                if await is_known(connection, sender):
                    await quarantine.keep_unsigned(
                        connection, sender, kept[:DOCUMENT_BYTES_MAX], error, now=services.clock()
                    )
        raise


def _contents(body: bytes) -> list[bytes] | None:
    """The documents of a list as they stand there; None for a single one.

    Raises:
        InvalidInput: an empty list, one of more than 1000, or none that can be told apart.
    """
    if not body.lstrip().startswith(b"["):
        return None
    try:
        contents = [bytes(each) for each in _list.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [body]  # kept as one that cannot be read
    if not 0 < len(contents) <= DOCUMENTS_MAX:
        raise InvalidInput(f"a list has 1 to {DOCUMENTS_MAX} payments, not {len(contents)}")
    return contents


def _receipt(receipt: Receipt) -> dict[str, Any]:
    said: dict[str, Any] = {"outcome": receipt.outcome, "payment_id": receipt.payment, "owner": receipt.owner}
    return said if receipt.error is None else said | {"error": _told(receipt.error)}


def _told(error: WattbookError) -> dict[str, Any]:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return {"status": int(status), "code": error.code, "message": error.message}
