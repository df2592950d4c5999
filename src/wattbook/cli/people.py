"""`wattbook people …`: who may log in, and a link that lets its holder in once."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.people import (
    LINK_LASTS,
    AccessRole,
    Login,
    add_person,
    change_person,
    checked_password,
    hash_password,
    list_people,
    open_login,
    remove_person,
)

BY = "command-line"

verbs = typer.Typer(no_args_is_help=True, help="Who may log in.")

Name = Annotated[str, typer.Argument(help="By which the person logs in.")]
ResultT = TypeVar("ResultT")


def _done(work: Callable[[AsyncConnection], Awaitable[ResultT]], what: str = "", subject: str = "") -> ResultT:
    """Do it in the database that serves, or in one that nobody serves; what changes something is on record."""
    from wattbook.app.databases import readable_database

    async def do(url: str) -> ResultT:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                result = await work(connection)
                if what:
                    await record_changes(connection, [Change(system_clock(), BY, what, subject, None, None)])
                return result
        finally:
            await database.close()

    with readable_database(Settings()) as url:
        return asyncio.run(do(url))


def _asked() -> bytes:
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return hash_password(checked_password(password), secrets.token_bytes(16))


@verbs.command()
def add(name: Name, role: Annotated[AccessRole, typer.Option(help="What the person may.")] = AccessRole.VIEWER) -> None:
    """Let a person log in; the password is asked for."""
    hashed = _asked()
    _done(lambda connection: add_person(connection, name, role, hashed, now=system_clock()), "person.added", name)


@verbs.command("password")
def change_password(name: Name) -> None:
    """Give a person another password; it is asked for."""
    hashed = _asked()
    _done(lambda connection: change_person(connection, name, password_hash=hashed), "person.changed", name)


@verbs.command()
def remove(name: Name) -> None:
    """Let a person log in no more."""
    _done(lambda connection: remove_person(connection, name), "person.removed", name)


@verbs.command("list")
def show() -> None:
    """Everybody who may log in."""
    table = Table("name", "role", "since")
    for person in _done(list_people):
        table.add_row(person.name, f"{person.role}{' (disabled)' if person.disabled else ''}", str(person.created_at))
    Console().print(table)


@verbs.command()
def link(role: Annotated[AccessRole, typer.Option(help="What its holder may.")] = AccessRole.VIEWER) -> None:
    """Print a link that lets its holder in once, within a quarter of an hour."""
    settings = Settings()
    login = Login("link:command-line", role)
    token = _done(
        lambda connection: open_login(connection, login, now=system_clock(), once=True, lasts=LINK_LASTS),
        "link.made",
        role.value,
    )
    base = settings.public_url or f"http://{settings.web_host}:{settings.web_port}"
    typer.echo(f"{base.rstrip('/')}/login/link/{token}")
