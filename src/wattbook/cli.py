"""The `wattbook` command."""

import typer

main = typer.Typer(name="wattbook", no_args_is_help=True)
