"""The `wattbook` command: one module for each group of verbs, gathered here.

A module reads arguments, calls the room that knows, and prints; it decides nothing. What serves is imported by the
commands that need it: a question about an identifier should not load a web server.
"""

import typer

from wattbook.cli import conformance, ids, serving, simulate, tariff
from wattbook.cli.errors import PlainErrors

main = typer.Typer(name="wattbook", no_args_is_help=True, cls=PlainErrors, pretty_exceptions_enable=False)
for verbs in (serving.verbs, conformance.verbs):
    main.add_typer(verbs)
main.add_typer(simulate.verbs, name="simulate")
main.add_typer(ids.verbs, name="ids")
main.add_typer(tariff.verbs, name="tariff")

__all__ = ["main"]
