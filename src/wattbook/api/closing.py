"""Billing periods closed for good: by an administrator, for it cannot be taken back."""

from datetime import date, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from wattbook.api.access import administrator
from wattbook.api.changes import Document, note
from wattbook.api.documents import Exact
from wattbook.api.services import Services
from wattbook.household.bills.closing import ClosedBilling, close_billing, closed_billings
from wattbook.kernel.units import Energy
from wattbook.tariffs.period import BillingPeriod

Utility = Annotated[str | None, Field(min_length=1, max_length=64)]


class Closing(Document):
    """`period` is a month, such as `2026-10`, or days: `2026-10-05..2026-11-04`; `utility` is this deployment's own."""

    period: Annotated[str, Field(max_length=32)]
    utility: Utility = None


class ClosedDocument(BaseModel):
    """The control totals of the bills of a period, as they were when it was closed."""

    utility: str
    first_day: date
    last_day: date
    closed_at: datetime
    bills: int
    metered_kwh: Exact
    household_kwh: Exact
    paid_kwh: Exact
    exception_kwh: Exact
    totals: dict[str, Exact]

    @classmethod
    def of(cls, closed: ClosedBilling) -> Self:
        return cls(
            utility=closed.utility,
            first_day=closed.period.first,
            last_day=closed.period.last,
            closed_at=closed.closed_at,
            bills=closed.bills,
            metered_kwh=Energy(closed.metered_mwh).kwh,
            household_kwh=Energy(closed.household_mwh).kwh,
            paid_kwh=Energy(closed.paid_mwh).kwh,
            exception_kwh=Energy(closed.exception_mwh).kwh,
            totals={code: total.value for code, total in closed.totals.items()},
        )


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    own = services.settings.party

    @routes.get("/closed-billing")
    async def closed(utility: Annotated[str | None, Field(max_length=64)] = None) -> list[ClosedDocument]:
        """What a utility has closed, by period."""
        async with services.database.snapshot() as connection:
            found = await closed_billings(connection, utility or own)
        return [ClosedDocument.of(each) for each in found]

    @routes.post("/closed-billing", status_code=201, dependencies=[Depends(administrator)])
    async def close(body: Closing, request: Request) -> ClosedDocument:
        """Close a period: no bill of it is issued any more."""
        utility, period = body.utility or own, BillingPeriod.of_text(body.period)
        async with services.database.transaction() as connection:
            done = await close_billing(connection, utility, period, now=services.clock())
            after = {"bills": done.bills}
            await note(connection, services, request, "billing.closed", f"{utility} {period}", None, after)
        return ClosedDocument.of(done)

    return routes
