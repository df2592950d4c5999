"""`simulate`: the other side, at any deployment."""

import logging
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from wattbook.kernel.clock import system_clock
from wattbook.kernel.telemetry import configure_logs
from wattbook.simulate.fleet import FleetPlan
from wattbook.simulate.scenarios import SCENARIOS
from wattbook.simulate.terminal import show_fleet

_SCENARIOS = "; ".join(f"{name}: {scenario.says}" for name, scenario in SCENARIOS.items())

verbs = typer.Typer(no_args_is_help=True, help="The other side: stations that are not there.")


@verbs.callback()
def _simulate() -> None:
    """Keep `stations` a word of the command while it is the only one."""


@verbs.command("stations")
def simulate_stations(
    token: Annotated[str, typer.Option(help="What every driver shows.")],
    url: Annotated[str, typer.Option(help="Where stations connect.")] = "ws://127.0.0.1:9000/ocpp",
    count: Annotated[int, typer.Option(help="Stations, named <prefix>00001 and so on.")] = 10,
    sessions: Annotated[int, typer.Option(help="Of each station, one after the other.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 0,
    prefix: Annotated[str, typer.Option(help="Of the stations' names.")] = "SIM-",
    at_once: Annotated[int, typer.Option(help="Stations connected at the same time.")] = 100,
    password: Annotated[str | None, typer.Option(help="Of every station.")] = None,
    version: Annotated[str, typer.Option(help="Of OCPP: 1.6, 2.0.1 or 2.1.")] = "1.6",
    scenario: Annotated[str, typer.Option(help=_SCENARIOS)] = "charge",
    quirk: Annotated[list[str] | None, typer.Option(help="Speak wrongly as this profile of quirks has it.")] = None,
    roots: Annotated[Path | None, typer.Option(help="Who vouches for the other end of a wss URL, PEM.")] = None,
) -> None:
    """Play sessions at many simulated stations at once: exit code 0 if nothing went wrong, 1 if something did."""
    configure_logs(json=False, level=logging.ERROR)
    secret = password.encode() if password is not None else None
    plan = FleetPlan(
        url=url,
        count=count,
        sessions=sessions,
        token=token,
        ends_before=system_clock(),
        seed=seed,
        prefix=prefix,
        at_once=at_once,
        password=secret,
        version=version,
        scenario=scenario,
        quirks=tuple(quirk or ()),
        roots=roots,
    )
    report = uvloop.run(show_fleet(plan, Console()))
    raise typer.Exit(1 if report.faults else 0)
