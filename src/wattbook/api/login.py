"""The door for people: a page to log in, and a guard before everything that is looked at in a browser.

The guard asks the same as the door for programs (`access`), so a local page is open until there is an administrator.
What has a door of its own (programs, partners, monitoring) passes by it.

A guess at a password costs us a tenth of a second of processor time, so guesses are bounded: a few at a time for all,
and for each name five in a row, then one in ten seconds, right or wrong. Nobody is told whether a name exists.
"""

import asyncio
import html
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from wattbook.api.access import COOKIE, is_our_page, of_key, who
from wattbook.api.errors import Unauthenticated, error_answer
from wattbook.api.services import Services
from wattbook.db.rounds import AWAY
from wattbook.kernel.errors import LimitExceeded, Refused, Unavailable, WattbookError
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.people import (
    KEY_NAME,
    LOGIN_LASTS,
    Login,
    end_login,
    find_login,
    follow_link,
    hash_password,
    is_password,
    open_login,
    password_hash_of,
)

OPEN: Final = ("/api/", "/ocpi/", "/healthz", "/metrics", "/login", "/logout")
"""What has a door of its own, or is the door."""

PAGES: Final = ("/household/", "/households")
"""Beside the overview: who may not look at one is shown the way to the login."""

BODY_BYTES_MAX: Final = 4_096
GUESSES_MAX: Final = 5
GUESS_EVERY_S: Final = 10.0
NAMES_MAX: Final = 10_000
HASHINGS_AT_ONCE: Final = 2

_NOBODY: Final = hash_password("nobody has this password", bytes(16))

log = structlog.get_logger(__name__)


class Guesses:
    """How many more each name may guess; `now_s` is a clock that never goes back."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        self.hashing = asyncio.Semaphore(HASHINGS_AT_ONCE)

    def take(self, name: str, now_s: float) -> bool:
        left, at = self._left.get(name, (float(GUESSES_MAX), now_s))
        left = min(float(GUESSES_MAX), left + (now_s - at) / GUESS_EVERY_S)
        if len(self._left) >= NAMES_MAX and name not in self._left:
            self._left = {each: kept for each, kept in self._left.items() if now_s - kept[1] < GUESS_EVERY_S * 5}
            if len(self._left) >= NAMES_MAX:
                return False
        self._left[name] = (left - 1 if left >= 1 else left), now_s
        return left >= 1

    def right(self, name: str) -> None:
        self._left.pop(name, None)


def mount_login(app: FastAPI, services: Services, further_doors: Sequence[str] = ()) -> None:
    """Add the page to log in, and the guard; `further_doors` are paths with a door of their own."""
    app.include_router(_router(services))
    app.add_middleware(_Guard, services=services, doors=(*OPEN, *further_doors))


def _router(services: Services) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    database, clock = services.database, services.clock
    guesses = Guesses()

    @routes.get("/login")
    async def page() -> Response:
        return _page(services)

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        if not is_our_page(request):
            return error_answer(Refused("log in on our own page", reason="foreign-page"))
        try:
            name, password = await _form(request)
            login = await _judged(services, guesses, name, password)
        except WattbookError as error:
            return _page(services, error.message, 429 if isinstance(error, LimitExceeded) else 401)
        async with database.transaction() as connection:
            person = None if name == KEY_NAME else name
            token = await open_login(connection, login, now=clock(), person=person)
            await record_changes(connection, [Change(clock(), login.by, "person.logged-in", login.by, None, None)])
        return _come_in(request, services, token)

    @routes.get("/login/link/{token}")
    async def by_link(token: str, request: Request) -> Response:
        """A link lets its holder in once; it is for whoever sits at the machine, and for demonstrations."""
        async with database.transaction() as connection:
            login = await follow_link(connection, token, now=clock())
            opened = None if login is None else await open_login(connection, login, now=clock())
        if opened is None:
            return _page(services, "This link was followed before, or is too old.", 401)
        return _come_in(request, services, opened)

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        if token is not None and is_our_page(request):
            async with database.transaction() as connection:
                login = await find_login(connection, token, now=clock())
                await end_login(connection, token)
                if login is not None:
                    await record_changes(
                        connection, [Change(clock(), login.by, "person.logged-out", login.by, None, None)]
                    )
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    return routes


async def _judged(services: Services, guesses: Guesses, name: str, password: str) -> Login:
    """Raises:
    LimitExceeded: too many guesses.
    Unauthenticated: wrong.
    """
    if not guesses.take(name, time.monotonic()):
        raise LimitExceeded("Too many tries. Wait a little.")
    if name == KEY_NAME:
        by_key = await of_key(password, services)
        if by_key is None:
            raise Unauthenticated("This is no key of ours.")
        return by_key
    async with services.database.snapshot() as connection:
        known = await password_hash_of(connection, name)
    async with guesses.hashing:
        right = await asyncio.to_thread(is_password, password, _NOBODY if known is None else known[0])
    if known is None or not right:
        log.warning("login-refused", name=name[:64])
        raise Unauthenticated("The name or the password is wrong.")
    guesses.right(name)
    return Login(f"person:{name}", known[1])


async def _form(request: Request) -> tuple[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise LimitExceeded("That is too long.")
    fields = parse_qs(body.decode(errors="replace"), max_num_fields=10)
    return fields.get("name", [""])[0].strip().lower()[:64], fields.get("password", [""])[0]


def _come_in(request: Request, services: Services, token: str) -> Response:
    public = services.settings.public_url or ""
    secure = request.url.scheme == "https" or urlsplit(public).scheme == "https"
    response = RedirectResponse("/", 303)
    lasts = int(LOGIN_LASTS.total_seconds())
    response.set_cookie(COOKIE, token, max_age=lasts, httponly=True, samesite="lax", secure=secure)
    return response


class _Guard:
    """Lets through who may look; others are shown the way to the login, a socket is closed."""

    def __init__(self, app: ASGIApp, services: Services, doors: Sequence[str]) -> None:
        self._app = app
        self._services = services
        self._doors = tuple(doors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith(self._doors):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            if scope["type"] == "websocket" and "origin" in connection.headers and not is_our_page(connection):
                raise Refused("a page of somebody else has no business here", reason="foreign-page")
            await who(connection, self._services)
        except (WattbookError, *AWAY) as error:
            await self._turn_away(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _turn_away(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        response: Response
        if not isinstance(error, WattbookError):
            response = error_answer(Unavailable("the database does not answer; try again"))
        elif scope["path"] == "/" or scope["path"].startswith(PAGES):
            response = RedirectResponse("/login", 303)
        else:
            response = error_answer(error)
        await response(scope, receive, send)


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name} · log in</title><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ display: grid; place-items: center; min-height: 100vh; margin: 0 }}
form {{ display: grid; gap: .75rem; width: min(20rem, 90vw) }}
input, button {{ font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid #8888 }}
h1 {{ font-size: 1.25rem; margin: 0 }} p {{ margin: 0 }} [role=alert] {{ color: #d33 }}
</style></head><body><form method="post" action="/login">
<h1>{name}</h1>{trouble}
<label for="name">Name</label><input id="name" name="name" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button></form></body></html>
"""


def _page(services: Services, trouble: str | None = None, status: int = 200) -> Response:
    shown = "" if trouble is None else f'<p role="alert">{html.escape(trouble)}</p>'
    page = _PAGE.format(name=html.escape(services.settings.name), trouble=shown)
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
    }
    return HTMLResponse(page, status, headers)
