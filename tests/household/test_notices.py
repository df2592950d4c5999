"""What a house is told, once each: bills, credits, tiers that lie ahead, readings that are missing."""

from collections import Counter
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.household.home import live, local, read
from tests.household.village import DAY, KWH, NOW, OCTOBER, TARIFF, UTILITY, billed, found, hourly, measure, paid
from wattbook.db.engine import Database
from wattbook.household.accounts.watching import look_at_houses
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.notices import About, Notice, notices_of_house
from wattbook.household.paid.payments import PaymentState
from wattbook.household.readings.intervals import IntervalStore
from wattbook.household.runs.bill_run import BillRun
from wattbook.kernel.units import Energy
from wattbook.registry.households import Household, add_households
from wattbook.simulate.households import Car, House, home_quarters
from wattbook.tariffs.household import rate_household

SEOUL = "Asia/Seoul"


async def told(connection: AsyncConnection, house: str = "h1", about: About | None = None) -> list[Notice]:
    return [each for each in await notices_of_house(connection, house) if about in (None, each.kind)]


async def test_a_bill_and_a_credit_are_told_by_the_transaction_that_issues_them(
    database: Database, store: IntervalStore
) -> None:
    late, back = paid("h1", "late", 150 * KWH), paid("h1", "late", 150 * KWH, state=PaymentState.WITHDRAWN)
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH))
    try:
        async with database.transaction() as connection:
            await billed(connection, store, "h1")
            raise RuntimeError("before the commit")
    except RuntimeError:
        pass
    async with database.transaction() as connection:
        assert await told(connection) == []
        await billed(connection, store, "h1")
        await billed(connection, store, "h1")
        for payment in (late, late, back, back):
            await receive_payments(connection, [payment])
        notices = {each.id: each.words for each in await told(connection)}
    assert notices == {
        f"bill:h1:{DAY.first}": "The bill for 2026-10-01 to 2026-10-01 is 126,160 KRW.",
        f"credit:h1:{DAY.first}:1": "The bill from 2026-10-01 on is 55,520 KRW lower: energy was paid elsewhere.",
        f"credit:h1:{DAY.first}:2": (
            "The bill from 2026-10-01 on is 55,520 KRW higher: a payment does not count any more."
        ),
    }


async def test_a_tier_that_lies_ahead_is_told_once(database: Database, store: IntervalStore) -> None:
    """Half a kWh an hour from September on: 372 kWh will be the month."""
    start, now = local(SEOUL, 2026, 9, 1), local(SEOUL, 2026, 10, 3)
    async with database.transaction() as connection:
        await found(connection, "h1")
        hours = (now - start) // timedelta(hours=1)
        await measure(connection, store, hourly("M-h1", hours * KWH // 2, start=start, hours=hours))
        await look_at_houses(connection, store, now=now)
        assert await told(connection, about=About.TIER) == [], "two days say little of a month"
        await measure(connection, store, hourly("M-h1", 24 * KWH // 2, start=now, hours=24), "third")
        looked = [await look_at_houses(connection, store, now=now + timedelta(days=1, hours=n)) for n in range(3)]
        (notice,) = await told(connection, about=About.TIER)
    assert [each.told for each in looked] == [1, 0, 0]
    assert notice.id == "tier:h1:2026-10-01:2"
    assert notice.words == (
        "The month is expected to pass 200 kWh on about 2026-10-17 and to end in tier 2."
        f" The bill is expected to be {rate_household(TARIFF, Energy(372 * KWH), OCTOBER).total_money()}."
    )


async def test_missing_readings_are_told_by_the_day_they_began_to_be(database: Database, store: IntervalStore) -> None:
    since, now = local(SEOUL, 2026, 11, 2), local(SEOUL, 2026, 11, 8)
    async with database.transaction() as connection:
        await live(connection, store, "h1", since, now, pays=False)
        for days in (0, 2, 3, 4):
            await look_at_houses(connection, store, now=now + timedelta(days=days))
        missing = [each.id for each in await told(connection, about=About.MISSING)]
        assert missing == ["missing:h1:2026-11-08"]
        come = home_quarters(House.FAMILY, Car.SMALL, now, now + timedelta(days=3), SEOUL)
        await read(connection, store, "h1", come)
        await look_at_houses(connection, store, now=now + timedelta(days=6))
        missing = [each.id for each in await told(connection, about=About.MISSING)]
    assert sorted(missing) == ["missing:h1:2026-11-08", "missing:h1:2026-11-11"]


async def test_houses_are_looked_at_some_at_a_time_and_one_that_is_out_of_order_holds_up_none(
    database: Database, store: IntervalStore
) -> None:
    houses = [f"h{number}" for number in range(5)]
    async with database.transaction() as connection:
        await found(connection, *houses)
        await add_households(
            connection,
            [
                Household("h1", "kim", "1 Hill", "no-such-tariff"),
                Household("h2", "kim", "1 Hill", "kr-jeju-time-of-use"),  # needs a contracted power, and has none
            ],
        )
        after, seen = "", 0
        rounds: list[int] = []
        while not rounds or after:
            looked = await look_at_houses(connection, store, after, now=NOW, limit=2)
            rounds.append(looked.houses)
            after, seen = looked.after, seen + looked.told
        kinds = Counter([each.kind for house in houses for each in await told(connection, house)])
    assert rounds == [2, 2, 1]
    assert kinds == {About.MISSING: seen}
    assert seen == 4, "all but the one of whose tariff nothing is known"


async def test_a_bill_run_tells_every_house_its_bill(database: Database, store: IntervalStore) -> None:
    houses = ["h1", "h2", "h3"]
    async with database.transaction() as connection:
        await found(connection, *houses)
        for house in houses:
            await measure(connection, store, hourly(f"M-{house}", 300 * KWH), house)
    for _ in range(2):
        await BillRun(database, store, UTILITY, DAY, lambda: NOW).run()
    async with database.transaction() as connection:
        notices = [each for house in houses for each in await told(connection, house)]
    assert [(each.household, each.kind) for each in notices] == [(house, About.BILL) for house in houses]
    assert all("57,760 KRW" in each.words for each in notices)
