"""A fleet as a person sees it: a bar while it runs, a table when it is done."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from wattbook.kernel.units import Energy
from wattbook.simulate.fleet import FleetPlan, FleetReport, run_fleet


async def show_fleet(plan: FleetPlan, console: Console) -> FleetReport:
    """Run it and print what came of it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("sessions", total=plan.count * plan.sessions)
        report = await run_fleet(plan, watch=lambda so_far: progress.update(bar, completed=so_far.tried))
    console.print(fleet_table(plan, report))
    return report


def fleet_table(plan: FleetPlan, report: FleetReport) -> Table:
    table = Table(
        "what", "how much", title=f"{plan.count} stations, OCPP {plan.version}, {plan.scenario}, seed {plan.seed}"
    )
    table.columns[1].justify = "right"
    table.add_row("sessions", f"{report.sessions:,}")
    table.add_row("energy", str(Energy(report.import_mwh)))
    if report.export_mwh:
        table.add_row("energy fed in", str(Energy(report.export_mwh)))
    table.add_row("messages sent", f"{report.tally.sent:,}")
    table.add_row("acknowledged", f"{report.tally.acknowledged:,}")
    table.add_row("errors", f"{report.tally.errors:,}")
    table.add_row("answered within, half of them", f"{report.latency_ms(50):.1f} ms")
    table.add_row("answered within, 99 %", f"{report.latency_ms(99):.1f} ms")
    for reason, times in report.refusals.most_common():
        table.add_row(f"refused: {reason}", f"{times:,}", style="yellow")
    for fault, times in report.faults.most_common(10):
        table.add_row(fault, f"{times:,}", style="red")
    return table
