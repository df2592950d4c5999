"""The overview page, as a person sees it in a browser."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.server import listening
from tests.browser.chromium import Page, browser
from tests.browser.scene import KIM_BEGAN, LOST_TOKEN, finish, play
from tests.charging.world import NOW
from wattbook.book.audit import Finding, Proof, audit
from wattbook.charging.checks import CHECKS
from wattbook.config import Settings
from wattbook.console import mount_overview
from wattbook.db.engine import Database

Prove = Callable[[], Awaitable[Proof]]


def proving(database: Database) -> Prove:
    async def proof() -> Proof:
        async with database.snapshot() as connection:
            return await audit(connection, CHECKS)

    return proof


def serving(database: Database, proof: Prove | None = None, name: str = "Han River <b>Charging</b>") -> FastAPI:
    app = FastAPI()
    mount_overview(
        app,
        database=database,
        settings=Settings(name=name),
        clock=lambda: NOW,
        proof=proof or proving(database),
    )
    return app


@asynccontextmanager
async def looking_at(app: FastAPI, profile: Path) -> AsyncIterator[Page]:
    async with listening(app) as url, browser(profile) as page:
        await page.open(url)
        yield page


@pytest.fixture
async def busy(database: Database) -> Database:
    async with database.transaction() as connection:
        await play(connection)
    return database


async def test_a_working_day_is_shown_at_a_glance(busy: Database, tmp_path: Path) -> None:
    async with looking_at(serving(busy), tmp_path) as page:
        text = await page.shows(
            "Han River <b>Charging</b> Charge point operator · KR*WTB 21 November 2026, 21:00:00",
            "Stations 4 of 5 online 1 offline · 1 out of service",
            "Charging now 2 sessions 21.4 kW drawn · 9.8 kW fed in",
            "Energy today 123.0 kWh drawn 12.00 kWh fed in",
            "Audit Holds 14 rules 48 transfers, checked 21:00:00",
            "Came in 112.0 kWh",
            "Answered for 112.0 kWh",
            "CP1 KR*WTB*E1 •••• 0001 KR*WTB 11.00 kWh 21.4 kW 3,630 KRW 40 % 55 min",
            "CP2 KR*WTB*E2 •••• 0002 KR*WTB 4.00 kWh fed in −9.8 kW −480 KRW",
            "CP4 Hyosung HC-22 Car park car park Faulted: GroundFailure just now",
            "CP5 Car park car park Offline never",
            "station unavailable CP4 · 3 min ago",
            "token •••• C5D6 is blocked by KR*WTB",
        )
        assert "does not answer" not in text
        # Who knows the whole of a token can charge on it, so it is not even in the source of the page.
        source = await page.value("document.documentElement.outerHTML")
        assert LOST_TOKEN not in source
        assert "T-kim-0001" not in source


async def test_the_page_shows_what_happens_while_it_is_open(busy: Database, tmp_path: Path) -> None:
    async with looking_at(serving(busy), tmp_path) as page:
        await page.shows("Charging now 2 sessions", "Energy today 123.0 kWh drawn")
        async with busy.transaction() as connection:
            await finish(connection, "CP1", KIM_BEGAN, drawn_kwh=13)
        await page.shows("Charging now 1 session 9.8 kW fed in", "Energy today 125.0 kWh drawn")


async def test_the_page_is_light_or_dark_as_one_likes(database: Database, tmp_path: Path) -> None:
    async with looking_at(serving(database), tmp_path) as page:
        await page.shows("Stations")
        colour = "getComputedStyle(document.body).backgroundColor"
        light = await page.value(colour)
        await page.click("button[aria-label='Light or dark']")
        assert await page.value(colour) != light


async def test_an_empty_deployment_says_what_is_to_come(database: Database, tmp_path: Path) -> None:
    async with looking_at(serving(database), tmp_path) as page:
        await page.shows(
            "Stations 0 stations none is registered yet",
            "No session has moved energy today.",
            "No car is charging. A session shows up here the moment it begins.",
            "No station is registered yet.",
            "Nobody was refused.",
        )


async def test_a_broken_rule_is_named(database: Database, tmp_path: Path) -> None:
    async def broken() -> Proof:
        findings = (Finding("floors", "no account is below its floor", 3, ()), Finding("routes", "by a route", 0, ()))
        return Proof(findings, {"transfers": 1_200})

    async with looking_at(serving(database, broken), tmp_path) as page:
        await page.shows("Audit Broken 1 rule of 2 1,200 transfers, checked 21:00:00", "floors: 3")


async def test_a_database_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    async with looking_at(serving(gone), tmp_path) as page:
        await page.shows("The database does not answer.", "the proof could not be made")


async def test_two_deployments_in_one_process_show_each_its_own(busy: Database, tmp_path: Path) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    first, second = serving(busy, name="First"), serving(gone, name="Second")
    async with listening(first) as first_url, listening(second) as second_url, browser(tmp_path) as page:
        await page.open(first_url)
        assert "does not answer" not in await page.shows("First", "4 of 5 online")
        await page.open(second_url)
        await page.shows("Second", "The database does not answer.")
