"""`tariff`: what energy costs, and why."""

import typer

from wattbook.cli import household_tariff, station_tariff

verbs = typer.Typer(no_args_is_help=True, help="What energy costs, and why.")
verbs.command("household")(household_tariff.rate)
verbs.command("price")(station_tariff.price)
verbs.command("lint")(station_tariff.check)
