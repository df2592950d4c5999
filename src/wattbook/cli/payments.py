"""`payments`: what came in, from files and providers, and who may send it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from wattbook.cli.work import on_database
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.kernel.errors import InvalidInput, NotFound, Unavailable
from wattbook.payments import senders
from wattbook.payments.daily import due_days
from wattbook.payments.files import FILE_BYTES_MAX, Form, LineReport, import_lines, read_lines
from wattbook.payments.provider import Report
from wattbook.payments.quarantine import quarantined
from wattbook.payments.reconciliation import Reconciliation, reconcile, reconciliation_fields, reconciliations

verbs = typer.Typer(no_args_is_help=True, help="Payments of devices, servers and providers.")
sender_verbs = typer.Typer(no_args_is_help=True, help="Who may send payments, and its keys.")
verbs.add_typer(sender_verbs, name="sender")

_AS_JSON = typer.Option("--json", help="Print one JSON object.")


@verbs.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with a line of names, or JSON lines.", exists=True, dir_okay=False)],
    sender: Annotated[str, typer.Option(help="Whose payments these are.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and change nothing.")] = False,
    form: Annotated[Form | None, typer.Option("--format", help="Else by the file's name.")] = None,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Take in a file of payments and report each line: exit code 0 if all were taken in, 1 if some were not."""
    from wattbook.api.neighbours import neighbours

    lines = read_lines(_content(file), form or _form_of(file))
    now = system_clock()
    settings = Settings()
    around = neighbours(settings)
    reports = on_database(
        settings, lambda database: import_lines(database, sender, lines, around, now=now, dry_run=dry_run)
    )
    refused = [report for report in reports if report.code is not None]
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "lines": [asdict(report) for report in reports]}))
    else:
        _print_reports(reports, refused, dry_run)
    raise typer.Exit(1 if refused else 0)


def _form_of(file: Path) -> Form:
    endings = {".csv": Form.CSV, ".jsonl": Form.JSON_LINES, ".ndjson": Form.JSON_LINES}
    form = endings.get(file.suffix.lower())
    if form is None:
        raise InvalidInput(f"{file.name} does not say what it is: use --format csv or --format jsonl")
    return form


def _print_reports(reports: list[LineReport], refused: list[LineReport], dry_run: bool) -> None:
    console = Console()
    if refused:
        table = Table("line", "payment", "code", "why")
        for report in refused:
            table.add_row(str(report.number), report.payment or "", report.code or "", report.message or "")
        console.print(table)
    counts: dict[str, int] = {}
    for report in reports:
        counts[report.outcome] = counts.get(report.outcome, 0) + 1
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no payments"
    console.print(f"{'dry run, nothing changed: ' if dry_run else ''}{said}", highlight=False)


@verbs.command("reconcile")
def reconcile_day(
    provider: Annotated[str, typer.Option(help="Such as stripe.")] = "stripe",
    day: Annotated[str | None, typer.Option("--date", help="In UTC, such as 2026-11-20; else yesterday.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A saved report (balance transactions as JSON lines).", exists=True)
    ] = None,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Compare a provider's report of a day with the book: exit code 0 if they agree, 1 if a person has to look."""
    which = (system_clock() - timedelta(days=1)).date() if day is None else _day(day)
    saved = None if file is None else _content(file)

    async def run(database: Database) -> Reconciliation:
        report = await _report(provider, which, saved)
        async with database.transaction() as connection:
            return await reconcile(connection, provider, which, report, now=system_clock())

    result = on_database(Settings(), run)
    if as_json:
        typer.echo(json.dumps(reconciliation_fields(result)))
    else:
        _print_reconciliation(result)
    raise typer.Exit(1 if result.differences else 0)


@verbs.command("reconciliations")
def show_reconciliations(
    provider: Annotated[str, typer.Option(help="Such as stripe.")] = "stripe",
    since: Annotated[str | None, typer.Option(help="The first day, in UTC; else the latest days.")] = None,
    limit: Annotated[int, typer.Option(help="How many days, the latest first.")] = 31,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """What the comparisons of each day found: exit code 0 if all agree, 1 if a person has to look."""
    first = date.min if since is None else _day(since)

    async def run(database: Database) -> tuple[list[Reconciliation], list[date]]:
        async with database.snapshot() as connection:
            kept = await reconciliations(connection, provider, since=first, limit=limit)
            return kept, await due_days(connection, provider, now=system_clock())

    kept, due = on_database(Settings(), run)
    if as_json:
        days = [reconciliation_fields(each) for each in kept]
        typer.echo(json.dumps({"reconciliations": days, "due": [day.isoformat() for day in due]}))
    else:
        for each in kept:
            _print_reconciliation(each)
        if due:
            typer.echo(f"not compared yet: {', '.join(day.isoformat() for day in due)}")
    raise typer.Exit(1 if any(each.differences for each in kept) else 0)


def _content(file: Path) -> bytes:
    """Of a file whose size was looked at before it was read. Raises: InvalidInput: it is too large."""
    if file.stat().st_size > FILE_BYTES_MAX:
        raise InvalidInput(f"{file.name} has more than {FILE_BYTES_MAX} bytes")
    return file.read_bytes()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is no day such as 2026-11-20") from None


async def _report(provider: str, day: date, saved: bytes | None) -> Report:
    from wattbook.payments.providers.setup import providers_of
    from wattbook.payments.providers.stripe import NAME
    from wattbook.payments.providers.stripe_report import report_of_file

    if saved is not None:
        if provider != NAME:
            raise NotFound(f"no report of {provider!r} can be read from a file")
        return report_of_file(saved, day)
    async with providers_of(Settings()) as providers:
        known = providers.get(provider)
        if known is None:
            raise NotFound(f"no provider {provider!r} is set up: for stripe, set WATTBOOK_STRIPE_API_KEY")
        return await known.report(day)


def _print_reconciliation(result: Reconciliation) -> None:
    document, console = reconciliation_fields(result), Console()
    if result.differences:
        table = Table("difference", "what", "reference", "reported", "booked")
        for each in document["differences"]:
            amounts = [f"{each[name]} {each['currency']}" if each[name] else "" for name in ("reported", "booked")]
            table.add_row(each["kind"], each["what"], each["reference"], *amounts)
        console.print(table)
    held = ", ".join(f"{amount} {code}" for code, amount in document["clearing"].items()) or "nothing"
    console.print(
        f"{result.channel} {result.day}: {result.rows} rows, {len(result.differences)} differences;"
        f" {result.channel} has {held} of ours",
        highlight=False,
    )


@verbs.command("quarantine")
def show_quarantine(
    channel: Annotated[str | None, typer.Option(help="Of one sender or provider.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the latest first.")] = 50,
) -> None:
    """What could not be taken in, and why."""

    async def run(database: Database) -> Any:
        async with database.snapshot() as connection:
            return await quarantined(connection, channel=channel, limit=limit)

    table = Table("last came", "from", "by", "times", "code", "why", "content")
    for each in on_database(Settings(), run):
        content = each.content[:200].decode(errors="replace")
        last = f"{each.last_received_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(last, each.channel, each.source, str(each.times), each.code, each.reason, content)
    Console().print(table)


@verbs.command("unanswered")
def show_unanswered(
    ask: Annotated[bool, typer.Option("--ask", help="Ask them once more, now.")] = False,
) -> None:
    """What providers were asked and have not answered: exit code 1 if anything is left."""
    from wattbook.payments.operations import carry_out
    from wattbook.payments.providers.setup import providers_of
    from wattbook.payments.questions import unanswered

    async def run(database: Database) -> list[str]:
        async with database.snapshot() as connection:
            waiting = await unanswered(connection)
        if not ask:
            return waiting
        async with providers_of(Settings()) as providers:
            return [each for each in waiting if not await _answered(carry_out(database, providers, each, system_clock))]

    left = on_database(Settings(), run)
    for operation in left:
        typer.echo(operation)
    raise typer.Exit(1 if left else 0)


async def _answered(asking: Awaitable[Any]) -> bool:
    try:
        await asking
    except (Unavailable, NotFound) as error:
        typer.echo(error.message, err=True)
        return False
    return True


@sender_verbs.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits, points and hyphens.")],
    description: Annotated[str, typer.Option(help="For people.")] = "",
) -> None:
    """Register a sender and print its key, which is not told again."""
    _print_key(lambda connection: senders.add_sender(connection, name, description, now=system_clock()))


@sender_verbs.command("renew")
def renew(
    name: str,
    old_valid_hours: Annotated[int, typer.Option(help="How long the old key stays valid.", min=0, max=720)] = 24,
) -> None:
    """Print a new key, which is not told again."""
    valid_for = timedelta(hours=old_valid_hours)
    _print_key(lambda connection: senders.renew_key(connection, name, now=system_clock(), old_valid_for=valid_for))


@sender_verbs.command("block")
def block(name: str, again: Annotated[bool, typer.Option("--unblock", help="Let it send again.")] = False) -> None:
    """What a blocked sender signs counts as not signed."""

    async def run(database: Database) -> None:
        async with database.transaction() as connection:
            await senders.block_sender(connection, name, blocked=not again)

    on_database(Settings(), run)


@sender_verbs.command("list")
def listed() -> None:
    """Who may send payments."""

    async def run(database: Database) -> list[senders.Sender]:
        async with database.snapshot() as connection:
            return await senders.list_senders(connection)

    table = Table("name", "description", "since", "keys", "blocked")
    for each in on_database(Settings(), run):
        since = f"{each.created_at:%Y-%m-%d}"
        table.add_row(each.name, each.description, since, str(each.keys), "blocked" if each.blocked else "")
    Console().print(table)


def _print_key(make: Callable[[Any], Awaitable[str]]) -> None:
    async def run(database: Database) -> str:
        async with database.transaction() as connection:
            return await make(connection)

    typer.echo(on_database(Settings(), run))
