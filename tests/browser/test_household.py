"""The page of a house, as those who live there see it in a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.server import listening
from tests.browser.chromium import Page, browser
from tests.browser.house_scene import HOUSE, NOW, SEOUL, play
from tests.browser.test_overview import proving
from tests.household.home import read
from tests.household.village import KWH, SERVER, found, paid
from wattbook.config import Settings
from wattbook.console import household_look, mount_household, mount_overview, pacing
from wattbook.console.household_charts import PAID
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.readings.intervals import IntervalStore
from wattbook.simulate.households import Car, House, home_quarters

HIGHEST_CHARGE = """
(() => {
  const bars = [...document.querySelectorAll('.wb-month-chart path[fill="%s"]')].map(bar =>
    bar.getBoundingClientRect());
  const highest = bars.reduce((one, other) => one.height > other.height ? one : other);
  return [highest.x + highest.width / 2, highest.y + highest.height / 2];
})()
"""


def serving(database: Database, data: Path) -> FastAPI:
    app = FastAPI()
    settings = Settings(name="Village power", data=data)
    mount_household(app, database=database, settings=settings, clock=lambda: NOW)
    mount_overview(app, database=database, settings=settings, clock=lambda: NOW, proof=proving(database))
    return app


@asynccontextmanager
async def looking_at(database: Database, folder: Path, path: str) -> AsyncIterator[Page]:
    async with listening(serving(database, folder)) as url, browser(folder / "profile") as page:
        await page.open(f"{url}/household/{path}")
        yield page


@pytest.fixture
async def store(database: Database, tmp_path: Path) -> IntervalStore:
    opened = IntervalStore(tmp_path / "intervals")
    async with database.transaction() as connection:
        await play(connection, opened)
    return opened


@pytest.mark.usefixtures("store")
async def test_a_running_month_is_shown_at_a_glance(database: Database, tmp_path: Path) -> None:
    async with looking_at(database, tmp_path, HOUSE) as page:
        await page.shows(
            "hill-3 3 Hill · Korea, residential, low voltage",
            "November 2026",
            "Used so far 162.6 kWh 189.4 kWh measured · 26.86 kWh charged and paid elsewhere",
            "Expected bill 41,790 KRW for 237.5 kWh · 25,630 KRW so far",
            "Tier 1 of 3 tier 2 above 200 kWh, expected 26 Nov · the next kWh costs 150 KRW",
            "Credits 1,800 KRW 1 correction · 3,930 KRW taken out of this month",
            "Tier 1 163 kWh × 120",
            "Without what was paid elsewhere it would be 3,930 KRW more.",
            "1 Oct – 31 Oct 2026 42,040 KRW 239.2 kWh",
            "21 Nov credit: energy paid elsewhere −1,800 KRW owed in the end 40,240 KRW",
            f"16 Nov 17:30 – 21:30 11.00 kWh {SERVER}",
            "The bill from 2026-10-01 on is 1,800 KRW lower: energy was paid elsewhere.",
        )


@pytest.mark.usefixtures("store")
async def test_a_day_is_shown_by_the_quarter_hour_when_it_is_chosen(database: Database, tmp_path: Path) -> None:
    async with looking_at(database, tmp_path, HOUSE) as page:
        await page.resize(1440, 1200)
        await page.shows("Use by day", "kWh in all")
        connected = "new Promise(done => { const look = () => window.socket?.connected ? done(true) : "
        assert await page.value(connected + "setTimeout(look, 50); look() })")
        x, y = await page.value(HIGHEST_CHARGE % PAID)
        await page.press(x, y)
        await page.shows("16 November 2026 96 readings, 18.61 kWh")


@pytest.mark.usefixtures("store")
async def test_a_month_that_is_over_is_shown_as_it_was_billed(database: Database, tmp_path: Path) -> None:
    async with looking_at(database, tmp_path, f"{HOUSE}?month=2026-10") as page:
        text = await page.shows("October 2026", "Bill 40,240 KRW 42,040 KRW when it was issued")
        assert "Expected" not in text
        await page.click("a[aria-label='The month after']")
        await page.shows("November 2026", "Expected bill")


async def test_the_page_shows_what_becomes_known_while_it_is_open(
    database: Database, store: IntervalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read more often than it rests anyway, so that the browser does not wait for longer than it is patient."""
    monkeypatch.setattr(household_look, "READ_EVERY_S", 1.0)
    monkeypatch.setattr(pacing, "REST_SHARE", 0)
    async with looking_at(database, tmp_path, HOUSE) as page:
        await page.shows("Used so far 162.6 kWh")
        charge = paid(HOUSE, "now", 2 * KWH, ended_at=NOW - timedelta(hours=1))
        async with database.transaction() as connection:
            await receive_payments(connection, [charge])
        await page.shows("Used so far 160.6 kWh", "28.86 kWh charged and paid elsewhere", "5 charges")


async def test_missing_readings_and_what_is_not_there_are_told(database: Database, tmp_path: Path) -> None:
    store = IntervalStore(tmp_path / "intervals")
    async with database.transaction() as connection:
        await found(connection, "new")
        since = NOW - timedelta(days=10)
        await read(
            connection, store, "new", home_quarters(House.SINGLE, Car.SMALL, since, NOW - timedelta(days=5), SEOUL)
        )
    async with looking_at(database, tmp_path, "new") as page:
        await page.shows("are missing. They are estimated when the month is billed.", "No bill has been issued.")
        await page.open(f"{await page.value('location.origin')}/household/nobody")
        await page.shows("household 'nobody' is not registered")


@pytest.mark.usefixtures("store")
async def test_it_fits_a_phone_and_is_light_or_dark_as_one_likes(database: Database, tmp_path: Path) -> None:
    async with looking_at(database, tmp_path, HOUSE) as page:
        await page.resize(390, 844)
        await page.shows("Used so far")
        assert await page.value("document.documentElement.scrollWidth") <= 390
        colour = "getComputedStyle(document.body).backgroundColor"
        light = await page.value(colour)
        await page.click("button[aria-label='Light or dark']")
        assert await page.value(colour) != light


@pytest.mark.usefixtures("store")
async def test_the_houses_are_listed_with_a_way_to_each(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as connection:
        await found(connection, *(f"z-{number:03d}" for number in range(60)))
    async with listening(serving(database, tmp_path)) as url, browser(tmp_path / "profile") as page:
        await page.open(f"{url}/households")
        await page.shows("Houses in the order of their ids", f"{HOUSE} 3 Hill", "not billed yet", "Next houses")
        await page.open(f"{url}/households?after=z-055")
        await page.shows("after z-055", "z-059", "First houses")
        await page.open(f"{url}/household/{HOUSE}")
        await page.shows("hill-3 3 Hill")
