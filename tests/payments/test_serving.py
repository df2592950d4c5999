"""A deployment asks its provider by itself, and hears it at its own door."""

import asyncio
from pathlib import Path

import httpx

from tests.payments.stripe_server import API_KEY, SECRET, stripe_server
from tests.payments.world import NEIGHBOURS, build, prove, won
from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.payments import checkout
from wattbook.payments.checkout import Checkout
from wattbook.payments.records import Purpose
from wattbook.payments.wallets import funds

WAIT_S = 60.0


async def test_what_was_asked_for_is_asked_by_a_job_and_confirmed_by_an_event(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await build(database)
    async with stripe_server() as server:
        settings = Settings(
            data=tmp_path,
            ocpp_port=0,
            web_port=0,
            stripe_api_key=API_KEY,
            stripe_webhook_secrets=[SECRET],
            stripe_api_base=server.url,
        )
        async with serving(settings, database_url) as running:
            await server.push_to(f"{running.web_url}/intake/v1/webhooks/stripe")
            paid = Checkout(
                channel="stripe",
                reference="T-1",
                purpose=Purpose.TOP_UP,
                subject="kim",
                money=won(10_000),
                method=await server.card(),
            )
            async with database.transaction() as connection:
                await checkout.begin(connection, paid, NEIGHBOURS.invoices, now=system_clock())
            async with asyncio.timeout(WAIT_S):
                while True:
                    if await _balance(database) == won(10_000):
                        break
                    await asyncio.sleep(0.1)
            async with httpx.AsyncClient(base_url=running.web_url, trust_env=False) as client:
                body = {"amount": "4000", "currency": "KRW", "reference": "R-1"}
                refunded = await client.post("/api/v1/checkouts/stripe/T-1/refunds", json=body)
                assert refunded.json()["state"] == "done"
                assert (await client.get("/api/v1/audit")).json()["holds"]
    assert await _balance(database) == won(6_000)
    assert len(settings.environment()["WATTBOOK_STRIPE_WEBHOOK_SECRETS"]) > len(SECRET)
    assert SECRET not in repr(settings)
    await prove(database)


async def _balance(database: Database) -> object:
    async with database.snapshot() as connection:
        return (await funds(connection, "kim", "KRW")).balance
