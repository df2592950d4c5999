"""A small world to pay in: the car park of the charging tests, a fleet, a house, senders of payments, and invoices."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.billing.market import ISSUER
from tests.charging import world
from tests.charging.world import US
from tests.household import village
from wattbook.api.neighbours import HouseBills
from wattbook.billing.checks import CHECKS as BILLING_CHECKS
from wattbook.billing.registers import put_issuer
from wattbook.book.audit import Proof, audit
from wattbook.charging.checks import CHECKS as CHARGING_CHECKS
from wattbook.db.engine import Database
from wattbook.household.checks import CHECKS as HOUSEHOLD_CHECKS
from wattbook.kernel.units import Money
from wattbook.payments.checks import CHECKS
from wattbook.payments.ports import Debtor, Neighbours
from wattbook.payments.senders import add_sender
from wattbook.registry.customers import AccountKind, Customer, add_customers

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SENDER = "till.example"

INVOICES = {"2026-00001": Debtor("lee", "receivable", "KRW")}


class Issued:
    """An invoice register with one invoice."""

    async def debtors(self, connection: AsyncConnection, numbers: Sequence[str]) -> list[Debtor | None]:
        return [INVOICES.get(number) for number in numbers]


NEIGHBOURS = Neighbours(HouseBills(), Issued())


def won(amount: int | str) -> Money:
    return Money.of(amount, "KRW")


async def build(database: Database) -> bytes:
    """Kim is prepaid, Lee and the fleet `haul` are postpaid; `house-1` has a meter; the operator issues documents.
    The key of the sender.
    """
    async with database.transaction() as connection:
        await world.build(connection, customers=("kim", "park"))
        await village.found(connection, "house-1")
        await add_customers(connection, [Customer("kim", US, "Kim", "ko", AccountKind.PREPAID, "KRW")])
        await add_customers(
            connection,
            [Customer(name, US, name, "ko", AccountKind.POSTPAID, "KRW") for name in ("lee", "haul")],
        )
        await put_issuer(connection, ISSUER)
        return bytes.fromhex(await add_sender(connection, SENDER, "The till at the door", now=NOW))


TOP_UP: dict[str, Any] = {
    "payment_id": "P-1",
    "purpose": "top-up",
    "customer": "kim",
    "amount": "10000",
    "currency": "KRW",
    "paid_at": "2026-11-21T20:30:00+09:00",
}
SESSION: dict[str, Any] = {
    "payment_id": "P-2",
    "purpose": "session",
    "station": "CP1",
    "token": "CARD-77",
    "amount": "20000",
    "currency": "KRW",
    "paid_at": "2026-11-21T20:59:00+09:00",
}
INVOICE: dict[str, Any] = {
    "payment_id": "P-3",
    "purpose": "invoice",
    "invoice": "2026-00001",
    "amount": "3300",
    "currency": "KRW",
    "paid_at": "2026-11-20T00:00:00Z",
}
HOUSE: dict[str, Any] = {
    "payment_id": "P-4",
    "purpose": "house",
    "household": "house-1",
    "kwh": "7.25",
    "started_at": "2026-10-01T01:00:00+09:00",
    "ended_at": "2026-10-01T03:00:00+09:00",
}


def document(known: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (known | changes).items() if value is not None}).encode()


async def prove(database: Database) -> Proof:
    """The proof with every room's checks, which holds."""
    async with database.snapshot() as connection:
        proof = await audit(connection, (*BILLING_CHECKS, *CHARGING_CHECKS, *HOUSEHOLD_CHECKS, *CHECKS))
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]
    return proof
