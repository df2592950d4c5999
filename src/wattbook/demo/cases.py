"""The five cases. Each is played through the doors of the deployments and answers with rows for the closing table."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiohttp

from wattbook.charging.events import SessionView
from wattbook.charging.views import refusals, sessions_between
from wattbook.demo import foreign_station
from wattbook.demo.deployments import Deployment
from wattbook.demo.world import (
    DONGNE_GROUP,
    HOUSE,
    HOUSE_METER,
    JIWOO,
    MINJUN,
    OPERATOR_A,
    SEOYEON,
    STATION_MALL,
    STATION_STREET,
    STRANGER,
    UTILITY,
    WALLBOX_SERVER,
    Driver,
)
from wattbook.household.bills.billing import Utility, bill_period
from wattbook.household.bills.documents import Bill
from wattbook.household.readings.intervals import IntervalStore, readings
from wattbook.kernel.clock import ManualClock, format_rfc3339
from wattbook.kernel.errors import Unavailable, WattbookError
from wattbook.kernel.units import MWH_PER_KWH, MWH_PER_WH, Currency, Energy, Money
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.records import SettlementRow
from wattbook.roaming.sessions import list_sessions
from wattbook.roaming.settlement import list_settlements, settle
from wattbook.simulate.evses import Evse
from wattbook.simulate.households import Car, HomeCharge, House, home_charges, home_quarters, home_readings
from wattbook.simulate.sessions import Pace
from wattbook.simulate.stations import SimulatedStation
from wattbook.simulate.vehicles import MODELS, Vehicle
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.household import rate_household
from wattbook.tariffs.period import BillingPeriod

WAIT_S: Final = 30.0
MONTH: Final = BillingPeriod.of_month("2026-10")
ZONE: Final = "Asia/Seoul"

Say = Callable[[str], None]
"""Tells the watcher what happens now."""


@dataclass(frozen=True, slots=True)
class Row:
    """Who, how much energy (mWh, negative: fed in), what price, and why."""

    who: str
    energy_mwh: int | None
    price: Money | None
    why: str


async def own_customer(a: Deployment, started_at: datetime, pause_s: float, say: Say) -> list[Row]:
    """(a) A prepaid customer at her own operator's station, which is driven by a client that is not ours."""
    await foreign_station.charge(
        a.ocpp_url,
        STATION_STREET,
        JIWOO.token,
        energy_wh=9_350,
        started_at=started_at,
        lasting=timedelta(minutes=84),
        pause_s=pause_s,
        progress=lambda percent: say(f"{JIWOO.name} charges at {STATION_STREET}: {percent} %"),
    )
    session = await _session_of(a, JIWOO, started_at)
    return [
        Row(f"{JIWOO.name}, prepaid", session.import_mwh, _price(session), f"at her own operator, {STATION_STREET}")
    ]


async def roaming_driver(
    a: Deployment, b: Roaming, hub: Deployment, started_at: datetime, pause_s: float, say: Say
) -> list[Row]:
    """(b) A driver of B charges at A through the hub; B pays A, and all three have the settlement."""
    station = SimulatedStation(STATION_MALL, ManualClock(started_at), [Evse(50_000, dc=True, feed_in_max_w=10_000)])
    await station.connect(a.ocpp_url)
    watching = asyncio.create_task(_watch(b, say))
    vehicle = Vehicle(MODELS[1], 21 * MWH_PER_KWH)
    outcome = await station.charge(
        SEOYEON.token, vehicle, energy_mwh=24 * MWH_PER_KWH, pace=Pace(timedelta(minutes=2), pause_s)
    )
    await station.leave()
    watching.cancel()
    if outcome.refusal is not None:
        raise Unavailable(f"{SEOYEON.name} was refused: {outcome.refusal}")
    session = await _session_of(a, SEOYEON, started_at)
    say(f"{b.settings.name} settles with {a.settings.name}")
    settlement = await _settle(a, b, hub)
    why = f"of {b.settings.name}, through the hub; settled: {_stored(settlement.after_tax, settlement.currency)}"
    return [Row(f"{SEOYEON.name}, roaming", session.import_mwh, _price(session), why)]


async def paid_charging_at_home(a: Deployment, say: Say) -> list[Row]:
    """(c) A house is billed for a month; its car's charging was paid to the wallbox's payment server."""
    since, until = _start(MONTH.first), _start(MONTH.last + timedelta(days=1))
    quarters = home_quarters(House.FAMILY, Car.SMALL, since, until, ZONE)
    charges = list(home_charges(quarters))
    *punctual, late = charges
    intervals = IntervalStore(a.settings.data / "intervals")
    say(f"{len(quarters):,} quarter hours of {HOUSE} are read")
    async with a.database.transaction() as connection:
        table = readings(home_readings(quarters, HOUSE_METER, "1-0:1.8.0"))
        await intervals.write(connection, f"{HOUSE_METER}:{MONTH.first:%Y-%m}", table, now=datetime.now(UTC))
    async with aiohttp.ClientSession() as http:
        for number, charge in enumerate(punctual, start=1):
            await _pay(http, a, charge, number, expect=201)
        say(f"{len(punctual)} charges were paid elsewhere; the month is billed")
        bill = await _bill(a, intervals)
        credit = (await _pay(http, a, late, len(charges), expect=201))["credit_notes"]
        repeated = (await _pay(http, a, late, len(charges), expect=200))["outcome"]
        await _pay(http, a, late, 1, expect=409)
    own_mwh = sum(quarter.house_mwh for quarter in quarters)
    own_bill = rate_household(household_tariff(bill.tariff), Energy(own_mwh), MONTH).total_money()
    credited = Money.of(credit[0]["lines"]["total"], bill.currency)
    corrected = bill.total - credited
    equal = "equals" if corrected == own_bill else "DIFFERS FROM"
    paid_mwh = sum(charge.energy_mwh for charge in charges)
    return [
        Row(f"{HOUSE}, October", bill.metered_mwh, bill.total + bill.duplicate, "if all that was measured were billed"),
        Row(
            "  paid in time",
            -sum(charge.energy_mwh for charge in punctual),
            -bill.duplicate,
            f"{len(punctual)} charges",
        ),
        Row("  paid late", -late.energy_mwh, -credited, f"credit note; repeated: {repeated}; other kWh: conflict"),
        Row("  corrected", bill.metered_mwh - paid_mwh, corrected, f"{equal} the bill of its own load, {own_bill}"),
    ]


async def feeding_in(a: Deployment, started_at: datetime, pause_s: float, say: Say) -> list[Row]:
    """(d) A car gives energy back; its supplier and the network operator have it on their accounts."""
    station = SimulatedStation(STATION_MALL, ManualClock(started_at), [Evse(50_000, dc=True, feed_in_max_w=10_000)])
    # Its meter counts on from where the driver before left it.
    station.evse(1).meter.count_import(24 * MWH_PER_KWH)
    await station.connect(a.ocpp_url)
    say(f"{MINJUN.name}'s car feeds in at {STATION_MALL}")
    outcome = await station.feed_in(
        MINJUN.token,
        Vehicle(MODELS[1], 50 * MWH_PER_KWH),
        energy_mwh=12 * MWH_PER_KWH,
        pace=Pace(timedelta(minutes=5), pause_s),
    )
    await station.leave()
    if outcome.refusal is not None:
        raise Unavailable(f"{MINJUN.name} was refused: {outcome.refusal}")
    session = await _session_of(a, MINJUN, started_at)
    why = f"fed in; credited to {MINJUN.supplied_by.supplier if MINJUN.supplied_by else '-'} through the grid operator"
    return [Row(f"{MINJUN.name}, feed-in", -session.export_mwh, _price(session), why)]


async def stranger(a: Deployment, started_at: datetime, say: Say) -> list[Row]:
    """(e) A car that no supplier answers for is not cleared."""
    station = SimulatedStation(STATION_STREET, ManualClock(started_at))
    await station.connect(a.ocpp_url)
    say("a stranger shows a card")
    outcome = await station.charge(STRANGER.token, Vehicle(MODELS[0], 8 * MWH_PER_KWH), lasting=timedelta(minutes=5))
    await station.leave()
    async with a.database.snapshot() as connection:
        noted = await refusals(connection, started_at - timedelta(days=1), limit=1)
    if outcome.refusal is None or not noted:
        raise Unavailable("the stranger was not refused")
    return [Row("a stranger", 0, None, f"refused ({noted[0].reason}): {noted[0].message}")]


async def keep_charging(a: Deployment) -> None:
    """Session after session at a person's pace, so that the overview page has something to show; never ends."""
    station = SimulatedStation(STATION_STREET, ManualClock(datetime.now(UTC) - timedelta(minutes=90)), [Evse(7_000)])
    # Its meter counts on from where the driver before left it.
    station.evse(1).meter.count_import(9_350 * MWH_PER_WH)
    await station.connect(a.ocpp_url)
    while True:
        await station.charge(
            JIWOO.token,
            Vehicle(MODELS[0], 22 * MWH_PER_KWH),
            energy_mwh=6 * MWH_PER_KWH,
            pace=Pace(timedelta(seconds=30), 0.5),
        )


async def until(what: str, found: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is not empty.

    Raises:
        Unavailable: none within half a minute.
    """
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while asyncio.get_running_loop().time() < deadline:
        if answer := await found():
            return answer
        await asyncio.sleep(0.1)
    raise Unavailable(f"waited {WAIT_S:g} s in vain for {what}")


async def _watch(b: Roaming, say: Say) -> None:
    """What the driver's own provider can show her while she charges at another operator."""
    while True:
        async with b.database.snapshot() as connection:
            found = await list_sessions(connection, customer=SEOYEON.customer, limit=1)
        for session in found:
            left = "" if session.remaining_s is None else f", {session.remaining_s // 60} min left"
            spent = "" if session.progress_percent is None else f", {session.progress_percent:.0f} % of her money"
            say(f"{b.settings.name} shows {SEOYEON.name}: {Energy(session.energy_mwh)}{spent}{left}")
        await asyncio.sleep(0.3)


async def _settle(a: Deployment, b: Roaming, hub: Deployment) -> SettlementRow:
    async def paid() -> list[SettlementRow]:
        async with b.database.transaction() as connection:
            return await settle(b, connection, OPERATOR_A.id)

    async def known(deployment: Deployment) -> list[SettlementRow]:
        async with deployment.database.snapshot() as connection:
            return await list_settlements(connection)

    settlements: list[SettlementRow] = await until("the record to reach B", paid)
    await until("the settlement to reach the hub", lambda: known(hub))
    await until("the settlement to reach A", lambda: known(a))
    return settlements[0]


async def _bill(a: Deployment, intervals: IntervalStore) -> Bill:
    utility = Utility(UTILITY.id, DONGNE_GROUP.id)
    async with a.database.transaction() as connection:
        (bill,) = await bill_period(connection, intervals, [HOUSE], MONTH, utility, now=datetime.now(UTC))
    if isinstance(bill, WattbookError):
        raise bill
    return bill


async def _pay(http: aiohttp.ClientSession, a: Deployment, charge: HomeCharge, number: int, *, expect: int) -> Any:
    """What the payment server sends, and what it is told."""
    document = {
        "server_id": WALLBOX_SERVER,
        "payment_id": f"{HOUSE}-{number}",
        "household": HOUSE,
        "kwh": str(Energy(charge.energy_mwh).kwh),
        "started_at": format_rfc3339(charge.started_at),
        "ended_at": format_rfc3339(charge.ended_at),
    }
    async with http.post(f"{a.web_url}/api/v1/payments", json=document) as answer:
        body = await answer.json()
        if answer.status != expect:
            raise Unavailable(f"payment {number} was answered {answer.status}: {body}")
        return body


async def _session_of(a: Deployment, driver: Driver, started_at: datetime) -> SessionView:
    async with a.database.snapshot() as connection:
        found = await sessions_between(connection, started_at - timedelta(hours=1), datetime.now(UTC), limit=50)
    ended = [session for session in found if session.token_uid == driver.token and session.state == "completed"]
    if not ended:
        raise Unavailable(f"no completed session of {driver.name} is on record")
    return ended[0]


def _price(session: SessionView) -> Money | None:
    if session.cost_after_tax is None:
        return None
    return Money.half_up(session.cost_after_tax, session.currency)


def _stored(amount: int, currency: str) -> Money:
    return Money(amount, Currency.of(currency))


def _start(day: Any) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
