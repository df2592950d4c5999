"""The account of a house over HTTP: a period, a day, a forecast, notices; exact decimals, and links to documents."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.household.home import live, local
from tests.household.village import KWH, NOW, OCTOBER, UTILITY, billed, found, hourly, measure, paid
from wattbook.api.login import mount_login
from wattbook.api.services import Services
from wattbook.billing.houses import documents_of_house
from wattbook.billing.parties import Issuer
from wattbook.billing.registers import put_issuer
from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.readings.intervals import IntervalStore
from wattbook.registry.people import AccessRole, add_person, hash_password

SEOUL = "Asia/Seoul"


@pytest.fixture
def store(tmp_path: Path) -> IntervalStore:
    return IntervalStore(tmp_path / "intervals")


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        listening(application(database, Settings(data=tmp_path))) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as opened,
    ):
        yield opened


async def test_a_billed_month_is_told_with_its_credit_and_its_documents(
    client: httpx.AsyncClient, database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
        await measure(connection, store, hourly("M-h1", 500 * KWH, hours=31 * 24))
        bill = await billed(connection, store, "h1", OCTOBER)
        await receive_payments(connection, [paid("h1", "late", 150 * KWH)])
        await put_issuer(
            connection,
            Issuer(
                id=UTILITY.party,
                name="Village power",
                country="KR",
                city="Seoul",
                tax_number="101-81-00000",
                prefix="VP",
            ),
        )
        documents = await documents_of_house(connection, "h1", zone=ZoneInfo(SEOUL), now=NOW)
    account = (await client.get("/households/h1/account", params={"month": "2026-10"})).json()
    assert (account["first_day"], account["last_day"], account["time_zone"]) == ("2026-10-01", "2026-10-31", SEOUL)
    assessed = account["assessed"]
    assert (assessed["metered_kwh"], assessed["paid_elsewhere_kwh"], assessed["household_kwh"]) == ("500", "150", "350")
    assert (assessed["gross_total"], assessed["saved"], assessed["lines"]["total"]) == ("126160", "55520", "70640")
    assert [(each["tier"], each["kwh"], each["price"]) for each in account["by_tier"]] == [
        (1, "200", "120"),
        (2, "150", "214.6"),
    ]
    assert len(account["days"]) == 31
    assert sum(Decimal(day["metered_kwh"]) for day in account["days"]) == 500
    (told,) = account["bills"]
    assert (told["id"], told["stage"], told["lines"]["total"]) == (bill.id, "final", "126160")
    assert [note["lines"]["total"] for note in told["credit_notes"]] == ["55520"]
    assert told["owed"]["total"] == account["owed"]["total"] == "70640"
    assert [(each["source"], each["number"]) for each in told["documents"]] == [
        (f"bill:{bill.id}", documents[0].number),
        (f"credit:{bill.id}:1", documents[1].number),
    ]
    pdf = await client.get(told["documents"][0]["pdf"].removeprefix("/api/v1"))
    assert pdf.content.startswith(b"%PDF")
    (charge,) = account["charges"]
    assert (charge["id"], charge["in_period_kwh"], charge["state"]) == ("late", "150", "paid")
    assert account["forecast"] is None
    notices = (await client.get("/households/h1/notices")).json()
    assert {each["kind"]: each["words"] for each in notices} == {
        "credit": "The bill from 2026-10-01 on is 55,520 KRW lower: energy was paid elsewhere.",
        "bill": "The bill for 2026-10-01 to 2026-10-31 is 126,160 KRW.",
    }


async def test_a_running_month_is_told_with_what_it_will_come_to(
    client: httpx.AsyncClient, database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        quarters = await live(connection, store, "h1", local(SEOUL, 2026, 10, 1), NOW)
    account = (await client.get("/households/h1/account")).json()
    foretold = (await client.get("/households/h1/forecast")).json()
    assert account["forecast"] == foretold
    assert (account["is_running"], foretold["tier"]["number"], foretold["known_days"]) == (True, 2, 20)
    assert len(foretold["days"]) == 30
    assert Decimal(foretold["expected"]["household_kwh"]) > Decimal(account["assessed"]["household_kwh"])
    day = (await client.get("/households/h1/days/2026-11-20")).json()
    assert (len(day["readings"]), day["missing_minutes"]) == (96, 0)
    wanted = sum(q.house_mwh + q.car_mwh for q in quarters if f"{q.start.astimezone(ZoneInfo(SEOUL)):%m-%d}" == "11-20")
    assert Decimal(day["metered_kwh"]) * KWH == wanted


async def test_what_there_is_not_is_answered_with_a_reason(
    client: httpx.AsyncClient, database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await found(connection, "h1")
    for path, status in (
        ("/households/nobody/account", 404),
        ("/households/nobody/notices", 404),
        ("/households/h1/forecast", 404),
        ("/households/h1/account?month=2027-01", 422),
        ("/households/h1/account?month=July", 422),
        ("/households/h1/days/2027-01-01", 422),
        ("/households/h1/days/0001-01-01", 422),
        ("/households/h1/days/today", 422),
        ("/households/h1/notices?limit=0", 422),
    ):
        answer = await client.get(path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.json()["message"]


async def test_whom_nobody_let_in_is_shown_the_way_to_the_login(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as connection:
        known = hash_password("a battery of horses", bytes(16))
        await add_person(connection, "kim", AccessRole.ADMINISTRATOR, known, now=NOW)
    settings = Settings(data=tmp_path)
    app = application(database, settings)
    mount_login(app, Services(database, settings, lambda: NOW, no_proof))
    async with listening(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as stranger:
        page = await stranger.get("/household/h1")
        told = await stranger.get("/api/v1/households/h1/account")
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert told.status_code == 401


async def no_proof() -> Proof:
    raise AssertionError("nobody asks for one")
