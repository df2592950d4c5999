"""A partner that is not wattbook: it answers what a test tells it to, and remembers what it was sent."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PEER = "DE*XYZ"


@dataclass
class Heard:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Peer:
    """Speaks `version` with `modules`; everything below a module gets `answer`."""

    url: str = ""
    version: str = "2.2.1"
    modules: tuple[str, ...] = ("tokens:SENDER", "sessions:RECEIVER", "cdrs:RECEIVER")
    http: int = 200
    answer: dict[str, Any] = field(default_factory=lambda: {"status_code": 1000})
    heard: list[Heard] = field(default_factory=list)

    @property
    def versions_url(self) -> str:
        return f"{self.url}/versions"

    def credentials(self, token: str, *, party: str = PEER, role: str = "EMSP") -> dict[str, Any]:
        country_code, party_id = party.split("*")
        named = {"role": role, "country_code": country_code, "party_id": party_id}
        return {
            "token": token,
            "url": self.versions_url,
            "roles": [named | {"business_details": {"name": "Peer", "website": "https://peer.example"}}],
            "a_field_of_a_later_version": {"x": 1.5},
        }

    async def respond(self, request: web.Request) -> web.Response:
        if request.path == "/versions":
            return _told([{"version": "2.1.1", "url": f"{self.url}/old"}, {"version": self.version, "url": self.url}])
        if request.path == "/":
            endpoints = [("credentials", "RECEIVER"), *(module.split(":") for module in self.modules)]
            return _told(
                {
                    "version": self.version,
                    "endpoints": [
                        {"identifier": name, "role": role, "url": f"{self.url}/{name}"} for name, role in endpoints
                    ],
                }
            )
        body = await request.read()
        self.heard.append(Heard(request.method, request.path, request.query_string, request.headers, body))
        return web.json_response(self.answer, status=self.http, headers={"Location": f"{self.url}/somewhere/1"})


def _told(data: object) -> web.Response:
    return web.json_response({"data": data, "status_code": 1000, "timestamp": "2026-11-21T12:00:00Z"})


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """Serves on loopback while the block runs."""
    served = Peer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()
