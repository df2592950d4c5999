"""`tariff household`: the bill of a house for a period, with its working."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy
from wattbook.tariffs.catalogue import household_tariff
from wattbook.tariffs.explanation import explain_household
from wattbook.tariffs.hours import energies_of_zones
from wattbook.tariffs.household import WATTS_PER_KW, HouseholdBill, Usage, amount_in_units, rate_household
from wattbook.tariffs.interval_file import usage_of_file
from wattbook.tariffs.period import BillingPeriod
from wattbook.tariffs.schedule import Schedule, compile_household


def rate(
    name: Annotated[str, typer.Argument(help="A tariff, such as kr-residential-low-voltage.")],
    kwh: Annotated[str | None, typer.Option(help="Consumption of the period, rounded as the tariff says.")] = None,
    zone: Annotated[list[str] | None, typer.Option(help="Of a time-of-use tariff, once a zone: peak=120.5")] = None,
    intervals: Annotated[Path | None, typer.Option(help="CSV of the whole period: start, kwh[, minutes].")] = None,
    month: Annotated[str | None, typer.Option(help="A calendar month, such as 2026-10.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, such as 2022-03-11.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inside the period.")] = None,
    month_days: Annotated[int | None, typer.Option(help="Bill the days as a part of a month of so many.")] = None,
    contract_kw: Annotated[str | None, typer.Option(help="Contracted power, where the tariff charges for it.")] = None,
    peak_kw: Annotated[str | None, typer.Option(help="Highest power, where the tariff charges for it.")] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object: whole won, or decimal strings where there are cents."),
    ] = False,
) -> None:
    """Bill a household's month, or the days from --from to --to as one billing period."""
    tariff, period = household_tariff(name), _period(month, first, last)
    schedule = compile_household(tariff, period, month_days)
    usage = _usage(schedule, kwh, zone or [], intervals, _watts(contract_kw), _watts(peak_kw))
    bill = rate_household(tariff, usage, period, month_days=month_days)
    if as_json:
        typer.echo(json.dumps(_amounts(bill)))
    else:
        Console().print(_bill_table(bill))


def _period(month: str | None, first: str | None, last: str | None) -> BillingPeriod:
    if month is not None and first is None and last is None:
        return BillingPeriod.of_month(month)
    if month is None and first is not None and last is not None:
        return BillingPeriod.parse(first, last)
    raise InvalidInput("say which period: either --month, or --from and --to")


def _usage(
    schedule: Schedule,
    kwh: str | None,
    zones: list[str],
    intervals: Path | None,
    contract_w: int | None,
    peak_w: int | None,
) -> Usage:
    if sum((kwh is not None, bool(zones), intervals is not None)) != 1:
        raise InvalidInput("say what was used: either --kwh, or --zone for each zone, or --intervals")
    if intervals is not None:
        return usage_of_file(schedule, intervals, contract_w)
    if kwh is not None:
        return Usage((Energy.from_kwh(kwh),), contract_w, peak_w)
    named = dict(_named(text) for text in zones)
    if len(named) != len(zones):
        raise InvalidInput("a zone is named once")
    return Usage(energies_of_zones(schedule, named), contract_w, peak_w)


def _named(text: str) -> tuple[str, Energy]:
    name, sign, energy = text.rpartition("=")
    if not sign:
        raise InvalidInput(f"not a zone: {text!r}; a zone reads peak=120.5")
    return name.strip(), Energy.from_kwh(energy)


def _watts(kw: str | None) -> int | None:
    """Exact to a watt.

    Raises:
        InvalidInput: not a number, or finer.
    """
    if kw is None:
        return None
    energy = Energy.from_kwh(kw)  # the same scale: a kilowatt for an hour
    watts, finer = divmod(energy.mwh, 1_000_000 // WATTS_PER_KW)
    if finer:
        raise InvalidInput(f"a power is given to the watt: {kw}")
    return watts


def _amounts(bill: HouseholdBill) -> dict[str, int | str]:
    if not Currency.of(bill.currency).display_digits:
        return dict(bill.amounts)
    money: dict[str, int | str] = {name: _decimal(count, bill.currency) for name, count in bill.amounts.items()}
    return money | {"kwh": bill.kwh, "currency": bill.currency}


def _decimal(count: int, currency: str) -> str:
    amount: Decimal = amount_in_units(count, currency)
    return f"{amount:f}"


def _bill_table(bill: HouseholdBill) -> Table:
    table = Table(title=f"{bill.tariff}, {bill.period}", caption="\n".join(bill.notes), caption_justify="left")
    table.add_column("line")
    table.add_column("how")
    table.add_column(bill.currency, justify="right")
    for line, working, amount in explain_household(bill):
        table.add_row(line, working, amount, style="dim" if line.startswith(" ") else None)
    return table
