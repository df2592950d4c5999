"""What is special about a station or about a maker's models: quirk profiles, deadlines, whether frames are kept."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Text, note
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.ocpp.connections.quirks import Maker, profiles
from wattbook.ocpp.gateway.options import (
    NOTHING,
    StationOptions,
    all_maker_quirks,
    options_of,
    set_maker_quirks,
    set_options,
)


class OptionsDocument(Document):
    """Names of quirk profiles, whether its frames are kept, and the seconds of silence before a ping and after it."""

    quirks: list[Text] = Field(default=[], max_length=100)
    journal: bool | None = None
    ping_after_s: int | None = None
    pong_within_s: int | None = None


class MakerDocument(Document):
    """Who makes stations, in their own words, `*` for any characters; without quirks it is taken off the list."""

    vendor: Annotated[str, Field(min_length=1, max_length=50)]
    model: Annotated[str, Field(min_length=1, max_length=50)] = "*"
    quirks: list[Text] = Field(default=[], max_length=100)


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database = services.database

    @routes.get("/quirk-profiles")
    async def known_profiles() -> Response:
        """What can be tolerated: each profile with its reason, its source and its rules."""
        return answer({"profiles": list(profiles().values())})

    @routes.get("/quirks")
    async def of_makers() -> Response:
        """The profiles that are set for makers and their models."""
        async with database.snapshot() as connection:
            found = await all_maker_quirks(connection)
        return answer(
            {"makers": [{"vendor": each.vendor, "model": each.model, "quirks": names} for each, names in found.items()]}
        )

    @routes.put("/quirks")
    async def for_maker(document: MakerDocument, request: Request) -> Response:
        """Set the profiles of all stations of a maker, or of one of its models."""
        maker = Maker(document.vendor, document.model)
        async with database.transaction() as connection:
            before = (await all_maker_quirks(connection)).get(maker)
            await set_maker_quirks(connection, {maker: document.quirks})
            subject = f"{document.vendor} {document.model}"
            await note(connection, services, request, "maker.quirks", subject, before, document.quirks)
        return answer(document.model_dump())

    @routes.get("/stations/{station:path}/options")
    async def options(station: str) -> Response:
        """What is special about a station."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer(await options_of(connection, station))

    @routes.put("/stations/{station:path}/options")
    async def choose(station: str, document: OptionsDocument, request: Request) -> Response:
        """Set it; all of it is replaced, and what is left out is as for all others."""
        chosen = StationOptions(tuple(document.quirks), document.journal, document.ping_after_s, document.pong_within_s)
        async with database.transaction() as connection:
            await require_station(connection, station)
            before = await options_of(connection, station)
            await set_options(connection, {station: chosen})
            await note(
                connection, services, request, "station.options", station, None if before == NOTHING else before, chosen
            )
        return answer(chosen)

    return routes
