"""`tariff`: what energy costs, and why."""

import typer

from wattbook.cli import household_tariff

verbs = typer.Typer(no_args_is_help=True, help="What energy costs, and why.")
verbs.command("household")(household_tariff.rate)


@verbs.callback()
def _tariff() -> None:
    """Keep `household` a word of the command while it is the only one."""
