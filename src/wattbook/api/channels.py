"""Senders and providers of payments: who may send, what reports came to, and what could not be taken in."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, Text, note
from wattbook.api.services import Services
from wattbook.api.wallets import AmountDocument
from wattbook.kernel.errors import NotFound
from wattbook.payments import senders, wallets
from wattbook.payments.daily import due_days
from wattbook.payments.news import Outcome, apply
from wattbook.payments.provider import PayoutNews
from wattbook.payments.quarantine import quarantined
from wattbook.payments.reconciliation import reconciliation_fields, reconciliations


class SenderDocument(Document):
    description: Annotated[str, Field(max_length=200)] = ""


class KeyDocument(Document):
    old_valid_hours: Annotated[int, Field(ge=0, le=720)] = 24


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    _sender_routes(routes, services)
    _report_routes(routes, services)
    return routes


def _sender_routes(routes: APIRouter, services: Services) -> None:
    database, clock = services.database, services.clock

    @routes.get("/senders")
    async def listed() -> Response:
        async with database.snapshot() as connection:
            found = await senders.list_senders(connection)
        return answer({"senders": found})

    @routes.put("/senders/{name}", status_code=201)
    async def add(name: str, document: SenderDocument, request: Request) -> Response:
        """Register a sender of payments; the answer has its key, which is not told again."""
        async with database.transaction() as connection:
            key = await senders.add_sender(connection, name, document.description, now=clock())
            await note(connection, services, request, "sender.added", name, None, document.model_dump())
        return answer({"name": name, "key": key}, 201)

    @routes.post("/senders/{name}/keys", status_code=201)
    async def renew(name: str, document: KeyDocument, request: Request) -> Response:
        """A new key, which is not told again; the old one stays valid for a while."""
        async with database.transaction() as connection:
            valid_for = timedelta(hours=document.old_valid_hours)
            key = await senders.renew_key(connection, name, now=clock(), old_valid_for=valid_for)
            await note(connection, services, request, "sender.key-renewed", name, None, document.model_dump())
        return answer({"name": name, "key": key}, 201)

    @routes.post("/senders/{name}/block")
    async def block(name: str, request: Request, blocked: bool = True) -> Response:
        async with database.transaction() as connection:
            await senders.block_sender(connection, name, blocked=blocked)
            await note(connection, services, request, "sender.blocked", name, not blocked, blocked)
        return answer({"name": name, "blocked": blocked})

    @routes.post("/senders/{name}/payouts")
    async def paid_out(name: str, document: AmountDocument, request: Request) -> Response:
        """What a sender took for us has come to the bank: 201 when it is new, 200 when it is known."""
        now, money = clock(), document.money
        news = PayoutNews(
            id=wallets.checked_reference(document.reference),
            state="paid",
            currency=money.currency.code,
            amount=wallets.positive(money),
            at=now,
        )
        async with database.transaction() as connection:
            if not await senders.is_known(connection, name):
                raise NotFound(f"sender {name[:64]!r} is not registered")
            new = await apply(connection, name, news, now=now) is Outcome.APPLIED
            if new:
                await note(connection, services, request, "sender.paid-out", name, None, document.model_dump())
        return answer(document.model_dump(), 201 if new else 200)


def _report_routes(routes: APIRouter, services: Services) -> None:
    database, clock = services.database, services.clock

    @routes.get("/reconciliations")
    async def compared(provider: Text, since: date = date.min, limit: Limit = 31) -> Response:
        """What the reports of days came to, the newest first; `due`: days that are over and not compared yet."""
        async with database.snapshot() as connection:
            kept = await reconciliations(connection, provider, since=since, limit=limit)
            due = await due_days(connection, provider, now=clock())
        return answer({"reconciliations": [reconciliation_fields(each) for each in kept], "due": due})

    @routes.get("/payments/quarantine")
    async def kept(channel: str | None = None, limit: Limit = 100) -> Response:
        """What could not be taken in, the latest first; the content as text, what is none of it replaced."""
        async with database.snapshot() as connection:
            found = await quarantined(connection, channel=channel, limit=limit)
        return answer(
            {
                "quarantine": [
                    {name: getattr(each, name) for name in each.__dataclass_fields__ if name != "content"}
                    | {"content": each.content.decode(errors="replace")}
                    for each in found
                ]
            }
        )
