"""The `wattbook` command: one module for each group of verbs, loaded when it is called (see `group`).

A module reads arguments, calls the room that knows, and prints; it decides nothing. A new verb is a
module with `verbs`, named in `group`.
"""

import typer

from wattbook.cli.group import Verbs

main = typer.Typer(name="wattbook", no_args_is_help=True, cls=Verbs, pretty_exceptions_enable=False)


@main.callback()
def _wattbook() -> None:
    """Charge electric vehicles and bill the energy: every kilowatt-hour measured once, billed once."""
