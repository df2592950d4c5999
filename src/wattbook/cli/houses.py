"""`houses`: who lives in a house from when to when, and under which tariff."""

from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.cli.people import BY
from wattbook.cli.work import done
from wattbook.config import Settings
from wattbook.household.accounts.account import house_of
from wattbook.household.bills import moves
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput
from wattbook.registry.changes import Change, record_changes
from wattbook.registry.contracts import Contract, contracts_of_households

verbs = typer.Typer(no_args_is_help=True, help="Houses: who moves in and out, and under which tariff.")

House = Annotated[str, typer.Argument(help="Id of the household.")]


@verbs.command("contracts")
def contracts(house: House) -> None:
    """Who lives there from when to when; nothing: the customer of the house's own record at all times."""

    async def work(connection: AsyncConnection) -> tuple[Contract, ...]:
        known = await house_of(connection, house)
        return (await contracts_of_households(connection, [known.id])).get(known.id, ())

    _print(done(Settings(), work))


@verbs.command("move-in")
def move_in(
    house: House,
    customer: Annotated[str, typer.Option(help="Id of the customer; who lives there already changes the tariff.")],
    tariff: Annotated[str, typer.Option(help="Name of a household tariff.")],
    first_day: Annotated[str, typer.Option(help="Such as 2026-10-16.")],
    contract_w: Annotated[int | None, typer.Option(help="Contracted power in watts, for tariffs that need it.")] = None,
) -> None:
    """Somebody moves in on a day, or changes to another tariff: bills of the period are cut there."""
    contract = Contract(house, customer, tariff, _day(first_day), None, contract_w)

    async def work(connection: AsyncConnection) -> tuple[Contract, ...]:
        known = await moves.move_in(connection, contract)
        change = Change(system_clock(), BY, "contract.begin", house, None, {"customer": customer, "from": first_day})
        await record_changes(connection, [change])
        return known

    _print(done(Settings(), work))


@verbs.command("move-out")
def move_out(house: House, last_day: Annotated[str, typer.Option(help="Such as 2026-10-15.")]) -> None:
    """Who lives there on a day moves out with it."""
    day = _day(last_day)

    async def work(connection: AsyncConnection) -> Contract:
        ended = await moves.move_out(connection, house, day)
        change = Change(system_clock(), BY, "contract.end", house, None, {"last_day": last_day})
        await record_changes(connection, [change])
        return ended

    _print((done(Settings(), work),))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"not a day: {text!r}; a day reads 2026-10-16") from None


def _print(found: tuple[Contract, ...]) -> None:
    table = Table("first day", "last day", "customer", "tariff", "contracted")
    for each in found:
        power = "" if each.contract_w is None else f"{each.contract_w} W"
        table.add_row(str(each.first_day), str(each.last_day or ""), each.customer, each.tariff, power)
    Console().print(table)
