"""How a command tells what went wrong."""

from typing import Any

import typer
from typer.core import TyperGroup

from wattbook.kernel.errors import WattbookError


class PlainErrors(TyperGroup):
    """Tells an error that wattbook raised on purpose in one line on stderr, with exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WattbookError as error:
            typer.echo(f"wattbook: {error.message}", err=True)
            raise typer.Exit(2) from None
