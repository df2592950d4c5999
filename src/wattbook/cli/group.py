"""The group of all verbs: it loads a verb's module when the verb is called, and tells what went wrong in one line."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from wattbook.kernel.errors import WattbookError

GROUPS: Final = ("simulate", "tariff", "invoices", "payments", "ids", "people", "readings", "bills", "houses")
"""Verbs with verbs of their own, each the `verbs` of the module of its name."""

COMMANDS: Final = {
    "serve": "serving",
    "gateway": "serving",
    "audit": "serving",
    "demo": "serving",
    "conformance": "conformance",
    "bill-run": "bill_run",
}
"""The other verbs, each one of the `verbs` of this module."""


class Verbs(TyperGroup):
    """A question about an identifier should not load a web server, nor a typesetter."""

    def list_commands(self, _: Any) -> list[str]:
        return [*COMMANDS, *GROUPS]

    def get_command(self, _: Any, cmd_name: str) -> Any:
        holder = typer.Typer(callback=lambda: None)
        if cmd_name in GROUPS:
            holder.add_typer(import_module(f"wattbook.cli.{cmd_name}").verbs, name=cmd_name)
        elif cmd_name in COMMANDS:
            holder.add_typer(import_module(f"wattbook.cli.{COMMANDS[cmd_name]}").verbs)
        return get_group(holder).commands.get(cmd_name)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WattbookError as error:
            typer.echo(f"wattbook: {error.message}", err=True)
            raise typer.Exit(2) from None
