"""What stations said, for the person who has to find out what was meant: raw frames, rejected ones, notices."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Response
from msgspec import Struct
from pydantic import AwareDatetime

from wattbook.api.bodies import answer
from wattbook.api.changes import Limit
from wattbook.api.commands import require_station
from wattbook.api.queries import in_utc
from wattbook.api.services import Services
from wattbook.kernel.errors import NotFound
from wattbook.ocpp.connections.connection import Direction
from wattbook.ocpp.journal.frames import FrameFilter, JournalledFrame, frames_of
from wattbook.ocpp.journal.notices import notices_page
from wattbook.ocpp.journal.rejections import find_rejected, list_rejected

SEARCHED: timedelta = timedelta(days=1)
"""A search for words looks so far back, unless it is told since when."""

Word = Annotated[str, Query(min_length=1, max_length=64)]


class FrameDocument(Struct, frozen=True):
    """`direction` is `in` for what the station said; bytes that are no UTF-8 are replaced."""

    at: datetime
    direction: str
    version: str
    frame: str

    @classmethod
    def of(cls, kept: JournalledFrame) -> Self:
        return cls(kept.at, kept.direction.value, kept.version, kept.raw.decode(errors="replace"))


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    @routes.get("/stations/{station:path}/frames")
    async def frames(
        station: str,
        before: AwareDatetime | None = None,
        since: AwareDatetime | None = None,
        direction: Literal["in", "out"] | None = None,
        holds: Word | None = None,
        limit: Limit = 100,
    ) -> Response:
        """What went over the wire, both ways, the newest first; `next` is the `before` of the following page.

        `holds` finds frames with these characters in them: the name of an action, a message id, a token.
        """
        latest = clock() + timedelta(seconds=1) if before is None else in_utc(before)
        earliest = None if since is None else in_utc(since)
        if holds is not None and earliest is None:
            earliest = latest - SEARCHED
        wanted = FrameFilter(earliest, None if direction is None else Direction(direction), holds)
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await frames_of(connection, station, before=latest, limit=limit, wanted=wanted)
        documents = [FrameDocument.of(each) for each in found]
        return answer({"frames": documents, "next": found[-1].at if len(found) == limit else None})

    @routes.get("/stations/{station:path}/rejected-frames")
    async def rejected_of(station: str, before: int | None = None, limit: Limit = 100) -> Response:
        """Frames that could not be accepted, the newest first; `next` is the `before` of the following page."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await list_rejected(connection, station, before=before, limit=limit)
        return answer({"frames": found, "next": found[-1].id if len(found) == limit else None})

    @routes.get("/rejected-frames")
    async def rejected(before: int | None = None, limit: Limit = 100) -> Response:
        """The same of all stations, also of some that are not registered any more."""
        async with database.snapshot() as connection:
            found = await list_rejected(connection, None, before=before, limit=limit)
        return answer({"frames": found, "next": found[-1].id if len(found) == limit else None})

    @routes.get("/rejected-frames/{number}")
    async def rejected_one(number: int) -> Response:
        """One rejected frame; `frame_hex` has it byte by byte."""
        async with database.snapshot() as connection:
            found = await find_rejected(connection, number)
        if found is None:
            raise NotFound(f"there is no rejected frame {number}")
        return answer(found)

    @routes.get("/stations/{station:path}/notices")
    async def notices(
        station: str, action: Word | None = None, before: int | None = None, limit: Limit = 100
    ) -> Response:
        """What the station told that has no other place, the newest first: its security events, its logs' states, …"""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await notices_page(connection, station, action=action, before=before, limit=limit)
        told: list[dict[str, Any]] = [
            {
                "id": number,
                "received_at": notice.received_at,
                "version": notice.version,
                "action": notice.action,
                "payload": notice.payload,
            }
            for number, notice in found
        ]
        return answer({"notices": told, "next": told[-1]["id"] if len(told) == limit else None})

    return routes
