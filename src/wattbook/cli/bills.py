"""`bills`: billing periods closed for good, and what was closed."""

from datetime import date
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.cli.people import BY
from wattbook.cli.work import done
from wattbook.config import Settings
from wattbook.household.bills.closing import ClosedBilling, close_billing, closed_billings
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.interest import InterestRate, put_interest_rate
from wattbook.tariffs.period import BillingPeriod

verbs = typer.Typer(no_args_is_help=True, help="The bills of houses: close a period of them.")

PeriodText = Annotated[str, typer.Option("--period", help="A calendar month, such as 2026-10, or days: first..last.")]
Utility = Annotated[str | None, typer.Option(help="The party that bills; this deployment's own.")]


@verbs.command("close")
def close(period: PeriodText, utility: Utility = None) -> None:
    """Close a period with control totals: no bill of it is issued any more, and it is never opened again."""
    settings, now = Settings(), system_clock()
    party, days = utility or settings.party, BillingPeriod.of_text(period)

    async def work(connection: AsyncConnection) -> ClosedBilling:
        closed = await close_billing(connection, party, days, now=now)
        change = Change(now, BY, "billing.closed", f"{party} {days}", None, {"bills": closed.bills})
        await record_changes(connection, [change])
        return closed

    _print([done(settings, work)])


@verbs.command("closed")
def closed(utility: Utility = None) -> None:
    """What was closed, by period."""
    settings = Settings()
    _print(done(settings, lambda connection: closed_billings(connection, utility or settings.party)))


@verbs.command("interest")
def interest(
    percent: Annotated[str, typer.Option(help="A year, simple, such as 2.5; 0: none from then on.")],
    valid_from: Annotated[str, typer.Option(help="Such as 2026-01-01.")],
    source: Annotated[str, typer.Option(help="Where the rate is from.")],
    utility: Utility = None,
) -> None:
    """Give interest on what was charged too much, from a day on; without any rate there is none."""
    settings, now = Settings(), system_clock()
    party = utility or settings.party
    try:
        rate = InterestRate(party, date.fromisoformat(valid_from), Decimal(percent), source, now.date())
    except (ValueError, ArithmeticError):
        raise InvalidInput(f"not a rate from a day on: {percent!r} percent from {valid_from!r}") from None

    async def work(connection: AsyncConnection) -> None:
        await put_interest_rate(connection, rate)
        after = {"percent": str(rate.percent), "valid_from": valid_from}
        await record_changes(connection, [Change(now, BY, "interest.rate", party, None, after)])

    done(settings, work)
    typer.echo(f"{party} gives {rate.percent} % a year from {rate.valid_from} on.")


def _print(closed: list[ClosedBilling]) -> None:
    table = Table("utility", "first day", "last day", "closed at", "bills", "metered", "of the houses", "paid", "total")
    for each in closed:
        energies = (str(Energy(mwh)) for mwh in (each.metered_mwh, each.household_mwh, each.paid_mwh))
        totals = ", ".join(str(total) for total in each.totals.values())
        days = (str(each.period.first), str(each.period.last))
        table.add_row(each.utility, *days, f"{each.closed_at:%Y-%m-%d %H:%M}Z", str(each.bills), *energies, totals)
    Console().print(table)
