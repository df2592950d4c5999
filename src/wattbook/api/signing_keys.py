"""The keys that stations and their meters sign with, and what became of their signatures."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from wattbook.api.bodies import answer
from wattbook.api.changes import Document, Limit, note
from wattbook.api.commands import require_station
from wattbook.api.services import Services
from wattbook.kernel.errors import NotFound
from wattbook.ocpp.gateway.onboarding import welcome
from wattbook.ocpp.security.signing_keys import (
    PEM_LENGTH_MAX,
    KeyPurpose,
    add_signing_key,
    list_signing_keys,
    read_key,
    remove_signing_key,
)
from wattbook.ocpp.security.witness import signatures_of


class KeyDocument(Document):
    """A public key: PEM, of a key or of a certificate, or DER in hexadecimal, as it stands on a meter."""

    purpose: KeyPurpose
    public_key: Annotated[str, Field(min_length=1, max_length=PEM_LENGTH_MAX)]


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock

    @routes.get("/stations/{station:path}/signing-keys")
    async def keys(station: str) -> Response:
        """The registered keys by their fingerprints (SHA-256 of the key in DER), the oldest first."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            return answer({"keys": await list_signing_keys(connection, station)})

    @routes.post("/stations/{station:path}/signing-keys", status_code=201)
    async def add(station: str, document: KeyDocument, request: Request) -> Response:
        """Believe signatures by this key, beside those by the keys before; gateways do within seconds."""
        key = read_key(document.public_key)
        async with database.transaction() as connection:
            await require_station(connection, station)
            added = await add_signing_key(connection, station, document.purpose, key, now=clock())
            after = {"purpose": added.purpose, "fingerprint": added.fingerprint}
            await note(connection, services, request, "station.signing-key-added", station, None, after)
            await welcome(connection, [station])
        return answer(added, 201)

    @routes.delete("/stations/{station:path}/signing-keys/{fingerprint}", status_code=204)
    async def remove(station: str, fingerprint: str, purpose: KeyPurpose, request: Request) -> Response:
        """Believe signatures by this key no more; what was verified stays so."""
        async with database.transaction() as connection:
            if not await remove_signing_key(connection, station, purpose, fingerprint):
                raise NotFound(f"station {station[:64]!r} has no such key")
            before = {"purpose": purpose, "fingerprint": fingerprint}
            await note(connection, services, request, "station.signing-key-removed", station, before)
            await welcome(connection, [station])
        return Response(status_code=204)

    @routes.get("/stations/{station:path}/signatures")
    async def signatures(
        station: str,
        transaction: Annotated[str | None, Query(max_length=64)] = None,
        before: int | None = None,
        limit: Limit = 100,
    ) -> Response:
        """What was signed and whether it was right, the newest first; of one transaction, or of all."""
        async with database.snapshot() as connection:
            await require_station(connection, station)
            found = await signatures_of(connection, station, transaction_id=transaction, before=before, limit=limit)
        return answer({"signatures": found, "next": found[-1].id if len(found) == limit else None})

    return routes
