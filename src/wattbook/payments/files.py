"""Files of payments: CSV with a line of names above, or JSON lines; one payment document a line.

A dry run does everything and undoes it, so its report is the report that the import would give.
"""

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput
from wattbook.payments.documents import PaymentDocument
from wattbook.payments.intake import DOCUMENTS_MAX, Outcome, Receipt, take_in
from wattbook.payments.ports import Neighbours
from wattbook.payments.senders import is_known

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
LINE_LENGTH_MAX: Final = 64 * 1024


class Form(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"


@dataclass(frozen=True, slots=True)
class Line:
    """A payment of a file: where its line begins, counted from 1, and its document as JSON."""

    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class LineReport:
    number: int
    outcome: Outcome
    payment: str | None
    owner: str | None
    code: str | None
    message: str | None


class _Undone(Exception):
    """A dry run is over."""


def read_lines(content: bytes, form: Form) -> list[Line]:
    """The lines that are not empty. What is wrong with one of them is found when it is taken in.

    Raises:
        InvalidInput: the file as a whole is none: too large, not UTF-8, without the line of names.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidInput(f"a file of payments has at most {FILE_BYTES_MAX} bytes")
    if form is Form.JSON_LINES:
        lines = content.removeprefix(BOM_UTF8).split(b"\n")
        return [Line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the file is not UTF-8: byte {error.start}") from None
    return list(_csv_lines(text))


def _csv_lines(text: str) -> Iterator[Line]:
    known = set(PaymentDocument.__struct_fields__)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.strip() for name in next(rows, [])]
    if "payment_id" not in names or len(set(names)) < len(names) or not set(names) <= known:
        raise InvalidInput(f"the first line names the columns, each once, of {', '.join(sorted(known))}")
    before = rows.line_num
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            # The reader cannot tell where the next payment begins: what is left is one line that is kept as it is.
            rest = "".join(io.StringIO(text, newline="").readlines()[before:])
            yield Line(before + 1, f"{error}: {rest[:LINE_LENGTH_MAX]}".encode())
            return
        number, before = before + 1, rows.line_num
        if row and len(row) != len(names):
            yield Line(number, ",".join(row).encode())
        elif any(row):
            yield Line(number, json.dumps({n: v for n, v in zip(names, row, strict=True) if v != ""}).encode())


async def import_lines(
    database: Database, sender: str, lines: list[Line], neighbours: Neighbours, *, now: datetime, dry_run: bool
) -> list[LineReport]:
    """Take in each line, 500 in a transaction: an import that broke off is made again from its beginning.

    Raises:
        InvalidInput: the sender is not registered.
    """
    async with database.snapshot() as connection:
        if not await is_known(connection, sender):
            raise InvalidInput(f"sender {sender[:64]!r} is not registered")
    receipts: list[Receipt] = []
    step = len(lines) if dry_run else DOCUMENTS_MAX // 2
    try:
        for start in range(0, len(lines), max(step, 1)):
            async with database.transaction() as connection:
                for first in range(start, min(start + step, len(lines)), DOCUMENTS_MAX):
                    part = [line.content for line in lines[first : min(first + DOCUMENTS_MAX, start + step)]]
                    receipts += await take_in(connection, sender, part, neighbours, now=now, source="file")
                if dry_run:
                    raise _Undone
    except _Undone:
        pass
    return [_report(line, receipt) for line, receipt in zip(lines, receipts, strict=True)]


def _report(line: Line, receipt: Receipt) -> LineReport:
    error = receipt.error
    return LineReport(
        line.number,
        receipt.outcome,
        receipt.payment,
        receipt.owner,
        None if error is None else error.code,
        None if error is None else error.message,
    )
