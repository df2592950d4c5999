"""Readings in CSV files of a declared layout."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from wattbook.household.readings.intake.csv_layout import CsvLayout
from wattbook.household.readings.intake.items import (
    CONTENT_SHOWN_MAX,
    BadLine,
    Complaint,
    IntervalReading,
    Item,
    RegisterReading,
    decimal,
    energy,
    text_of,
    unit,
)
from wattbook.household.readings.intake.local_time import LocalClock, starts_of_day, zone_of

MISSING = "missing"
"""A quality that says there is no value, whatever the value column holds."""


def read_csv(content: bytes, layout: CsvLayout) -> Iterator[Item]:
    """The readings of a file, row by row; a row that is wrong is a complaint, and the next one is read.

    A row is a line: a quotation mark that nobody closes does not swallow the rest of the file.
    """
    try:
        lines = text_of(content, layout.encoding).splitlines()
        first, places = _places(lines, layout)
    except BadLine as bad:
        yield bad.at(0)
        return
    file = _File(layout, places)
    is_cut = not content.endswith((b"\n", b"\r"))
    for number, line in enumerate(lines[first:], start=first + 1):
        try:
            row = _cells(line, layout)
            if any(cell.strip() for cell in row):
                yield from file.items(number, row)
        except BadLine as bad:
            # Only the last line of a file that does not end with one can be cut short.
            cut = is_cut and number == len(lines) and line.count(layout.delimiter) + 1 < places.count
            yield Complaint(number, "truncated" if cut else bad.complaint_code, bad.message, line[:CONTENT_SHOWN_MAX])


def _places(lines: Sequence[str], layout: CsvLayout) -> tuple[int, "_Places"]:
    """The index of the first line that holds readings, and where its columns stand."""
    if not layout.has_header:
        return layout.skip, _Places.by_number(layout)
    if len(lines) <= layout.skip:
        raise BadLine("format", "the file has no header")
    return layout.skip + 1, _Places.by_header(layout, _cells(lines[layout.skip], layout))


def _cells(line: str, layout: CsvLayout) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=layout.delimiter, strict=True), [])
    except csv.Error as error:
        raise BadLine("format", f"not a row of CSV: {error}") from None


class _Places:
    """Where in a row each column stands, from 0."""

    def __init__(self, layout: CsvLayout, places: Mapping[str | int, int], count: int) -> None:
        self.meter = None if layout.meter is None else places[layout.meter]
        self.value = places[layout.value]
        self.time = [places[name] for name in layout.time]
        self.register = None if layout.register is None else places[layout.register]
        self.unit = None if layout.unit_column is None else places[layout.unit_column]
        self.quality = None if layout.quality is None else places[layout.quality]
        known = [self.meter, self.value, *self.time, self.register, self.unit, self.quality]
        self.count = count or max(place for place in known if place is not None) + 1

    @classmethod
    def by_number(cls, layout: CsvLayout) -> "_Places":
        return cls(layout, {number: number - 1 for number in range(1, 1_001)}, 0)

    @classmethod
    def by_header(cls, layout: CsvLayout, header: Sequence[str]) -> "_Places":
        found: dict[str | int, int] = {name.strip(): place for place, name in enumerate(header)}
        found |= {number + 1: number for number in range(len(header))}
        try:
            return cls(layout, found, len(header))
        except KeyError as missing:
            raise BadLine("format", f"the header has no column {missing}: {', '.join(header)[:200]}") from None


class _File:
    """Turns the rows of one file into items."""

    def __init__(self, layout: CsvLayout, places: _Places) -> None:
        self._layout = layout
        self._places = places
        self._zone = zone_of(layout.zone)
        self._clock = LocalClock(self._zone)

    def items(self, line: int, row: Sequence[str]) -> Iterator[Item]:
        """Raises:
        BadLine: nothing of the row can be taken in.
        """
        if len(row) < self._places.count and self._layout.form == "reading-rows":
            raise BadLine("format", f"{len(row)} columns where {self._places.count} are needed")
        if self._layout.form == "day-rows":
            yield from self._day(line, row)
        else:
            yield from self._reading(line, row)

    def _reading(self, line: int, row: Sequence[str]) -> Iterator[Item]:
        layout, series = self._layout, self._series(row)
        stamp = self._clock_time(" ".join(_cell(row, place) for place in self._places.time))
        moment = stamp.astimezone(UTC) if stamp.tzinfo else self._clock.moment(stamp, series)
        quality = self._quality(row)
        if quality == MISSING:
            return
        value = decimal(_cell(row, self._places.value), layout.decimal)
        mwh = energy(value, self._unit(row), layout.minutes, layout.multiplier)
        if layout.counts == "register":
            yield RegisterReading(line, *series, moment, mwh, quality)
        else:
            start = moment if layout.stamps == "start" else moment - timedelta(minutes=layout.minutes)
            yield IntervalReading(line, *series, start, layout.minutes, mwh, quality)

    def _day(self, line: int, row: Sequence[str]) -> Iterator[Item]:
        """A value for each interval of the local day; an empty cell in between is a value that is missing."""
        layout, series = self._layout, self._series(row)
        day = self._clock_time(_cell(row, self._places.time[0])).date()
        cells = list(islice(row, self._places.value, None))
        starts = starts_of_day(day, self._zone, layout.minutes)
        while len(cells) > len(starts) and not cells[-1].strip():
            cells.pop()  # a file has as many columns as its longest day
        if len(cells) != len(starts):
            raise BadLine("count", f"{day} has {len(starts)} intervals in {layout.zone}, the row {len(cells)} values")
        quality, its_unit = self._quality(row), self._unit(row)
        if quality == MISSING:
            return
        for start, cell in zip(starts, cells, strict=True):
            if cell.strip():
                try:
                    mwh = energy(decimal(cell, layout.decimal), its_unit, layout.minutes, layout.multiplier)
                except BadLine as bad:
                    yield bad.at(line, f"{start:%Y-%m-%dT%H:%MZ} {cell}")
                else:
                    yield IntervalReading(line, *series, start, layout.minutes, mwh, quality)

    def _series(self, row: Sequence[str]) -> tuple[str, str]:
        meter = self._layout.meter_is if self._places.meter is None else _cell(row, self._places.meter)
        if not meter:
            raise BadLine("meter", "no meter is named")
        if self._places.register is None:
            return meter, self._layout.register_is
        code = _cell(row, self._places.register)
        return meter, self._layout.register_codes.get(code, code)

    def _clock_time(self, text: str) -> datetime:
        try:
            return datetime.strptime(text, self._layout.time_format)  # noqa: DTZ007 the layout's zone is added later
        except ValueError:
            raise BadLine("time", f"not a time written as {self._layout.time_format}: {text[:60]!r}") from None

    def _unit(self, row: Sequence[str]) -> str:
        return unit(self._layout.unit if self._places.unit is None else _cell(row, self._places.unit))

    def _quality(self, row: Sequence[str]) -> str:
        if self._places.quality is None:
            return "valid"
        word = _cell(row, self._places.quality)
        if word not in self._layout.quality_codes:
            raise BadLine("value", f"the layout has no quality {word[:40]!r}")
        return self._layout.quality_codes[word]


def _cell(row: Sequence[str], place: int) -> str:
    if place >= len(row):
        raise BadLine("format", f"{len(row)} columns where {place + 1} are needed")
    return row[place].strip()
