"""The URLs that are told of outcomes, and the secrets by which they know that it was us."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, note
from wattbook.api.services import Services
from wattbook.kernel.addresses import check_url
from wattbook.kernel.errors import NotFound
from wattbook.ocpp.commands.webhooks import forget, list_webhooks, register, rotate, valid_secrets, webhook_of


class WebhookDocument(Document):
    """A URL; what stands behind its question mark does not count."""

    url: Annotated[str, Field(max_length=255)]


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    async def shown(connection: AsyncConnection, url: str) -> dict[str, Any]:
        newest = (await valid_secrets(connection, url, clock()))[-1]
        return {"url": webhook_of(url), "secret_hex": newest.hex()}

    @routes.get("/webhooks")
    async def webhooks() -> Response:
        """All of them, without their secrets."""
        async with database.snapshot() as connection:
            return answer({"webhooks": await list_webhooks(connection)})

    @routes.put("/webhooks")
    async def secret(document: WebhookDocument, request: Request) -> Response:
        """The webhook's secret, which is made when it has none yet. Who was shown it is on record."""
        check_url(document.url, allow_private=services.settings.allow_private_webhooks)
        async with database.transaction() as connection:
            await register(connection, [document.url], clock())
            await note(connection, services, request, "webhook.secret-shown", webhook_of(document.url))
            return answer(await shown(connection, document.url))

    @routes.post("/webhooks/rotation")
    async def renew(document: WebhookDocument, request: Request) -> Response:
        """Another secret; the one before signs for a week beside it."""
        async with database.transaction() as connection:
            await rotate(connection, document.url, clock())
            await note(connection, services, request, "webhook.rotated", webhook_of(document.url))
            return answer(await shown(connection, document.url))

    @routes.delete("/webhooks", status_code=204)
    async def end(url: str, request: Request) -> Response:
        """Forget a webhook and its secrets."""
        async with database.transaction() as connection:
            if not await forget(connection, url):
                raise NotFound(f"there is no webhook {webhook_of(url)[:200]}")
            await note(connection, services, request, "webhook.forgotten", webhook_of(url))
        return Response(status_code=204)

    return routes
