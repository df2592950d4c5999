"""`bill-run`: the bills of all houses for a period."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from wattbook.config import Settings
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy, Money
from wattbook.tariffs.catalogue import household_tariff, household_tariff_names
from wattbook.tariffs.period import BillingPeriod

if TYPE_CHECKING:
    from wattbook.db.engine import Database
    from wattbook.household.runs.bill_run import RunReport

verbs = typer.Typer()


@verbs.command("bill-run")
def bill_run(
    period: Annotated[str, typer.Option(help="A calendar month, such as 2026-10, or days: 2026-10-05..2026-11-04.")],
    households: Annotated[list[str] | None, typer.Option(help="Only this house; may be given again.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would bill, and write nothing.")] = False,
    utility: Annotated[str | None, typer.Option(help="The party that bills; this deployment's own.")] = None,
    balance_group: Annotated[str | None, typer.Option(help="EIC; needed when the party has several.")] = None,
) -> None:
    """Bill every house that has no bill of the period; interrupted, the same command goes on where it was.

    A month bills each house for its own period that begins in it, by its reading day, if that is over; days bill every
    house for just these days.

    Exit code 0 when every house has its bill, 1 when some were refused: the next run tries them again.
    """
    days = BillingPeriod.of_text(period)
    report = asyncio.run(_run(Settings(), days, ".." not in period, households, dry_run, utility, balance_group))
    _print_report(report, dry_run)
    raise typer.Exit(0 if report.agrees and not report.all.refused else 1)


async def _run(
    settings: Settings,
    period: BillingPeriod,
    by_cycle: bool,
    households: list[str] | None,
    dry_run: bool,
    party: str | None,
    balance_group: str | None,
) -> "RunReport":
    from wattbook.app.databases import readable_database
    from wattbook.db.engine import Database
    from wattbook.household.bills.billing import Utility
    from wattbook.household.readings.intervals import IntervalStore
    from wattbook.household.runs.bill_run import BillRun

    party = party or settings.party
    with readable_database(settings) as url, _bar() as (bar, task):
        database = Database(url)
        try:
            group = balance_group or await _only_balance_group(database, party)
            run = BillRun(
                database,
                IntervalStore(settings.data / "intervals"),
                Utility(party, group),
                period,
                system_clock,
                engine=settings.engine,
                progress=lambda told: bar.update(task, completed=told.houses_done, total=told.houses),
                households=None if households is None else tuple(households),
                by_cycle=by_cycle,
            )
            return await (run.try_out() if dry_run else run.run())
        finally:
            await database.close()


@contextmanager
def _bar() -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on stderr, where a person looks."""
    columns = (TextColumn("houses"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        yield progress, progress.add_task("billing", total=None)


async def _only_balance_group(database: "Database", party: str) -> str:
    """Raises:
    InvalidInput: the party has none, or several.
    """
    from wattbook.registry.parties import balance_groups_of

    async with database.snapshot() as connection:
        groups = await balance_groups_of(connection, party)
    if len(groups) != 1:
        known = ", ".join(groups) or "none"
        raise InvalidInput(f"say from which --balance-group {party} supplies its houses; on record: {known}")
    return groups[0]


def _print_report(report: "RunReport", dry_run: bool) -> None:
    console = Console()
    if report.run is None and not dry_run:
        console.print("Every house has its bill: nothing to do.")
        return
    title = "What a run would bill" if dry_run else f"Run {report.run}{', resumed' if report.resumed else ''}"
    table = Table(title=f"{title}: control totals")
    for heading in ("tariff", "billed", "billed before", "refused", "metered", "of the houses", "total"):
        table.add_column(heading, justify="left" if heading == "tariff" else "right")
    for tariff, totals in report.totals.items():
        is_known = tariff in household_tariff_names()
        total = Money(totals.total, Currency.of(household_tariff(tariff).currency)) if is_known else "unknown tariff"
        energies = (str(Energy(totals.metered_mwh)), str(Energy(totals.household_mwh)))
        counts = (f"{totals.billed:,}", f"{totals.known:,}", f"{totals.refused:,}")
        table.add_row(tariff, *counts, *energies, str(total))
    console.print(table)
    for refusal in report.refusals:
        console.print(f"{refusal.household}: {refusal.reason}", style="yellow", highlight=False)
    if not report.agrees:
        console.print("The bills of this run do not sum to its control totals.", style="red")
    console.print(f"summing {report.sum_s:.1f} s, rating {report.rate_s:.1f} s, posting {report.post_s:.1f} s")
