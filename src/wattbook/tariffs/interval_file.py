"""A file of intervals from which one house can be rated: what was measured of each slot, and the highest power.

CSV with the columns `start` (RFC 3339 with an offset) and `kwh`, and optionally `minutes` (15 where it is missing).
"""

import csv
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_WH, Energy, div_half_up
from wattbook.tariffs.hours import bounds, slot_of
from wattbook.tariffs.household import Usage
from wattbook.tariffs.schedule import Schedule

MINUTES: Final = (5, 10, 15, 20, 30, 60)
LINES_MAX: Final = 200_000
"""More than a year of five minutes."""


class _Reading(NamedTuple):
    start: datetime
    minutes: int
    energy: Energy


def usage_of_file(schedule: Schedule, path: Path, contract_w: int | None = None) -> Usage:
    """What the file measured of each slot of the schedule.

    Raises:
        InvalidInput: it cannot be read, a line is out of form or outside the period (which line), intervals overlap, or
            some of the period is missing.
    """
    slots = [0] * len(schedule.slots)
    peak = _Peak(schedule.tariff.demand_minutes)
    expected, ends_at = bounds(schedule)
    for line, reading in sorted(_readings(path).items(), key=lambda item: item[1].start):
        if reading.start != expected:
            kind = (
                "overlaps the one before" if reading.start < expected else f"leaves a gap from {expected.isoformat()}"
            )
            raise InvalidInput(f"{path.name}, line {line}: the interval from {reading.start.isoformat()} {kind}")
        slots[slot_of(schedule, reading.start, reading.minutes)] += reading.energy.mwh
        peak.add(reading)
        expected = reading.start + timedelta(minutes=reading.minutes)
    if expected != ends_at:
        raise InvalidInput(f"{path.name} ends at {expected.isoformat()}, the period at {ends_at.isoformat()}")
    return Usage(tuple(Energy(mwh) for mwh in slots), contract_w, peak.watts(path.name))


def _readings(path: Path) -> dict[int, _Reading]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"start", "kwh"} <= set(rows.fieldnames or ()):
                raise InvalidInput(f"{path.name} needs a first line with the columns start, kwh and perhaps minutes")
            readings: dict[int, _Reading] = {}
            for row in rows:
                if len(readings) == LINES_MAX:
                    raise InvalidInput(f"{path.name} has more than {LINES_MAX} lines")
                readings[rows.line_num] = _reading(row, f"{path.name}, line {rows.line_num}")
            return readings
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None


def _reading(row: dict[str, str | None], where: str) -> _Reading:
    try:
        start = datetime.fromisoformat(row["start"] or "")
        minutes = int(row.get("minutes") or 15)
        energy = Energy.from_kwh(Decimal(row["kwh"] or ""))
    except (ValueError, ArithmeticError, InvalidInput):
        raise InvalidInput(f"{where}: not an interval: {row['start']!r}, {row['kwh']!r}") from None
    if start.tzinfo is None or minutes not in MINUTES or energy.mwh < 0:
        raise InvalidInput(f"{where}: an interval has a start with an offset, {MINUTES} minutes and at least 0 kWh")
    return _Reading(utc(start), minutes, energy)


class _Peak:
    """The highest mean power: over the tariff's demand interval, or over each interval where the tariff has none."""

    def __init__(self, minutes: int | None) -> None:
        self._minutes = minutes
        self._longest = 0
        self._highest = Fraction()
        self._sums: dict[tuple[int, int], int] = {}

    def add(self, reading: _Reading) -> None:
        self._longest = max(self._longest, reading.minutes)
        minutes = self._minutes or reading.minutes
        demand = (minutes, int(reading.start.timestamp()) // (minutes * 60))
        self._sums[demand] = self._sums.get(demand, 0) + reading.energy.mwh
        self._highest = max(self._highest, Fraction(self._sums[demand] * 60, MWH_PER_WH * minutes))

    def watts(self, file: str) -> int:
        """Half up.

        Raises:
            InvalidInput: an interval is longer than the demand interval.
        """
        if self._minutes is not None and self._longest > self._minutes:
            raise InvalidInput(f"{file} has intervals of {self._longest} minutes; the tariff needs {self._minutes}")
        return div_half_up(self._highest.numerator, self._highest.denominator)
