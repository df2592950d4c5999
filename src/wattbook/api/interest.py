"""Interest on what was charged too much, over HTTP: the dated rates of a utility, which an administrator puts."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from wattbook.api.access import administrator
from wattbook.api.changes import Document, Text, note
from wattbook.api.documents import Exact
from wattbook.api.services import Services
from wattbook.registry.interest import InterestRate, interest_rates, put_interest_rate


class RateDocument(BaseModel):
    """`percent` a year from a day on, until the next one; 0: none from then on."""

    party: str
    valid_from: date
    percent: Exact
    source: str
    checked_on: date

    @classmethod
    def of(cls, rate: InterestRate) -> Self:
        return cls(**{name: getattr(rate, name) for name in cls.model_fields})


class Putting(Document):
    """`party` is this deployment's own, if none is named."""

    party: Text | None = None
    valid_from: date
    percent: Annotated[Decimal, Field(ge=0, le=100)]
    source: Text


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    own = services.settings.party

    @routes.get("/interest-rates")
    async def rates(party: str | None = None) -> list[RateDocument]:
        """By their first day; none: no interest is given."""
        async with services.database.snapshot() as connection:
            found = await interest_rates(connection, [party or own])
        return [RateDocument.of(each) for each in found.get(party or own, ())]

    @routes.put("/interest-rates", dependencies=[Depends(administrator)])
    async def put(body: Putting, request: Request) -> RateDocument:
        """Add a rate; one of the same day is replaced. Credit notes that are issued stay as they are."""
        party, today = body.party or own, services.clock().date()
        rate = InterestRate(party, body.valid_from, body.percent, body.source, today)
        async with services.database.transaction() as connection:
            await put_interest_rate(connection, rate)
            after = {"percent": str(rate.percent), "valid_from": str(rate.valid_from)}
            await note(connection, services, request, "interest.rate", party, None, after)
        return RateDocument.of(rate)

    return routes
