"""Meters' readings over HTTP: pushed by programs, sent as files, looked at, edited; and the work list of people.

What a sender gets back is a report on every line. A line that is refused does not refuse the others, so the answer is
200 whenever the request itself could be read. A sender that heard no answer repeats: what is known changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from wattbook.api.access import caller
from wattbook.api.bodies import json_body
from wattbook.api.documents import Exact
from wattbook.api.errors import BodyTooLarge
from wattbook.api.services import Services
from wattbook.household import work_list
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.readings import reading_rows, vee
from wattbook.household.readings.intake.admission import take_in
from wattbook.household.readings.intake.csv_layout import shipped_layouts
from wattbook.household.readings.intake.formats import FORMATS, reader_of
from wattbook.household.readings.intake.items import Item
from wattbook.household.readings.intake.push import read_push
from wattbook.household.readings.intake.report import Report
from wattbook.household.readings.intervals import Interval, IntervalStore, MeterSpan
from wattbook.household.work_list import Kind, WorkItem
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy

PUSH_BYTES_MAX: Final = 16 * 1024 * 1024
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
SPAN_DAYS_MAX: Final = 400
REFUSED_SHOWN_MAX: Final = 1_000

Source = Annotated[str, Query(max_length=100, description="Name of the file or of the sender's batch.")]
Limit = Annotated[int, Query(ge=1, le=1_000)]


class Refused(BaseModel):
    """A line that was not taken in."""

    line: int
    code: str
    reason: str
    content: str


class ReportDocument(BaseModel):
    """What became of the lines; `refused` shows at most 1000 of `refused_count`."""

    source: str
    new: int
    changed: int
    known: int
    registers: int
    derived: int
    refused_count: int
    refused: list[Refused]
    bills: int

    @classmethod
    def of(cls, report: Report) -> "ReportDocument":
        refused = [Refused(**complaint._asdict()) for complaint in report.refused[:REFUSED_SHOWN_MAX]]
        names = ("source", "new", "changed", "known", "registers", "derived", "refused_count", "bills")
        return cls(refused=refused, **{name: getattr(report, name) for name in names})


class QuarantinedDocument(BaseModel):
    source: str
    received_at: datetime
    refused: Refused


class ReadingDocument(BaseModel):
    """An interval as it counts; `espi_quality` is its quality in the codes of Green Button."""

    start: datetime
    minutes: int
    kwh: Exact
    quality: str
    method: str
    version: int
    espi_quality: int

    @classmethod
    def of(cls, interval: Interval) -> "ReadingDocument":
        return cls(
            start=interval.start,
            minutes=interval.minutes,
            kwh=Energy(interval.energy_mwh).kwh,
            quality=interval.quality,
            method=interval.method,
            version=interval.version,
            espi_quality=vee.espi_quality(interval),
        )


class Edit(BaseModel):
    """The energy of every interval of [since, until), and why a person sets it."""

    register_code: str = Field(alias="register", max_length=64)
    since: AwareDatetime
    until: AwareDatetime
    kwh: list[str] = Field(min_length=1, max_length=10_000)
    reason: str = Field(max_length=200)


class Closing(BaseModel):
    resolution: str = Field(max_length=1_000)


class WorkItemDocument(BaseModel):
    """Something that a person should look at."""

    id: str
    kind: Kind
    household: str | None
    meter: str | None
    register_code: str | None = Field(serialization_alias="register")
    since: datetime
    until: datetime
    words: str
    kwh: Exact | None
    opened_at: datetime

    @classmethod
    def of(cls, item: WorkItem) -> "WorkItemDocument":
        return cls(
            id=item.id,
            kind=item.kind,
            household=item.household,
            meter=item.meter,
            register_code=item.register,
            since=item.since,
            until=item.until,
            words=item.words,
            kwh=None if item.energy_mwh is None else Energy(item.energy_mwh).kwh,
            opened_at=item.opened_at,
        )


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    store = IntervalStore(services.settings.data / "intervals")
    database, clock = services.database, services.clock

    async def taken(source: str, items: Iterator[Item]) -> ReportDocument:
        async with database.transaction() as connection:
            report = await take_in(connection, store, source, items, now=clock())
            if report.bills:
                await assess_again(connection, store, now=clock())
        return ReportDocument.of(report)

    @routes.post("/readings")
    async def push(request: Request, source: Source = "push") -> ReportDocument:
        """Take in `{"readings": […]}`, each an interval (`start`, `minutes`) or a register (`at`) of a meter."""
        body = await json_body(request, PUSH_BYTES_MAX)
        return await taken(f"{caller(request)[:40]} {source}", read_push(body))

    @routes.post("/readings/files")
    async def send_file(
        request: Request,
        source: Source,
        form: Annotated[str, Query(alias="format", description=f"One of {', '.join(FORMATS)}.")],
        layout: Annotated[str | None, Query(description="Of CSV: a layout that ships.")] = None,
    ) -> ReportDocument:
        """Take in a file of readings; the body is the file, of any content type."""
        if layout is not None and layout not in shipped_layouts():
            raise InvalidInput(f"no CSV layout {layout[:64]!r}: one of {', '.join(shipped_layouts())}")
        return await taken(source, reader_of(form, layout)(await _file(request)))

    @routes.get("/readings/quarantine")
    async def quarantine(limit: Limit = 100) -> list[QuarantinedDocument]:
        """Lines that were refused, the latest first."""
        async with database.snapshot() as connection:
            kept = await reading_rows.quarantined(connection, limit)
        return [
            QuarantinedDocument(source=source, received_at=at, refused=Refused(**complaint._asdict()))
            for source, complaint, at in kept
        ]

    @routes.get("/meters/{meter}/readings")
    async def readings(
        meter: str, register: str, since: AwareDatetime, until: AwareDatetime, versions: bool = False
    ) -> list[ReadingDocument]:
        """The intervals that count in [since, until); with `versions`, every version there ever was."""
        span = _span(meter, register, since, until)
        async with database.snapshot() as connection:
            found = await (store.versions if versions else store.intervals)(connection, span)
        return [ReadingDocument.of(interval) for interval in found]

    @routes.post("/meters/{meter}/edits")
    async def edit(request: Request, meter: str, body: Edit) -> list[ReadingDocument]:
        """Set intervals by hand; what stood before is kept, and bills are assessed again."""
        span = _span(meter, body.register_code, body.since, body.until)
        energies = [Energy.from_kwh(kwh).mwh for kwh in body.kwh]
        async with database.transaction() as connection:
            edited = await vee.edit(
                connection, store, span, energies, by=caller(request)[:64], reason=body.reason, now=clock()
            )
            await assess_again(connection, store, now=clock())
        return [ReadingDocument.of(interval) for interval in edited]

    @routes.get("/work-list")
    async def work(kind: Kind | None = None, limit: Limit = 100) -> list[WorkItemDocument]:
        """What people should look at, the oldest first."""
        async with database.snapshot() as connection:
            found = await work_list.open_work(connection, kind=kind, limit=limit)
        return [WorkItemDocument.of(item) for item in found]

    @routes.post("/work-list/{item}/close", status_code=204)
    async def close(request: Request, item: str, body: Closing) -> None:
        """Say that an item is done, and how."""
        async with database.transaction() as connection:
            await work_list.close_item(connection, item, by=caller(request), resolution=body.resolution, now=clock())

    return routes


def _span(meter: str, register: str, since: datetime, until: datetime) -> MeterSpan:
    """Raises:
    InvalidInput: no span, one that is too long, or a name that no meter has.
    """
    try:
        span = MeterSpan(meter, register, utc(since), utc(until))
    except OverflowError:
        raise InvalidInput("a time is beyond the calendar") from None
    if not span.since < span.until or (span.until - span.since).days > SPAN_DAYS_MAX:
        raise InvalidInput(f"a span has an end after its start, at most {SPAN_DAYS_MAX} days later")
    if not meter.isprintable() or not register.isprintable():
        raise InvalidInput("a meter and a register have printable characters only")
    return span


async def _file(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FILE_BYTES_MAX:
            raise BodyTooLarge(f"a file has at most {FILE_BYTES_MAX} bytes here; import larger ones on the machine")
    return bytes(body)
