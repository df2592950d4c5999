"""`conformance`: does a management system keep the rules of OCPP?"""

import asyncio
import uuid
from typing import Annotated

import typer

from wattbook.kernel.clock import system_clock

verbs = typer.Typer()


@verbs.command()
def conformance(
    station: Annotated[str, typer.Option(help="A station that the system knows and accepts.")],
    url: Annotated[str, typer.Option(help="Where stations connect.")] = "ws://127.0.0.1:9000/ocpp",
    version: Annotated[list[str] | None, typer.Option(help="1.6, 2.0.1 or 2.1; else all it speaks.")] = None,
    token: Annotated[str | None, typer.Option(help="A token that may charge there.")] = None,
    password: Annotated[str | None, typer.Option(help="Of the station; hex:… for bytes.")] = None,
    pending_station: Annotated[str | None, typer.Option(help="A station that is not accepted yet.")] = None,
    trigger: Annotated[str | None, typer.Option(help="A command that makes the system send a CALL.")] = None,
    check: Annotated[str, typer.Option(help="Only checks with this in their name, such as R13.")] = "",
    thorough: Annotated[bool, typer.Option(help="Every generated message instead of a sample.")] = False,
    seed: Annotated[int, typer.Option(help="Of the generated messages.")] = 0,
    within: Annotated[float, typer.Option(help="Seconds an answer may take.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether a management system, ours or any other, keeps the rules of OCPP: exit code 1 if it breaks one.

    It sends bad messages and books charging sessions, so point it at a system for tests.
    """
    from wattbook.conformance.bench import Target
    from wattbook.conformance.terminal import ask_and_tell, secret

    target = Target(
        url=url,
        station=station,
        now=system_clock,
        new_id=lambda: str(uuid.uuid4()),
        token=token,
        password=None if password is None else secret(password),
        pending_station=pending_station,
        within_s=within,
        seed=seed,
        thorough=thorough,
    )
    holds = asyncio.run(ask_and_tell(target, version or (), check, trigger, as_json=as_json))
    raise typer.Exit(0 if holds else 1)
