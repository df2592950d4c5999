"""The tokens of drivers: what an operator registers so that a card is known."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from wattbook.api.access import caller
from wattbook.api.bodies import answer
from wattbook.api.changes import Limit
from wattbook.api.services import Services
from wattbook.kernel.errors import Conflict, NotFound
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.customers import (
    Holder,
    Token,
    TokenType,
    Whitelist,
    add_tokens,
    find_tokens,
    list_tokens,
    place_of,
)
from wattbook.registry.validity import Ambiguous, Missing

TOKENS_MAX = 10_000

Text = Annotated[str, Field(max_length=255)]


class TokenDocument(BaseModel):
    """A token; `party` is this deployment's own unless said otherwise."""

    model_config = ConfigDict(extra="forbid")

    uid: Text
    type: TokenType = TokenType.RFID
    contract: Text
    party: Text | None = None
    customer: Text | None = None
    unit: Text | None = None
    valid: bool = True
    valid_until: AwareDatetime | None = None
    whitelist: Whitelist = Whitelist.ALLOWED
    visual_number: Text | None = None
    group_uid: Text | None = None


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    @routes.post("/tokens", status_code=201)
    async def register(
        document: TokenDocument | Annotated[list[TokenDocument], Field(min_length=1, max_length=TOKENS_MAX)],
        request: Request,
    ) -> Response:
        """Register one token or many: all of them, or none."""
        documents = document if isinstance(document, list) else [document]
        tokens = [Token(**(each.model_dump() | {"party": each.party or services.settings.party})) for each in documents]
        async with database.transaction() as connection:
            before = await find_tokens(connection, [token.uid for token in tokens])
            await add_tokens(connection, tokens)
            now, by = clock(), caller(request)
            await record_changes(
                connection,
                [
                    Change(now, by, "token.registered", token.uid, _known(was), msgspec.to_builtins(token))
                    for token, was in zip(tokens, before, strict=True)
                ],
            )
        return answer({"tokens": tokens}, 201)

    @routes.get("/tokens")
    async def every(
        after: Annotated[str | None, Query(max_length=300)] = None,
        party: Annotated[str | None, Query(max_length=6)] = None,
        customer: Annotated[str | None, Query(max_length=36)] = None,
        valid: bool | None = None,
        limit: Limit = 100,
    ) -> Response:
        """Tokens in the order of their uids, of whom one asks; `next` is the `after` of the following page."""
        async with database.snapshot() as connection:
            found = await list_tokens(
                connection,
                after=None if after is None else after.split("|"),
                party=party,
                customer=customer,
                valid=valid,
                limit=limit,
            )
        following = "|".join(place_of(found[-1])) if len(found) == limit else None
        return answer({"tokens": found, "next": following})

    @routes.get("/tokens/{uid}")
    async def one(uid: str) -> Response:
        """The token of this uid, in any case, with its customer and vehicle; 409 when several issuers have one."""
        async with database.snapshot() as connection:
            (found,) = await find_tokens(connection, [uid])
        if isinstance(found, Missing):
            raise NotFound(found.reason)
        if isinstance(found, Ambiguous):
            raise Conflict(found.reason)
        return answer(found)

    return routes


def _known(found: Holder | Missing | Ambiguous[Holder]) -> Any:
    if isinstance(found, Holder):
        return msgspec.to_builtins(found.token)
    return None if isinstance(found, Missing) else msgspec.to_builtins([each.token for each in found.candidates])
