"""`ids`: what an identifier is, and whether it is one."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from wattbook.kernel import identifiers
from wattbook.kernel.errors import InvalidInput

verbs = typer.Typer(no_args_is_help=True, help="Identifiers of charge points, contracts, meters and parties.")


@verbs.command("check")
def check_identifier(
    text: Annotated[str, typer.Argument(metavar="ID", help="In any spelling.")],
    kind: Annotated[str | None, typer.Option(help=f"Read it as this kind: {', '.join(identifiers.KINDS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what an identifier is and whether it is valid: exit code 0 if it is, 1 if not."""
    try:
        found = identifiers.check(text, kind)
    except InvalidInput as unknown_kind:
        raise typer.BadParameter(unknown_kind.message, param_hint="--kind") from None
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    elif found.valid:
        typer.echo(f"{found.canonical}: a valid {found.kind} ({found.reason})")
    else:
        typer.echo(f"{text}: {found.reason}")
    raise typer.Exit(0 if found.valid else 1)
