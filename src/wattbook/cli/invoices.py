"""`invoices`: issue the documents of a period, look at them, take them back, and ask for what is not paid."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wattbook.billing.credits import credit
from wattbook.billing.documents import Document, coin_text
from wattbook.billing.dunning import dun
from wattbook.billing.einvoice import to_cii
from wattbook.billing.listing import document_fields, find_document, find_documents, invoices_of_period
from wattbook.billing.page import page_file, to_page, write_pages
from wattbook.billing.parties import Issuer
from wattbook.billing.registers import put_issuer
from wattbook.billing.rollups import By, revenue
from wattbook.billing.run import Period, invoice_run
from wattbook.cli.work import on_database
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Currency, Energy, Money

verbs = typer.Typer(no_args_is_help=True, help="Invoices, receipts, credit notes, statements.")

PAGES_AT_ONCE: Final = 1_000
"""Documents that wait for their pages in memory."""


@verbs.command("issuer")
def name_issuer(
    file: Annotated[Path, typer.Argument(help="JSON: id, name, street, postcode, city, country, vat_id, prefix, …")],
) -> None:
    """Put on record who issues documents: legal name, address, tax number, account."""
    try:
        issuer = msgspec.json.decode(file.read_bytes(), type=Issuer)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{file}: {error}") from None

    async def put(database: Database) -> None:
        async with database.transaction() as connection:
            await put_issuer(connection, issuer)

    on_database(Settings(), put)
    typer.echo(f"{issuer.id}: {issuer.name} issues documents numbered {issuer.prefix}-…")


@verbs.command("run")
def run(
    period: Annotated[str, typer.Option(help="A month, such as 2026-10.")],
    pdf: Annotated[
        Path | None, typer.Option(help="A folder for the PDFs, with e-invoices inside; those that are there stay.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be issued.")] = False,
) -> None:
    """Issue the invoices of a month that has ended; run again, it goes on with what is left."""
    settings = Settings()
    zone = ZoneInfo(settings.time_zone)
    month = Period.of_month(period, zone)
    if pdf is not None:
        pdf.mkdir(parents=True, exist_ok=True)

    async def issue(database: Database) -> list[Document]:
        issued: list[Document] = []
        with _progress() as bar:
            task = bar.add_task("invoices", total=None)
            async for state in invoice_run(database, settings.party, month, clock=system_clock, keep=not dry_run):
                issued += state.documents
                bar.update(task, total=state.payers, completed=state.payers_done)
            if pdf is not None and not dry_run:
                await _write_missing(database, settings.party, month, pdf, bar)
        return issued

    issued = on_database(Settings(), issue)
    _show_totals(issued, dry_run=dry_run)


async def _write_missing(database: Database, issuer: str, month: Period, folder: Path, bar: Progress) -> None:
    """The pages of a month's invoices that are not in the folder, also of those that were issued before."""
    async with database.snapshot() as connection:
        numbers = await invoices_of_period(connection, issuer, month)
    missing = [number for number in numbers if not page_file(folder, number).exists()]
    task = bar.add_task("pages", total=len(missing))
    for start in range(0, len(missing), PAGES_AT_ONCE):
        async with database.snapshot() as connection:
            documents = await find_documents(connection, missing[start : start + PAGES_AT_ONCE])
        for _ in write_pages(documents, month.zone, folder):
            bar.advance(task)


@verbs.command("show")
def show(
    number: Annotated[str, typer.Argument(help="Such as LN-2026-I000017.")],
    pdf: Annotated[Path | None, typer.Option(help="Write the PDF here.")] = None,
    xml: Annotated[Path | None, typer.Option(help="Write the e-invoice (CII) here.")] = None,
) -> None:
    """Print a document as JSON; write it as PDF or e-invoice."""
    settings = Settings()

    async def find(database: Database) -> Document:
        async with database.snapshot() as connection:
            return await find_document(connection, number)

    document = on_database(Settings(), find)
    if pdf is not None:
        pdf.write_bytes(to_page(document, ZoneInfo(settings.time_zone)))
    if xml is not None:
        xml.write_bytes(to_cii(document))
    typer.echo(json.dumps(document_fields(document), default=str, ensure_ascii=False))


@verbs.command("credit")
def credit_document(
    number: str,
    reason: Annotated[str, typer.Option(help="Stands on the credit note.")],
    line: Annotated[list[int] | None, typer.Option(help="Which line, counted from 1; else all that are left.")] = None,
) -> None:
    """Take an invoice or receipt back, in full or line by line."""
    zone = ZoneInfo(Settings().time_zone)

    async def take_back(database: Database) -> Document:
        async with database.transaction() as connection:
            return await credit(
                connection, number, reason=reason, zone=zone, now=system_clock(), positions=line or None
            )

    note = on_database(Settings(), take_back)
    typer.echo(f"{note.number}: {coin_text(note.total, note.currency)} {note.currency} on {number}")


@verbs.command("dun")
def dun_debtors() -> None:
    """One round of reminders, warnings and holds for what is overdue; run it once a day."""
    settings = Settings()

    async def go_round(database: Database) -> str:
        async with database.transaction() as connection:
            done = await dun(connection, settings.party, zone=ZoneInfo(settings.time_zone), now=system_clock())
        return f"{len(done.reminders)} reminders; held: {len(done.held)}; released: {len(done.released)}"

    typer.echo(on_database(Settings(), go_round))


@verbs.command("revenue")
def show_revenue(
    first: Annotated[str, typer.Option("--from", help="First day of issue, such as 2026-10-01.")],
    last: Annotated[str, typer.Option("--to", help="Last day of issue.")],
    by: Annotated[By, typer.Option(help="issuer, recipient, product, rate (of tax) or month.")] = "product",
) -> None:
    """What documents of a time sum to before tax, credit notes taken off."""
    try:
        days = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise InvalidInput("a day is written like 2026-10-01") from None
    table = Table(by, "documents", "kWh", "before tax")

    async def sum_up(database: Database) -> None:
        async with database.snapshot() as connection:
            for row in await revenue(connection, Settings().party, *days, by):
                net = str(Money(row.net, Currency.of(row.currency)))
                table.add_row(row.key or "–", str(row.documents), f"{Energy(row.energy_mwh).kwh:f}", net)

    on_database(Settings(), sum_up)
    Console().print(table)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield bar


def _show_totals(issued: list[Document], *, dry_run: bool) -> None:
    totals: dict[str, int] = {}
    for document in issued:
        totals[document.currency] = totals.get(document.currency, 0) + document.total
    sums = ", ".join(f"{coin_text(amount, currency)} {currency}" for currency, amount in sorted(totals.items()))
    words = "would be issued" if dry_run else "issued"
    typer.echo(f"{len(issued)} invoices {words}" + (f": {sums}" if sums else ""))
