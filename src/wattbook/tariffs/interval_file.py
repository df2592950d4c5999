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
from wattbook.kernel.units import Energy, div_half_up
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
    peak_w = 0
    expected, ends_at = bounds(schedule)
    for line, reading in sorted(_readings(path).items(), key=lambda item: item[1].start):
        if reading.start != expected:
            kind = (
                "overlaps the one before" if reading.start < expected else f"leaves a gap from {expected.isoformat()}"
            )
            raise InvalidInput(f"{path.name}, line {line}: the interval from {reading.start.isoformat()} {kind}")
        slots[slot_of(schedule, reading.start, reading.minutes)] += reading.energy.mwh
        peak_w = max(peak_w, _watts(reading))
        expected = reading.start + timedelta(minutes=reading.minutes)
    if expected != ends_at:
        raise InvalidInput(f"{path.name} ends at {expected.isoformat()}, the period at {ends_at.isoformat()}")
    return Usage(tuple(Energy(mwh) for mwh in slots), contract_w, peak_w)


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


def _watts(reading: _Reading) -> int:
    """The mean power of the interval: mWh / 1000 / hours, half up."""
    power = Fraction(reading.energy.mwh * 60, 1_000 * reading.minutes)
    return div_half_up(power.numerator, power.denominator)
