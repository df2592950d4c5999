"""A Stripe to test against: the package `localstripe` as a process of its own, and events of ours where it has none."""

import asyncio
import hmac
import json
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from socket import socket
from typing import Any

import httpx

API_KEY = "sk_test_wattbook"
SECRET = "whsec_wattbook"

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class StripeServer:
    """Attributes:
    url: of its interface.
    """

    url: str

    async def card(self, number: str = "4242424242424242") -> str:
        """A payment method."""
        answer = await self._post(
            "/v1/payment_methods",
            {
                "type": "card",
                "card[number]": number,
                "card[exp_month]": "12",
                "card[exp_year]": "2031",
                "card[cvc]": "123",
            },
        )
        return str(answer["id"])

    async def confirm(self, intent: str, method: str) -> None:
        """What the payer's device does."""
        await self._post(f"/v1/payment_intents/{intent}", {"payment_method": method})
        await self._post(f"/v1/payment_intents/{intent}/confirm", {})

    async def payout(self, amount: int, currency: str) -> dict[str, Any]:
        return await self._post("/v1/payouts", {"amount": str(amount), "currency": currency})

    async def intents(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(trust_env=False, auth=(API_KEY, "")) as client:
            listed: list[dict[str, Any]] = (await client.get(f"{self.url}/v1/payment_intents")).json()["data"]
        return listed

    async def push_to(self, url: str) -> None:
        """Send events there from now on, signed."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.url}/_config/webhooks/tests", data={"url": url, "secret": SECRET})
            answer.raise_for_status()

    async def _post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False, auth=(API_KEY, "")) as client:
            answer = await client.post(f"{self.url}{path}", data=form)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


@asynccontextmanager
async def stripe_server() -> AsyncIterator[StripeServer]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = Path(sys.executable).with_name("localstripe")
    process = await asyncio.create_subprocess_exec(
        str(command), "--port", str(port), "--from-scratch", stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        await _until_it_listens(port)
        yield StripeServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


async def _until_it_listens(port: int) -> None:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise TimeoutError("localstripe does not listen")


def event(kind: str, told: dict[str, Any], at: datetime, event_id: str | None = None) -> bytes:
    """An event as Stripe shapes it."""
    return json.dumps(
        {
            "id": event_id or f"evt_test{next(_numbers)}",
            "object": "event",
            "type": kind,
            "created": int(at.timestamp()),
            "data": {"object": told},
        }
    ).encode()


def signed(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers with which Stripe sends it: https://docs.stripe.com/webhooks#verify-manually."""
    seconds = int(at.timestamp())
    mac = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return {"Stripe-Signature": f"t={seconds},v1={mac}", "Content-Type": "application/json"}


def intent(reference: str, payment: str | None, amount: int, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    metadata = {} if payment is None else {"wattbook": payment}
    return {
        "id": reference,
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount if status == "succeeded" else 0,
        "currency": "krw",
        "status": status,
        "metadata": metadata,
        "created": 1_795_000_000,
    } | more


def refund(
    refund_id: str, reference: str, amount: int, status: str = "succeeded", ours: str | None = None
) -> dict[str, Any]:
    return {
        "id": refund_id,
        "object": "refund",
        "payment_intent": reference,
        "amount": amount,
        "currency": "krw",
        "status": status,
        "metadata": {} if ours is None else {"wattbook": ours},
        "created": 1_795_000_000,
    }


def dispute(dispute_id: str, reference: str, amount: int, status: str = "needs_response") -> dict[str, Any]:
    return {
        "id": dispute_id,
        "object": "dispute",
        "payment_intent": reference,
        "amount": amount,
        "currency": "krw",
        "status": status,
    }


def payout(payout_id: str, amount: int) -> dict[str, Any]:
    return {"id": payout_id, "object": "payout", "amount": amount, "currency": "krw", "status": "paid"}
