"""`tariff price` and `tariff lint`: what a session costs by a tariff of OCPI, and what is odd about a tariff."""

import json
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.table import Table

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.lint import Finding, lint
from wattbook.tariffs.ocpi import decode, parse_tariff
from wattbook.tariffs.ocpi_records import ChargeRecord, parse_record, price_record
from wattbook.tariffs.price_document import price_document
from wattbook.tariffs.session_price import Price, PriceLine, quantity, shown
from wattbook.tariffs.station import StationTariff

FILE_BYTES_MAX = 64 * 1024 * 1024


def price(
    cdr: Annotated[Path, typer.Option(help="A CDR or session of OCPI 2.2.1 or 2.3.0.")],
    tariff: Annotated[
        Path | None, typer.Option(help="A tariff, or a list of them; else those of the CDR are used.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Of the location, such as Europe/Berlin.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; amounts as decimal texts.")] = False,
) -> None:
    """Price a charging session exactly, with every line that makes its price."""
    record = parse_record(_read(cdr))
    found = price_record(_tariffs(tariff) if tariff else [], record, _zone(timezone))
    if as_json:
        typer.echo(json.dumps(price_document(found, record.periods), ensure_ascii=False))
    else:
        Console().print(_price_table(found, record))


def check(
    tariff: Annotated[Path, typer.Argument(help="A tariff of OCPI 2.2.1 or 2.3.0, or a list of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list of findings.")] = False,
) -> None:
    """Say what is odd about a tariff: exit code 0 if nothing is, 1 for warnings and errors, 2 if it cannot be read."""
    findings = [(each.id, finding) for each in _tariffs(tariff) for finding in lint(each)]
    if as_json:
        typer.echo(json.dumps([{"tariff": name, **finding.document()} for name, finding in findings]))
    elif findings:
        Console().print(_findings_table(findings))
    else:
        typer.echo("nothing odd was found")
    raise typer.Exit(1 if any(finding.level != "info" for _, finding in findings) else 0)


def _tariffs(path: Path) -> list[StationTariff]:
    """Also as an OCPI server answers: inside `data`."""
    content = _read(path)
    if isinstance(content, dict) and "data" in content and "elements" not in content:
        content = content["data"]
    return [parse_tariff(each) for each in (content if isinstance(content, list) else [content])]


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return decode(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"unknown time zone {name!r}; such as Europe/Berlin is needed") from None


def _price_table(found: Price, record: ChargeRecord) -> Table:
    currency = found.currency
    total = shown(found.before_tax, currency), shown(found.after_tax, currency)
    table = Table(
        title=f"{record.id}: {total[0]} {currency} before, {total[1]} {currency} after tax",
        caption="\n".join(found.notes),
        caption_justify="left",
        show_footer=True,
    )
    table.add_column("period", "total")
    for name in ("element", "what"):
        table.add_column(name)
    for name in ("volume", "price", "VAT"):
        table.add_column(name, justify="right")
    table.add_column("before tax", total[0], justify="right")
    table.add_column("after tax", total[1], justify="right")
    for line in found.lines:
        table.add_row(*_row(line, currency), style="dim" if line.reason == "step" else None)
    return table


def _row(line: PriceLine, currency: str) -> tuple[str, ...]:
    what = line.reason.replace("_", " ") if line.dimension is None else line.dimension.value
    return (
        "" if line.period is None else str(line.period),
        "" if line.element is None else f"{line.tariff_id} / {line.element}",
        f"{what}, to a step of {line.step_size}" if line.reason == "step" else what,
        f"{quantity(line.volume)} {line.unit}",
        f"{line.price:f}",
        "" if line.vat is None else f"{line.vat:f} %",
        shown(line.before_tax, currency),
        shown(line.after_tax, currency),
    )


def _findings_table(findings: list[tuple[str, Finding]]) -> Table:
    table = Table("tariff", "level", "what", "where", "says")
    for name, finding in findings:
        style = {"error": "red", "warning": "yellow"}.get(finding.level)
        table.add_row(name, finding.level, finding.code, finding.place, finding.message, style=style)
    return table
