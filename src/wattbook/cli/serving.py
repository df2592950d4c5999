"""`serve`, `audit` and `demo`: the deployment, its proof, and the play."""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from wattbook.book.audit import Proof
from wattbook.config import Settings
from wattbook.kernel.telemetry import configure_logs
from wattbook.kernel.units import Energy

verbs = typer.Typer()


@verbs.command("serve")
def serve_all() -> None:
    """Serve stations (OCPP), partners (OCPI), programs (API) and people (console) until told to stop."""
    from wattbook.app.serving import serve

    configure_logs(json=not sys.stderr.isatty())
    uvloop.run(serve(Settings()))


@verbs.command("gateway", hidden=True)
def serve_stations() -> None:
    """One more process for the stations of a `serve`, which starts it (WATTBOOK_OCPP_GATEWAYS)."""
    from wattbook.app.gateways import serve_gateway

    configure_logs(json=not sys.stderr.isatty())
    uvloop.run(serve_gateway(Settings()))


@verbs.command()
def audit(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Prove that every kilowatt-hour was billed once: exit code 0 if the proof holds, 1 if not."""
    from wattbook.api.documents import proof_document
    from wattbook.app.databases import prove_once

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


@verbs.command()
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
