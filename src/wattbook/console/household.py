"""The page of a house, for those who live there: what they use, what it costs, and what was paid elsewhere.

Shown anew as a whole when anything of it changed; between, nothing is sent.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from nicegui import ui
from nicegui.events import EChartPointClickEventArguments
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from wattbook.config import Settings
from wattbook.console import household_parts as parts
from wattbook.console import words
from wattbook.console.household_charts import day_options, month_options
from wattbook.console.household_look import HouseLook, HouseLooks
from wattbook.console.household_style import HOUSE_CSS
from wattbook.console.houses import houses_page
from wattbook.console.parts import box, head, heading, text
from wattbook.console.style import CSS, LOGO
from wattbook.db.engine import Database
from wattbook.household.accounts.account import Account
from wattbook.kernel.clock import Clock
from wattbook.kernel.errors import WattbookError

TICK_S: Final = 2.0
ONE_DAY: Final = timedelta(days=1)


def mount_household(app: FastAPI, *, database: Database, settings: Settings, clock: Clock) -> None:
    """Serve `/household/{id}` and the list `/households`, beside the overview, which brings NiceGUI along."""
    looks = HouseLooks(database, settings, clock)
    app.add_middleware(_Bound, looks=looks)
    ui.page("/household/{household}")(_page)
    ui.page("/households")(houses_page)
    app.router.lifespan_context = _closing(looks, app.router.lifespan_context)


class _Bound:
    """Tells each request to which application it came."""

    def __init__(self, app: ASGIApp, looks: HouseLooks) -> None:
        self._app = app
        self._looks = looks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["wattbook.houses"] = self._looks
        await self._app(scope, receive, send)


def _closing(looks: HouseLooks, lifespan: Lifespan[Any]) -> Lifespan[Any]:
    @asynccontextmanager
    async def closing(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            yield state
        await looks.close()

    return closing


async def _page(request: Request, household: str, month: str | None = None) -> None:
    looks: HouseLooks = request.scope["wattbook.houses"]
    ui.page_title(f"{household[:64]} · {looks.settings.name}")
    ui.add_css(CSS)
    ui.add_css(HOUSE_CSS)
    page = box("wb-page")
    shown = (await looks.look(household, month)).value
    _show(page, looks, household, shown)

    async def refresh() -> None:
        nonlocal shown
        newer = (await looks.look(household, month)).value
        if newer is not shown and not _is_like(newer, shown):
            shown = newer
            page.clear()
            _show(page, looks, household, newer)

    ui.timer(TICK_S, refresh, immediate=False)


def _is_like(newer: HouseLook | WattbookError | None, shown: HouseLook | WattbookError | None) -> bool:
    if isinstance(newer, HouseLook) and isinstance(shown, HouseLook):
        return newer.is_like(shown)
    return isinstance(newer, WattbookError) and isinstance(shown, WattbookError) and newer.message == shown.message


def _show(page: ui.element, looks: HouseLooks, household: str, look: HouseLook | WattbookError | None) -> None:
    with page:
        if isinstance(look, HouseLook):
            _header(household, look.account)
            _body(looks, look)
        else:
            _header(household, None)
            missing = "The readings of the house are being summed up. The page shows them by itself."
            text(missing if look is None else look.message, "wb-trouble").props("role=alert")


def _body(looks: HouseLooks, look: HouseLook) -> None:
    account = look.account
    zone = ZoneInfo(account.schedule.tariff.time_zone)
    parts.troubles(account)
    parts.tiles(look)
    with box("wb-wide"):
        with box("wb-card wb-plot"):
            head("Use by day", "a click on a day shows it by the quarter hour")
            chart = ui.echart(month_options(account), renderer="svg").classes("wb-month-chart")
        parts.costs(account)
    day = box("wb-day")
    with box("wb-three"):
        parts.bills(look)
        parts.charges(account)
        parts.notices(look.notices, zone)
    _footer(account)

    async def show_day(chosen: EChartPointClickEventArguments) -> None:
        days = list(account.period.days())
        if chosen.data_index is not None and 0 <= chosen.data_index < len(days):
            await _show_day(day, looks, account.household.id, days[chosen.data_index])

    chart.on_point_click(show_day)


async def _show_day(place: ui.element, looks: HouseLooks, household: str, day: date) -> None:
    told = await looks.day(household, day)
    place.clear()
    with place, box("wb-card wb-plot"):
        if isinstance(told, WattbookError):
            text(told.message, "wb-empty")
            return
        read = words.counted(len(told.readings), "reading")
        head(f"{day.day} {day:%B %Y}", f"{read}, {' '.join(words.energy(told.metered_mwh))}")
        ui.echart(day_options(told), renderer="svg").classes("wb-day-chart")


def _header(household: str, account: Account | None) -> None:
    with box("wb-header"):
        ui.html(LOGO, sanitize=False).classes("wb-logo")
        with box(""):
            heading(household[:64], 1, "wb-name")
            text("" if account is None else f"{account.household.address} · {account.schedule.tariff.title}", "wb-role")
        box("wb-space")
        if account is not None:
            _months(account)
        with (
            ui.element("button").classes("wb-theme").props('title="Light or dark" aria-label="Light or dark"') as theme
        ):
            ui.icon("contrast", size="18px")
        theme.on("click", js_handler="() => Quasar.Dark.toggle()")


def _months(account: Account) -> None:
    """The period before and the one after, each by the month in which it begins."""
    first, last = account.period.first, account.period.last
    path = f"/household/{quote(account.household.id, safe='')}?month="
    with box("wb-months"):
        ui.link("‹", f"{path}{first.replace(day=1) - ONE_DAY:%Y-%m}").props('aria-label="The month before"')
        is_month = first.day == 1
        text(f"{first:%B %Y}" if is_month else f"{first.day} {first:%b} – {last.day} {last:%b %Y}", "wb-month")
        if not account.is_running:
            ui.link("›", f"{path}{_following(account):%Y-%m}").props('aria-label="The month after"')


def _following(account: Account) -> date:
    return account.period.last + ONE_DAY


def _footer(account: Account) -> None:
    tariff = account.schedule.tariff
    with box("wb-footer"):
        text(f"Refreshes by itself. Days in {tariff.time_zone}.", "")
        text("What is expected is the mean of like days of the last five weeks.", "")
        for note in tariff.notes:
            if note.concerns(account.assessed.bill.kwh, account.period.first, account.period.last):
                text(note.text, "")
