"""`tariff`: what energy costs, and why."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.explanation import explain_household
from wattbook.tariffs.household import HouseholdBill, rate_household
from wattbook.tariffs.period import BillingPeriod

verbs = typer.Typer(no_args_is_help=True, help="What energy costs, and why.")


@verbs.callback()
def _tariff() -> None:
    """Keep `household` a word of the command while it is the only one."""


@verbs.command("household")
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
