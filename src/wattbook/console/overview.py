"""The overview page: what an operator wants to know at a glance.

Each part is built once and gives back a function that shows a newer look in place, so a refresh sends what changed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from nicegui import app as nicegui
from nicegui import ui
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.console import words
from wattbook.console.energy import energy_row
from wattbook.console.lists import bottom_row, live_sessions
from wattbook.console.look import REFRESH_S, Look, Overview
from wattbook.console.parts import Refresh, box, heading, text
from wattbook.console.style import CSS, FAVICON, LOGO
from wattbook.console.tiles import tiles
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock

ROLES: Final = {"CPO": "Charge point operator", "EMSP": "Mobility provider", "HUB": "Roaming hub"}


def mount_overview(
    app: FastAPI,
    *,
    database: Database,
    settings: Settings,
    clock: Clock,
    proof: Callable[[], Awaitable[Proof]],
) -> None:
    """Serve the overview at `/`, and NiceGUI's own files below `/_nicegui`.

    Call it before the application starts and after all other routes are added: whatever is left over is NiceGUI's.
    """
    overview = Overview(database, settings, clock, proof)
    app.add_middleware(_Bound, overview=overview)
    # NiceGUI is one application a process, and would not let itself be mounted into a second one after it has run.
    nicegui.middleware_stack = None
    nicegui.user_middleware.clear()
    ui.page("/")(_page)
    ui.run_with(
        app,
        title="wattbook",
        favicon=FAVICON.strip(),
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    app.router.lifespan_context = _closing(overview, app.router.lifespan_context)


class _Bound:
    """Tells each request to which application, and so to which overview, it came."""

    def __init__(self, app: ASGIApp, overview: Overview) -> None:
        self._app = app
        self._overview = overview

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["wattbook.overview"] = self._overview
        await self._app(scope, receive, send)


def _closing(overview: Overview, lifespan: Lifespan[Any]) -> Lifespan[Any]:
    @asynccontextmanager
    async def closing(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            yield state
        await overview.close()

    return closing


async def _page(request: Request) -> None:
    overview: Overview = request.scope["wattbook.overview"]
    ui.page_title(f"{overview.settings.name} · wattbook")
    build(overview, await overview.look())


def build(overview: Overview, look: Look) -> None:
    """The page of one browser, and its timer."""
    ui.add_css(CSS)
    with box("wb-page"):
        parts = [
            _header(overview.settings, overview.zone),
            tiles(overview.zone),
            *energy_row(overview.zone),
            live_sessions(),
            *bottom_row(),
        ]
        _footer(overview.settings)
    for part in parts:
        part(look)
    shown = look

    async def refresh() -> None:
        nonlocal shown
        newer = await overview.look()
        if newer != shown:
            shown = newer
            for part in parts:
                part(newer)

    ui.timer(REFRESH_S, refresh, immediate=False)


def _header(settings: Settings, zone: ZoneInfo) -> Refresh:
    with box("wb-header"):
        ui.html(LOGO, sanitize=False).classes("wb-logo")
        with box(""):
            heading(settings.name, 1, "wb-name")
            text(f"{ROLES[settings.role]} · {settings.party}", "wb-role")
        box("wb-space")
        now = text("", "wb-now")
        with (
            ui.element("button").classes("wb-theme").props('title="Light or dark" aria-label="Light or dark"') as theme
        ):
            ui.icon("contrast", size="18px")
        theme.on("click", js_handler="() => Quasar.Dark.toggle()")
    trouble = text("", "wb-trouble").props("role=alert")

    def refresh(look: Look) -> None:
        taken = look.state.value
        at = words.clock(taken.taken_at, zone) if taken else ""
        now.text = f"{taken.taken_at.astimezone(zone):%d %B %Y}, {at}" if taken else ""
        since = f" What you see is the state of {at}." if taken else ""
        trouble.text = f"The database does not answer.{since} The page tries again by itself."
        trouble.set_visibility(look.state.failed)

    return refresh


def _footer(settings: Settings) -> None:
    with box("wb-footer"):
        text(f"Refreshes by itself. Times in {settings.time_zone}.", "")
        text("Energy today: sessions that ended today and those that run.", "")
