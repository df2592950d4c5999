"""The routes that only read."""

from asyncio import Lock
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from wattbook.api.documents import (
    BillDocument,
    Bills,
    RefusalDocument,
    Refusals,
    Session,
    Sessions,
    Station,
    Stations,
    proof_document,
)
from wattbook.api.services import Services
from wattbook.charging import views
from wattbook.household.bills.documents import bills_of_households, credit_notes_of_bills, estimates_of_bills
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput, NotFound
from wattbook.registry.households import find_households
from wattbook.registry.presence import PAGE_SIZE_MAX, list_stations

LIMIT: Final = 100
"""Lines of a list when the caller names no limit."""

Limit = Annotated[int, Query(ge=1, le=min(views.LIMIT_MAX, PAGE_SIZE_MAX))]


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    proving = Lock()
    database, zone = services.database, ZoneInfo(services.settings.time_zone)

    @routes.get("/audit")
    async def audit() -> dict[str, Any]:
        """The proof of this moment: every rule with what breaks it, and the totals in mWh. One is made at a time."""
        async with proving:
            return proof_document(await services.proof())

    @routes.get("/stations")
    async def stations(after: Annotated[str, Query(max_length=48)] = "", limit: Limit = LIMIT) -> Stations:
        """Stations in the order of their ids, page by page."""
        async with database.snapshot() as connection:
            found = await list_stations(connection, after=_storable(after), limit=limit)
        last = found[-1].station.id if len(found) == limit else None
        return Stations(stations=[Station.of(each) for each in found], next=last)

    @routes.get("/sessions")
    async def sessions(day: date | None = None, limit: Limit = LIMIT) -> Sessions:
        """Those that run; with `day`, those that began on this day of the operator's time zone. The newest first."""
        async with database.snapshot() as connection:
            if day is None:
                found = await views.live_sessions(connection, limit=limit)
            else:
                found = await views.sessions_between(connection, *_day(day, zone), limit=limit)
        return Sessions(sessions=[Session.of(each) for each in found])

    @routes.get("/sessions/{session}")
    async def session(session: str) -> Session:
        async with database.snapshot() as connection:
            (found,) = await views.find_sessions(connection, [session])
        if found is None:
            raise NotFound(f"there is no session {session[:64]!r}")
        return Session.of(found)

    @routes.get("/refusals")
    async def refusals(since: AwareDatetime | None = None, limit: Limit = LIMIT) -> Refusals:
        """Who was refused and why, the newest first; without `since`, of the last 24 hours."""
        moment = services.clock() - timedelta(days=1) if since is None else in_utc(since)
        async with database.snapshot() as connection:
            found = await views.refusals(connection, moment, limit=limit)
        return Refusals(refusals=[RefusalDocument.of(each) for each in found])

    @routes.get("/households/{household}/bills")
    async def bills(household: str) -> Bills:
        """Every bill of the house with its credit notes, the oldest first."""
        async with database.snapshot() as connection:
            (known,) = await find_households(connection, [_storable(household)])
            if known is None:
                raise NotFound(f"household {household[:64]!r} is not registered")
            issued = await bills_of_households(connection, [household])
            notes = await credit_notes_of_bills(connection, [bill.id for bill in issued])
            estimates = await estimates_of_bills(connection, [bill.id for bill in issued])
        return Bills(bills=[BillDocument.of(bill, notes[bill.id], estimates[bill.id]) for bill in issued])

    return routes


def _day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Its first moment, and the first moment after it."""
    try:
        return utc(datetime.combine(day, time(), zone)), utc(datetime.combine(day + timedelta(days=1), time(), zone))
    except OverflowError:
        raise InvalidInput(f"a day beyond the calendar: {day}") from None


def in_utc(moment: datetime) -> datetime:
    """Raises:
    InvalidInput: a moment that no calendar in UTC has.
    """
    try:
        return utc(moment)
    except OverflowError:
        raise InvalidInput(f"a time beyond the calendar: {moment}") from None


def _storable(text: str) -> str:
    """No name has a character that cannot be printed, and the database holds no NUL."""
    if not text.isprintable():
        raise InvalidInput(f"a name has printable characters only: {text[:64]!r}")
    return text
