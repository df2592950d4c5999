"""Reports of days are compared by themselves: each day once, the oldest first, and a provider may be away meanwhile."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.payments.stripe_server import API_KEY, SECRET, stripe_server
from tests.payments.world import NEIGHBOURS, build, prove, won
from wattbook.app import chores
from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock, system_clock
from wattbook.payments import checkout
from wattbook.payments.checkout import Checkout
from wattbook.payments.daily import DAYS_AT_ONCE, LOOKS_BACK, REPORT_AFTER, due_days, reconcile_due
from wattbook.payments.operations import carry_out
from wattbook.payments.providers.stripe import Stripe
from wattbook.payments.reconciliation import DifferenceKind, reconciliations
from wattbook.payments.records import Purpose

WAIT_S = 60.0
FIRST = date(2026, 11, 18)
PAID = Checkout(channel="stripe", reference="T-1", purpose=Purpose.TOP_UP, subject="kim", money=won(10_000))


def after(day: date) -> datetime:
    """When its report is due."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) + REPORT_AFTER


async def due(database: Database, now: datetime) -> list[date]:
    async with database.snapshot() as connection:
        return await due_days(connection, "stripe", now=now)


async def begin(database: Database, now: datetime) -> str:
    async with database.transaction() as connection:
        return (await checkout.begin(connection, PAID, NEIGHBOURS.invoices, now=now)).id


async def test_a_day_is_due_once_it_is_over_for_an_hour_and_none_before_the_first_payment(database: Database) -> None:
    await build(database)
    assert await due(database, after(FIRST)) == []
    await begin(database, datetime.combine(FIRST, time(23, 59), UTC))
    assert await due(database, after(FIRST) - timedelta(microseconds=1)) == []
    assert await due(database, after(FIRST)) == [FIRST]
    three = [FIRST + timedelta(days=n) for n in range(3)]
    assert await due(database, after(three[-1])) == three
    much_later = await due(database, after(FIRST + 10 * LOOKS_BACK))
    assert (len(much_later), much_later[-1]) == (LOOKS_BACK.days + 1, FIRST + 10 * LOOKS_BACK)


async def test_missed_days_are_made_good_some_at_a_time_and_none_is_compared_twice(database: Database) -> None:
    await build(database)
    await begin(database, datetime.combine(FIRST, time(), UTC))
    days = [FIRST + timedelta(days=n) for n in range(DAYS_AT_ONCE + 1)]
    clock = ManualClock(after(days[-1]))
    async with stripe_server() as server:
        provider = Stripe(API_KEY, (SECRET,), api_base=server.url)
        rounds = [await reconcile_due(database, {"stripe": provider}, clock) for _ in range(3)]
        await provider.close()
    assert [[result.day for result in compared] for compared in rounds] == [days[:-1], days[-1:], []]
    async with database.snapshot() as connection:
        kept = await reconciliations(connection, "stripe")
    assert kept == [result for compared in rounds for result in compared][::-1]
    assert await due(database, clock()) == []


async def test_a_provider_that_is_away_is_asked_again_and_the_day_stays_due(database: Database) -> None:
    await build(database)
    operation = await begin(database, system_clock())
    today = system_clock().date()
    clock = ManualClock(after(today))
    async with stripe_server() as server:
        provider = Stripe(API_KEY, (SECRET,), api_base=server.url)
        away = Stripe(API_KEY, (SECRET,), api_base="http://127.0.0.1:9")
        await carry_out(database, {"stripe": provider}, operation, clock)
        assert await reconcile_due(database, {"stripe": away}, clock) == []
        assert await due(database, clock()) == [today]
        (compared,) = await reconcile_due(database, {"stripe": provider}, clock)
        await away.close()
        await provider.close()
    assert (compared.day, compared.ran_at, compared.rows, compared.differences) == (today, clock(), 0, ())


async def test_a_deployment_compares_yesterday_by_itself_and_shows_what_it_found(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await build(database)
    monkeypatch.setattr(chores, "REPORTS_EVERY", timedelta(milliseconds=50))
    async with stripe_server() as server:
        provider = Stripe(API_KEY, (SECRET,), api_base=server.url)
        method = await server.card()
        async with database.transaction() as connection:
            paid = Checkout(**{name: getattr(PAID, name) for name in PAID.__dataclass_fields__} | {"method": method})
            operation = await checkout.begin(connection, paid, NEIGHBOURS.invoices, now=system_clock())
        await carry_out(database, {"stripe": provider}, operation.id, system_clock)
        await provider.close()
        async with database.transaction() as connection:  # what nobody shall overlook
            await connection.execute(text("UPDATE payments.payments SET reference = 'pi_other' WHERE id = 'T-1'"))
        day = system_clock().date()
        settings = Settings(data=tmp_path, ocpp_port=0, web_port=0, stripe_api_key=API_KEY, stripe_api_base=server.url)
        async with (
            serving(settings, database_url, clock=lambda: system_clock() + timedelta(days=1) + REPORT_AFTER) as running,
            httpx.AsyncClient(base_url=running.web_url, trust_env=False) as client,
            asyncio.timeout(WAIT_S),
        ):
            path = "/api/v1/reconciliations?provider=stripe"
            while True:
                told = (await client.get(path)).json()
                if told["reconciliations"]:
                    break
                await asyncio.sleep(0.1)
            later = await client.get(f"{path}&since={day + timedelta(days=1)}")
    assert told["due"] == []
    (kept,) = told["reconciliations"]
    assert (kept["provider"], kept["date"], kept["rows"]) == ("stripe", day.isoformat(), 1)
    kinds = sorted(difference["kind"] for difference in kept["differences"])
    assert kinds == [DifferenceKind.NOT_REPORTED, DifferenceKind.UNKNOWN_HERE]
    assert later.json()["reconciliations"] == []
    await prove(database)
