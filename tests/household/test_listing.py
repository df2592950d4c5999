"""Houses page by page, with who lives there today and the latest bill as it stands."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from tests.household.village import DAY, KWH, NOW, TARIFF, billed, found, hourly, measure, paid
from wattbook.console.houses import house_row
from wattbook.db.engine import Database
from wattbook.household.accounts.listing import houses_after
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Money
from wattbook.registry.contracts import ALWAYS, Contract, add_contract

SEOUL = ZoneInfo("Asia/Seoul")


async def test_houses_are_listed_page_by_page(database: Database, store: IntervalStore) -> None:
    names = [f"h{number}" for number in range(5)]
    async with database.transaction() as connection:
        await found(connection, *names)
        await add_contract(connection, Contract("h1", "lee", "kr-residential-high-voltage", ALWAYS))
        await add_contract(connection, Contract("h2", "lee", TARIFF.name, ALWAYS, date(2026, 11, 1)))
        await measure(connection, store, hourly("M-h3", 500 * KWH))
        await billed(connection, store, "h3", DAY)
        await receive_payments(connection, [paid("h3", "late", 150 * KWH)])
        listed = await houses_after(connection, "", now=NOW, zone=SEOUL, limit=3)
        rest = await houses_after(connection, listed[-1].house.id, now=NOW, zone=SEOUL, limit=3)
        assert [each.house.id for each in (*listed, *rest)] == names
        assert [(each.house.customer, each.house.tariff, each.is_vacant) for each in listed] == [
            ("kim", TARIFF.name, False),
            ("lee", "kr-residential-high-voltage", False),
            ("kim", TARIFF.name, True),
        ]
        assert [each.bill for each in (*listed, rest[1])] == [None] * 4
        bill = rest[0].bill
        assert bill is not None
        assert (bill.period, bill.owed, bill.stage) == (DAY, Money.of(70_640, "KRW"), "final")
        assert (house_row(rest[0])["bill"], house_row(listed[2])["customer"]) == ("70,640 KRW", "nobody")
        with pytest.raises(InvalidInput):
            await houses_after(connection, "", now=NOW, zone=SEOUL, limit=0)


async def test_a_page_is_found_by_indexes_however_many_houses_there_are(database: Database) -> None:
    async with database.transaction() as connection:
        await found(connection)
        await connection.execute(
            text("""
                INSERT INTO registry.households (id, customer, address, tariff, reading_day)
                SELECT 'H' || lpad(n::text, 6, '0'), 'kim', '1 Hill', 'kr-residential-low-voltage', 1
                FROM generate_series(1, 20000) AS n
            """)
        )
        await connection.execute(text("ANALYZE registry.households"))
        plan = await connection.execute(
            text("EXPLAIN SELECT * FROM registry.households WHERE id > 'H010000' ORDER BY id LIMIT 51")
        )
        steps = "\n".join(plan.scalars())
        assert "Index Scan" in steps
        assert "Seq Scan" not in steps
        listed = await houses_after(connection, "H010000", now=NOW, zone=SEOUL, limit=51)
        assert [each.house.id for each in listed] == [f"H{number:06d}" for number in range(10_001, 10_052)]
