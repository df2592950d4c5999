"""A market to bill in: one operator in euros, drivers who pay later or beforehand, and the sessions they had."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging import world
from tests.charging.world import KWH, US, YEAR
from wattbook.billing.checks import CHECKS
from wattbook.billing.documents import Document
from wattbook.billing.parties import Issuer, LegalParty
from wattbook.billing.registers import put_issuer, put_recipient
from wattbook.billing.run import Period, invoice_run
from wattbook.book.accounts import Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.transfers import Transfer
from wattbook.charging.checks import CHECKS as CHARGING_CHECKS
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock, parse_rfc3339
from wattbook.kernel.units import Money
from wattbook.registry.customers import AccountKind, Customer, add_customers
from wattbook.registry.stations import StationTariff, add_station_tariffs

ZONE = ZoneInfo("Europe/Berlin")
OCTOBER = Period.of_month("2026-10", ZONE)
FIRST = parse_rfc3339("2026-10-02T08:00:00Z")
"""When the first session of a test begins."""
ISSUED = parse_rfc3339("2026-11-02T09:00:00Z")
DEBTOR, LATER, PREPAID = "kim", "lee", "park"

ISSUER = Issuer(
    id=US,
    name="Ladenetz Nord GmbH",
    street="Hafenstraße 5",
    postcode="20457",
    city="Hamburg",
    country="DE",
    vat_id="DE136695976",
    prefix="LN",
    account="DE89370400440532013000",
)


def euros(amount: str) -> int:
    """In stored units."""
    return Money.of(amount, "EUR").amount


def tariff() -> dict[str, Any]:
    """0.35 a session without a stated tax, 0.5925 a kWh and 19 %."""
    components = (("FLAT", 0.35, None), ("ENERGY", 0.5925, 19))
    return {
        "country_code": "KR",
        "party_id": "WTB",
        "id": "plain",
        "currency": "EUR",
        "elements": [
            {
                "price_components": [
                    {"type": kind, "price": price, "step_size": 1} | ({} if vat is None else {"vat": vat})
                    for kind, price, vat in components
                ]
            }
        ],
    }


async def build(connection: AsyncConnection, *, stations: int = 2) -> None:
    """Kim and Lee pay later, Park beforehand and has 100 euros."""
    await world.build(connection, stations=stations, customers=(DEBTOR, LATER, PREPAID))
    await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR, "EUR", tariff())])
    await add_customers(
        connection,
        [
            Customer(DEBTOR, US, "김하늘", "ko", AccountKind.POSTPAID, "EUR"),
            Customer(LATER, US, "Anna Lee", "de", AccountKind.POSTPAID, "EUR"),
            Customer(PREPAID, US, "朴 Park", "zh", AccountKind.PREPAID, "EUR"),
        ],
    )
    await put_issuer(connection, ISSUER)
    await put_recipient(connection, LegalParty(id=LATER, name="Anna Lee", city="Kiel", country="DE"))
    await book(connection, "wallet", PREPAID, "100")


async def book(connection: AsyncConnection, purpose: str, owner: str, amount: str, *, fact: str = "first") -> None:
    """Money that comes in: a top-up of a wallet, or a debtor who pays."""
    transfer = Transfer(
        fact=f"paid:{purpose}:{owner}:{fact}",
        debit=Account("bank", "cash", "EUR"),
        credit=Account(owner, purpose, "EUR"),
        amount=euros(amount),
        event_at=FIRST,
    )
    assert await post(connection, [[transfer]], booked_at=FIRST) == [Posted.NEW]


class Charge(NamedTuple):
    """One session: who, how much, when."""

    customer: str
    kwh: Decimal
    begins: datetime = FIRST


async def charge(connection: AsyncConnection, charges: Sequence[Charge], *, stations: int = 2) -> list[str]:
    """Play the sessions from start to settlement, spread over the stations; ids of their charge detail records."""
    cdrs: list[str] = []
    for n, (customer, kwh, begins) in enumerate(charges):
        station = f"CP{n % stations + 1}"
        begin = SessionStart(
            station_id=station, connector_no=1, token_uid=f"T-{customer}", meter_start_mwh=0, started_at=begins
        )
        (started,) = await start(connection, [begin], now=begins)
        assert isinstance(started, Started), started
        ended_at = begins + timedelta(minutes=40)
        end = SessionStop(
            station_id=station,
            transaction_id=started.transaction_id,
            meter_stop_mwh=int(kwh * KWH),
            stopped_at=ended_at,
        )
        (stopped,) = await stop(connection, [end], now=ended_at)
        assert isinstance(stopped, Stopped), stopped
        cdrs.append(stopped.cdr_id)
    return cdrs


def one_after_another(customers: Sequence[str], kwh: Sequence[str]) -> list[Charge]:
    """An hour apart, so that no two sessions share metered time."""
    pairs = zip(customers, kwh, strict=True)
    return [Charge(name, Decimal(each), FIRST + timedelta(hours=n)) for n, (name, each) in enumerate(pairs)]


async def invoiced(
    database: Database, *, period: Period = OCTOBER, now: datetime = ISSUED, keep: bool = True
) -> list[Document]:
    """All that a run issues."""
    clock = ManualClock(now)
    slices = [each.documents async for each in invoice_run(database, US, period, clock=clock, keep=keep)]
    return [document for documents in slices for document in documents]


async def prove(database: Database) -> None:
    async with database.snapshot() as connection:
        proof = await audit(connection, (*CHARGING_CHECKS, *CHECKS))
    assert proof.holds, [finding for finding in proof.findings if not finding.holds]
