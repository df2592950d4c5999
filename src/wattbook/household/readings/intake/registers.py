"""Counting registers: readings kept, and intervals made of their differences where they come often enough.

A register counts up and begins again at zero after its last digit. A value below the one before is such a rollover when
the number of digits is known and the difference is one the meter can have measured; else the register was reset or the
meter changed, nothing is known of the energy between, and a person has to look.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.household import work_list
from wattbook.household.readings import reading_rows
from wattbook.household.readings.intake.items import Complaint, IntervalReading, RegisterReading
from wattbook.household.readings.intake.matching import Matcher
from wattbook.household.readings.intake.report import Report
from wattbook.household.readings.interval_schema import MINUTES
from wattbook.household.readings.reading_rows import Channel
from wattbook.household.work_list import Finding, Kind
from wattbook.kernel.clock import format_rfc3339
from wattbook.kernel.units import MWH_PER_KWH

VALUE_MWH_MAX: Final = 10**18
POWER_W_MAX: Final = 250_000


class Advance(NamedTuple):
    """What a register counted up by between two readings; None where it cannot be known."""

    energy_mwh: int | None
    rolled_over: bool = False


def advance(before_mwh: int, after_mwh: int, lasting: timedelta, channel: Channel) -> Advance:
    """The energy that passed between two readings, with the multiplier of the channel."""
    if after_mwh >= before_mwh:
        return Advance((after_mwh - before_mwh) * channel.multiplier)
    if channel.digits is None:
        return Advance(None)
    counted = (after_mwh + 10**channel.digits * MWH_PER_KWH - before_mwh) * channel.multiplier
    hours = max(lasting / timedelta(hours=1), 1 / 60)
    possible_mwh = int((channel.power_w_max or POWER_W_MAX) * hours * 1_000)
    return Advance(counted, True) if counted <= possible_mwh else Advance(None)


async def take_in_registers(
    connection: AsyncConnection,
    given: Sequence[RegisterReading],
    report: Report,
    matcher: Matcher,
    *,
    now: datetime,
    dry_run: bool,
) -> list[IntervalReading]:
    """Keep register readings, and return the intervals that follow from those an interval apart."""
    sound = [each for each in given if _is_sound(each, report, now)]
    by_series: dict[tuple[str, str], dict[datetime, RegisterReading]] = defaultdict(dict)
    for reading in sound:
        known = by_series[reading.meter, reading.register].setdefault(reading.at, reading)
        if known.value_mwh != reading.value_mwh:
            words = f"line {known.line} says {known.value_mwh} mWh of the same moment"
            report.refuse(Complaint(reading.line, "version", words, _content(reading)))
    intervals: list[IntervalReading] = []
    for (meter, register), readings in by_series.items():
        channel = matcher.channel(meter, register)
        moments = sorted(readings)
        stored = await reading_rows.registers_around(connection, meter, register, moments[0], moments[-1])
        added = await _keep(connection, list(readings.values()), stored, report, now, dry_run)
        shown = {row.at: row.value_mwh for row in stored} | {each.at: each.value_mwh for each in added}
        lines = {moment: reading.line for moment, reading in readings.items()}
        intervals += await _derived(connection, channel, shown, lines, now, dry_run)
    report.derived += len(intervals)
    return intervals


def _is_sound(reading: RegisterReading, report: Report, now: datetime) -> bool:
    complaint = None
    if reading.at > now:
        complaint = Complaint(reading.line, "future", f"read at {format_rfc3339(reading.at)}", _content(reading))
    elif not 0 <= reading.value_mwh <= VALUE_MWH_MAX:
        complaint = Complaint(reading.line, "value", "a register shows 0 or more", _content(reading))
    if complaint is not None:
        report.refuse(complaint)
    return complaint is None


async def _keep(
    connection: AsyncConnection,
    given: Sequence[RegisterReading],
    stored: Sequence[reading_rows.StoredRegister],
    report: Report,
    now: datetime,
    dry_run: bool,
) -> list[RegisterReading]:
    """What is new or another version."""
    known = {row.at: row for row in stored}
    wanted: list[tuple[RegisterReading, int]] = []
    for reading in given:
        row = known.get(reading.at)
        if row is not None and (row.value_mwh, row.quality) == (reading.value_mwh, reading.quality):
            report.registers_known += 1
        else:
            wanted.append((reading, 0 if row is None else row.version + 1))
    report.registers += len(wanted)
    if wanted and not dry_run:
        await reading_rows.add_registers(connection, wanted, report.source, now)
    return [reading for reading, _ in wanted]


async def _derived(
    connection: AsyncConnection,
    channel: Channel,
    shown: dict[datetime, int],
    lines: dict[datetime, int],
    now: datetime,
    dry_run: bool,
) -> list[IntervalReading]:
    """Intervals between neighbours of which one is new; what went backwards is put on the work list."""
    intervals: list[IntervalReading] = []
    broken: list[Finding] = []
    # A series has one length, the shortest: where a reading in between is missing, its neighbours make no interval.
    shortest = min((after - before for before, after in pairwise(sorted(shown))), default=timedelta())
    for before, after in pairwise(sorted(shown)):
        if before not in lines and after not in lines:
            continue
        counted = advance(shown[before], shown[after], after - before, channel)
        if counted.energy_mwh is None:
            words = f"the register fell from {shown[before]} to {shown[after]} mWh"
            broken.append(Finding(Kind.REGISTER_FELL, channel.meter, channel.register, before, after, words))
            continue
        minutes, rest = divmod(after - before, timedelta(minutes=1))
        if after - before == shortest and not rest and minutes in MINUTES:
            method = "register rollover" if counted.rolled_over else "register"
            line = lines.get(after, lines.get(before, 0))
            intervals.append(
                IntervalReading(
                    line, channel.meter, channel.register, before, minutes, counted.energy_mwh, method=method
                )
            )
    if not dry_run:
        await work_list.open_items(connection, broken, now)
    return intervals


def _content(reading: RegisterReading) -> str:
    return f"{reading.meter} {reading.register} {format_rfc3339(reading.at)} {reading.value_mwh} mWh"
