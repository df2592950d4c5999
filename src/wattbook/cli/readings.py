"""`readings`: what meters measured, taken in from files."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.accounts import tending
from wattbook.household.accounts.tending import Tended
from wattbook.household.bills.reassessment import assess_again
from wattbook.household.readings.intake.admission import take_in
from wattbook.household.readings.intake.formats import FORMATS, reader_of
from wattbook.household.readings.intake.items import FILE_BYTES_MAX, Item
from wattbook.household.readings.intake.report import Report
from wattbook.household.readings.intervals import IntervalStore
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput

REFUSED_SHOWN_MAX = 50

verbs = typer.Typer(no_args_is_help=True, help="What meters measured: take it in, look at it, keep it in order.")


@verbs.command("import")
def take_in_file(
    file: Annotated[Path, typer.Argument(help="As a head-end system, a market partner or a customer sent it.")],
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")],
    layout: Annotated[str | None, typer.Option(help="Of CSV: one that ships, or a path; of DLMS: a path.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken in.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a file of readings in and report on its lines: exit code 0 if all were taken, 1 if some were refused."""
    items = reader_of(form, layout)(_content(file))
    report = asyncio.run(_take_in(Settings(), file.name, items, dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps(_document(report, dry_run)))
    else:
        _print(report, dry_run)
    raise typer.Exit(1 if report.refused_count else 0)


@verbs.command("tend")
def tend() -> None:
    """Keep the files of intervals in order: compact days, sweep leftovers, assess bills again that are noted."""
    did = asyncio.run(_tend(Settings()))
    typer.echo(f"{did.compacted} files were compacted, {did.swept} swept away; {did.notes} credit notes were issued")


async def _tend(settings: Settings) -> Tended:
    from wattbook.app.databases import readable_database

    with readable_database(settings) as url:
        database = Database(url)
        try:
            return await tending.tend(database, IntervalStore(settings.data / "intervals"), now=system_clock())
        finally:
            await database.close()


async def _take_in(settings: Settings, source: str, items: Iterable[Item], *, dry_run: bool) -> Report:
    from wattbook.app.databases import readable_database

    store = IntervalStore(settings.data / "intervals")
    with readable_database(settings) as url:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                report = await take_in(connection, store, source, items, now=system_clock(), dry_run=dry_run)
                if report.bills:
                    await assess_again(connection, store, now=system_clock())
                return report
        finally:
            await database.close()


def _content(file: Path) -> bytes:
    """Raises:
    InvalidInput: not a file, or one larger than is read.
    """
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput(f"{file} has {file.stat().st_size} bytes: at most {FILE_BYTES_MAX} are read")
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}") from None


def _print(report: Report, dry_run: bool) -> None:
    console = Console()
    said = "would be" if dry_run else "were"
    console.print(
        f"{report.source}: {report.new} intervals {said} new, {report.changed} changed, {report.known} known; "
        f"{report.registers} register readings, {report.derived} intervals derived from them; "
        f"{report.refused_count} refused; {report.bills} bills assessed again",
        highlight=False,
    )
    if report.refused:
        table = Table("line", "code", "why", "what")
        for complaint in report.refused[:REFUSED_SHOWN_MAX]:
            table.add_row(str(complaint.line), complaint.code, complaint.reason, complaint.content[:60])
        console.print(table)


def _document(report: Report, dry_run: bool) -> dict[str, object]:
    counts = ("new", "changed", "known", "registers", "registers_known", "derived", "refused_count", "bills")
    return {
        "source": report.source,
        "dry_run": dry_run,
        **{name: getattr(report, name) for name in counts},
        "refused": [complaint._asdict() for complaint in report.refused],
    }
