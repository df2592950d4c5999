"""Who lives in a house from when to when, over HTTP: moving in, moving out, another tariff from a day on."""

from datetime import date
from typing import Annotated, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from wattbook.api.changes import Document, Text, note
from wattbook.api.services import Services
from wattbook.household.accounts.account import house_of
from wattbook.household.bills.moves import move_in, move_out
from wattbook.registry.contracts import Contract, contracts_of_households
from wattbook.registry.households import CONTRACT_W_MAX


class Beginning(Document):
    """A customer under a tariff from a day on; without a last day until further notice. `contract_w` is in watts."""

    customer: Text
    tariff: Text
    first_day: date
    last_day: date | None = None
    contract_w: Annotated[int, Field(ge=0, le=CONTRACT_W_MAX)] | None = None


class Ending(Document):
    last_day: date


class ContractDocument(BaseModel):
    customer: str
    tariff: str
    first_day: date
    last_day: date | None
    contract_w: int | None

    @classmethod
    def of(cls, contract: Contract) -> Self:
        return cls(**{name: getattr(contract, name) for name in cls.model_fields})


def router(services: Services) -> APIRouter:
    routes = APIRouter()

    @routes.get("/households/{household}/contracts")
    async def contracts(household: str) -> list[ContractDocument]:
        """By their first day; none: the house is that of the customer of its record at all times."""
        async with services.database.snapshot() as connection:
            house = await house_of(connection, household)
            known = await contracts_of_households(connection, [house.id])
        return [ContractDocument.of(each) for each in known.get(house.id, ())]

    @routes.post("/households/{household}/contracts", status_code=201)
    async def begin(household: str, body: Beginning, request: Request) -> list[ContractDocument]:
        """Somebody moves in, or changes to another tariff; all contracts of the house as they are then."""
        contract = Contract(household, **body.model_dump())
        async with services.database.transaction() as connection:
            known = await move_in(connection, contract)
            await note(connection, services, request, "contract.begin", household, None, body.model_dump(mode="json"))
        return [ContractDocument.of(each) for each in known]

    @routes.post("/households/{household}/contracts/end")
    async def end(household: str, body: Ending, request: Request) -> ContractDocument:
        """Who lives there on a day moves out with it; the contract that ended."""
        async with services.database.transaction() as connection:
            ended = await move_out(connection, household, body.last_day)
            await note(connection, services, request, "contract.end", household, None, body.model_dump(mode="json"))
        return ContractDocument.of(ended)

    return routes
