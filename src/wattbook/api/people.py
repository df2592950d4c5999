"""Who may look, work and let others in: people with passwords, programs with keys; for administrators."""

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, Field

from wattbook.api.access import administrator, caller
from wattbook.api.bodies import answer
from wattbook.api.changes import Document, note
from wattbook.api.services import Services
from wattbook.registry.people import (
    AccessRole,
    add_key,
    add_person,
    change_person,
    checked_password,
    hash_password,
    list_keys,
    list_people,
    remove_key,
    remove_person,
)

Name = Annotated[str, Field(min_length=1, max_length=64)]


class PersonDocument(Document):
    name: Name
    role: AccessRole
    password: str


class PersonChanges(Document):
    """What is left out stays; whatever changes, the person has to log in again."""

    role: AccessRole | None = None
    password: str | None = None
    disabled: bool | None = None


class KeyDocument(Document):
    """`name` is of the program that gets the key."""

    name: Name
    role: AccessRole = AccessRole.OPERATOR
    expires_at: AwareDatetime | None = None


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    database, clock = services.database, services.clock
    only = [Depends(administrator)]

    @routes.get("/me")
    async def me(request: Request) -> Response:
        """Who is calling, and in which role."""
        return answer({"by": caller(request), "role": request.state.role})

    @routes.get("/people", dependencies=only)
    async def people() -> Response:
        async with database.snapshot() as connection:
            return answer({"people": await list_people(connection)})

    @routes.post("/people", status_code=201, dependencies=only)
    async def add(document: PersonDocument, request: Request) -> Response:
        """Let a person log in."""
        hashed = await _hashed(document.password)
        async with database.transaction() as connection:
            person = await add_person(connection, document.name, document.role, hashed, now=clock())
            await note(connection, services, request, "person.added", person.name, None, {"role": person.role})
        return answer(person, 201)

    @routes.patch("/people/{name}", dependencies=only)
    async def change(name: str, document: PersonChanges, request: Request) -> Response:
        """Another role, another password, or no more logins."""
        hashed = None if document.password is None else await _hashed(document.password)
        async with database.transaction() as connection:
            person = await change_person(
                connection, name, role=document.role, password_hash=hashed, disabled=document.disabled
            )
            after = {"role": person.role, "disabled": person.disabled, "password": hashed is not None}
            await note(connection, services, request, "person.changed", name, None, after)
        return answer(person)

    @routes.delete("/people/{name}", status_code=204, dependencies=only)
    async def remove(name: str, request: Request) -> Response:
        async with database.transaction() as connection:
            await remove_person(connection, name)
            await note(connection, services, request, "person.removed", name)
        return Response(status_code=204)

    @routes.get("/api-keys", dependencies=only)
    async def keys() -> Response:
        """The keys of programs by their names; a key itself cannot be shown again."""
        async with database.snapshot() as connection:
            return answer({"keys": await list_keys(connection)})

    @routes.post("/api-keys", status_code=201, dependencies=only)
    async def make(document: KeyDocument, request: Request) -> Response:
        """A new key: it is in the answer, and nowhere else."""
        expires_at = document.expires_at
        async with database.transaction() as connection:
            key = await add_key(connection, document.name, document.role, now=clock(), expires_at=expires_at)
            after = {"role": document.role, "expires_at": expires_at}
            await note(connection, services, request, "key.added", document.name, None, after)
        return answer({"name": document.name, "role": document.role, "key": key}, 201)

    @routes.delete("/api-keys/{name}", status_code=204, dependencies=only)
    async def end(name: str, request: Request) -> Response:
        """The key is of no use from now on."""
        async with database.transaction() as connection:
            await remove_key(connection, name)
            await note(connection, services, request, "key.removed", name)
        return Response(status_code=204)

    return routes


async def _hashed(password: str) -> bytes:
    """Beside the event loop, for it takes a while."""
    return await asyncio.to_thread(hash_password, checked_password(password), secrets.token_bytes(16))
