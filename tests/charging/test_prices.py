"""The price of a session of ours, by tariffs whose price depends on how it went: cut, shown, stored and told as one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import HOUR, KWH, NOW, US, YEAR, Listener, build, prove, tariff_document, top_up, won
from wattbook.charging.events import SessionEnded
from wattbook.charging.meter_values import record_samples
from wattbook.charging.running import Reading, Samples
from wattbook.charging.starting import SessionStart, Started, start
from wattbook.charging.stopping import SessionStop, Stopped, stop
from wattbook.charging.views import find_cdrs, find_sessions
from wattbook.db.engine import Database
from wattbook.registry.stations import StationTariff, add_station_tariffs

MINUTE = timedelta(minutes=1)
SEOUL = ZoneInfo("Asia/Seoul")
START = SessionStart(station_id="CP1", connector_no=1, token_uid="T-kim", meter_start_mwh=500 * KWH, started_at=NOW)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """Kim has 100,000 won; whatever a test does, the proof holds in the end."""
    async with database.transaction() as connection:
        await build(connection)
        await top_up(connection, "kim", won(100_000))
        yield connection
    await prove(database)


def priced(kind: str, price: str, **restrictions: Any) -> dict[str, Any]:
    part = {"type": kind, "price": Decimal(price), "vat": 10, "step_size": 1}
    return {"price_components": [part], "restrictions": restrictions}


async def offer(connection: AsyncConnection, *elements: dict[str, Any]) -> None:
    document = tariff_document() | {"elements": list(elements)}
    await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR, "KRW", document)])


async def begin(connection: AsyncConnection) -> Started:
    (started,) = await start(connection, [START], now=NOW)
    assert isinstance(started, Started), started
    return started


async def read(connection: AsyncConnection, started: Started, *readings: tuple[int, str]) -> None:
    """(minutes after the begin, kWh since)."""
    taken = tuple(Reading(NOW + n * MINUTE, int((500 + Decimal(kwh)) * KWH)) for n, kwh in readings)
    await record_samples(
        connection, [Samples("CP1", 1, started.transaction_id, taken)], now=NOW + readings[-1][0] * MINUTE
    )


async def end(connection: AsyncConnection, started: Started, kwh: str, minutes: int) -> tuple[Stopped, SessionEnded]:
    listener = Listener()
    stopped_at = NOW + minutes * MINUTE
    what = SessionStop(
        station_id="CP1", transaction_id=started.transaction_id, meter_stop_mwh=int((500 + Decimal(kwh)) * KWH),
        stopped_at=stopped_at,
    )  # fmt: skip
    (outcome,) = await stop(connection, [what], now=stopped_at, subscribers=[listener])
    assert isinstance(outcome, Stopped), outcome
    (ended,) = listener.events
    assert isinstance(ended, SessionEnded)
    return outcome, ended


async def cost_so_far(connection: AsyncConnection, started: Started) -> Decimal | None:
    (view,) = await find_sessions(connection, [started.session_id])
    assert view is not None
    return view.cost_before_tax


def clock(after: timedelta) -> str:
    """What a clock at the site shows then."""
    return f"{NOW.astimezone(SEOUL) + after:%H:%M}"


async def test_energy_is_priced_by_the_hours_at_the_site(connection: AsyncConnection) -> None:
    await offer(connection, priced("ENERGY", "100", end_time=clock(HOUR)), priced("ENERGY", "300"))
    started = await begin(connection)
    await read(connection, started, (30, "10"), (90, "16"))
    assert await cost_so_far(connection, started) == 13 * 100 + 3 * 300  # 6 kWh in the hour around the limit
    outcome, ended = await end(connection, started, "20", 120)
    assert outcome.before_tax == won(13 * 100 + 7 * 300)
    assert [(each.start, each.energy.kwh) for each in ended.periods] == [
        (NOW, Decimal(13)),
        (NOW + HOUR, Decimal(7)),
    ]
    assert ended.explanation == (
        "ENERGY: 13 kWh × 100 KRW + 10 % tax = 1430 KRW",
        "ENERGY: 7 kWh × 300 KRW + 10 % tax = 2310 KRW",
    )


async def test_a_car_that_is_full_parks(connection: AsyncConnection) -> None:
    await offer(connection, priced("TIME", "60"), priced("PARKING_TIME", "600", min_duration=3600))
    started = await begin(connection)
    await read(connection, started, (20, "5"), (40, "5"), (50, "8"), (55, "8"))
    outcome, ended = await end(connection, started, "8", 90)
    # a pause that ended is charging time; 50 minutes charging, 10 parking within the first hour, 30 after it
    assert outcome.before_tax == won(50 + 300)
    assert [(each.time, each.parking) for each in ended.periods] == [
        (50 * MINUTE, timedelta(0)), (timedelta(0), 10 * MINUTE), (timedelta(0), 30 * MINUTE),
    ]  # fmt: skip
    assert {name.value: cost.before_tax for name, cost in ended.costs.items()} == {
        "TIME": Fraction(50), "PARKING_TIME": Fraction(300),
    }  # fmt: skip


async def test_a_price_by_power_follows_the_meter(connection: AsyncConnection) -> None:
    await offer(connection, priced("ENERGY", "500", min_power=10), priced("ENERGY", "200"))
    started = await begin(connection)
    await read(connection, started, (30, "10"), (60, "12"), (90, "14"))
    outcome, ended = await end(connection, started, "20", 120)
    assert outcome.before_tax == won(10 * 500 + 4 * 200 + 6 * 500)
    assert [each.power_kw and each.power_kw[0] for each in ended.periods] == [20, 4, 12]


async def test_what_is_told_so_far_is_what_is_posted_in_the_end(connection: AsyncConnection) -> None:
    await offer(connection, priced("ENERGY", "0"), priced("FLAT", "500", min_kwh=5), priced("TIME", "90"))
    started = await begin(connection)
    await read(connection, started, (10, "4"))
    assert await cost_so_far(connection, started) == 15
    await read(connection, started, (20, "8"))
    assert await cost_so_far(connection, started) == 30 + 500
    outcome, _ = await end(connection, started, "8", 20)
    assert outcome.before_tax == won(530)


async def test_the_record_holds_the_lines_and_the_tariff_with_exact_numbers(connection: AsyncConnection) -> None:
    await offer(connection, priced("ENERGY", "347.2", max_kwh=5), priced("ENERGY", "0.1"))
    started = await begin(connection)
    outcome, _ = await end(connection, started, "8", 60)
    (cdr,) = await find_cdrs(connection, [outcome.cdr_id])
    assert cdr is not None
    assert [(line["period"], line["volume"], line["before_tax"]) for line in cdr.document["price"]["lines"]] == [
        (0, "5", "1736"), (1, "3", "0.3"),
    ]  # fmt: skip
    parts = [each["price_components"][0]["price"] for each in cdr.document["tariff"]["elements"]]
    assert parts == [Decimal("347.2"), Decimal("0.1")]
    stored = await connection.execute(
        text("SELECT document->'elements'->0#>>'{price_components,0,price}' FROM charging.tariffs")
    )
    assert stored.scalar_one() == "347.2"


async def test_a_later_version_is_for_later_sessions(connection: AsyncConnection) -> None:
    await offer(connection, priced("ENERGY", "100", max_kwh=5), priced("ENERGY", "200"))
    started = await begin(connection)
    dearer = tariff_document() | {"elements": [priced("ENERGY", "900")]}
    await add_station_tariffs(connection, [StationTariff(US, "plain", NOW + MINUTE, "KRW", dearer)])
    outcome, _ = await end(connection, started, "10", 60)
    assert outcome.before_tax == won(5 * 100 + 5 * 200)
