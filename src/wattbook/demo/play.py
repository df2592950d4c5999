"""`wattbook demo`: start the world, play the cases, print who paid what and the proof."""

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import Proof
from wattbook.book.statements import balances
from wattbook.db.embedded import EmbeddedServer
from wattbook.demo import cases, world
from wattbook.demo.cases import Row, Say
from wattbook.demo.deployments import Deployment, Role, free_port, prepared, serving, settings_for
from wattbook.kernel.units import Energy
from wattbook.registry.parties import Party
from wattbook.roaming.deployment import Roaming
from wattbook.roaming.ocpi.credentials import register_with
from wattbook.roaming.partners import invite

OCPP_PORT: Final = 9000
WEB_PORT: Final = 8080
PAUSE_S: Final = 0.15
"""Real time between two samples, so that a person can watch."""

STEPS: Final = 7

PARTIES: Final[tuple[tuple[Party, Role], ...]] = (
    (world.OPERATOR_A, "CPO"),
    (world.OPERATOR_B, "EMSP"),
    (world.HUB, "HUB"),
)

Case = tuple[str, Callable[[Say], Awaitable[list[Row]]]]


async def play(folder: Path, *, wait: bool, console: Console) -> bool:
    """Play everything; whether the proof holds. With `wait` the world stays up until the process is interrupted."""
    task = asyncio.current_task()
    assert task is not None, "it runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with EmbeddedServer(folder) as server:
        ports = [(free_port(OCPP_PORT), free_port(WEB_PORT)), (free_port(), free_port()), (free_port(), free_port())]
        settings = [
            settings_for(party, role, server.url, folder, own)
            for (party, role), own in zip(PARTIES, ports, strict=True)
        ]
        async with prepared(settings) as deployments:
            await _furnish(*deployments)
            with _display(console) as display:
                bar = display.add_task("three deployments start", total=STEPS)
                async with serving(deployments):
                    holds = await _play(deployments, display, bar, console)
                    if wait:
                        console.print("Charging goes on until you press Ctrl-C.")
                        await cases.keep_charging(deployments[0])
    return holds


async def _play(deployments: Sequence[Deployment], display: Progress, bar: TaskID, console: Console) -> bool:
    async with AsyncExitStack() as stack:
        a, b, hub = deployments
        display.update(bar, advance=1, description="the partners register with the hub")
        roaming = [await stack.enter_async_context(Roaming.open(each.database, each.settings)) for each in deployments]
        await _register(*roaming)
        rows: list[Row] = []
        for name, case in _cases(a, roaming[1], hub):
            display.update(bar, advance=1, description=name)
            rows += await case(lambda text: display.update(bar, description=text))
        display.update(bar, description="the proof")
        proofs = [await prove(each.database) for each in deployments]
        agreed = await _partners_agree(a, b)
        display.update(bar, completed=STEPS, description="done")
        display.stop()
    return _close(console, rows, deployments, proofs, agreed)


def _cases(a: Deployment, b: Roaming, hub: Deployment) -> list[Case]:
    morning = datetime.now(UTC) - timedelta(hours=6)
    return [
        ("(a) a customer at her own operator", lambda say: cases.own_customer(a, morning, PAUSE_S, say)),
        ("(b) a driver of another operator", lambda say: cases.roaming_driver(a, b, hub, morning, PAUSE_S, say)),
        ("(c) a house and its wallbox", lambda say: cases.paid_charging_at_home(a, say)),
        ("(d) a car feeds in", lambda say: cases.feeding_in(a, morning + timedelta(hours=2), PAUSE_S, say)),
        ("(e) a stranger", lambda say: cases.stranger(a, morning + timedelta(hours=4), say)),
    ]


async def _furnish(a: Deployment, b: Deployment, hub: Deployment) -> None:
    now = datetime.now(UTC)
    async with a.database.transaction() as connection:
        await world.furnish_operator_a(connection)
        for driver in (world.JIWOO, world.MINJUN, world.STRANGER):
            await world.top_up(connection, driver, now=now)
    async with b.database.transaction() as connection:
        await world.furnish_operator_b(connection)
        await world.top_up(connection, world.SEOYEON, now=now)
    async with hub.database.transaction() as connection:
        await world.furnish_hub(connection)


async def _register(a: Roaming, b: Roaming, hub: Roaming) -> None:
    """A and B each get a first token from the hub, by a way outside of wattbook, and register with it."""
    for partner in (a, b):
        token = secrets.token_urlsafe(32)
        async with hub.database.transaction() as connection:
            await invite(connection, partner.party, token)
        await register_with(partner, hub.versions_url, token)


async def _partners_agree(a: Deployment, b: Deployment) -> bool:
    """What A says that B's drivers drew is what B says that its drivers drew at A."""
    given, taken = Account(world.OPERATOR_B.id, "partner", ENERGY), Account(world.OPERATOR_A.id, "partner", ENERGY)
    async with a.database.snapshot() as connection:
        at_a = (await balances(connection, [given]))[given].posted
    async with b.database.snapshot() as connection:
        at_b = (await balances(connection, [taken]))[taken].posted
    return at_a == -at_b > 0


def _display(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn(), console=console
    )


def _close(
    console: Console, rows: Sequence[Row], deployments: Sequence[Deployment], proofs: Sequence[Proof], agreed: bool
) -> bool:
    """The table, the address, and the proof as the last line."""
    table = Table("who", "kWh", "price", "why", title="Every kilowatt-hour once", title_justify="left")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in rows:
        energy = "" if row.energy_mwh is None else f"{Energy(row.energy_mwh).kwh:,.3f}"
        table.add_row(row.who, energy, "" if row.price is None else str(row.price), row.why)
    console.print(table)
    for deployment, proof in zip(deployments, proofs, strict=True):
        broken = [finding for finding in proof.findings if not finding.holds]
        for finding in broken:
            console.print(f"[red]{deployment.settings.name}: {finding.name}: {finding.rule}: {finding.violations[:3]}")
    if not agreed:
        console.print("[red]A and B do not agree on the energy that B's drivers drew at A")
    console.print(f"Overview of {deployments[0].settings.name}: {deployments[0].web_url}/")
    holds = agreed and all(proof.holds for proof in proofs)
    checks, transfers = sum(len(proof.findings) for proof in proofs), sum(proof.totals["transfers"] for proof in proofs)
    console.print(
        f"audit: {'OK' if holds else 'BROKEN'}: {checks} checks on {transfers} transfers of three deployments;"
        " metered = billed + exceptions, every currency sums to zero, A and B agree",
        soft_wrap=True,
        highlight=False,
    )
    return holds
