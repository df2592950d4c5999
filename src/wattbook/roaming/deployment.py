"""What roaming needs of the program around it, in one small object."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from wattbook.charging.policy import POLICY, Policy
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import Clock, system_clock
from wattbook.roaming.ocpi.client import Client
from wattbook.roaming.ocpi.routing import Routing
from wattbook.roaming.ocpi.wire import VERSION

PREFIX = "/ocpi"
"""Where the application mounts our routes."""


def _new_id() -> str:
    return str(uuid4())


def _new_token() -> str:
    return secrets.token_urlsafe(48)


@dataclass(frozen=True, slots=True)
class Roaming:
    """One deployment: an operator, a provider or a hub, as `settings.role` says.

    Attributes:
        policy: how much is set aside for a customer of ours, and for how long, as at our own stations.
        new_id, new_token: 36 characters that nobody used before; 64 that nobody can guess.
    """

    database: Database
    settings: Settings
    client: Client
    clock: Clock = system_clock
    policy: Policy = POLICY
    new_id: Callable[[], str] = _new_id
    new_token: Callable[[], str] = _new_token

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, settings: Settings, *, clock: Clock = system_clock) -> AsyncIterator[Self]:
        """Open while the program runs; closes the connections to partners, not the database."""
        client = Client(allow_private=settings.allow_private_partners)
        try:
            yield cls(database, settings, client, clock)
        finally:
            await client.close()

    @property
    def party(self) -> str:
        return self.settings.party

    @property
    def is_hub(self) -> bool:
        return self.settings.role == "HUB"

    @property
    def versions_url(self) -> str:
        """What another party needs, beside a first token, to register with us."""
        return f"{self._base_url}/versions"

    def url(self, *parts: str) -> str:
        """Below our implementation of the version of OCPI that we speak."""
        return "/".join((self._base_url, VERSION, *parts))

    @property
    def _base_url(self) -> str:
        settings = self.settings
        public = settings.public_url or f"http://{settings.web_host}:{settings.web_port}"
        return public.rstrip("/") + PREFIX

    def routing(self, receiver: str | None, *, sender: str | None = None, correlation_id: str | None = None) -> Routing:
        """The headers of a message of ours, or of one that we hand on."""
        return Routing(self.new_id(), correlation_id or self.new_id(), sender or self.party, receiver)

    def unrouted(self) -> Routing:
        """The headers of versions and credentials, which pass through no hub."""
        return Routing(self.new_id(), self.new_id())
