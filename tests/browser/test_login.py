"""The door for people, as a person meets it in a browser: a whole deployment, a name and a password, a live page."""

import json
from pathlib import Path

from tests.browser.chromium import browser
from wattbook.app.serving import serving
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.registry.people import LINK_LASTS, AccessRole, Login, add_person, hash_password, open_login

PASSWORD = "a battery of horses"


def fill(field: str, text: str) -> str:
    return f"document.querySelector('#{field}').value = {json.dumps(text)}"


async def test_a_person_logs_in_and_the_page_lives_and_without_a_login_there_is_none(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    now = system_clock()
    async with database.transaction() as connection:
        await add_person(connection, "kim", AccessRole.ADMINISTRATOR, hash_password(PASSWORD, bytes(16)), now=now)
    settings = Settings(data=tmp_path / "data", ocpp_host="127.0.0.1", ocpp_port=0, web_port=0, name="Han River")
    async with serving(settings, database_url) as running, browser(tmp_path / "profile") as page:
        await page.open(running.web_url)
        await page.shows("Han River", "Name", "Password", "Log in")
        for password, then in (("a battery of cows", "The name or the password is wrong."), (PASSWORD, "Stations")):
            await page.value(fill("name", "kim"))
            await page.value(fill("password", password))
            await page.click("button")
            await page.shows(then)
        # What comes after the first look comes over the page's socket.
        await page.click("button[aria-label='Light or dark']")
        connected = "new Promise(done => { const look = () => window.socket?.connected ? done(true) : "
        assert await page.value(connected + "setTimeout(look, 50); look() })")


async def test_a_link_opens_the_page_without_a_password(database: Database, database_url: str, tmp_path: Path) -> None:
    now = system_clock()
    async with database.transaction() as connection:
        await add_person(connection, "kim", AccessRole.ADMINISTRATOR, hash_password(PASSWORD, bytes(16)), now=now)
        by = Login("link:test", AccessRole.VIEWER)
        token = await open_login(connection, by, now=now, once=True, lasts=LINK_LASTS)
    settings = Settings(data=tmp_path / "data", ocpp_host="127.0.0.1", ocpp_port=0, web_port=0)
    async with serving(settings, database_url) as running, browser(tmp_path / "profile") as page:
        await page.open(f"{running.web_url}/login/link/{token}")
        await page.shows("Stations", "Charge point operator")
        await page.open(f"{running.web_url}/login/link/{token}")
        await page.shows("This link was followed before")
