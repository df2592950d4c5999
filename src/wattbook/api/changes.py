"""Who changed what: kept with every change that came through this door, and shown."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.api.access import caller
from wattbook.api.bodies import answer
from wattbook.api.services import Services
from wattbook.registry.changes import Change, list_changes, record_changes

PAGE_SIZE_MAX: Final = 1_000

Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]
Text = Annotated[str, Field(max_length=255)]


class Document(BaseModel):
    """The body of a request; a field that is not known is an error, not a wish that nobody hears."""

    model_config = ConfigDict(extra="forbid")


async def note(
    connection: AsyncConnection,
    services: Services,
    request: Request,
    what: str,
    subject: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Keep a change in the transaction that makes it; never with a secret in it."""
    await record_changes(connection, [Change(services.clock(), caller(request), what, subject, before, after)])


def router(services: Services) -> APIRouter:
    routes = APIRouter()

    @routes.get("/changes")
    async def changes(subject: str | None = None, before: int | None = None, limit: Limit = 100) -> Response:
        """Who changed what, the newest first."""
        async with services.database.snapshot() as connection:
            found = await list_changes(connection, subject=subject, before=before, limit=limit)
        return answer({"changes": found, "next": found[-1].id if len(found) == limit else None})

    return routes
