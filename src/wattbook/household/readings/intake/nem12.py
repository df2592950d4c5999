"""AEMO NEM12 files (Meter Data File Format Specification): interval data of the Australian market.

The rows are read by `nemreader`, one by one, so that a bad row costs only itself; the library reads a file as a whole
or not at all. Market time is Eastern Standard Time the whole year (UTC+10), so a day always has 24 hours.
"""

import csv
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta, timezone
from typing import Any, Final

from nemreader import nem_objects, nem_reader

from wattbook.household.readings.intake.items import (
    EXPORT,
    IMPORT,
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    decimal,
    energy,
    text_of,
    unit,
)

logging.getLogger("nemreader").setLevel(logging.CRITICAL)  # what it would warn of stands in the report

MARKET_TIME: Final = timezone(timedelta(hours=10))
MINUTES_PER_DAY: Final = 1_440
SECONDS_PER_MINUTE: Final = 60
REGISTERS: Final = {"E": IMPORT, "B": EXPORT}
"""NMI suffixes (NEM12, appendix A.2): E is net of the consumer's import, B of its export, both in kWh. K and Q count
reactive energy."""
QUALITIES: Final = {"A": "valid", "E": "provisional", "F": "estimated", "S": "estimated"}
"""Quality flags (NEM12, 4.4): actual, forward estimate, final substitute, substitute. N (null) and V (varies: the rows
400 that follow say) are no quality of a value."""
_FLAG: Final = re.compile(r"[A-Z][0-9]{0,2}")


def read_nem12(content: bytes) -> Iterator[Item]:
    """The readings of a file; a reading's method is `NEM` and the flag with its method number, such as `NEM S14`."""
    try:
        lines = text_of(content).splitlines()
    except BadLine as bad:
        yield bad.at(0)
        return
    if not lines or not any(line.startswith("100,NEM12") for line in lines[:2]):
        yield Complaint(0, "format", "the file does not begin with a record 100 of NEM12")
        return
    file = _File()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield from file.items(number, line)
    yield from file.rest()
    if not file.is_ended:
        yield Complaint(len(lines), "truncated", "the record 900 that ends the file is missing")


class _File:
    """The records of a file in order: a 200 names the series of the 300s after it, a 400 changes the 300 before it."""

    def __init__(self) -> None:
        self.is_ended = False
        self._series: nem_objects.NmiDetails | None = None
        self._pending: tuple[int, str, Any] | None = None

    def items(self, line: int, text: str) -> Iterator[Item]:
        row = next(csv.reader([text]))
        if row[0] != "400":
            yield from self.rest()
        try:
            self._record(line, text, row)
        except BadLine as bad:
            yield bad.at(line, text)
            if row[0] == "200":
                self._series = None
            elif row[0] == "400":  # what it would have said of the values is not known
                self._pending = None

    def rest(self) -> Iterator[Item]:
        """The readings of the record 300 that no further 400 can change."""
        pending, self._pending = self._pending, None
        if pending is not None and self._series is not None:
            yield from _readings(*pending, self._series)

    def _record(self, line: int, text: str, row: Sequence[str]) -> None:
        try:
            if row[0] == "200":
                self._series = nem_reader.parse_200_row(list(row))
                _check_series(self._series)
            elif row[0] == "300":
                self._pending = (line, text, self._intervals(row))
            elif row[0] == "400":
                self._change(row)
            elif row[0] == "900":
                self.is_ended = True
            elif row[0] not in ("100", "500"):
                raise BadLine("format", f"no record of NEM12 begins with {row[0][:20]!r}")
        except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError) as error:
            raise BadLine("format", f"not a record {row[0]} of NEM12: {error}") from None

    def _intervals(self, row: Sequence[str]) -> nem_objects.IntervalRecord:
        series = self._series
        if series is None:
            raise BadLine("format", "no sound record 200 says whose values these are")
        expected = MINUTES_PER_DAY // series.interval_length
        if len(row) < expected + 3 or not _FLAG.fullmatch(row[expected + 2]):
            raise BadLine("count", f"no quality flag after {expected} values: more values or fewer than the day has")
        if nem_reader.parse_datetime(row[1]) is None:
            raise BadLine("time", f"not a date: {row[1][:20]!r}")
        padded = [*row, *[""] * (expected + 6 - len(row))]
        return nem_reader.parse_300_row(padded, series.interval_length, series.uom, series.meter_serial_number)

    def _change(self, row: Sequence[str]) -> None:
        if self._pending is None or self._series is None:
            raise BadLine("format", "no record 300 is before it")
        event = nem_reader.parse_400_row([*row, "", ""], self._series.interval_length)
        line, text, record = self._pending
        changed = nem_reader.update_reading_events(record.interval_values, event)  # type: ignore[no-untyped-call]
        self._pending = line, text, record._replace(interval_values=changed)


def _check_series(series: nem_objects.NmiDetails) -> None:
    unit(series.uom)
    if series.nmi_suffix[:1] not in REGISTERS:
        raise BadLine("register", f"data stream {series.nmi_suffix[:10]!r} counts no active energy in or out")


def _readings(
    line: int, text: str, record: nem_objects.IntervalRecord, series: nem_objects.NmiDetails
) -> Iterator[Item]:
    updated = record.update_datetime
    version = None if updated is None else int(updated.replace(tzinfo=MARKET_TIME).timestamp()) // SECONDS_PER_MINUTE
    register = REGISTERS[series.nmi_suffix[0]]
    # The library holds values as floats and takes what is no number for missing: so the digits come from the row.
    cells = next(csv.reader([text]))[2:]
    for reading, cell in zip(record.interval_values, cells, strict=False):
        flag = reading.quality_method or ""
        if not cell.strip() or flag[:1] == "N":
            continue
        start = reading.t_start.replace(tzinfo=MARKET_TIME).astimezone(UTC)
        try:
            if flag[:1] not in QUALITIES:
                raise BadLine("value", f"no quality flag of a value: {flag[:10]!r}")
            mwh = energy(decimal(cell), unit(reading.uom), series.interval_length)
        except BadLine as bad:
            yield bad.at(line, f"{start:%Y-%m-%dT%H:%MZ} {cell}")
            continue
        method = "" if flag == "A" else f"NEM {flag}"
        length = series.interval_length
        yield IntervalReading(line, series.nmi, register, start, length, mwh, QUALITIES[flag[0]], method, version)
