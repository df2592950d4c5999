"""Documents: invoices, receipts, credit notes, statements; who is named on them; what is earned and what is open."""

import asyncio
from datetime import date
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from wattbook.api.bodies import answer
from wattbook.api.changes import Document as Body
from wattbook.api.changes import note
from wattbook.api.services import Services
from wattbook.billing.credits import credit
from wattbook.billing.documents import Document, Kind, coin_text
from wattbook.billing.einvoice import to_cii
from wattbook.billing.houses import documents_of_house
from wattbook.billing.listing import document_fields, find_document, list_documents
from wattbook.billing.page import to_page
from wattbook.billing.parties import Issuer, LegalParty
from wattbook.billing.receipts import receipt_of_session
from wattbook.billing.registers import put_issuer, put_recipient
from wattbook.billing.rollups import By, aged, open_items, revenue
from wattbook.billing.run import Period
from wattbook.billing.statements import settlement_statement
from wattbook.kernel.units import Currency, Energy, Money

PAGE_SIZE_MAX: Final = 1_000
PDF: Final = "application/pdf"
XML: Final = "application/xml"

Text = Annotated[str, Field(max_length=255)]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]


class PartyBody(Body):
    name: Text
    street: Text = ""
    postcode: Text = ""
    city: Text = ""
    country: Text
    vat_id: Text | None = None
    email: Text | None = None


class IssuerBody(PartyBody):
    prefix: Text
    tax_number: Text | None = None
    account: Text | None = None
    pay_within_days: int = 14


class CreditBody(Body):
    """Which lines, counted from 1; without `positions`, every line that is not credited yet."""

    reason: Annotated[str, Field(max_length=500)]
    positions: list[int] | None = None


class StatementBody(Body):
    partner: Text
    currency: Text
    month: Text


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock
    zone, own = ZoneInfo(services.settings.time_zone), services.settings.party

    async def found(number: str) -> Document:
        async with database.snapshot() as connection:
            return await find_document(connection, number)

    @routes.get("/documents")
    async def documents(
        recipient: str | None = None, kind: Kind | None = None, after: str = "", limit: Limit = 100
    ) -> Response:
        """In the order of their numbers, page by page."""
        async with database.snapshot() as connection:
            page = await list_documents(connection, recipient=recipient, kind=kind, after=after, limit=limit)
        following = page[-1].number if len(page) == limit else None
        return answer({"documents": [document_fields(each) for each in page], "next": following})

    @routes.get("/documents/{number}")
    async def document(number: str) -> Response:
        return answer(document_fields(await found(number)))

    @routes.get("/documents/{number}/pdf")
    async def pdf(number: str) -> Response:
        """PDF/A-3; of an invoice, receipt or credit note with its e-invoice inside."""
        # A page takes a tenth of a second, in which stations shall not wait.
        page = await asyncio.to_thread(to_page, await found(number), zone)
        return Response(page, media_type=PDF)

    @routes.get("/documents/{number}/xml")
    async def xml(number: str) -> Response:
        """The e-invoice: EN 16931 in CII."""
        return Response(to_cii(await found(number)), media_type=XML)

    @routes.post("/documents/{number}/credit-notes", status_code=201)
    async def credit_note(number: str, body: CreditBody, request: Request) -> Response:
        async with database.transaction() as connection:
            issued = await credit(
                connection, number, reason=body.reason, zone=zone, now=clock(), positions=body.positions
            )
            await note(connection, services, request, "document.credited", number, None, issued.number)
        return answer(document_fields(issued), status=201)

    @routes.post("/cdrs/{cdr}/receipt")
    async def receipt(cdr: str) -> Response:
        """The receipt of one session, or the document on which it stands already."""
        async with database.transaction() as connection:
            return answer(document_fields(await receipt_of_session(connection, cdr, zone=zone, now=clock())))

    @routes.post("/households/{household}/documents")
    async def documented(household: str) -> Response:
        """Every bill and credit note of a house as a numbered document; those that are none yet are issued."""
        async with database.transaction() as connection:
            issued = await documents_of_house(connection, household, zone=zone, now=clock())
        return answer({"documents": [document_fields(each) for each in issued]})

    @routes.post("/statements", status_code=201)
    async def statement(body: StatementBody) -> Response:
        period = Period.of_month(body.month, zone)
        async with database.transaction() as connection:
            issued = await settlement_statement(
                connection, own, body.partner, Currency.of(body.currency).code, period, now=clock()
            )
        return answer(document_fields(issued), status=201)

    @routes.put("/issuers/{party}")
    async def issuer(party: str, body: IssuerBody, request: Request) -> Response:
        """Legal name, address and tax number of who issues documents, from now on."""
        async with database.transaction() as connection:
            await put_issuer(connection, Issuer(id=party, **body.model_dump()))
            await note(connection, services, request, "issuer.named", party, None, body.model_dump())
        return answer({"id": party} | body.model_dump())

    @routes.put("/recipients/{recipient}")
    async def named(recipient: str, body: PartyBody, request: Request) -> Response:
        """Name and address of a customer, partner or household on documents, from now on."""
        async with database.transaction() as connection:
            await put_recipient(connection, LegalParty(id=recipient, **body.model_dump()))
            await note(connection, services, request, "recipient.named", recipient, None, body.model_dump())
        return answer({"id": recipient} | body.model_dump())

    @routes.get("/revenue")
    async def earned(first: date, last: date, by: By = "product") -> Response:
        """Of documents issued from `first` to `last`, credit notes taken off, before tax."""
        async with database.snapshot() as connection:
            rows = await revenue(connection, own, first, last, by)
        return answer(
            {
                "revenue": [
                    {
                        "key": row.key,
                        "currency": row.currency,
                        "documents": row.documents,
                        "kwh": f"{Energy(row.energy_mwh).kwh:f}",
                        "net": f"{Money(row.net, Currency.of(row.currency)).value:f}",
                    }
                    for row in rows
                ]
            }
        )

    @routes.get("/open-items")
    async def still_open() -> Response:
        """Documents that are not paid in full, and how old that is by debtor."""
        today = clock().astimezone(zone).date()
        async with database.snapshot() as connection:
            items = await open_items(connection, own)
        ages: list[dict[str, Any]] = [
            {"debtor": debtor, "currency": currency, "by_age": [coin_text(amount, currency) for amount in amounts]}
            for (debtor, currency), amounts in aged(items, today).items()
        ]
        return answer(
            {
                "items": [
                    {
                        "number": item.number,
                        "debtor": item.debtor,
                        "due_on": item.due_on,
                        "days_overdue": max(item.days_overdue(today), 0),
                        "open": coin_text(item.amount, item.currency),
                        "currency": item.currency,
                    }
                    for item in items
                ],
                "ages": ages,
            }
        )

    return routes
