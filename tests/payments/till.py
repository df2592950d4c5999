"""A deployment with a Stripe account that is a real server of its interface, and the payer's side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from tests.api.server import listening
from tests.charging.world import HOUR, KWH, posted
from tests.payments import stripe_server
from tests.payments.stripe_server import (
    API_KEY,
    SECRET,
    StripeServer,
    signed,
)
from tests.payments.world import NEIGHBOURS, build, prove, won
from wattbook.api.application import mount_api
from wattbook.api.services import Services
from wattbook.book.audit import Proof
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock, system_clock
from wattbook.ocpp.transactions.prepaid import prepaid_subscriber
from wattbook.payments import checkout, store
from wattbook.payments.checkout import Checkout
from wattbook.payments.operations import carry_out
from wattbook.payments.providers.stripe import Stripe
from wattbook.payments.questions import unanswered
from wattbook.payments.records import Payment, Purpose


@dataclass
class Till:
    """A deployment with a Stripe account, and the payer's side."""

    database: Database
    server: StripeServer
    provider: Stripe
    client: httpx.AsyncClient
    clock: Clock

    async def ask_all(self) -> None:
        """What the jobs would do."""
        async with self.database.snapshot() as connection:
            waiting = await unanswered(connection)
        for operation in waiting:
            await carry_out(self.database, {"stripe": self.provider}, operation, self.clock)

    async def begin(self, what: Checkout) -> None:
        async with self.database.transaction() as connection:
            await checkout.begin(connection, what, NEIGHBOURS.invoices, now=self.clock())
        await self.ask_all()

    async def push(self, body: bytes, secret: str = SECRET) -> httpx.Response:
        shown = signed(body, self.clock(), secret)
        return await self.client.post("/intake/v1/webhooks/stripe", content=body, headers=shown)

    async def payment(self, payment_id: str) -> Payment:
        async with self.database.snapshot() as connection:
            found = await store.find(connection, Payment, channel="stripe", id=payment_id)
        assert found is not None
        return found

    async def balance(self, owner: str, purpose: str = "wallet") -> int:
        async with self.database.snapshot() as connection:
            return await posted(connection, owner, purpose)


@asynccontextmanager
async def open_till(database: Database) -> AsyncIterator[Till]:
    async def proof() -> Proof:
        return await prove(database)

    await build(database)
    async with stripe_server.stripe_server() as server:
        provider = Stripe(API_KEY, ("whsec_old", SECRET), api_base=server.url)
        app = FastAPI()
        mount_api(app, Services(database, Settings(), system_clock, proof, None, {"stripe": provider}))
        async with listening(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield Till(database, server, provider, client, system_clock)
        await provider.close()


TOP_UP = Checkout(channel="stripe", reference="T-1", purpose=Purpose.TOP_UP, subject="kim", money=won(10_000))
CARD = Checkout(
    channel="stripe", reference="S-1", purpose=Purpose.SESSION, subject="CP1", money=won(30_000), token="CARD-1"
)


async def charge(till: Till, kwh: int, token: str = "CARD-1") -> None:
    now = till.clock()
    subscribers = [prepaid_subscriber(till.clock)]
    async with till.database.transaction() as connection:
        begin = SessionStart(
            station_id="CP1", connector_no=1, token_uid=token, meter_start_mwh=0, started_at=now - HOUR
        )
        (started,) = await start(connection, [begin], now=now, subscribers=subscribers)
        assert isinstance(started, Started), started
    async with till.database.transaction() as connection:
        end = SessionStop(
            station_id="CP1", transaction_id=started.transaction_id, meter_stop_mwh=kwh * KWH, stopped_at=now
        )
        (stopped,) = await stop(connection, [end], now=now, subscribers=subscribers)
        assert isinstance(stopped, Stopped), stopped
