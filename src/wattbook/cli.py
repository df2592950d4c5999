"""The `wattbook` command.

What serves is imported by the commands that need it: a question about an identifier should not load a web server.
"""

import asyncio
import json
import logging
import sys
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.kernel import identifiers
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput, WattbookError
from wattbook.kernel.telemetry import configure_logs
from wattbook.kernel.units import Energy
from wattbook.simulate.fleet import FleetPlan
from wattbook.simulate.scenarios import SCENARIOS
from wattbook.simulate.terminal import show_fleet
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.explanation import explain_household
from wattbook.tariffs.household import HouseholdBill, rate_household
from wattbook.tariffs.period import BillingPeriod


class PlainErrors(TyperGroup):
    """Tells an error that wattbook raised on purpose in one line on stderr, with exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WattbookError as error:
            typer.echo(f"wattbook: {error.message}", err=True)
            raise typer.Exit(2) from None


main = typer.Typer(name="wattbook", no_args_is_help=True, cls=PlainErrors, pretty_exceptions_enable=False)


@main.command("serve")
def serve_all() -> None:
    """Serve stations (OCPP), partners (OCPI), programs (API) and people (console) until told to stop."""
    from wattbook.app import serve

    configure_logs(json=not sys.stderr.isatty())
    uvloop.run(serve(Settings()))


@main.command("gateway", hidden=True)
def serve_stations() -> None:
    """One more process for the stations of a `serve`, which starts it (WATTBOOK_OCPP_GATEWAYS)."""
    from wattbook.app import serve_gateway

    configure_logs(json=not sys.stderr.isatty())
    uvloop.run(serve_gateway(Settings()))


@main.command()
def audit(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Prove that every kilowatt-hour was billed once: exit code 0 if the proof holds, 1 if not."""
    from wattbook.api.documents import proof_document
    from wattbook.app import prove_once

    proof = asyncio.run(prove_once(Settings()))
    if as_json:
        typer.echo(json.dumps(proof_document(proof)))
    else:
        _print_proof(proof)
    raise typer.Exit(0 if proof.holds else 1)


def _print_proof(proof: Proof) -> None:
    table = Table("check", "rule", "found")
    for finding in proof.findings:
        table.add_row(finding.name, finding.rule, "holds" if finding.holds else f"[red]{finding.count} broken")
    console = Console()
    console.print(table)
    for finding in proof.findings:
        for violation in finding.violations:
            console.print(f"{finding.name}: {violation}", style="red", highlight=False)
    energy = ", ".join(
        f"{name.removesuffix('_mwh')} {Energy(amount)}"
        for name, amount in proof.totals.items()
        if name.endswith("_mwh")
    )
    console.print(f"audit: {'OK' if proof.holds else 'BROKEN'}: {proof.totals['transfers']} transfers; {energy}")


@main.command()
def demo(
    wait: Annotated[bool, typer.Option(help="Keep the world running afterwards, to look around.")] = True,
    folder: Annotated[Path, typer.Option(help="Where the world is built; made anew each time.")] = Path("data/demo"),
) -> None:
    """Start three deployments and play: charging, roaming, a house's corrected bill, feeding in, and the proof."""
    from wattbook.demo.play import play

    configure_logs(json=False, level=logging.ERROR)
    try:
        holds = uvloop.run(play(folder, wait=wait, console=Console()))
    except (KeyboardInterrupt, asyncio.CancelledError):  # told to end, by a person or by SIGTERM
        holds = True
    raise typer.Exit(0 if holds else 1)


_SCENARIOS = "; ".join(f"{name}: {scenario.says}" for name, scenario in SCENARIOS.items())

simulate = typer.Typer(no_args_is_help=True, help="The other side: stations that are not there.")
main.add_typer(simulate, name="simulate")


@simulate.callback()
def _simulate() -> None:
    """Keep `stations` a word of the command while it is the only one."""


@simulate.command("stations")
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


@main.command()
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


ids = typer.Typer(no_args_is_help=True, help="Identifiers of charge points, contracts, meters and parties.")
main.add_typer(ids, name="ids")


@ids.command("check")
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


tariff = typer.Typer(no_args_is_help=True, help="What energy costs, and why.")
main.add_typer(tariff, name="tariff")


@tariff.callback()
def _tariff() -> None:
    """Keep `household` a word of the command while it is the only one."""


@tariff.command("household")
def rate(
    name: Annotated[str, typer.Argument(help="A tariff, such as kr-residential-low-voltage.")],
    kwh: Annotated[str, typer.Option(help="Consumption of the period; decimals are rounded as the tariff says.")],
    month: Annotated[str | None, typer.Option(help="A calendar month, such as 2026-10.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, such as 2022-03-11.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inside the period.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; amounts in whole won.")] = False,
) -> None:
    """Bill a household's month, or the days from --from to --to as one billing period."""
    bill = rate_household(household_tariff(name), Energy.from_kwh(kwh), _period(month, first, last))
    if as_json:
        typer.echo(json.dumps(bill.amounts))
    else:
        Console().print(_bill_table(bill))


def _period(month: str | None, first: str | None, last: str | None) -> BillingPeriod:
    if month is not None and first is None and last is None:
        return BillingPeriod.of_month(month)
    if month is None and first is not None and last is not None:
        return BillingPeriod.parse(first, last)
    raise InvalidInput("say which period: either --month, or --from and --to")


def _bill_table(bill: HouseholdBill) -> Table:
    table = Table(title=f"{bill.tariff}, {bill.period}", caption="\n".join(bill.notes), caption_justify="left")
    table.add_column("line")
    table.add_column("how")
    table.add_column(bill.currency, justify="right")
    for line, working, amount in explain_household(bill):
        table.add_row(line, working, amount, style="dim" if line.startswith(" ") else None)
    return table
